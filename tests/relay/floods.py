"""One connection that sends much at once, and a measure of how long the loop did nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from tests.wire import PATIENCE

#: seconds
TICK = 0.002
_RESPONSE = b"HTTP/1.1 "


class Flood(asyncio.Protocol):
    """Sends a burst in one go, and counts the responses as they come; keeps nothing of them but the first bytes."""

    def __init__(self, burst: bytes) -> None:
        self._burst = burst
        self._last = b""
        self._news = asyncio.Event()
        self.responded = 0
        self.first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._burst)

    def data_received(self, data: bytes) -> None:
        self.first = self.first or data[:64]
        joined = self._last + data
        self.responded += joined.count(_RESPONSE)
        self._last = joined[1 - len(_RESPONSE) :]
        self._news.set()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._news.set()

    async def until_responded(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.responded < count:
                assert not self._transport.is_closing(), f"closed after {self.responded} responses"
                self._news.clear()
                await self._news.wait()

    def abort(self) -> None:
        self._transport.abort()


@asynccontextmanager
async def flooding(address: str, burst: bytes, *, connections: int = 1) -> AsyncIterator[list[Flood]]:
    """So many connections, each of which has begun to send."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    floods: list[Flood] = []
    try:
        for _ in range(connections):
            _, flood = await loop.create_connection(lambda: Flood(burst), host, int(port))
            floods.append(flood)
        yield floods
    finally:
        for flood in floods:
            flood.abort()


class Turns:
    """How long the loop was away at most, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, time.perf_counter() - before - TICK)


@asynccontextmanager
async def watched() -> AsyncIterator[Turns]:
    """Watches the loop."""
    turns = Turns()
    task = asyncio.create_task(turns.watch())
    await asyncio.sleep(TICK)
    try:
        yield turns
        await asyncio.sleep(TICK)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
