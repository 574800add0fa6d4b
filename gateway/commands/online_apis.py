"""How `check --online` asks what stands behind the gateway: the APIs, who gives tokens for them, and the store."""

import asyncio
import re
import secrets as randomness
import ssl
import time
from collections.abc import Mapping
from typing import Final, cast

from gateway.commands.finding import State, Wrong
from gateway.core.addresses import parse_upstream
from gateway.core.config.file import Config, has_rates
from gateway.core.config.secret import Secret
from gateway.core.config.tracing import TracingSection
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import ExchangeRefused, ExchangeUnavailable
from gateway.core.upstream.exchange import (
    client_credentials_form,
    exchange_form,
    judge_client_credentials,
    judge_exchange,
)
from gateway.observe.observers import Unheard
from gateway.relay.upstream.dialing import Dialer
from gateway.relay.upstream.dialing import Factory as ConnectionFactory
from gateway.remote.fetched import shown_address
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.token_endpoint import TokenEndpoint
from gateway.store.down import StoreDown
from gateway.store.health import NO_EVICTION
from gateway.store.rates import try_counting
from gateway.store.redis import Redis
from gateway.store.store import Store

#: seconds for the first line of an API's response
SPEAKS_WITHIN: Final = 5.0
SAYS_NOTHING: Final = "says nothing to HEAD /"
#: seconds until a store that cannot be had is given up, and from one look whether it can to the next
STORE_LIMIT: Final = 3.0
STORE_PAUSE: Final = 0.05
#: bytes of a response that are looked at
_FIRST: Final = 256
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?![0-9])")
#: what a server may want that ends a connection, by how it is asked
_WANTS: Final = {"http": "; does it want https://?", "https": "; does it want a client certificate (tls)?", "unix": ""}
#: RFC 8446 section 5.1: an alert, or a handshake, of TLS
_TLS: Final = (b"\x15\x03", b"\x16\x03")


class _Caller(asyncio.Protocol):
    """A connection on which one request is sent, and the first line of its response is read."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None
        self.said = bytearray()
        #: why it ended
        self.error: Exception | None = None
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Reads no more than it needs."""
        self.said += data[:_FIRST]
        if b"\n" in self.said or len(self.said) >= _FIRST:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """There will be no more."""
        self.error = exc
        self.done.set()

    def close(self) -> None:
        """Ends it."""
        self.done.set()
        if self._transport is not None:
            self._transport.abort()


async def ask_upstream(upstream: UpstreamSection) -> tuple[State, str]:
    """Can there be a connection to it, TLS included, and does it speak HTTP: HEAD / shows that, and changes nothing."""
    try:
        dialer = Dialer(upstream)
    except ValueError as error:
        raise Wrong(str(error)) from None
    origin = parse_upstream(upstream.url)
    host = "localhost" if origin.path is not None else upstream.url.partition("://")[2].rstrip("/")
    caller = _Caller(
        f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bearer-gateway\r\nConnection: close\r\n\r\n".encode()
    )
    try:
        await dialer.open(cast("ConnectionFactory", lambda: caller))
        accepts = "accepts connections" + {"https": ", with a certificate that is accepted"}.get(origin.scheme, "")
        async with asyncio.timeout(SPEAKS_WITHIN):
            await caller.done.wait()
    except TimeoutError:
        return "warning", f"{accepts}, and {SAYS_NOTHING} within {SPEAKS_WITHIN:g} s"
    finally:
        caller.close()
    if not caller.said and isinstance(caller.error, ssl.SSLError):
        # TLS 1.3 tells of a client certificate that is missing, or unknown, once the handshake is over.
        why = caller.error.reason
        raise Wrong(f"{accepts}, and ends TLS before it responds ({why}){_WANTS[origin.scheme]}")
    return _heard(bytes(caller.said), accepts, scheme=origin.scheme)


def _heard(said: bytes, accepts: str, *, scheme: str) -> tuple[State, str]:
    """What the beginning of a response means."""
    found = _STATUS.match(said)
    if found is None:
        if scheme == "http" and said.startswith(_TLS):
            raise Wrong(f"{accepts}, and speaks TLS: its url begins with https://")
        what = "does not speak HTTP/1.1" if said else "closes them without a response"
        raise Wrong(f"{accepts}, and {what}{_WANTS[scheme]}")
    status = int(found[1])
    says = f"{accepts}, and responds (status {status} to HEAD /)"
    if status == 400:
        return "warning", f"{says}: does it know this Host{', or want https://' * (scheme == 'http')}?"
    return "warning" if status >= 500 and status != 501 else "ok", says


async def ask_token_endpoint(
    upstream: str, section: ClientCredentials | TokenExchange, secrets: Mapping[Secret, str]
) -> tuple[State, str]:
    """Does it take the gateway's credentials: a token of its own is asked for, or one in exchange for one made up."""
    shown = shown_address(section.token_endpoint)
    endpoint = TokenEndpoint(upstream, section, read=secrets.__getitem__, observer=Unheard(), clock=Clock())
    try:
        if isinstance(section, ClientCredentials):
            await endpoint.ask(client_credentials_form(section), judge_client_credentials)
            return "ok", f"{shown} gives the gateway its token"
        await endpoint.ask(exchange_form(section, randomness.token_urlsafe().encode()), judge_exchange)
    except ExchangeRefused:
        return "ok", f"{shown} takes the gateway's credentials, and nothing in exchange for a token made up"
    except ExchangeUnavailable as failure:
        raise Wrong(failure.evidence if shown in failure.evidence else f"{shown}: {failure.evidence}") from None
    finally:
        await endpoint.close()
    return "warning", f"{shown} gives a token in exchange for one made up: is it the endpoint?"


async def ask_collector(tracing: TracingSection, secrets: Mapping[Secret, str]) -> tuple[State, str]:
    """Does it take spans: a batch without any is sent. Where it does not, requests go on and traces are lost."""
    from gateway.observe.tracing.made import collector_of  # noqa: PLC0415 -- it needs the extra
    from gateway.observe.tracing.otlp import NotTaken  # noqa: PLC0415 -- as above

    shown = shown_address(tracing.endpoint)
    try:
        collector = collector_of(tracing, read=secrets.__getitem__, environ={})
    except ValueError as error:
        raise Wrong(str(error)) from None
    try:
        await collector.send(())
    except NotTaken as failure:
        return "warning", f"{shown} takes no spans: {failure}; requests go on without traces"
    finally:
        await collector.close()
    return "ok", f"{shown} takes spans"


async def ask_store(config: Config, secrets: Mapping[Secret, str]) -> tuple[State, str]:
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
        if has_rates(config):
            await _try_rates(shared)
    finally:
        await store.close()
    if evicts and config.revocation is not None:
        return "warning", f"can be had; its maxmemory-policy is not {NO_EVICTION}: what was revoked may be forgotten"
    if evicts and config.dpop is not None:
        return (
            "warning",
            f"can be had; its maxmemory-policy is not {NO_EVICTION}: a proof that was used may be forgotten",
        )
    if evicts:
        return "ok", f"can be had; its maxmemory-policy is not {NO_EVICTION}, which caches can do with"
    return "ok", "can be had, and throws nothing away"


async def _try_rates(shared: Redis) -> None:
    try:
        await try_counting(shared)
    except StoreDown as down:
        raise Wrong(f"can be had, and rates cannot be counted there: {down}") from None
