"""The clock of connections, and the look that is taken at all of them again and again for what is late.

One task for a listener or for all upstreams: a timer each would cost every request for what few need.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

#: seconds between two looks
SWEEP: Final = 1.0
#: how many looks there are at least within the shortest timeout
_LOOKS: Final = 4


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is, and how to wait. Tests have their own."""

    #: seconds; the loop's own time: it does not go back
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @classmethod
    def of_loop(cls) -> "Clock":
        """That of the running loop."""
        return cls(asyncio.get_running_loop().time)


class Sweep:
    """Calls `look` with the time now, from when it is made until it is closed."""

    def __init__(self, look: Callable[[float], None], *, shortest: float, clock: Clock, name: str) -> None:
        """Needs a running loop. `shortest`: seconds of the shortest timeout; what is late is so by a quarter of it."""
        self._look = look
        self._clock = clock
        self.interval = min(SWEEP, shortest / _LOOKS)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=name)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self.interval)
            self._look(self._clock.now())

    def close(self) -> None:
        """No more looks. May be called twice."""
        self._task.cancel()
