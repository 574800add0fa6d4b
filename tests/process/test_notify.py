"""A service manager hears over a real datagram socket what the program does, and that it lives."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.admin.readiness import Readiness
from gateway.process.notify import Notifier
from tests.hearing import Hearing
from tests.wire import PATIENCE, until

READY = Readiness(ready=True, started=True)
WAITING = Readiness(ready=False, started=True, missing=(("login", "it cannot be\nreached"), ("other", "")))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Hearing]:
    hearing = Hearing(str(tmp_path / "notify"))
    yield hearing
    hearing.close()


def test_it_is_told_over_a_path_or_an_abstract_name_and_the_environment_keeps_nothing(manager: Hearing) -> None:
    abstract = Hearing(f"@bearer-gateway-test-{os.getpid()}")
    for hearing in (manager, abstract):
        environ = {
            "NOTIFY_SOCKET": hearing.address,
            "WATCHDOG_USEC": "3000000",
            "WATCHDOG_PID": str(os.getpid()),
            "PATH": "/",
        }
        notifier = Notifier.take(environ)
        assert environ == {"PATH": "/"}
        assert notifier._watchdog == 3.0
        notifier.failed("first line\nREADY=1" + "x" * 9999)
        assert hearing.listen() == [f"STATUS=first line READY=1{'x' * 482}"]
    abstract.close()


@pytest.mark.parametrize(
    ("environ", "watchdog"),
    [
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_a_watchdog_is_one_of_this_process(environ: dict[str, str], watchdog: float | None) -> None:
    assert Notifier.take({"NOTIFY_SOCKET": "/nowhere", **environ})._watchdog == watchdog


async def test_where_nobody_asks_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}):
        notifier = Notifier.take(environ)
        tasks = asyncio.all_tasks()
        async with notifier.serving(summary="s", readiness=lambda: READY):
            notifier.stopping()
            assert asyncio.all_tasks() == tasks
    assert [record.getMessage()[:13] for record in caplog.records] == ["NOTIFY_SOCKET"]


async def test_it_says_that_it_serves_and_what_keeps_it_from_being_ready(
    manager: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.process.notify._LOOK", 0.01)
    now, lives = WAITING, False
    async with Notifier(manager.address).serving(summary="listens", readiness=lambda: now, is_alive=lambda: lives):
        await manager.until("STATUS=not ready: login: it cannot be reached")
        assert "READY=1" not in "\n".join(manager.heard)
        now = Readiness(ready=False, started=False)
        await manager.until("STATUS=not ready: starting")
        lives, now = True, READY
        await manager.until("READY=1")
        await manager.until("STATUS=listens")
        told = list(manager.listen())
        await asyncio.sleep(0.05)
        assert manager.listen() == told  # nothing new, and no watchdog
    assert sum("READY=1" in message for message in manager.listen()) == 1


async def test_the_sign_of_life_comes_twice_in_its_time_until_the_end_and_stops_with_life(manager: Hearing) -> None:
    lives = True
    notifier = Notifier(manager.address, watchdog=0.1)

    def fed() -> int:
        return sum("WATCHDOG=1" in message for message in manager.listen())

    async with notifier.serving(summary="listens", readiness=lambda: READY, is_alive=lambda: lives):
        await until(lambda: fed() == 3)
        notifier.stopping()
        before = fed()
        await until(lambda: fed() == before + 2)
        assert manager.heard[-1] == "WATCHDOG=1"  # what it said of stopping stays
        assert "STOPPING=1\nSTATUS=stopping: draining" in manager.heard
        lives = False
        await asyncio.sleep(0)
        before = fed()
        await asyncio.sleep(0.2)
        assert fed() <= before + 1


async def test_what_did_not_arrive_is_told_again(
    manager: Hearing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "notify").rename(tmp_path / "away")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Notifier(manager.address).serving(summary="s", readiness=lambda: READY))
        await until(lambda: caplog.records)
        (tmp_path / "away").rename(tmp_path / "notify")
        await manager.until("READY=1")
    assert manager.heard == ["READY=1\nSTATUS=s"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.timeout(PATIENCE)
def test_a_manager_that_does_not_listen_holds_nobody_up(manager: Hearing) -> None:
    notifier = Notifier(manager.address)
    while notifier.tell("X=1"):
        pass
    assert not notifier.tell("X=1")
