"""`bearer-gateway check --online`: asks all that a gateway with this configuration depends on, and says how each is.

Asks as the gateway does, once, all at the same time, nobody for longer than 15 seconds. What is printed of a response
are our own words.
"""

import asyncio
import secrets as randomness
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, cast

from msgspec.structs import replace

from gateway.core.addresses import parse_upstream
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import KUBERNETES, Issuer, issuer_name, proxy_of
from gateway.core.config.log import Log
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.config.words import shown_keys
from gateway.core.errors import UpstreamUnreachable
from gateway.core.token.keys import UnusableKeySet
from gateway.core.token.presets import suggest_preset
from gateway.core.token.tenants import are_apart, filled
from gateway.core.token.userinfo import ACCEPT
from gateway.observe.log import set_up_logging
from gateway.observe.observers import Unheard
from gateway.relay.upstream.dialing import Dialer
from gateway.relay.upstream.dialing import Factory as ConnectionFactory
from gateway.remote.client import Client
from gateway.remote.http import FetchFailed, fetch_json, shown_address
from gateway.remote.introspection_call import IntrospectionCall, NotSaid
from gateway.remote.keys.discovery import DISCOVERY, Publisher, check_issuer
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.remote.metadata import Metadata
from gateway.remote.userinfo import ENDPOINT
from gateway.store.health import NO_EVICTION
from gateway.store.store import Store

#: seconds for all that is asked of one of them
LIMIT: Final = 15.0
#: seconds until a store that cannot be had is given up, and from one look whether it can to the next
STORE_LIMIT: Final = 3.0
STORE_PAUSE: Final = 0.05
#: the preset of the provider whose responses mislead most
KEYCLOAK: Final = "keycloak"
State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one of them is."""

    #: such as `issuer login.example.com`
    about: str
    state: State
    says: str
    #: seconds that it took
    took: float = 0.0


class Wrong(Exception):
    """It is not as it must be; a sentence of ours."""


#: says how it is where it is well; Wrong and its kin where it is not
Question = Callable[[], Awaitable[tuple[State, str]]]


def questions_of(config: Config, secrets: Mapping[Secret, str]) -> Iterator[tuple[str, Question]]:
    """Who is asked, and how, in the order of the reference. `secrets`: what was read for each that it names."""
    for issuer in config.issuers:
        name = issuer_name(issuer)
        if are_apart(issuer):
            for iss in filled(issuer):
                yield f"issuer {iss}", partial(_ask_issuer, replace(issuer, issuer=iss, tenants=None), secrets)
        else:
            yield f"issuer {name}", partial(_ask_issuer, issuer, secrets)
        if issuer.introspection is not None:
            yield f"introspection of {name}", partial(_ask_introspection, issuer, issuer.introspection, secrets)
        if issuer.userinfo is not None:
            yield f"userinfo of {name}", partial(_ask_userinfo, issuer, issuer.userinfo, secrets)
    if config.store.url is not None:
        yield "store", partial(_ask_store, config, secrets)
    upstreams = upstreams_of(config)
    names = shown_keys(upstreams)
    for name, upstream in upstreams.items():
        yield f"upstream {names[name]}", partial(_dial, upstream)


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


async def _ask_issuer(issuer: Issuer, secrets: Mapping[Secret, str]) -> tuple[State, str]:
    """Is it reachable, is it who it is taken for, and do its keys verify what is configured."""
    published = await Publisher(issuer, read=secrets.__getitem__).fetch_key_set(time.monotonic())
    if issuer.preset == KUBERNETES and issuer.fetch is not None and issuer.fetch.origin is not None:
        # Its keys have no issuer's name on them: a cluster says what it is called beside them.
        address = issuer.fetch.origin + DISCOVERY
        check_issuer((await fetch_json(address, issuer, read=secrets.__getitem__)).document, issuer)
    found = {alg for key in published.keys.keys for alg in key.algorithms}
    usable = sorted(found.intersection(issuer.algorithms))
    if not usable:
        raise Wrong("has keys, and none for the configured algorithms")
    keys = len(published.keys.keys)
    says = f"{keys} {'key' if keys == 1 else 'keys'}, for {', '.join(usable)}"
    unusable = [str(skipped) for skipped in published.keys.skipped if not skipped.is_meant]
    return ("warning", f"{says}; {'; '.join(unusable)}") if unusable else ("ok", says)


async def _ask_introspection(
    issuer: Issuer, section: Introspection, secrets: Mapping[Secret, str]
) -> tuple[State, str]:
    """Is there an endpoint that takes the gateway's credentials, and does not know a token that nobody issued."""
    keys = RemoteIssuers([issuer], observer=Unheard(), read=secrets.__getitem__)
    call = IntrospectionCall(issuer, section, issuers=keys, read=secrets.__getitem__)
    try:
        address = await call.endpoint()
        members = await call.ask(address, (next(iter(section.prefix), "") + randomness.token_urlsafe()).encode())
    except NotSaid as failure:
        raise Wrong(f"{shown_address(address)}: {failure}") from None
    finally:
        await call.stop()
        await keys.stop()
    if members["active"]:
        return "warning", f"{shown_address(address)} says of a token made up that it is active: is it the endpoint?"
    says = f"{shown_address(address)} takes the gateway's credentials, and does not know a token made up"
    if KEYCLOAK in {issuer.preset, suggest_preset(issuer.issuer)}:
        says += f"; of tokens whose aud lacks {section.client_id} Keycloak says the same"
    return "ok", says


async def _ask_userinfo(issuer: Issuer, section: UserInfoSection, secrets: Mapping[Secret, str]) -> tuple[State, str]:
    """Is there an endpoint that refuses a token that nobody issued."""
    client = Client(ca_file=issuer.ca_file, proxy=proxy_of(issuer))
    metadata = Metadata(issuer, read=secrets.__getitem__)
    try:
        address = section.endpoint or await metadata.endpoint(ENDPOINT)
        token = randomness.token_urlsafe()
        headers = {"Accept": ACCEPT, "Authorization": f"Bearer {token}"}
        asked = await client.get(address, headers=headers, timeout=float(section.timeout))
    finally:
        await metadata.stop()
        await client.close()
    shown = shown_address(address)
    if asked.status in {400, 401, 403}:
        return "ok", f"{shown} refuses a token made up, as it should"
    if asked.status == 200:
        return "warning", f"{shown} takes a token made up: is it the endpoint?"
    raise Wrong(f"{shown}: status {asked.status} to a token made up, where 401 is due")


async def _ask_store(config: Config, secrets: Mapping[Secret, str]) -> tuple[State, str]:
    """Can it be had as the gateway would have it, and does it keep what it is given."""
    store = Store(config.store, read=secrets.__getitem__, observer=Unheard())
    shared = store.shared
    assert shared is not None  # it has a url
    try:
        await store.start()
        until = time.monotonic() + STORE_LIMIT
        while not shared.is_up and time.monotonic() < until:  # noqa: ASYNC110 -- it tells nobody when that changes
            await asyncio.sleep(STORE_PAUSE)
        if not shared.is_up:
            raise Wrong(shared.reason or "it cannot be had")
        evicts = shared.evicts
    finally:
        await store.close()
    if evicts and config.revocation is not None:
        return "warning", f"can be had; its maxmemory-policy is not {NO_EVICTION}: what was revoked may be forgotten"
    if evicts:
        return "ok", f"can be had; its maxmemory-policy is not {NO_EVICTION}, which caches can do with"
    return "ok", "can be had, and throws nothing away"


class _Knock(asyncio.Protocol):
    """A connection that is of no use but to show that there could be one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ends it."""
        transport.close()


async def _dial(upstream: UpstreamSection) -> tuple[State, str]:
    """Can there be a connection to it, TLS included; nothing is asked of it."""
    try:
        dialer = Dialer(upstream)
    except ValueError as error:
        raise Wrong(str(error)) from None
    await dialer.open(cast("ConnectionFactory", _Knock))
    kind = parse_upstream(upstream.url).scheme
    return "ok", "accepts connections" + {"https": ", with a certificate that is accepted"}.get(kind, "")


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


def table(findings: Sequence[Finding]) -> list[str]:
    """A line each, in columns."""
    width = max((len(finding.about) for finding in findings), default=0)
    return [f"{finding.state:<8} {finding.about:<{width}}  {finding.says}" for finding in findings]
