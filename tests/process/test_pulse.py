"""Once a second it is noticed how late the loop is."""

import asyncio
import time

import pytest
import uvloop

from gateway.process import pulse
from gateway.process.pulse import Pulse
from tests.wire import PATIENCE


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "BEAT", 0.05)


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_loop_that_stands_still_is_late_and_everything_is_looked_at_once_a_beat(runner: object) -> None:
    lags: list[float] = []
    looks: list[float] = []

    async def run() -> None:
        begun, beats = time.monotonic(), asyncio.Event()

        def look(now: float) -> None:
            looks.append(now)
            beats.set()

        beating = Pulse(lags.append, (look, lambda _: None))
        async with asyncio.timeout(PATIENCE):
            await beats.wait()
            time.sleep(0.3)  # noqa: ASYNC251 -- that is what is to be noticed
            beats.clear()
            await beats.wait()
        beating.stop()
        beating.stop()
        assert begun < looks[0] < looks[1]
        count = len(looks)
        await asyncio.sleep(0.12)
        assert len(looks) == count

    assert callable(runner)
    runner(run())
    assert all(lag >= 0 for lag in lags)
    assert 0.2 < max(lags) < 5
