"""The admin listener's pages: /livez, /readyz, /metrics, public keys. Never on the traffic port or behind a token."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from gateway.core.errors import ClientDisconnected, Draining, MethodNotAllowed, Refusal
from gateway.core.model import HeaderLine
from gateway.ports import Exchange

#: seconds for which rendered metrics are given out again: a scrape must never hold traffic
METRICS_KEPT = 1.0
#: seconds for which an API may keep the public keys of assertions; a new key is published for longer before it signs
KEYS_KEPT = 60


class IssuerHealth(Protocol):
    """What readiness needs to know of one issuer."""

    @property
    def name(self) -> str:
        """Configured name."""

    @property
    def has_keys(self) -> bool:
        """There are keys, and they are not too old."""

    @property
    def first_fetch_ended(self) -> bool:
        """It was asked at least once."""

    @property
    def reason(self) -> str | None:
        """Why the last fetch failed, if it did."""


class Page:
    """A small complete answer."""

    def __init__(
        self,
        status: int,
        reason: bytes,
        body: bytes,
        content_type: bytes = b"application/json",
        *,
        cache_control: bytes = b"no-store",
    ) -> None:
        self.status = status
        self.reason = reason
        self.content_length: int | None = len(body)
        self.headers: tuple[HeaderLine, ...] = (
            (b"Content-Type", content_type),
            (b"Content-Length", b"%d" % len(body)),
            (b"Cache-Control", cache_control),
        )
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body at once."""
        if self._body:
            yield self._body

    def close(self) -> None:
        """Nothing to let go of."""


class Admin:
    """Answers the admin listener."""

    def __init__(
        self,
        *,
        registry: CollectorRegistry,
        issuers: Callable[[], Sequence[IssuerHealth]],
        all_issuers: bool,
        key_set: Callable[[], bytes] | None = None,
    ) -> None:
        """`issuers`: how they are now. `all_issuers`: ready only when every one of them has keys.

        `key_set`: the public keys of assertions as a JWK set; None: there are no assertions.
        """
        self._registry = registry
        self._issuers = issuers
        self._all_issuers = all_issuers
        self._key_set = key_set
        self._metrics = b""
        self._rendered_at = float("-inf")
        self._rendering = asyncio.Lock()
        #: the gateway is stopping: not ready whatever the issuers say
        self.draining = False

    async def handle(self, exchange: Exchange) -> None:
        """One request to its end."""
        with contextlib.suppress(ClientDisconnected):
            try:
                facts = exchange.read_facts()
                if facts.method not in ("GET", "HEAD"):
                    raise MethodNotAllowed(facts.method, allow=("GET", "HEAD"))
                page = await self._page(facts.path)
            except Refusal as refusal:
                await exchange.refuse(refusal)
            else:
                await exchange.relay(page)

    async def _page(self, path: str) -> Page:
        match path:
            case "/livez":
                return Page(200, b"OK", b'{"live":true}\n')
            case "/readyz":
                return self._readiness()
            case "/metrics":
                return Page(200, b"OK", await self._render(), CONTENT_TYPE_PLAIN_0_0_4.encode("ascii"))
            case "/.well-known/jwks.json" if self._key_set is not None:
                # RFC 7517 section 8.5.2
                kept = b"public, max-age=%d" % KEYS_KEPT
                return Page(200, b"OK", self._key_set(), b"application/jwk-set+json", cache_control=kept)
            case _:
                return Page(404, b"Not Found", b'{"pages":["/livez","/readyz","/metrics"]}\n')

    def _readiness(self) -> Page:
        issuers = self._issuers()
        missing = [
            {"issuer": issuer.name, "reason": issuer.reason or "its keys were not fetched yet"}
            for issuer in issuers
            if not issuer.has_keys
        ]
        enough = not missing if self._all_issuers else len(missing) < len(issuers)
        ready = enough and all(issuer.first_fetch_ended for issuer in issuers) and not self.draining
        state: dict[str, object] = {"ready": ready, "missing": missing}
        if self.draining:
            state[Draining.reason] = True
        body = json.dumps(state).encode("ascii") + b"\n"
        return Page(200, b"OK", body) if ready else Page(503, b"Service Unavailable", body)

    async def _render(self) -> bytes:
        async with self._rendering:
            if time.monotonic() - self._rendered_at >= METRICS_KEPT:
                self._metrics = await asyncio.to_thread(generate_latest, self._registry)
                self._rendered_at = time.monotonic()
            return self._metrics
