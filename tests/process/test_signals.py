"""Signals stop; a hang-up does too, unless it was ignored from the beginning."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from gateway.process.signals import STOPPING, ignore_drain, on_drain, on_signals
from tests.wire import PATIENCE


@pytest.fixture
def signals() -> Iterator[None]:
    numbers = (*STOPPING, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Heard:
    def __init__(self) -> None:
        self.said: list[str] = []
        self._news = asyncio.Event()

    def listens(self) -> None:
        on_signals(lambda: self._hear("stop"), hang_up=lambda: self._hear("hang up"))

    def _hear(self, what: str) -> None:
        self.said.append(what)
        self._news.set()

    async def after(self, signum: signal.Signals) -> list[str]:
        """What was said once the signal had arrived."""
        self._news.clear()
        os.kill(os.getpid(), signum)
        async with asyncio.timeout(PATIENCE):
            await self._news.wait()
        return self.said


async def test_each_signal_is_told_each_time(signals: None) -> None:
    heard = Heard()
    heard.listens()
    assert await heard.after(signal.SIGTERM) == ["stop"]
    assert await heard.after(signal.SIGINT) == ["stop", "stop"]
    assert await heard.after(signal.SIGHUP) == ["stop", "stop", "hang up"]
    for number in (*STOPPING, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_a_hang_up_that_was_ignored_from_the_beginning_stays_so(signals: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    heard = Heard()
    heard.listens()
    os.kill(os.getpid(), signal.SIGHUP)
    assert await heard.after(signal.SIGTERM) == ["stop"]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    for number in STOPPING:
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_sigusr1_drains_and_before_that_does_nothing(signals: None) -> None:
    ignore_drain()
    os.kill(os.getpid(), signal.SIGUSR1)
    heard = Heard()
    on_drain(lambda: heard._hear("drain"))
    assert await heard.after(signal.SIGUSR1) == ["drain"]
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
