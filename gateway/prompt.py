"""A task that takes its steps at once, within the call that brought what it waits for, and not in a turn to come."""

# Theory of operation
#
# A task of asyncio's takes each of its steps in a turn of the loop that it has to be given: a request that waits for
# nothing but its upstream costs two of those, with a future and an entry in the loop's queue for each. Here the first
# step is taken within `start`, so within the call that brought the request, and that behind a `Signal` within its
# `wake_now`, so within the call that brought the response.
#
# In all else it is a task: `asyncio.current_task` gives it during its steps, whatever it awaits wakes it as it would
# wake any task, it can be cancelled, and has a context of its own. So nobody has to know which of the two they run in:
# timeouts, task groups and whole client libraries work in either (tests/test_prompt.py compares them).
#
# A step may be taken within a step of somebody else, never within one of its own: whoever runs waits for nothing.

import asyncio
from asyncio import current_task
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any, Final, Protocol, cast

_OVER: Final = object()


class Waited(Protocol):
    """What can be waited for without a future."""

    def forget(self) -> None:
        """Nobody waits for it any more."""


class PromptTask:
    """Runs one coroutine after another. Each begins within `start`, and must have ended before the next."""

    __slots__ = ("_cancels", "_context", "_future", "_loop", "_must_cancel", "_steps", "_waited")

    def __init__(self) -> None:
        """Needs a running loop."""
        self._loop: Final = asyncio.get_running_loop()
        #: what one coroutine sets there the next one finds, and nobody else
        self._context: Final = copy_context()
        #: of the coroutine under way, if there is one
        self._steps: Generator[Any, Any, None] | None = None
        #: what it waits for: one of them, or neither while it runs or is about to
        self._future: asyncio.Future[Any] | None = None
        self._waited: Waited | None = None
        #: it was cancelled, and has not heard of it
        self._must_cancel = False
        #: how often it was cancelled, less how often somebody took that back
        self._cancels = 0

    def __repr__(self) -> str:
        return f"<PromptTask {'over' if self.done() else 'under way'}>"

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Takes its steps up to where it first waits. Raises nothing: of a bug the loop's exception handler hears."""
        self._steps = coroutine.__await__()
        self._must_cancel, self._cancels = False, 0
        self.step()

    def done(self) -> bool:
        """It has ended, or nothing was ever started."""
        return self._steps is None

    # As those of asyncio.Task

    def cancel(self, msg: object = None) -> bool:
        """Raises CancelledError where it waits, in a turn to come; False: it has ended."""
        if self._steps is None:
            return False
        self._cancels += 1
        if self._future is not None and self._future.cancel(msg):
            return True
        self._must_cancel = True
        if self._waited is not None:
            self._waited.forget()
            self.wake()
        return True

    def cancelling(self) -> int:
        """How often it was cancelled, less how often somebody took that back."""
        return self._cancels

    def uncancel(self) -> int:
        """Takes one back, and says how many are left."""
        self._cancels = max(0, self._cancels - 1)
        if not self._cancels:
            self._must_cancel = False
        return self._cancels

    # For a signal

    def wait_for(self, waited: Waited) -> None:
        """It is about to wait for this, and gives way with None."""
        self._waited = waited

    def wake(self) -> None:
        """It goes on in a turn to come."""
        self._waited = None
        self._loop.call_soon(self.step)

    def step(self) -> None:
        """It goes on now. Only while it waits for a signal that forgot it, or for a turn of the loop."""
        self._waited = None
        steps, loop = self._steps, self._loop
        assert steps is not None  # or it would not wait
        outer, _NOW.task = _NOW.task, self
        others = _enter(loop, self)
        is_over = True
        try:
            if self._must_cancel:
                self._must_cancel = False
                waits_for = self._context.run(steps.throw, asyncio.CancelledError())
            else:
                waits_for = self._context.run(next, steps, _OVER)
            is_over = waits_for is _OVER
        except (asyncio.CancelledError, StopIteration):
            pass
        except Exception as error:  # noqa: BLE001 -- as for any task, nobody above knows of it
            loop.call_exception_handler({"message": "a task ended in a bug", "exception": error})
        finally:
            _leave_task(loop, self)  # type: ignore[arg-type]  # as in _enter
            if others is not None:
                _enter_task(loop, others)
            _NOW.task = outer
            if is_over:
                self._steps = None
        if not is_over:
            self._await(waits_for)

    def _await(self, future: Any) -> None:
        """It gave way: for a future, for a signal that it named, or for one turn of the loop."""
        if future is None or not hasattr(future, "_asyncio_future_blocking"):
            if self._waited is None:
                self._loop.call_soon(self.step)
            elif self._must_cancel:
                self._waited.forget()
                self.wake()
            return
        future._asyncio_future_blocking = False  # noqa: SLF001 -- whoever runs a coroutine says so that it is awaited
        future.add_done_callback(self._wake_up)
        self._future = future
        if self._must_cancel and future.cancel():
            self._must_cancel = False

    def _wake_up(self, future: asyncio.Future[Any]) -> None:
        """What it waits for is there; whether that raises is seen where it is awaited."""
        self._future = None
        if self._must_cancel and not future.cancelled():
            future.exception()  # or it would be logged as one that nobody ever looked at
        self.step()


class _Now:
    """Who runs now: kept beside asyncio's own account, which takes longer to look at."""

    __slots__ = ("task",)

    def __init__(self) -> None:
        self.task: PromptTask | None = None


_NOW: Final = _Now()


def prompt_task() -> PromptTask | None:
    """The one that runs now; None: somebody else does."""
    return _NOW.task


def _enter(loop: asyncio.AbstractEventLoop, task: PromptTask) -> "asyncio.Task[Any] | None":
    """From now on it is the current task. Gives the one within whose step this happens, as it hardly ever does."""
    mine = cast("asyncio.Task[Any]", task)  # any object will do: asyncio-extending in Python's manual
    others: asyncio.Task[Any] | None = None
    try:
        _enter_task(loop, mine)
    except RuntimeError:
        others = current_task(loop)
        assert others is not None  # or it would not have been refused
        _leave_task(loop, others)
        _enter_task(loop, mine)
    return others
