"""How fast the console responds: whoever hammers it waits, and traffic does not."""

import asyncio
from typing import Final

#: requests of the kind that costs least, a second; and how many may come at once
RATE: Final = 25.0
BURST: Final = 50.0
#: requests that wait at a time: no fewer than there may be connections
WAITING: Final = 16


class TooMany(Exception):
    """As many wait as may."""


class Pace:
    """Lets requests go on one after another. One whose connection has ended waits as well, and is one of those."""

    def __init__(self) -> None:
        #: when the next may go on, in seconds of the loop, for one that would have come in time
        self._next = float("-inf")
        self._waiting: set[asyncio.Task[object]] = set()

    async def wait(self, weight: float = 1.0) -> None:
        """Until it is its turn. TooMany. `weight`: what it costs, in those that cost least."""
        if len(self._waiting) >= WAITING:
            raise TooMany
        now = asyncio.get_running_loop().time()
        turn = max(self._next, now - BURST / RATE)
        self._next = turn + weight / RATE
        if self._next > now:
            task = asyncio.current_task()
            assert task is not None  # this runs in it
            self._waiting.add(task)
            try:
                await asyncio.sleep(self._next - now)
            finally:
                self._waiting.discard(task)

    def stop(self) -> None:
        """Ends those that wait: nobody else knows of one whose connection is gone."""
        for task in self._waiting:
            task.cancel()
