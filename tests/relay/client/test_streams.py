"""Streams are ended one by one, the oldest first, and evenly, whatever is opened or ends meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio

from gateway.core.errors import Draining, Refusal
from gateway.core.token.identity import Identity
from gateway.messages import Opened as By
from gateway.relay.client.streams import AT_ONCE, Streams
from tests.memory import identity


class Opened:
    """Streams that run until they are ended, and when that was."""

    def __init__(self) -> None:
        self.streams = Streams()
        self.ended: dict[str, float] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self, *names: str) -> None:
        for name in names:
            self.tasks.append(asyncio.create_task(self._run(name)))
        await asyncio.sleep(0)

    async def _run(self, name: str) -> None:
        opened = None
        try:
            async with asyncio.timeout(None) as timeout:
                opened = self.streams.add(timeout, None)
                await asyncio.Event().wait()
        except TimeoutError:
            assert opened is not None
            assert isinstance(opened.ended_by, Draining)
            self.ended[name] = asyncio.get_running_loop().time()
        finally:
            self.streams.forget(opened)

    async def all_ended(self) -> list[float]:
        """When each ended, in seconds after the first, in order."""
        async with asyncio.timeout(5):
            await asyncio.gather(*self.tasks)
        times = list(self.ended.values())
        return [time - times[0] for time in times]


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[Opened]:
    async with AsyncExitStack() as stack:
        it = Opened()
        stack.callback(it.streams.close)
        yield it
        for task in it.tasks:
            task.cancel()
        await asyncio.gather(*it.tasks, return_exceptions=True)


async def test_the_first_ends_at_once_and_the_others_evenly(opened: Opened) -> None:
    names = [f"{number}" for number in range(10)]
    await opened.open(*names)
    opened.streams.wind_down(seconds=1.2)
    times = await opened.all_ended()
    assert list(opened.ended) == names
    # A quarter is kept for goodbyes.
    for number, time in enumerate(times):
        assert number * 0.09 - 0.02 <= time < number * 0.09 + 0.2
    assert repr(opened.streams) == "<Streams 0 open, winding down>"


async def test_more_than_there_are_looks_end_several_at_a_time(opened: Opened) -> None:
    await opened.open(*map(str, range(500)))
    opened.streams.wind_down(seconds=0.5)
    times = await opened.all_ended()
    assert 0.3 < times[-1] < 1.5
    early = sum(time < 0.25 for time in times)
    assert 100 < early < 400


async def test_one_that_is_opened_later_has_some_time(opened: Opened) -> None:
    opened.streams.wind_down(seconds=0.2)
    await asyncio.sleep(0.3)
    await opened.open("late")
    began = asyncio.get_running_loop().time()
    await opened.all_ended()
    assert 0.05 < opened.ended["late"] - began < 1


async def test_a_second_time_shortens_the_time_and_begins_nothing_anew(opened: Opened) -> None:
    await opened.open("1", "2", "3", "4")
    opened.streams.wind_down(seconds=600)
    await asyncio.sleep(0)
    opened.streams.wind_down(seconds=600)
    await asyncio.sleep(0.05)
    assert list(opened.ended) == ["1"]
    opened.streams.wind_down(seconds=0.2)
    assert (await opened.all_ended())[-1] < 1


async def test_a_second_time_never_lengthens_it(opened: Opened) -> None:
    await opened.open("1", "2", "3")
    opened.streams.wind_down(seconds=0.2)
    opened.streams.wind_down(seconds=600)
    assert (await opened.all_ended())[-1] < 1


async def test_without_any_time_all_end(opened: Opened) -> None:
    await opened.open(*map(str, range(50)))
    opened.streams.wind_down(seconds=0)
    assert (await opened.all_ended())[-1] < 1


async def test_whoever_comes_again_and_again_does_not_hold_back_the_others(opened: Opened) -> None:
    await opened.open("old", "older")
    opened.streams.wind_down(seconds=0.3)

    async def come() -> None:
        for number in range(100):
            await opened.open(f"{number}")
            await asyncio.sleep(0.005)

    coming = asyncio.create_task(come())
    async with asyncio.timeout(2):
        await asyncio.gather(*opened.tasks[:2])
    coming.cancel()


async def test_what_is_closed_ends_nobody(opened: Opened) -> None:
    await opened.open("1", "2")
    opened.streams.wind_down(seconds=0.05)
    opened.streams.close()
    await asyncio.sleep(0.2)
    assert list(opened.ended) == ["1"]


async def test_one_that_its_own_time_ends_is_not_told(opened: Opened) -> None:
    it = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0) as timeout:
            it = opened.streams.add(timeout, None)
            try:
                await asyncio.Event().wait()
            finally:
                it.end(Draining(), goodbye=0)
    assert it is not None
    assert it.ended_by is None


async def test_one_that_ends_while_the_others_are_judged_is_not_asked_about() -> None:
    streams, asked = Streams(), 0
    caller = identity()

    def judge(_: Identity) -> Refusal | None:
        nonlocal asked
        asked += 1
        return None

    async with asyncio.timeout(None) as timeout:
        added = [streams.add(timeout, None, By(caller)) for _ in range(AT_ONCE + 1)]
        judging = asyncio.create_task(streams.end_refused(judge))
        while not asked:  # noqa: ASYNC110 -- a turn of the loop
            await asyncio.sleep(0)
        assert asked == AT_ONCE
        streams.forget(added[-1])
        assert await judging == 0
    assert asked == AT_ONCE
    assert streams.identities() == {caller}
