"""Whose turn it is: connections that ask for more than their share of one turn of the loop go on one by one."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

#: seconds of one turn of the loop that a connection may use without waiting for anybody, and those that are always its
TURN: Final = 0.002
LEAST: Final = TURN / 16


class Turns:
    """A queue of connections that have had their turn. One goes on in each turn of the loop, however many there are."""

    __slots__ = ("_is_due", "_loop", "_waiting")

    def __init__(self) -> None:
        """Needs a running loop."""
        self._loop: Final = asyncio.get_running_loop()
        self._waiting: Final[deque[Callable[[], None]]] = deque()
        self._is_due = False

    def __repr__(self) -> str:
        return f"<Turns, {len(self._waiting)} waiting>"

    @property
    def share(self) -> float:
        """Seconds that a connection may use now: the more wait, the less, since many may have come in this turn."""
        return max(LEAST, TURN / (1 + len(self._waiting)))

    def put_off(self, go_on: Callable[[], None]) -> None:
        """Calls it in a turn of the loop in which nobody else is called here: the next one, when nobody waits."""
        self._waiting.append(go_on)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._next)

    def next(self) -> "asyncio.Future[None]":
        """To be awaited: done in such a turn."""
        turn: asyncio.Future[None] = self._loop.create_future()
        self.put_off(lambda: None if turn.done() else turn.set_result(None))
        return turn

    def _next(self) -> None:
        go_on = self._waiting.popleft()
        self._is_due = bool(self._waiting)
        if self._is_due:
            self._loop.call_soon(self._next)
        go_on()
