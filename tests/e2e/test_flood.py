"""Connections that flood the whole program: workers live through it, and everybody else is served meanwhile."""

import asyncio
import contextlib
import time
from pathlib import Path

from test_workers import directory, program, upstream

from gateway.demo.issuer import DemoIssuer
from tests.relay.floods import flooding
from tests.wire import RawClient

__all__ = ["directory"]

#: each has so many requests in one go, and none of them a token
CONNECTIONS, COUNT = 80, 9_600
#: seconds: a supervisor gives a worker fifteen
LENGTH = 19.0
#: seconds: what may be waited for among so many that have their turns
PATIENT = 3.0


async def served(address: str, request: bytes) -> None:
    """One request on a connection of its own; or the patience of a client ends."""
    client = await RawClient.connect(address)
    with contextlib.suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError):
        async with asyncio.timeout(LENGTH):
            response = await client.ask(request)
            assert response.status == 200
    client.reset()


async def test_a_flood_kills_no_worker_and_holds_nobody_up(directory: Path, issuer: DemoIssuer) -> None:
    async with upstream() as api, program(directory, issuer, api) as gateway:
        workers = sorted(gateway.workers())
        address = gateway.url.removeprefix("http://")
        request = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {issuer.access_token()}\r\n\r\n".encode()
        waited = []
        async with flooding(address, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * COUNT, connections=CONNECTIONS):
            ends = time.monotonic() + LENGTH
            while time.monotonic() < ends:
                before = time.monotonic()
                await served(address, request)
                waited.append(time.monotonic() - before)
                await asyncio.sleep(0.1)
            assert "killed" not in gateway.output.decode()
            assert sorted(gateway.workers()) == workers
        assert len(waited) > LENGTH / PATIENT
        assert max(waited) < PATIENT
