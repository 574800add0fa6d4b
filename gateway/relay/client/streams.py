"""Event streams and tunnels of a listener: none ends by itself, so a listener that drains ends them, one by one.

All at once, their clients would all come back at once, to the gateways that are left.
"""

import asyncio
from typing import Final

from gateway.relay.tunnel import Tunnel

#: seconds that a tunnel has to end in good order, once its client was told; at most this part of the time for all
GOODBYE: Final = 1.0
_PART: Final = 0.25
#: seconds between two looks at least: when there are more streams, several end at a time
STEP: Final = 0.02


class OpenStream:
    """One of them, for as long as it is open."""

    def __init__(self, timeout: asyncio.Timeout, tunnel: Tunnel | None) -> None:
        """`timeout`: around it; when it is over the stream ends. `tunnel`: None for an event stream."""
        self._timeout = timeout
        self._tunnel = tunnel
        #: it ends since it was told to
        self.is_told = False

    def end(self, *, goodbye: float) -> None:
        """An event stream at once, a tunnel once its client was told and both sides ended; within `goodbye` seconds."""
        if self._timeout.expired():
            return
        self.is_told = True
        ends = asyncio.get_running_loop().time()
        if self._tunnel is not None:
            self._tunnel.go_away()
            ends += goodbye
        expires = self._timeout.when()
        self._timeout.reschedule(ends if expires is None else min(ends, expires))


class Streams:
    """All that are open, in the order in which they were opened, and their end."""

    def __init__(self) -> None:
        """Needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._open: dict[OpenStream, None] = {}
        #: by when all that are open are told to end, in seconds of the loop; and how long it takes for those to come
        self._ends = self._seconds = 0.0
        self._goodbye = GOODBYE
        #: one was opened where there was none, or there is less time than was thought
        self._news = asyncio.Event()
        self._winding: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Streams {len(self._open)} open{', winding down' if self._winding is not None else ''}>"

    def add(self, timeout: asyncio.Timeout, tunnel: Tunnel | None) -> OpenStream:
        """Another one: `forget` it when it is over."""
        opened = OpenStream(timeout, tunnel)
        self._open[opened] = None
        if self._winding is not None and len(self._open) == 1:
            self._news.set()
        return opened

    def forget(self, opened: OpenStream | None) -> None:
        """It is over."""
        if opened is not None:
            self._open.pop(opened, None)

    def wind_down(self, *, seconds: float) -> None:
        """Ends the first one now, the others evenly, all within that time. Whatever is opened later has as long.

        When called again while some are left, they end by the earlier of both times.
        """
        now = self._loop.time()
        self._goodbye = min(GOODBYE, _PART * seconds)
        seconds -= self._goodbye
        ends = now + seconds
        self._ends = min(self._ends, ends) if self._open and self._ends > now else ends
        self._seconds = seconds
        self._news.set()
        if self._winding is None:
            self._end_oldest(1)
            self._winding = self._loop.create_task(self._wind_down(), name="wind down streams")

    def close(self) -> None:
        """No more of them are ended here."""
        if self._winding is not None:
            self._winding.cancel()

    async def _wind_down(self) -> None:
        while True:
            self._news.clear()
            if not self._open:
                await self._news.wait()
                continue
            now = self._loop.time()
            if now >= self._ends:
                self._ends = now + self._seconds
            left = self._ends - now
            share = left / (len(self._open) + 1)
            step = max(share, STEP)
            try:
                async with asyncio.timeout(step):
                    await self._news.wait()
            except TimeoutError:
                self._end_oldest(round(step / share) if share > 0 else len(self._open))

    def _end_oldest(self, count: int) -> None:
        for opened in [opened for opened, _ in zip(self._open, range(count), strict=False)]:
            del self._open[opened]
            opened.end(goodbye=self._goodbye)
