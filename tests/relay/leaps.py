"""A loop whose time a test moves on: half a minute passes in a moment, in order, second by second."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

#: turns of the loop in which whatever became due does its work; what it writes reaches a socket of loopback meanwhile
TURNS = 12


class Leaps:
    """The time of one running loop, and how far a test has moved it on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time
        self.ahead = 0.0

    def time(self) -> float:
        return self._time() + self.ahead

    async def on(self, seconds: float, *, until: Callable[[], object] = lambda: False) -> float:
        """Moves on by so much, in steps of a second at most; ends early once `until` holds. Gives what passed."""
        passed = 0.0
        while passed < seconds and not until():
            step = min(1.0, seconds - passed)
            self.ahead += step
            passed += step
            for _ in range(TURNS):
                await asyncio.sleep(0)
        return passed


@asynccontextmanager
async def leaping() -> AsyncIterator[Leaps]:
    """To be entered before the gateway starts: it may remember whom it asks for the time. asyncio's own loop only."""
    loop = asyncio.get_running_loop()
    leaps = Leaps(loop)
    loop.time = leaps.time  # type: ignore[method-assign]
    # Never undone: the time of a loop does not go back, and the loop is that of one test.
    yield leaps
