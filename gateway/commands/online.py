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

from gateway.commands.finding import Asked, Finding, Question, State, Wrong, table
from gateway.commands.met import CLOCK
from gateway.commands.online_apis import SAYS_NOTHING, ask_collector, ask_store, ask_token_endpoint, ask_upstream
from gateway.commands.online_issuers import ask_introspection, ask_issuer, ask_userinfo
from gateway.console import remedies
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.issuers import Issuer, issuer_name
from gateway.core.config.log import Log
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import token_requests_of
from gateway.core.config.words import shown_keys
from gateway.core.errors import UpstreamUnreachable
from gateway.core.token.keys import UnusableKeySet
from gateway.core.token.tenants import are_apart, filled
from gateway.observe.log import set_up_logging
from gateway.remote.fetched import FetchFailed

#: seconds for all that is asked of one of them
LIMIT: Final = 15.0


def questions_of(config: Config, secrets: Mapping[Secret, str]) -> Iterator[Asked]:
    """Who is asked, how, and what helps, in the order of the reference. `secrets`: what was read for each."""
    for issuer in config.issuers:
        name = issuer_name(issuer)
        if are_apart(issuer):
            for iss in filled(issuer):
                one = replace(issuer, issuer=iss, tenants=None)
                yield Asked(f"issuer {iss}", partial(ask_issuer, one, secrets), partial(_issuer_remedy, one))
        else:
            yield Asked(f"issuer {name}", partial(ask_issuer, issuer, secrets), partial(_issuer_remedy, issuer))
        if issuer.introspection is not None:
            yield Asked(f"introspection of {name}", partial(ask_introspection, issuer, issuer.introspection, secrets))
        if issuer.userinfo is not None:
            yield Asked(f"userinfo of {name}", partial(ask_userinfo, issuer, issuer.userinfo, secrets))
    if config.store.url is not None:
        yield Asked("store", partial(ask_store, config, secrets))
    upstreams = upstreams_of(config)
    names = shown_keys(upstreams)
    for name, upstream in upstreams.items():
        yield Asked(f"upstream {names[name]}", partial(ask_upstream, upstream), _api_remedy)
        for section in token_requests_of(upstream).values():
            yield Asked(f"token for {names[name]}", partial(ask_token_endpoint, name, section, secrets))
    if config.tracing is not None:
        yield Asked("tracing", partial(ask_collector, config.tracing, secrets))


def _issuer_remedy(issuer: Issuer, says: str) -> str:
    return remedies.OF_A_CLOCK if CLOCK in says else remedies.of_issuer(says, issuer.issuer)


def _api_remedy(says: str) -> str:
    return remedies.OF_A_SILENT_API if SAYS_NOTHING in says else remedies.of_api(says)


async def ask_all(
    config: Config,
    secrets: Mapping[Secret, str],
    *,
    told: Callable[[Finding], None],
    limit: float = LIMIT,
    strict: bool = False,
) -> list[Finding]:
    """Asks each of them, all at the same time; in the order of the reference. `told`: hears of each as it comes.

    `strict`: what would be a warning is a problem.
    """

    async def ask(asked: Asked) -> Finding:
        begun = time.monotonic()
        state, says = await _heard(asked.question, limit)
        if strict and state == "warning":
            state = "problem"
        advice = "" if state == "ok" else asked.remedy(says)
        finding = Finding(asked.about, state, says, time.monotonic() - begun, advice)
        told(finding)
        return finding

    return await asyncio.gather(*(ask(asked) for asked in questions_of(config, secrets)))


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


def run_online(config: Config, secrets: Mapping[Secret, str], *, strict: bool = False) -> bool:
    """Asks them, with a line for each that has responded and a table at the end. True: none has a problem.

    `strict`: a warning is one.
    """

    def told(finding: Finding) -> None:
        print(f"asked    {finding.about}: {finding.state} after {finding.took:.1f} s", flush=True)

    set_up_logging(Log(level="error", format="text"))
    findings = asyncio.run(ask_all(config, secrets, told=told, strict=strict))
    for line in table(findings):
        print(line)
    wrong = sum(finding.state == "problem" for finding in findings)
    print(f"Of {len(findings)} that were asked, {wrong or 'none'} {'has' if wrong < 2 else 'have'} a problem.")
    return not wrong
