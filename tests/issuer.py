"""The demo issuer made hostile, and a clock that only moves when told: what tests of remote and gate need."""

import asyncio
import heapq
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.jwk import ECKey

from gateway.core.errors import Refusal
from gateway.demo.issuer import DemoIssuer, SigningKey
from gateway.events import Event, KeysFetched, KeysKnown, KeysSuppressed, TokenRequested
from gateway.ports import Ending
from tests.minted import MINTED

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Real seconds after which a test that waits for something gives up.
PATIENCE = 10.0


class HostileIssuer(DemoIssuer):
    """Counts what it is asked, and responses a path as a test says."""

    def __init__(self, *, audience: str = "https://api.example.com", url: str | None = None) -> None:
        self._owned: list[RSAPrivateKey] = []
        super().__init__(audience=audience, url=url)
        #: requests by path
        self.hits: Counter[str] = Counter()
        #: Authorization header of the last request
        self.authorization: str | None = None
        self._responses: dict[str, Handler] = {}
        self._arrived: dict[str, asyncio.Event] = {}

    def new_keys(self) -> dict[str, SigningKey]:
        """As ever, of keys that were made already."""
        return {
            "RS256": MINTED.take(self._owned),
            "ES256": ECKey.generate_key("P-256", {"kid": f"es-{uuid4().hex[:8]}"}),
        }

    async def stop(self) -> None:
        """As ever, and gives its keys back."""
        await super().stop()
        MINTED.give_back(self._owned)

    def application(self) -> web.Application:
        """The routes of the demo issuer, and whatever path a test has a response for."""

        @web.middleware
        async def response(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.hits[request.path] += 1
            self.authorization = request.headers.get("Authorization")
            self._arrived.setdefault(request.path, asyncio.Event()).set()
            return await self._responses.get(request.path, handler)(request)

        application = super().application()
        application.middlewares.append(response)
        return application

    def response(
        self, path: str, body: bytes | str | None = None, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Responses `path` with these bytes, or with what it always says when there are none; other headers."""
        raw = body.encode() if isinstance(body, str) else body

        async def handler(request: web.Request) -> web.StreamResponse:
            if raw is None:
                original = await request.match_info.handler(request)
                original.headers.update(headers or {})
                return original
            return web.Response(body=raw, status=status, headers=headers)

        self._responses[path] = handler

    def response_by(self, path: str, handler: Handler) -> None:
        """Responses `path` by a function."""
        self._responses[path] = handler

    def behave(self) -> None:
        """Responses as an honest issuer again."""
        self._responses.clear()

    def hold(self, path: str) -> asyncio.Event:
        """Lets requests for `path` wait until the event is set, and then responses with what is published by then."""
        released = asyncio.Event()
        self._arrived[path] = asyncio.Event()

        async def handler(request: web.Request) -> web.StreamResponse:
            await released.wait()
            return await request.match_info.handler(request)

        self._responses[path] = handler
        return released

    async def asked(self, path: str) -> None:
        """Waits until there is a request for `path`: since `hold`, or ever."""
        async with asyncio.timeout(PATIENCE):
            await self._arrived.setdefault(path, asyncio.Event()).wait()


class SimulatedClock:
    """Wall and monotonic time that a test moves. Sleepers are woken in order, one at a time."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0
        self._slept = asyncio.Event()

    def wall(self) -> float:
        """Seconds since the epoch."""
        return 1_800_000_000.0 + self._now

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Until the clock has moved on."""
        future = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now + seconds, self._count, future))
        self._slept.set()
        await future

    async def idle(self, sleepers: int = 1) -> None:
        """Waits until as many sleep as there are issuers: every fetch that was due has ended."""
        async with asyncio.timeout(PATIENCE):
            while sum(not future.done() for _, _, future in self._sleepers) < sleepers:
                self._slept.clear()
                await self._slept.wait()

    def skip(self, seconds: float) -> None:
        """Moves on and wakes nobody: as if the background task were late."""
        self._now += seconds

    async def advance(self, seconds: float, *, sleepers: int = 1) -> None:
        """Moves on, and waits for all that happens on the way: fetches take no time."""
        end = self._now + seconds
        await self.idle(sleepers)
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self._now = max(self._now, at)
                future.set_result(None)
                await self.idle(sleepers)
        self._now = end


@dataclass
class RecordingObserver:
    """Writes down what it hears of keys, and of what is rare."""

    #: (issuer, ok, at)
    fetched: list[tuple[str, bool, float]] = field(default_factory=list)
    suppressed: list[str] = field(default_factory=list)
    #: (issuer, count, stale)
    known: list[tuple[str, int, bool]] = field(default_factory=list)
    #: everything that is rare, in order
    events: list[Event] = field(default_factory=list)
    #: (upstream, result)
    requested: list[tuple[str, str]] = field(default_factory=list)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetches(self, count: int) -> None:
        """Waits until `count` fetches have ended."""
        async with asyncio.timeout(PATIENCE):
            while len(self.fetched) < count:
                self._heard.clear()
                await self._heard.wait()

    def happened(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case KeysFetched(issuer, ok, at):
                self.fetched.append((issuer, ok, at))
                self._heard.set()
            case KeysSuppressed(issuer):
                self.suppressed.append(issuer)
            case KeysKnown(issuer, count, stale, _):
                self.known.append((issuer, count, stale))
            case TokenRequested(upstream, result):
                self.requested.append((upstream, result))

    def token_looked_up(self, *, hit: bool) -> None:
        """Not of interest here."""

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        """Not of interest here."""

    def connections_open(self, count: int) -> None:
        """Not of interest here."""

    def requests_in_flight(self, count: int) -> None:
        """Not of interest here."""

    def upstream_connections(self, upstream: str, *, idle: int, busy: int) -> None:
        """Not of interest here."""

    def tunnels_open(self, count: int) -> None:
        """Not of interest here."""

    def request_ended(self, ending: Ending) -> None:
        """Not of interest here."""
