"""An issuer that is asked about opaque tokens is asked as little as can be, whoever sends what, and however it responds."""

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest_asyncio
from aiohttp import web
from process import START_SECONDS, GatewayProcess, serving

from gateway.demo.echo import EchoApi
from tests.issuer import HostileIssuer
from tests.redis_server import RedisServer

PATH = "/introspect"
GOOD = "good-"


@dataclass
class Endpoint:
    """Says of tokens that begin as good ones do that they are active, after a moment."""

    issuer: HostileIssuer
    takes: float = 0.0
    refusal: web.Response | None = None
    asked: Counter[str] = field(default_factory=Counter)

    async def respond(self, request: web.Request) -> web.Response:
        token = str((await request.post())["token"])
        self.asked[token] += 1
        await asyncio.sleep(self.takes)
        if self.refusal is not None:
            return web.Response(status=self.refusal.status, headers=self.refusal.headers)
        if not token.startswith(GOOD):
            return web.json_response({"active": False})
        return web.json_response({"active": True, "aud": self.issuer.audience, "sub": "alice", "token_type": "Bearer"})


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    issuer = HostileIssuer()
    await issuer.start()
    found = Endpoint(issuer)
    issuer.response_by(PATH, found.respond)
    yield found
    await issuer.stop()


def written(path: Path, endpoint: Endpoint, api: EchoApi, more: str = "") -> str:
    issuer = endpoint.issuer
    path.write_text(f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
limits: {{drain_delay: 0s}}
upstream: {api.url}
trusted_proxies: [127.0.0.1/32]
issuers:
  - {{issuer: {issuer.url}, audience: {issuer.audience}, introspection: {{endpoint: "{issuer.url}{PATH}", auth: none, cache: 10m}}}}
{more}
""")
    return str(path)


def token() -> str:
    return GOOD + secrets.token_urlsafe(24)


async def ask(session: aiohttp.ClientSession, gateway: GatewayProcess, text: str, sender: str) -> int:
    """The status."""
    headers = {"Authorization": f"Bearer {text}", "X-Forwarded-For": sender}
    async with session.get(gateway.url, headers=headers) as response:
        await response.read()
        return response.status


async def test_a_thousand_requests_with_one_new_token_make_one_call_and_so_do_those_at_another_replica(
    endpoint: Endpoint, api: EchoApi, redis: RedisServer, tmp_path: Path
) -> None:
    endpoint.takes = 0.5
    # What is shared is not to be missed for want of time.
    store = redis.yaml().replace("}]}", "}], timeout: 5s}")
    config = written(tmp_path / "gateway.yaml", endpoint, api, store)
    async with serving(config=config) as one, serving(config=config) as other, aiohttp.ClientSession() as session:
        for gateway in (one, other):
            await gateway.ready()
        new = token()
        for gateway, requests in ((one, 1000), (other, 50)):
            found = await asyncio.gather(*(ask(session, gateway, new, "203.0.113.1") for _ in range(requests)))
            assert set(found) == {200}
            assert endpoint.asked == {new: 1}


async def test_a_flood_of_random_tokens_costs_the_issuer_little_and_leaves_others_their_turn(
    endpoint: Endpoint, api: EchoApi, tmp_path: Path
) -> None:
    endpoint.takes = 0.1
    async with (
        serving(config=written(tmp_path / "gateway.yaml", endpoint, api)) as gateway,
        aiohttp.ClientSession() as session,
    ):
        await gateway.ready()
        statuses: Counter[int] = Counter()

        async def flood() -> None:
            while True:
                status = await ask(session, gateway, secrets.token_urlsafe(24), "203.0.113.7")
                statuses[status] += 1

        began = time.monotonic()
        working = [asyncio.create_task(flood()) for _ in range(50)]
        try:
            async with asyncio.timeout(START_SECONDS):
                while statuses[429] < 200:
                    # Nobody is told that others come first.
                    assert await ask(session, gateway, token(), "198.51.100.1") == 200
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
        # Thirty bad ones a minute are an address's due, and those that were under way by then.
        random = sum(count for text, count in endpoint.asked.items() if not text.startswith(GOOD))
        assert random <= 30 + (time.monotonic() - began) / 2 + 64
        assert statuses.keys() == {401, 429}
        assert max(endpoint.asked.values()) == 1


async def test_an_issuer_that_is_asked_too_much_has_silence_for_as_long_as_it_asked(
    endpoint: Endpoint, api: EchoApi, tmp_path: Path
) -> None:
    async with (
        serving(config=written(tmp_path / "gateway.yaml", endpoint, api)) as gateway,
        aiohttp.ClientSession() as session,
    ):
        await gateway.ready()
        known = token()
        assert await ask(session, gateway, known, "198.51.100.1") == 200
        endpoint.refusal = web.Response(status=429, headers={"Retry-After": "2"})
        began = time.monotonic()
        assert await ask(session, gateway, token(), "198.51.100.1") == 503
        endpoint.refusal = None
        total = endpoint.asked.total()
        while True:
            status, body, headers = await gateway.ask(token())
            if status == 200:
                break
            assert (status, body["reason"]) == (503, "introspection_unavailable")
            assert 1 <= int(headers["Retry-After"]) <= 2
            # What is known serves on.
            assert await ask(session, gateway, known, "198.51.100.1") == 200
            assert endpoint.asked.total() == total
        assert time.monotonic() - began > 2.0
        assert json.loads((await gateway.admin("/readyz"))[1])["ready"]
