"""The program as one process, in this one: what signals make of it."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from gateway.core.config.section import Seconds
from gateway.process.alone import run
from gateway.process.app import Gateway
from gateway.process.notify import Notifier
from gateway.process.signals import STOPPING
from gateway.process.title import DRAINED, DRAINS, SERVES
from gateway.settings.settings import load
from gateway.settings.source import Source
from tests.hearing import Hearing
from tests.process.comm import called
from tests.wire import (
    PATIENCE,
    RawClient,
    RawUpstream,
    config_for,
    demo_issuer,
    until,
)


async def test_sigusr1_drains_it_and_its_name_says_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text("{}")
    ready = asyncio.Event()
    config = config_for("http://127.0.0.1:1", str(tmp_path / "jwks.json"), limits={"drain_delay": Seconds(0.2)})
    running = asyncio.create_task(run(config, started=lambda _: ready.set()))
    await ready.wait()
    before = called()
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR1)
    await until(lambda: called() == DRAINS)
    await until(lambda: called() == DRAINED)
    assert before == SERVES
    assert not running.done()
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        await running
    for number in (*STOPPING, signal.SIGHUP, signal.SIGUSR1):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it(tmp_path: Path, signum: signal.Signals) -> None:
    upstream = RawUpstream()
    await upstream.start()
    (tmp_path / "jwks.json").write_text("{}")
    started: list[Gateway] = []
    ready = asyncio.Event()

    def told(gateway: Gateway) -> None:
        started.append(gateway)
        ready.set()

    manager = Hearing(str(tmp_path / "notify"))
    config = config_for(upstream.url, str(tmp_path / "jwks.json"))
    running = asyncio.create_task(run(config, started=told, notifier=Notifier(manager.address)))
    await ready.wait()
    await manager.until("READY=1")
    os.kill(os.getpid(), signum)
    async with asyncio.timeout(PATIENCE):
        await running
    await manager.until("STOPPING=1")
    manager.close()
    with pytest.raises(ConnectionRefusedError):
        await RawClient.connect(started[0].address)
    for number in (*STOPPING, signal.SIGHUP, signal.SIGUSR1):
        asyncio.get_running_loop().remove_signal_handler(number)
    await upstream.stop()


def written(path: Path, jwks: Path, upstream: str, routes: str) -> None:
    path.write_text(
        f"upstream: {upstream}\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\nunmatched: refuse\n"
        f"issuers: [{{issuer: https://issuer.test, audience: a, jwks_file: {jwks}}}]\nroutes: {routes}\n"
        "limits: {drain_delay: 0, drain: 1}\n"
    )


async def test_sighup_has_it_read_anew_and_the_service_manager_told(tmp_path: Path) -> None:
    jwks, path = tmp_path / "jwks.json", tmp_path / "gateway.yaml"
    jwks.write_text(json.dumps(demo_issuer().jwks()))
    upstream = RawUpstream()
    await upstream.start()
    written(path, jwks, upstream.url, "[{path: /one, access: public}]")
    source = Source(str(path), {})
    loaded = load(str(path), {})
    assert loaded.config is not None
    found: asyncio.Future[Gateway] = asyncio.get_running_loop().create_future()
    manager = Hearing(str(tmp_path / "notify"))
    running = asyncio.create_task(
        run(loaded.config, started=found.set_result, notifier=Notifier(manager.address), source=source, loaded=loaded)
    )
    gateway = await found
    await manager.until("READY=1")
    client = await RawClient.connect(gateway.address)
    asking = b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n"
    assert (await client.ask(asking)).status == 404
    written(path, jwks, upstream.url, "[{path: /two, access: public}]")
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: sum("READY=1" in said for said in manager.listen()) == 2)
    assert any(said.startswith("RELOADING=1\nMONOTONIC_USEC=") for said in manager.heard)
    assert (await client.ask(asking)).status == 200
    # What is not sound changes nothing, and is told all the same as done.
    path.write_text("routes: [")
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: sum("READY=1" in said for said in manager.listen()) == 3)
    assert (await client.ask(asking)).status == 200
    admin = await RawClient.connect(gateway.admin_address)
    metrics = (await admin.ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")).body.decode()
    assert "gateway_config_last_reload_successful 0.0\n" in metrics
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        await running
    manager.close()
    client.reset()
    admin.reset()
    for number in (*STOPPING, signal.SIGHUP, signal.SIGUSR1):
        asyncio.get_running_loop().remove_signal_handler(number)
    await upstream.stop()
