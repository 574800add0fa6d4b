"""Connections that flood the whole program: workers live through it, and everybody else is served meanwhile."""

import asyncio
import contextlib
import time

import pytest

from tests.process.supervised import config, supervised
from tests.process.test_supervisor import jwks
from tests.relay.floods import flooding
from tests.wire import RawClient, RawUpstream, get

__all__ = ["jwks"]

#: each has so many requests in one go, and none of them a token
CONNECTIONS, COUNT = 80, 8_000
#: seconds: a supervisor gives a worker fifteen, this one as many as it is silent, and a worker is flooded for twice as long
HEARTBEAT, SILENT = 1.0, 3
LENGTH = 6.5
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


async def test_a_flood_kills_no_worker_and_holds_nobody_up(jwks: str, caplog: pytest.LogCaptureFixture) -> None:
    api = RawUpstream()
    await api.start()
    asked = config(jwks, api.url)
    async with supervised(asked, caplog, heartbeat=HEARTBEAT, silent=SILENT) as it:
        workers = it.pids
        address = it.supervisor._listeners.traffic.where
        waited = []
        async with flooding(address, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * COUNT, connections=CONNECTIONS) as floods:
            ends = time.monotonic() + LENGTH
            while time.monotonic() < ends:
                before = time.monotonic()
                await served(address, get())
                waited.append(time.monotonic() - before)
                await asyncio.sleep(0.1)
            assert any(flood.responded < COUNT for flood in floods), "it was over too early"
            assert not it.told("killed")
            assert it.pids == workers
        assert len(waited) > LENGTH / PATIENT
        assert max(waited) < PATIENT
    await api.stop()
