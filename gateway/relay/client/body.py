"""The body of a request on its way: what the parser puts in, and whoever reads it takes out. Bounded by holding."""

import asyncio
from typing import Final

from gateway.core.errors import Refusal
from gateway.relay.client.wire import Wire

#: bytes of a body that are held for whoever takes it slowly, before reading from the client pauses
HELD: Final = 128 * 1024


class IncomingBody:
    """One body, without its framing."""

    __slots__ = ("_held", "_parts", "_waiter", "_wire", "failure", "is_complete", "missing", "received")

    def __init__(self, wire: Wire, *, length: int | None) -> None:
        """`length`: bytes, as the head announces them; None: it comes in chunks."""
        self._wire = wire
        self._parts: list[bytes] = []
        #: bytes that nobody took yet
        self._held = 0
        self._waiter: asyncio.Future[None] | None = None
        #: bytes that came, and bytes still to come; -1: nobody knows
        self.received = 0
        self.missing = -1 if length is None else length
        #: all of it came
        self.is_complete = False
        #: why the rest of it never will
        self.failure: Refusal | None = None

    @property
    def is_full(self) -> bool:
        """More is held than should be."""
        return self._held > HELD

    # The parser's side

    def put(self, data: bytes) -> None:
        """More of it."""
        self._parts.append(data)
        self._held += len(data)
        self.received += len(data)
        if self.missing >= 0:
            self.missing -= len(data)
        self._wake()

    def end(self) -> None:
        """That was all."""
        self.is_complete = True
        self._wake()

    def fail(self, failure: Refusal) -> None:
        """There will be no more of it."""
        if not self.is_complete and self.failure is None:
            self.failure = failure
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # The reader's side

    def take(self) -> bytes:
        """What is here and nobody took yet; empty when there is nothing."""
        parts = self._parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if self._held:
            self._held = 0
            self._wire.pace()
        return taken

    async def read(self) -> bytes:
        """What is here, once something is; empty at the end. Raises its failure."""
        while self.failure is None and not (self._parts or self.is_complete):
            self._waiter = self._wire.loop.create_future()
            await self._waiter
        if self.failure is not None:
            raise self.failure
        return self.take()
