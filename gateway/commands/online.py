"""`bearer-gateway check --online`: asks all that a gateway with this configuration depends on, and says how each is.

Asks as the gateway does, once, all at the same time, nobody for longer than 15 seconds. What is printed of a response
are our own words.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from msgspec.structs import replace

from gateway.commands.finding import Finding, Question, State, Wrong, table
from gateway.commands.online_apis import ask_collector, ask_store, ask_token_endpoint, ask_upstream
from gateway.commands.online_issuers import ask_introspection, ask_issuer, ask_userinfo
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.issuers import issuer_name
from gateway.core.config.log import Log
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import token_requests_of
from gateway.core.config.words import shown_keys
from gateway.core.errors import UpstreamUnreachable
from gateway.core.token.keys import UnusableKeySet
from gateway.core.token.tenants import are_apart, filled
from gateway.observe.log import set_up_logging
from gateway.remote.http import FetchFailed

#: seconds for all that is asked of one of them
LIMIT: Final = 15.0


def questions_of(config: Config, secrets: Mapping[Secret, str]) -> Iterator[tuple[str, Question]]:
    """Who is asked, and how, in the order of the reference. `secrets`: what was read for each that it names."""
    for issuer in config.issuers:
        name = issuer_name(issuer)
        if are_apart(issuer):
            for iss in filled(issuer):
                yield f"issuer {iss}", partial(ask_issuer, replace(issuer, issuer=iss, tenants=None), secrets)
        else:
            yield f"issuer {name}", partial(ask_issuer, issuer, secrets)
        if issuer.introspection is not None:
            yield f"introspection of {name}", partial(ask_introspection, issuer, issuer.introspection, secrets)
        if issuer.userinfo is not None:
            yield f"userinfo of {name}", partial(ask_userinfo, issuer, issuer.userinfo, secrets)
    if config.store.url is not None:
        yield "store", partial(ask_store, config, secrets)
    upstreams = upstreams_of(config)
    names = shown_keys(upstreams)
    for name, upstream in upstreams.items():
        yield f"upstream {names[name]}", partial(ask_upstream, upstream)
        for section in token_requests_of(upstream).values():
            yield f"token for {names[name]}", partial(ask_token_endpoint, name, section, secrets)
    if config.tracing is not None:
        yield "tracing", partial(ask_collector, config.tracing, secrets)


async def ask_all(
    config: Config, secrets: Mapping[Secret, str], *, told: Callable[[Finding], None], limit: float = LIMIT
) -> list[Finding]:
    """Asks each of them, all at the same time; in the order of the reference. `told`: hears of each as it comes."""

    async def ask(about: str, question: Question) -> Finding:
        begun = time.monotonic()
        state, says = await _heard(question, limit)
        finding = Finding(about, state, says, time.monotonic() - begun)
        told(finding)
        return finding

    return await asyncio.gather(*(ask(about, question) for about, question in questions_of(config, secrets)))


async def _heard(question: Question, limit: float) -> tuple[State, str]:
    try:
        async with asyncio.timeout(limit):
            return await question()
    except TimeoutError:
        return "problem", f"no response within {limit:g} s"
    except (FetchFailed, UnusableKeySet, Wrong) as error:
        return "problem", str(error)
    except UpstreamUnreachable as refusal:
        return "problem", refusal.evidence


def run_online(config: Config, secrets: Mapping[Secret, str]) -> bool:
    """Asks them, with a line for each that has responded and a table at the end. True: none has a problem."""

    def told(finding: Finding) -> None:
        print(f"asked    {finding.about}: {finding.state} after {finding.took:.1f} s", flush=True)

    set_up_logging(Log(level="error", format="text"))
    findings = asyncio.run(ask_all(config, secrets, told=told))
    for line in table(findings):
        print(line)
    wrong = sum(finding.state == "problem" for finding in findings)
    print(f"Of {len(findings)} that were asked, {wrong or 'none'} {'has' if wrong < 2 else 'have'} a problem.")
    return not wrong
