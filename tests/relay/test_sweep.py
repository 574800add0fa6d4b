"""Looks that are taken again and again, by a clock that a test moves on."""

import asyncio

from gateway.relay.sweep import SWEEP, Clock, Sweep
from tests.wire import until


class Time:
    """A clock; whoever sleeps by it wakes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self._turn = asyncio.Event()

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self._turn.wait()
        self._turn.clear()
        self.now += seconds

    def pass_on(self) -> None:
        self._turn.set()


async def test_a_look_is_taken_after_each_interval_until_it_is_closed() -> None:
    time, looks = Time(), list[float]()
    sweep = Sweep(looks.append, shortest=60, clock=time.clock(), name="test")
    for count in (1, 2, 3):
        time.pass_on()
        await until(lambda: len(looks) == count)  # noqa: B023
    assert looks == [101.0, 102.0, 103.0]
    sweep.close()
    sweep.close()
    time.pass_on()
    await asyncio.sleep(0.01)
    assert len(looks) == 3


async def test_a_short_timeout_is_looked_at_more_often() -> None:
    time = Time()
    for shortest, interval in ((0.2, 0.05), (4, SWEEP), (3, 0.75)):
        sweep = Sweep(lambda now: None, shortest=shortest, clock=time.clock(), name="test")
        assert sweep.interval == interval
        await until(lambda: time.slept)
        sweep.close()
    assert time.slept[0] == 0.05


async def test_the_clock_of_the_loop_is_the_one_that_is_used() -> None:
    before = asyncio.get_running_loop().time()
    assert before <= Clock.of_loop().now() <= asyncio.get_running_loop().time()
