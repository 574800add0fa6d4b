"""The body of a request on its way: what the parser finds goes in, and whoever reads it takes it out. Bounded."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.core.errors import BodyTooLarge, Refusal, RequestTimeout
from gateway.relay.waiting import Signal

#: bytes that a body may cost while nobody takes it, before reading from the client pauses
HELD: Final = 128 * 1024
#: bytes that a piece costs besides what it carries
_PIECE: Final = 96
#: seconds over which the rate of a body is counted: those in which somebody waited for it
WINDOW: Final = 30.0
_NEVER: Final = float("inf")


class RequestBody:
    """One body, without its framing, read at the pace of whoever takes it."""

    __slots__ = (
        "_arrived",
        "_held",
        "_limit",
        "_news",
        "_now",
        "_parts",
        "_room",
        "_since",
        "_waited",
        "bytes_in",
        "failure",
        "invite",
        "is_complete",
        "is_touched",
    )

    def __init__(self, *, limit: int | None, room: Callable[[], None], now: Callable[[], float]) -> None:
        """Needs a running loop. `limit`: bytes. `room` is called when there is room for more of it. `now`: seconds."""
        self._now = now
        self._limit = limit
        self._room = room
        self._parts: list[bytes] = []
        #: what those cost
        self._held = 0
        self._news: Final = Signal(asyncio.get_running_loop())
        #: since when somebody waits for more
        self._since = _NEVER
        #: seconds that somebody waited, and bytes that came, since the rate was last looked at
        self._waited = 0.0
        self._arrived = 0
        #: asks a client for it that waits to be asked
        self.invite: Callable[[], None] | None = None
        #: all of it came
        self.is_complete = False
        #: why the rest of it never will
        self.failure: Refusal | None = None
        #: somebody took of it: the request cannot be sent a second time
        self.is_touched = False
        #: bytes that were taken
        self.bytes_in = 0

    def __repr__(self) -> str:
        how = "complete" if self.is_complete else "broken" if self.failure is not None else "on its way"
        return f"<RequestBody {how}, {self.bytes_in} bytes taken, {sum(map(len, self._parts))} here>"

    @property
    def is_full(self) -> bool:
        """More is held than should be."""
        return self._held > HELD

    @property
    def is_here(self) -> bool:
        """Whether some of it arrived."""
        return bool(self._parts) or self.is_touched or self.is_complete

    # The connection's side

    def put(self, data: bytes) -> None:
        """More of it."""
        self._parts.append(data)
        self._held += len(data) + _PIECE
        self._arrived += len(data)
        self._news.wake()

    def end(self) -> None:
        """That was all."""
        self.is_complete = True
        self._news.wake()

    def fail(self, failure: Refusal) -> None:
        """There will be no more of it."""
        if not self.is_complete and self.failure is None:
            self.failure = failure
            self._news.wake()

    def drop(self) -> None:
        """Nobody will take what is here."""
        self._parts.clear()
        self._held = 0

    def check(self, now: float, *, timeout: float, rate: int) -> None:
        """Fails it when somebody waits for it for too long, or for too little. `now`: seconds of the clock.

        `timeout`: seconds without a byte of it. `rate`: bytes a second, over WINDOW. Only time in which somebody waits
        counts: who is made to wait, by an API that takes nothing or by a request before this one, is not slow.
        """
        # What is here has only not been noticed yet: after a turn of the loop that took long.
        waits = now - self._since if self._since != _NEVER and not (self._parts or self.is_complete) else 0.0
        if waits > timeout:
            self.fail(RequestTimeout("nothing came of the body within body_timeout"))
        waited = self._waited + waits
        if waited >= WINDOW:
            if self._arrived < rate * waited:
                self.fail(RequestTimeout("the body came at less than body_rate"))
            # The wait under way is counted up to here.
            self._waited, self._arrived = -waits, 0

    # The reader's side

    def take_whole(self) -> bytes | None:
        """All of it, where all of it is here already. BodyTooLarge."""
        return self._take() if self.is_complete else None

    async def read(self) -> bytes:
        """The next piece; empty at its end. Raises its failure; BodyTooLarge."""
        if self.invite is not None:
            self.invite()
        while self.failure is None and not (self._parts or self.is_complete):
            self._since = since = self._now()
            try:
                await self._news.next()
            finally:
                self._since = _NEVER
            self._waited += self._now() - since
        if self.failure is not None:
            raise self.failure
        return self._take()

    def _take(self) -> bytes:
        parts = self._parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if self._held:
            self._held = 0
            self._room()
        self.is_touched = True
        self.bytes_in += len(taken)
        if self._limit is not None and self.bytes_in > self._limit:
            raise BodyTooLarge(f"more than {self._limit} bytes of body")
        return taken
