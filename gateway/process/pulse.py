"""Once a second: how late the event loop is, and what is to be looked at now and then beside the traffic."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

#: seconds
BEAT: Final = 1.0


class Pulse:
    """Beats as long as the loop runs. After calling this you must call `stop`."""

    def __init__(self, lagged: Callable[[float], None], looks: Sequence[Callable[[float], None]]) -> None:
        """Needs a running loop. `lagged` hears by how many seconds each beat is late; `looks` are given the time.

        That is in seconds of `time.monotonic`.
        """
        self._lagged = lagged
        self._looks = tuple(looks)
        self._loop = asyncio.get_running_loop()
        self._wait()

    def stop(self) -> None:
        """Beats no more. May be called twice."""
        self._next.cancel()

    def _wait(self) -> None:
        self._due = time.monotonic() + BEAT
        self._next = self._loop.call_later(BEAT, self._beat)

    def _beat(self) -> None:
        now = time.monotonic()
        self._lagged(max(0.0, now - self._due))
        for look in self._looks:
            look(now)
        self._wait()
