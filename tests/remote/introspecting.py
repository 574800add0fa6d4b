"""An issuer that is asked about tokens, on a real socket, and the gateway's side of it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.secret import Secret
from gateway.core.errors import Refusal
from gateway.events import Event, TokenIntrospected
from gateway.store.cache import VALUE_BYTES, Cache
from gateway.store.memory import BoundedMemory
from tests.issuer import PATIENCE, HostileIssuer, SimulatedClock

PATH = "/introspect"
SECRET = Secret(file="s")

#: what is said of a token, by the token; or a whole response
Say = Callable[[str], Mapping[str, Any] | web.Response]


def memory(clock: SimulatedClock) -> Cache:
    """What a process keeps where nothing is shared, by a clock that tests move."""
    kept = BoundedMemory(entries=100, monotonic=clock.monotonic)
    return Cache("introspection", kept, shared=None, value_bytes=VALUE_BYTES, clock=clock.wall)


@dataclass
class Heard:
    """An observer of questions about tokens."""

    results: list[str] = field(default_factory=list)

    def happened(self, event: Event) -> None:
        assert isinstance(event, TokenIntrospected)
        assert (event.seconds is not None) is (event.result in {"active", "inactive"})
        self.results.append(event.result)

    def token_looked_up(self, *, hit: bool) -> None:
        raise AssertionError

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        raise AssertionError

    def connections_open(self, count: int) -> None:
        raise AssertionError

    def requests_in_flight(self, count: int) -> None:
        raise AssertionError

    def upstream_connections(self, upstream: str, *, idle: int, busy: int) -> None:
        raise AssertionError

    def tunnels_open(self, count: int) -> None:
        raise AssertionError

    def request_ended(self, ending: Any) -> None:
        raise AssertionError


class Endpoint:
    """What the issuer says at its introspection endpoint, and what it was asked."""

    def __init__(self, issuer: HostileIssuer) -> None:
        self.issuer = issuer
        self.asked: list[dict[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.say: Say = lambda _: {"active": True, "token_type": "Bearer", "sub": "alice"}
        #: responses wait for it
        self.open = asyncio.Event()
        self.open.set()
        self.under_way = self.most = 0
        self._arrived = asyncio.Event()
        issuer.response_by(PATH, self._response)

    async def _response(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        self.headers.append(request.headers)
        self._arrived.set()
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.open.wait()
        finally:
            self.under_way -= 1
        said = self.say(form["token"])
        return (
            said
            if isinstance(said, web.Response)
            else web.Response(body=json.dumps(said).encode(), content_type="application/json")
        )

    async def count(self, number: int) -> None:
        """Waits until it was asked so often."""
        async with asyncio.timeout(PATIENCE):
            while len(self.asked) < number:
                self._arrived.clear()
                await self._arrived.wait()

    def section(self, **settings: Any) -> Introspection:
        """How it is configured."""
        return Introspection(
            **{"client_id": "gateway", "client_secret": SECRET, "endpoint": self.issuer.url + PATH, **settings}
        )

    def configured(self, section: Introspection, **settings: Any) -> Issuer:
        """The issuer, as it is configured; named `local`."""
        return Issuer(
            **{
                "issuer": self.issuer.url,
                "audience": self.issuer.audience,
                "name": "local",
                "introspection": section,
                **settings,
            }
        )
