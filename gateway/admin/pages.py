"""The admin listener's pages: /livez, /readyz, /metrics, keys, probes. Never on the traffic port or behind a token."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gateway.admin.readiness import Readiness
from gateway.core.config.probes import ContainerProbes
from gateway.core.errors import ClientDisconnected, Draining, MethodNotAllowed, Refusal
from gateway.libraries.counting import CONTENT_TYPE_PLAIN_0_0_4
from gateway.messages import OwnResponse
from gateway.ports import Exchange

if TYPE_CHECKING:
    from gateway.admin.probes import Probes

#: seconds for which rendered metrics are given out again: a scrape must never hold traffic
METRICS_KEPT = 1.0
_PROBE: Final = "/probe/"
#: seconds for which an API may keep the public keys of assertions; a new key is published for longer before it signs
KEYS_KEPT = 60


def page(
    status: int,
    reason: bytes,
    body: bytes,
    content_type: bytes = b"application/json",
    *,
    cache_control: bytes = b"no-store",
) -> OwnResponse:
    """A small complete response."""
    lines = (
        (b"Content-Type", content_type),
        (b"Content-Length", b"%d" % len(body)),
        (b"Cache-Control", cache_control),
    )
    return OwnResponse(status, reason, lines, body)


def _outcome_page(reason: str | None) -> OwnResponse:
    if reason is None:
        return page(200, b"OK", b'{"ok":true}\n')
    return page(503, b"Service Unavailable", json.dumps({"ok": False, "reason": reason}).encode("ascii") + b"\n")


def _probes_of(containers: Mapping[str, ContainerProbes]) -> "Probes | None":
    """All that may be asked; None: nothing."""
    if not containers:
        return None
    from gateway.admin.probes import Probes  # noqa: PLC0415 -- its library is there where somebody is asked

    return Probes(containers)


class Admin:
    """Serves the admin listener."""

    def __init__(
        self,
        *,
        readiness: Callable[[], Readiness],
        render: Callable[[], bytes],
        key_set: Callable[[], bytes] | None = None,
        probes: Mapping[str, ContainerProbes] = MappingProxyType({}),
    ) -> None:
        """`render`: the metrics in the text format of Prometheus; it may take a second, and runs in a thread.

        `key_set`: the public keys of assertions as a JWK set; None: there are no assertions. `probes`: as configured,
        under /probe/; nobody is asked before a page is.
        """
        self._probes = _probes_of(probes)
        self._readiness_now = readiness
        self._render_now = render
        self._key_set = key_set
        self._metrics = b""
        self._rendered_at = float("-inf")
        #: whoever asks meanwhile waits for it
        self._rendering: asyncio.Task[bytes] | None = None
        #: the gateway is stopping: not ready whatever the issuers say
        self.draining = False

    def reconfigure(self, *, key_set: Callable[[], bytes] | None, probes: Mapping[str, ContainerProbes]) -> None:
        """From now on."""
        self._key_set, self._probes = key_set, _probes_of(probes)
        self._rendered_at = float("-inf")

    async def handle(self, exchange: Exchange) -> None:
        """One request to its end."""
        with contextlib.suppress(ClientDisconnected):
            try:
                facts = exchange.read_facts()
                if facts.method not in ("GET", "HEAD"):
                    raise MethodNotAllowed(facts.method, allow=("GET", "HEAD"))
                response = await self._page(facts.path)
            except Refusal as refusal:
                await exchange.refuse(refusal)
            else:
                await exchange.respond(response)

    async def _page(self, path: str) -> OwnResponse:
        match path:
            case "/livez":
                return page(200, b"OK", b'{"live":true}\n')
            case "/readyz":
                return self._readiness()
            case "/metrics":
                return page(200, b"OK", await self._render(), CONTENT_TYPE_PLAIN_0_0_4.encode("ascii"))
            case "/.well-known/jwks.json" if self._key_set is not None:
                # RFC 7517 section 8.5.2
                kept = b"public, max-age=%d" % KEYS_KEPT
                return page(200, b"OK", self._key_set(), b"application/jwk-set+json", cache_control=kept)
            case _:
                if self._probes is not None and path.startswith(_PROBE):
                    ask = self._probes.find(path.removeprefix(_PROBE))
                    if ask is not None:
                        return _outcome_page(await ask())
                return page(404, b"Not Found", b'{"pages":["/livez","/readyz","/metrics"]}\n')

    @property
    def is_ready(self) -> bool:
        """Whether /readyz says 200."""
        return self._readiness_now().ready and not self.draining

    def _readiness(self) -> OwnResponse:
        now = self._readiness_now()
        ready = now.ready and not self.draining
        missing = [{"issuer": name, "reason": reason} for name, reason in now.missing]
        state: dict[str, object] = {"ready": ready, "missing": missing}
        if now.store is not None:
            state["store"] = now.store
        if now.kept:
            state["kept"] = [{"issuer": name, "reason": reason} for name, reason in now.kept]
        if self.draining:
            state[Draining.reason] = True
        body = json.dumps(state).encode("ascii") + b"\n"
        return page(200, b"OK", body) if ready else page(503, b"Service Unavailable", body)

    async def _render(self) -> bytes:
        if time.monotonic() - self._rendered_at < METRICS_KEPT:
            return self._metrics
        if self._rendering is None:
            self._rendering = asyncio.create_task(self._render_anew())
        # It goes on when whoever asked has left: a crowd that comes and leaves must not have one thread each.
        return await asyncio.shield(self._rendering)

    async def _render_anew(self) -> bytes:
        try:
            self._metrics = await asyncio.to_thread(self._render_now)
            self._rendered_at = time.monotonic()
        finally:
            self._rendering = None
        return self._metrics
