"""Commands of which each ends in its time, and a connection on which one may wait."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from gateway.store.down import StoreDown

#: seconds in which connections are closed
CLOSE: Final = 0.5


class Timed:
    """Commands that have so many seconds each."""

    def __init__(self, client: Any, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    async def command(self, *parts: bytes | float | str) -> Any:
        """Its response. StoreDown."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._client.command(*parts)
        except TimeoutError:
            raise StoreDown(f"it does not respond within {self._seconds * 1000:.0f} ms") from None


class Follower:
    """A connection of its own, on which a command may wait. One command at a time."""

    def __init__(self, client: Any, others: "list[Follower]") -> None:
        self._client = client
        self._others = others

    async def command(self, *parts: bytes | float | str, seconds: float) -> Any:
        """Its response, within so many seconds. StoreDown; the next command connects anew."""
        return await Timed(self._client, seconds).command(*parts)

    async def close(self) -> None:
        """Ends it. May be called twice."""
        if self in self._others:
            self._others.remove(self)
        await within(CLOSE, self._client.close())


async def within(seconds: float, closing: Awaitable[None]) -> None:
    """Waits for what closes connections, and no longer than that: whoever has stopped does not say goodbye."""
    try:
        async with asyncio.timeout(seconds):
            await closing
    except (TimeoutError, OSError):
        pass


async def first_of(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, and no longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
