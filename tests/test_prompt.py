"""A task that takes its steps within the call is in all else what asyncio makes of a coroutine."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.prompt import PromptTask, prompt_task
from gateway.relay.waiting import Signal
from tests.wire import until

#: kinds of what a coroutine does, and of what is done to it
WAITS = ("signal", "future", "turn", "event", "group", "late", "own cancel", "raise")
DEEDS = ("wake", "result", "error", "set", "cancel", "turn", "settle")
#: turns of the loop in which whatever was set in motion has ended
TURNS = 12


class Story:
    """A coroutine that waits for one thing after another, and what it went through."""

    def __init__(self, waits: list[str], *, stubborn: bool) -> None:
        loop = asyncio.get_running_loop()
        self.waits = waits
        #: goes on when it is cancelled
        self.stubborn = stubborn
        self.signal = Signal(loop)
        self.future: asyncio.Future[str] = loop.create_future()
        self.event = asyncio.Event()
        self.went: list[str] = []

    async def run(self) -> None:
        try:
            for wait in self.waits:
                self.went.append(wait)
                try:
                    await self.step(wait)
                    self.went.append("went on")
                except (ValueError, TimeoutError) as error:
                    self.went.append(type(error).__name__)
                except asyncio.CancelledError:
                    self.went.append("cancelled")
                    if not self.stubborn:
                        raise
        finally:
            self.went.append("over")

    async def step(self, wait: str) -> None:
        match wait:
            case "signal":
                await self.signal.next()
            case "future":
                self.future = asyncio.get_running_loop().create_future()
                self.went.append(await self.future)
            case "turn":
                await asyncio.sleep(0)
            case "event":
                self.event.clear()
                await self.event.wait()
            case "group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.event.wait())
                    await self.signal.next()
            case "late":
                async with asyncio.timeout(0):
                    await self.signal.next()
            case "own cancel":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            case _:
                raise ValueError

    async def suffer(self, deeds: list[str], cancel: Callable[[], bool]) -> None:
        for deed in deeds:
            match deed:
                case "wake":
                    self.signal.wake()
                case "result" if not self.future.done():
                    self.future.set_result("result")
                case "error" if not self.future.done():
                    self.future.set_exception(ValueError())
                case "set":
                    self.event.set()
                case "cancel":
                    cancel()
                case "turn":
                    await asyncio.sleep(0)
                case "settle":
                    await settle()


async def settle() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def told(waits: list[str], deeds: list[str], *, stubborn: bool, prompt: bool) -> list[str]:
    """How it went. What begins at once has waited when what begins in a turn does."""
    story = Story(waits, stubborn=stubborn)
    if prompt:
        task = PromptTask()
        task.start(story.run())
        await settle()
        await story.suffer(deeds, task.cancel)
    else:
        usual = asyncio.ensure_future(story.run())
        await settle()
        await story.suffer(deeds, usual.cancel)
    await settle()
    went = [*story.went]
    # Whatever it still waits for: it ends all the same.
    story.stubborn = False
    for _ in range(2 * len(waits) + 2):
        _ = task.cancel() if prompt else usual.cancel()
        await settle()
    assert task.done() if prompt else usual.done()
    if not prompt:
        await asyncio.gather(usual, return_exceptions=True)
    if story.future.done() and not story.future.cancelled():
        story.future.exception()
    return went


@given(
    waits=st.lists(st.sampled_from(WAITS), max_size=6),
    deeds=st.lists(st.sampled_from(DEEDS), max_size=12),
    stubborn=st.booleans(),
)
def test_it_goes_as_under_a_task_of_asyncios(*, waits: list[str], deeds: list[str], stubborn: bool) -> None:
    async def both() -> None:
        usual = await told(waits, deeds, stubborn=stubborn, prompt=False)
        assert await told(waits, deeds, stubborn=stubborn, prompt=True) == usual

    asyncio.run(both())


async def test_what_waits_for_nothing_is_done_when_start_returns() -> None:
    task = PromptTask()
    assert repr(task) == "<PromptTask over>"
    done = []

    async def run() -> None:
        done.append(True)

    for count in (1, 2):
        task.start(run())
        assert len(done) == count
        assert task.done()
    assert not task.cancel()


async def test_it_goes_on_within_the_call_that_wakes_it() -> None:
    signal = Signal(asyncio.get_running_loop())
    woken = []

    async def run() -> None:
        while True:
            await signal.next()
            woken.append(True)

    task = PromptTask()
    task.start(run())
    assert repr(task) == "<PromptTask under way>"
    for count in (1, 2, 3):
        assert signal.is_awaited
        signal.wake_now()
        assert len(woken) == count
    signal.wake()
    assert len(woken) == 3
    await until(lambda: len(woken) == 4)
    task.cancel()
    assert not signal.is_awaited
    signal.wake_now()
    await until(task.done)
    assert len(woken) == 4


async def test_a_signal_wakes_a_task_of_asyncios_in_a_turn_to_come() -> None:
    signal = Signal(asyncio.get_running_loop())
    waiting = asyncio.ensure_future(signal.next())
    signal.wake_now()
    await waiting
    signal.wake_now()


async def test_each_is_the_current_task_during_its_own_steps_only() -> None:
    loop = asyncio.get_running_loop()
    mine = asyncio.current_task()
    inner, outer, signal = PromptTask(), PromptTask(), Signal(loop)
    seen: list[object] = []

    async def run_inner() -> None:
        seen.append(asyncio.current_task())
        await signal.next()
        seen.append(asyncio.current_task())

    async def run_outer() -> None:
        inner.start(run_inner())
        seen.append(asyncio.current_task())
        signal.wake_now()
        seen.append(prompt_task())

    outer.start(run_outer())
    assert seen == [inner, outer, inner, outer]
    assert asyncio.current_task() is mine
    assert prompt_task() is None
    loop.call_soon(lambda: seen.append(prompt_task()))
    await asyncio.sleep(0)
    assert seen[-1] is None


async def test_what_one_sets_in_its_context_nobody_else_sees() -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    signal = Signal(asyncio.get_running_loop())
    seen = []

    async def run(name: str) -> None:
        seen.append(whose.get())
        whose.set(name)
        await signal.next()
        seen.append(whose.get())

    one, other = PromptTask(), PromptTask()
    one.start(run("one's"))
    assert whose.get() == "nobody's"
    whose.set("the caller's")
    signal.wake_now()
    other.start(run("the other's"))
    assert seen == ["nobody's", "one's", "nobody's"]
    assert whose.get() == "the caller's"
    other.cancel()
    await until(other.done)


class Odd(Exception):
    """No exception that anybody knows."""


async def test_a_bug_is_reported_once_and_hurts_nobody_who_woke_it(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        raise Odd

    task = PromptTask()
    task.start(run())
    assert task.done()
    assert [record.levelname for record in caplog.records if record.exc_info and record.exc_info[0] is Odd] == ["ERROR"]


@pytest.mark.parametrize("cause", [KeyboardInterrupt, SystemExit])
async def test_the_end_of_the_program_is_not_kept_from_it(cause: type[BaseException]) -> None:
    async def run() -> None:
        raise cause

    task, mine = PromptTask(), asyncio.current_task()
    with pytest.raises(cause):
        task.start(run())
    assert task.done()
    assert asyncio.current_task() is mine


async def test_libraries_find_a_task_to_time_out_and_to_group() -> None:
    went: list[str] = []

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        with pytest.raises(ExceptionGroup):
            await grouped()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        went.extend(await asyncio.gather(asyncio.sleep(0, "all"), asyncio.to_thread(str, "of it")))

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.Event().wait()

    async def fail() -> None:
        raise Odd

    task = PromptTask()
    task.start(run())
    await until(task.done)
    assert went == ["all", "of it"]


async def test_a_failure_that_a_cancellation_overtook_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def run(future: asyncio.Future[None]) -> None:
        await future

    task = PromptTask()
    future = asyncio.get_running_loop().create_future()
    task.start(run(future))
    future.set_exception(Odd())
    task.cancel()
    await until(task.done)
    del future
    assert caplog.records == []


async def test_a_cancellation_that_was_taken_back_in_time_is_none() -> None:
    async def run() -> None:
        task = prompt_task()
        assert task is not None
        task.cancel()
        assert task.cancelling() == 1
        assert task.uncancel() == 0
        assert task.uncancel() == 0
        await asyncio.sleep(0)
        went.append(True)

    went: list[bool] = []
    task = PromptTask()
    task.start(run())
    await until(task.done)
    assert went == [True]


async def test_what_gives_way_with_what_is_no_future_goes_on_in_a_turn_to_come() -> None:
    class Odder:
        def __await__(self) -> Any:
            yield self

    went = []

    async def run() -> None:
        await Odder()
        went.append(True)

    task = PromptTask()
    task.start(run())
    assert not went
    await until(task.done)
    assert went == [True]


async def test_waking_many_one_within_the_other_is_no_deeper_than_they_are_many() -> None:
    """Each step may wake another one; nobody wakes itself."""
    loop = asyncio.get_running_loop()
    signals = [Signal(loop) for _ in range(50)]
    woken: list[int] = []

    def make(number: int) -> Coroutine[Any, Any, None]:
        async def run() -> None:
            await signals[number].next()
            woken.append(number)
            if number:
                signals[number - 1].wake_now()
            signals[number].wake_now()

        return run()

    tasks = [PromptTask() for _ in signals]
    for number, task in enumerate(tasks):
        task.start(make(number))
    signals[-1].wake_now()
    assert woken == list(reversed(range(50)))
    assert all(task.done() for task in tasks)
