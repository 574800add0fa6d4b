"""How coroutines of the relay wait for what a protocol hears, at no cost while nobody waits."""

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any, Final, cast

from gateway.prompt import PromptTask, prompt_task

#: what a coroutine gives way with, once, whose task knows what it waits for
_ONCE: Final = (None,)


class Signal:
    """Wakes one coroutine. Remembers nothing: whoever waits looks before, and again afterwards."""

    __slots__ = ("_loop", "_task", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        #: who waits: one of them
        self._waiter: asyncio.Future[None] | None = None
        self._task: PromptTask | None = None

    def __repr__(self) -> str:
        return f"<Signal {'awaited' if self.is_awaited else 'not awaited'}>"

    @property
    def is_awaited(self) -> bool:
        """Somebody waits for it."""
        return self._task is not None or (self._waiter is not None and not self._waiter.done())

    def next(self) -> Awaitable[None]:
        """To be awaited at once: done with the next `wake`. One waits at a time: who did before is forgotten."""
        task = prompt_task()
        if task is not None:
            self._task = task
            task.wait_for(self)
            return self
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def __await__(self) -> Generator[Any, None, None]:
        return cast("Generator[Any, None, None]", iter(_ONCE))

    def wake(self) -> None:
        """The coroutine that waits, if there is one, goes on in a turn of the loop to come."""
        if (task := self._take_task()) is not None:
            task.wake()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def wake_now(self) -> None:
        """It goes on before this returns, where its task can: whatever it does has happened then."""
        if (task := self._take_task()) is not None:
            task.step()
        else:
            self.wake()

    def forget(self) -> None:
        """Nobody waits any more."""
        self._task = None

    def _take_task(self) -> PromptTask | None:
        task, self._task = self._task, None
        return task


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

    def drained(self) -> Awaitable[None]:
        """To be awaited, while `is_paused`: done with the next `resume`."""
        return self._drained.next()
