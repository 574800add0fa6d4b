"""How fast the console responds: whoever hammers it waits, and traffic does not."""

import asyncio
from typing import Final

#: requests of the kind that costs least, a second; and how many may come at once
RATE: Final = 25.0
BURST: Final = 50.0


class Pace:
    """Lets requests go on one after another. There are as many that wait as there may be connections."""

    def __init__(self) -> None:
        #: when the next may go on, in seconds of the loop, for one that would have come in time
        self._next = float("-inf")

    async def wait(self, weight: float = 1.0) -> None:
        """Until it is its turn. `weight`: what it costs, in those that cost least."""
        now = asyncio.get_running_loop().time()
        turn = max(self._next, now - BURST / RATE)
        self._next = turn + weight / RATE
        if self._next > now:
            await asyncio.sleep(self._next - now)
