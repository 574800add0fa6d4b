"""The supervisor starts real workers, replaces those that die or fall silent, and speaks for all of them."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from gateway.core.config.section import Size
from gateway.observe.metrics.shared_metrics import VARIABLE
from gateway.process.notify import Notifier
from gateway.process.replacing import Wanted
from gateway.process.title import DRAINED
from tests.hearing import Hearing
from tests.process.comm import called
from tests.process.supervised import config, supervised
from tests.wire import PATIENCE, RawUpstream, get, keys_file, until


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    return keys_file(tmp_path)


async def test_workers_serve_on_a_unix_socket_that_only_the_supervisor_removes(
    jwks: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upstream, path = RawUpstream(), tmp_path / "s"
    await upstream.start()
    async with supervised(config(jwks, upstream.url, listen=f"unix:{path}"), caplog) as it:
        os.kill(it.pids[0], signal.SIGTERM)
        await until(lambda: it.told("worker 0 .* was told to end by somebody else: replaced"))
        assert path.exists()
        await it.ready()
        for _ in range(4):
            client = await it.client()
            assert (await client.ask(get())).body == b"ok"
            await client.close()
        assert not it.told("died")
    assert it.running.result() == 0
    assert not path.exists()
    await upstream.stop()


async def test_a_service_manager_hears_when_one_serves_and_that_one_lives(
    jwks: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = Hearing(str(tmp_path / "notify"))
    notifier = Notifier(manager.address, watchdog=0.1)

    def fed() -> int:
        return sum("WATCHDOG=1" in message for message in manager.listen())

    async with supervised(config(jwks), caplog, notifier=notifier, heartbeat=0.1, silent=1000) as it:
        await manager.until("READY=1")
        first, other = it.pids
        os.kill(first, signal.SIGSTOP)
        before = fed()
        await until(lambda: fed() >= before + 10)
        os.kill(other, signal.SIGSTOP)
        await until(lambda: not it.supervisor.is_alive())
        before = fed()
        await asyncio.sleep(0.3)
        assert fed() == before
        for pid in (first, other):
            os.kill(pid, signal.SIGCONT)
        await until(lambda: fed() > before)
    await manager.until("STOPPING=1")
    manager.close()


async def test_one_that_falls_silent_is_killed_and_replaced(jwks: str, caplog: pytest.LogCaptureFixture) -> None:
    async with supervised(config(jwks), caplog, heartbeat=0.1, silent=5) as it:
        silent, other = it.pids
        os.kill(silent, signal.SIGSTOP)
        await until(lambda: it.told(rf"worker 0 \(process {silent}\) has not been heard of for too long: killed"))
        await until(lambda: it.told(rf"worker 0 \(process {silent}\) died: Killed"))
        assert json.loads((await it.admin("/readyz")).body) == {"ready": True, "missing": []}
        await it.ready()
        assert other in it.pids
        assert silent not in it.pids


async def test_it_is_not_ready_while_it_drains_and_workers_still_let_in_who_comes(
    jwks: str, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = RawUpstream()
    await upstream.start()
    async with supervised(config(jwks, upstream.url, workers=1, limits={"drain_delay": 600}), caplog) as it:
        address = it.supervisor._listeners.traffic.where
        it.supervisor.stop()
        await until(lambda: it.told("stopping: draining"))
        response = await it.admin("/readyz")
        assert (response.status, json.loads(response.body)["draining"]) == (503, True)

        async def is_told_to_close() -> bool:
            client = await it.client(address)
            response = await client.ask(get())
            await client.close()
            assert response.body == b"ok"
            return response.values(b"Connection") == [b"close"]

        async with asyncio.timeout(10):
            while not await is_told_to_close():
                pass
    await upstream.stop()


async def test_workers_drain_and_serve_on_those_that_are_started_later_as_well(
    jwks: str, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = RawUpstream()
    await upstream.start()
    async with supervised(config(jwks, upstream.url, workers=1, limits={"drain_delay": 0.2}), caplog) as it:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: it.told("draining: serves on"))
        assert (await it.admin("/readyz")).status == 503
        await until(lambda: called() == DRAINED)

        async def is_told_to_close() -> bool:
            client = await it.client()
            response = await client.ask(get())
            await client.close()
            return response.values(b"Connection") == [b"close"]

        assert await is_told_to_close()
        first = it.pids[0]
        os.kill(first, signal.SIGKILL)
        await until(lambda: it.told("died: Killed"))
        await it.ready(1)
        assert it.pids != [first]
        async with asyncio.timeout(PATIENCE):
            while not await is_told_to_close():
                pass
        assert (await it.admin("/readyz")).status == 503
    assert it.running.result() == 0
    assert len([record for record in caplog.records if "draining: serves on" in record.message]) == 1
    await upstream.stop()


async def test_a_metrics_directory_that_is_given_is_used_and_only_our_files_are_removed(
    jwks: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "metrics"
    directory.mkdir()
    monkeypatch.setenv(VARIABLE, str(directory))
    (directory / "counter_gateway-worker-0.db").write_bytes(b"old")
    (directory / "notes.txt").write_text("mine")
    async with supervised(config(jwks), caplog) as it:
        assert b"gateway_jwks_keys" in (await it.admin("/metrics")).body
        assert len(list(directory.glob("counter_*.db"))) == 2
    assert [path.name for path in directory.iterdir()] == ["notes.txt"]


async def test_one_that_dies_while_it_builds_another_configuration_is_replaced_by_one_that_uses_it(
    jwks: str, caplog: pytest.LogCaptureFixture
) -> None:
    after = config(jwks, limits={"uri_bytes": Size(20)})
    async with supervised(config(jwks), caplog) as it:
        last = next(iter(it.supervisor._workers.values()))
        # The other one has built it by then.
        last.tell = lambda _: asyncio.get_running_loop().call_later(1.5, last.kill)  # type: ignore[method-assign,assignment]
        assert await it.supervisor._replace(Wanted(after, {}, {})) == ()
        await until(lambda: last.pid not in it.pids)
        await it.ready()
        await until(lambda: len(set(it.pids)) == 2)
        statuses = set()
        for _ in range(20):
            client = await it.client()
            statuses.add((await client.ask(get("/" + 30 * "a"))).status)
            await client.close()
        assert statuses == {414}
