"""How coroutines of the relay wait for what a protocol hears: one future for each wait, none while nobody waits."""

import asyncio


class Signal:
    """Wakes one coroutine. Remembers nothing: whoever waits looks before, and again afterwards."""

    __slots__ = ("_loop", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Signal {'awaited' if self.is_awaited else 'not awaited'}>"

    @property
    def is_awaited(self) -> bool:
        """Somebody waits for it."""
        return self._waiter is not None and not self._waiter.done()

    def next(self) -> "asyncio.Future[None]":
        """To be awaited: done with the next `wake`. One waits at a time: a future given earlier is forgotten."""
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def wake(self) -> None:
        """Wakes the coroutine that waits, if there is one."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class FlowControl:
    """Flow control of one transport's writing: what `pause_writing` and `resume_writing` said last.

    After writing, whoever can wait does, while `is_paused`: `await flow.drained()`.
    """

    __slots__ = ("_drained", "is_paused")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._drained = Signal(loop)
        #: the other side takes less than is written
        self.is_paused = False

    def __repr__(self) -> str:
        return f"<FlowControl {'paused' if self.is_paused else 'flowing'}>"

    def pause(self) -> None:
        """The transport holds more than it should."""
        self.is_paused = True

    def resume(self) -> None:
        """It takes more again, or the connection ended, where nobody is to wait for it: wakes who waits."""
        self.is_paused = False
        self._drained.wake()

    @property
    def is_awaited(self) -> bool:
        """Somebody waits for the other side to take more."""
        return self._drained.is_awaited

    def drained(self) -> "asyncio.Future[None]":
        """To be awaited, while `is_paused`: done with the next `resume`."""
        return self._drained.next()
