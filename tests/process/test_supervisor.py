"""The supervisor starts real workers, replaces those that die or fall silent, and speaks for all of them."""

import asyncio
import json
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from joserfc.jwk import ECKey

from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.file import Config
from gateway.core.config.probes import ContainerProbes, Probe
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds, Size
from gateway.core.config.upstreams import UpstreamSection
from gateway.observe.metrics.shared_metrics import VARIABLE
from gateway.process.listening import CannotStart
from gateway.process.notify import Notifier
from gateway.process.replacing import Wanted
from gateway.process.signals import STOPPING
from gateway.process.supervisor import Supervisor
from gateway.process.title import DRAINED
from tests.hearing import Hearing
from tests.process.comm import called
from tests.wire import PATIENCE, Message, RawClient, RawUpstream, config_for, demo_issuer, get, until


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(demo_issuer().jwks()))
    return str(path)


class Supervised:
    """A supervisor in this process, its workers, and the addresses it says it listens on."""

    def __init__(self, supervisor: Supervisor, running: "asyncio.Task[int]", log: pytest.LogCaptureFixture) -> None:
        self.supervisor = supervisor
        self.running = running
        self._log = log

    def told(self, pattern: str) -> bool:
        return re.search(pattern, self._log.text) is not None

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self.supervisor._workers.values()]

    async def ready(self, count: int = 2) -> None:
        def are_ready() -> bool:
            workers = self.supervisor._workers.values()
            return len(workers) == count and all(worker.readiness and worker.readiness.ready for worker in workers)

        await until(are_ready)

    async def client(self, address: str | None = None) -> RawClient:
        return await RawClient.connect(address or self.supervisor._listeners.traffic.where)

    async def admin(self, path: str) -> Message:
        admin = self.supervisor._listeners.admin
        assert admin is not None
        client = await self.client(admin.where)
        response = await client.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await client.close()
        return response


@asynccontextmanager
async def supervised(
    config: Config, log: pytest.LogCaptureFixture, *, secrets: Mapping[Secret, str] = MappingProxyType({}), **more: Any
) -> AsyncIterator[Supervised]:
    """Workers that are ready; afterwards none is left."""
    log.set_level("INFO")
    supervisor = Supervisor(config, secrets=secrets, **more)
    it = Supervised(supervisor, asyncio.create_task(supervisor.run()), log)
    try:
        await until(lambda: it.told("listens on") or it.running.done())
        await it.ready(config.workers)
        yield it
    finally:
        supervisor.stop()
        supervisor.stop()
        await it.running
        for number in (*STOPPING, signal.SIGHUP, signal.SIGUSR1):
            asyncio.get_running_loop().remove_signal_handler(number)


def config(jwks: str, upstream: str = "http://127.0.0.1:9", **settings: Any) -> Config:
    return config_for(upstream, jwks, **{"workers": 2, **settings})


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


async def test_the_supervisor_asks_for_kubelet(jwks: str, caplog: pytest.LogCaptureFixture) -> None:
    api = RawUpstream()
    await api.start()
    probes = {"api": ContainerProbes(liveness=Probe(http=f"{api.url}/health", timeout=Seconds(10)))}
    async with supervised(config(jwks, probes=probes), caplog) as it:
        assert (await it.admin("/probe/api/liveness")).status == 200
        assert api.last.start == b"GET /health HTTP/1.1"
        await api.stop()
        response = await it.admin("/probe/api/liveness")
        assert response.status == 503
        assert json.loads(response.body)["reason"] == "it cannot be reached (ECONNREFUSED)"


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


async def test_workers_have_the_secrets_that_the_supervisor_read(jwks: str, caplog: pytest.LogCaptureFixture) -> None:
    upstream, secret = RawUpstream(), Secret(file="/nonexistent/by/now")
    await upstream.start()
    upstreams = {"default": UpstreamSection(url=upstream.url, headers={"X-Api-Key": secret})}
    settings = config_for(None, jwks, workers=1, upstreams=upstreams)
    async with supervised(settings, caplog, secrets={secret: "open sesame"}) as it:
        client = await it.client()
        assert (await client.ask(get())).body == b"ok"
        assert upstream.last.values(b"X-Api-Key") == [b"open sesame"]
        await client.close()
    await upstream.stop()


async def test_the_decision_listener_is_the_workers_too(jwks: str, caplog: pytest.LogCaptureFixture) -> None:
    settings: dict[str, Any] = {"workers": 1, "decisions": "127.0.0.1:0", "trusted_proxies": ("127.0.0.1/32",)}
    async with supervised(config(jwks, **settings), caplog) as it:
        decisions = it.supervisor._listeners.decisions
        assert decisions is not None
        client = await it.client(decisions.where)
        lines = ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /orders", "X-Forwarded-Proto: https")
        response = await client.ask(get("/forward", "X-Forwarded-Host: api.test", *lines))
        assert response.status == 200, response
        await client.close()


async def test_the_keys_of_assertions_are_published_by_the_supervisor(
    jwks: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, path = ECKey.generate_key("P-256"), tmp_path / "key.pem"
    path.write_bytes(key.as_pem(private=True))
    upstream = RawUpstream()
    await upstream.start()
    assertion = AssertionSection(issuer="https://gateway.test", key=KeyFile(file=str(path)))
    async with supervised(config(jwks, upstream.url, workers=1, assertion=assertion), caplog) as it:
        (published,) = json.loads((await it.admin("/.well-known/jwks.json")).body)["keys"]
        assert published["x"] == key.as_dict(private=False)["x"]
        client = await it.client()
        assert (await client.ask(get())).body == b"ok"
        assert upstream.last.values(b"X-Gateway-Assertion")
        await client.close()
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


async def test_its_own_metrics_directory_is_gone_at_the_end(
    jwks: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with supervised(config(jwks, workers=1), caplog) as it:
        directory = it.supervisor._directory
        assert directory.parent == tmp_path
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


async def test_a_directory_that_cannot_be_used_is_told(
    jwks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("precious")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "x"))
    with pytest.raises(CannotStart, match=f"the workers cannot write their metrics: .*; {VARIABLE} names"):
        await Supervisor(config(jwks)).run()


async def test_an_address_in_use_is_told_and_nothing_is_left(
    jwks: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with supervised(config(jwks, workers=1), caplog) as it:
        taken = it.supervisor._listeners.traffic.where
        path = tmp_path / "s"
        with pytest.raises(CannotStart, match=f"cannot listen on {taken}: Address already in use"):
            await Supervisor(config(jwks, listen=f"unix:{path}", admin=taken)).run()
        assert not path.exists()


async def test_one_that_dies_while_it_builds_another_configuration_is_replaced_by_one_that_uses_it(
    jwks: str, caplog: pytest.LogCaptureFixture
) -> None:
    after = config(jwks, limits={"uri_bytes": Size(20)})
    async with supervised(config(jwks), caplog) as it:
        last = next(iter(it.supervisor._workers.values()))
        # The other one has built it by then.
        last.tell = lambda _: asyncio.get_running_loop().call_later(0.5, last.kill)  # type: ignore[method-assign,assignment]
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
