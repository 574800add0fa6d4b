"""A crowd that hammers is responded as fast as the console likes; a person does not notice."""

import asyncio

import pytest

from gateway.console.pace import BURST, RATE, WAITING, Pace, TooMany


async def test_some_come_at_once_and_the_others_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    paced = Pace()
    for _ in range(int(BURST) - 2):
        await paced.wait()
    assert slept == []
    for _ in range(12):
        await paced.wait()
    assert slept[-1] == pytest.approx(10 / RATE, abs=0.2)
    await paced.wait(5.0)
    assert slept[-1] == pytest.approx(15 / RATE, abs=0.2)
    assert slept == sorted(slept)


async def test_time_that_passes_makes_room_again() -> None:
    paced = Pace()
    paced._next = asyncio.get_running_loop().time() - 1000.0
    async with asyncio.timeout(0.5):
        for _ in range(int(BURST)):
            await paced.wait()


async def test_no_more_wait_than_may_and_who_is_sent_away_costs_nothing() -> None:
    paced = Pace()
    paced._next = asyncio.get_running_loop().time() + 10.0
    waiting = [asyncio.create_task(paced.wait()) for _ in range(WAITING)]
    await asyncio.sleep(0)
    before = paced._next
    with pytest.raises(TooMany):
        await paced.wait()
    assert paced._next == before
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    waiting[0] = asyncio.create_task(paced.wait())
    await asyncio.sleep(0)
    assert len(paced._waiting) == WAITING
    paced.stop()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not paced._waiting
