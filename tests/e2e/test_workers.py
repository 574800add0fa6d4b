"""Several workers and one: nothing is lost when they stop, and the program lives on when one of them dies."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from load import load
from process import ROOT, GatewayProcess, serving

from gateway.demo.issuer import DemoIssuer
from tests.wire import Conversation, RawUpstream, until

WORKERS = 2


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "metrics").mkdir()
    return tmp_path


@asynccontextmanager
async def upstream() -> AsyncIterator[RawUpstream]:
    it = RawUpstream()
    await it.start()
    try:
        yield it
    finally:
        await it.stop()


@asynccontextmanager
async def program(
    directory: Path, issuer: DemoIssuer, api: RawUpstream, *, workers: int = WORKERS, more: str = ""
) -> AsyncIterator[GatewayProcess]:
    """A gateway that is ready, with all of its workers."""
    path = directory / "gateway.yaml"
    path.write_text(f"""
upstream: {api.url}
listen: 127.0.0.1:0
admin: 127.0.0.1:0
workers: {workers}
issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]
limits: {{drain_delay: 1s, drain: 10s}}
{more}
""")
    env = {"PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics")}
    async with serving(config=str(path), env=env) as gateway:
        await gateway.ready()
        if workers > 1:
            for place in range(workers):
                await gateway.wait_for(f"worker {place} serves")
        yield gateway


async def said(gateway: GatewayProcess, pattern: str, count: int) -> None:
    """Waits until it has said so as many times."""
    await gateway.wait_for("(?s)" + f"{pattern}.*?" * count)


def records(gateway: GatewayProcess) -> list[dict[str, object]]:
    """The access log. Every line of the output must be whole."""
    lines = [json.loads(line) for line in gateway.output.decode().splitlines()]
    return [line for line in lines if "outcome" in line]


async def counted(gateway: GatewayProcess, name: str) -> float:
    """What a metric comes to, over all labels."""
    _, text = await gateway.admin("/metrics")
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_signal_under_load_loses_no_request_and_no_upload(
    directory: Path, issuer: DemoIssuer, workers: int
) -> None:
    async with upstream() as api, program(directory, issuer, api, workers=workers) as gateway:
        token = issuer.access_token()
        gateway.secrets.append(token)
        async with load(gateway.url, token, clients=24, uploads=8) as tally:
            await tally.more(200)
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.wait_for("draining")
            before = tally.answered
            assert (await gateway.admin("/readyz"))[0] == 503
            assert await gateway.process.wait() == 0
        assert tally.lost == []
        assert tally.uploaded == 8
        assert tally.answered > before  # new connections were served for drain_delay
        assert tally.refused == 24
    assert len(records(gateway)) == tally.answered + tally.uploaded
    assert "cut" not in gateway.output.decode()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_drain_under_load_and_the_end_behind_it_lose_no_request(
    directory: Path, issuer: DemoIssuer, workers: int
) -> None:
    async with upstream() as api, program(directory, issuer, api, workers=workers) as gateway:
        token = issuer.access_token()
        gateway.secrets.append(token)
        async with load(gateway.url, token, clients=24, uploads=8) as tally:
            await tally.more(200)
            drain = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "drain", "--pid", str(gateway.process.pid), cwd=ROOT
            )
            await gateway.wait_for("draining: serves on")
            assert (await gateway.admin("/readyz"))[0] == 503
            assert await drain.wait() == 0
            # It serves on for as long as one likes; only then the end, without the delay.
            await tally.more(100)
            gateway.process.send_signal(signal.SIGUSR1)
            await tally.more(100)
            gateway.process.send_signal(signal.SIGTERM)
            assert await gateway.process.wait() == 0
        assert tally.lost == []
        assert (tally.uploaded, tally.refused) == (8, 24)
    assert len(records(gateway)) == tally.answered + tally.uploaded
    assert gateway.output.decode().count("draining: serves on") == workers + (workers > 1)
    assert "cut" not in gateway.output.decode()


async def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(directory: Path, issuer: DemoIssuer) -> None:
    async with upstream() as api, program(directory, issuer, api) as gateway:
        async with load(gateway.url, issuer.access_token(), clients=16) as tally:
            await tally.more(100)
            before = await counted(gateway, "gateway_requests_total")
            killed, other = gateway.workers()
            os.kill(killed, signal.SIGKILL)
            await gateway.wait_for(rf"\(process {killed}\) died: Killed")
            # What a worker counted since it last told dies with it.
            unheard = max(0, tally.answered - int(before))
            await tally.more(100)
            assert other in gateway.workers()
            # A worker says within a tenth of a second that it became ready: this one may have only just done so.
            await gateway.ready()
            await said(gateway, r"worker \d serves", WORKERS + 1)
            assert len(gateway.workers()) == WORKERS
            await tally.more(100)
        # Each client was on one connection when that was cut.
        assert len(tally.lost) <= 16
        assert tally.refused == 0
        await asyncio.sleep(1.1)  # for so long rendered metrics are given out again
        after = await counted(gateway, "gateway_requests_total")
        assert after >= before + 200
        assert tally.answered - unheard <= after <= tally.answered + len(tally.lost) + 16
        assert await counted(gateway, "gateway_connections_open") == 0


async def test_a_worker_that_is_renewed_loses_nothing(directory: Path, issuer: DemoIssuer) -> None:
    async with (
        upstream() as api,
        program(directory, issuer, api) as gateway,
        load(gateway.url, issuer.access_token(), clients=16, uploads=4) as tally,
    ):
        await tally.more(100)
        renewed = gateway.workers()[0]
        os.kill(renewed, signal.SIGTERM)
        await gateway.wait_for(rf"\(process {renewed}\) was told to end by somebody else: replaced")
        await said(gateway, r"worker \d serves", WORKERS + 1)
        await tally.more(100)
        await until(lambda: tally.uploaded == 4)
        assert (tally.lost, tally.refused) == ([], 0)


async def test_workers_whose_supervisor_is_killed_end_by_themselves(directory: Path, issuer: DemoIssuer) -> None:
    async with upstream() as api, program(directory, issuer, api) as gateway:
        workers = gateway.workers()
        async with load(gateway.url, issuer.access_token(), clients=4, uploads=2) as tally:
            await tally.more(20)
            gateway.process.kill()
            await said(gateway, "the supervisor is gone: draining", WORKERS)
            # Their output ends when the last of them does.
            await until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
            await until(lambda: tally.refused == 4)
        assert tally.lost == []
        assert tally.uploaded == 2


async def test_workers_that_die_again_and_again_end_the_program(directory: Path, issuer: DemoIssuer) -> None:
    async with upstream() as api, program(directory, issuer, api) as gateway:
        async with asyncio.timeout(60):
            while gateway.process.returncode is None and "giving up" not in gateway.output.decode():
                for worker in gateway.workers():
                    os.kill(worker, signal.SIGKILL)
                await asyncio.sleep(0.05)
            assert await gateway.process.wait() == 1
    assert "workers died 5 times within 30 s: giving up" in gateway.output.decode()


async def test_the_metrics_of_all_workers_are_one_page(directory: Path, issuer: DemoIssuer) -> None:
    async with upstream() as api, program(directory, issuer, api) as gateway:
        async with load(gateway.url, issuer.access_token(), clients=32) as tally:
            await tally.more(500)
        await asyncio.sleep(1.1)  # as above
        _, text = await gateway.admin("/metrics")
        ended = await counted(gateway, "gateway_requests_total")
        assert tally.answered <= ended <= tally.answered + 32
        assert await counted(gateway, "gateway_request_duration_seconds_count") == ended
        files = list((directory / "metrics").glob("counter_*.db"))
        assert len(files) == WORKERS
        assert "gateway_build_info" in text
    promtool = shutil.which("promtool")
    assert promtool, "make test installs it"
    checker = await asyncio.create_subprocess_exec(
        promtool, "check", "metrics",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    complaints, _ = await checker.communicate(text.encode())
    assert (checker.returncode, complaints) == (0, b"")
    assert list((directory / "metrics").iterdir()) == []


class Held:
    """An API that responds when it is told to."""

    def __init__(self, api: RawUpstream) -> None:
        self.asked, self.release = asyncio.Event(), asyncio.Event()
        api.behaviour = self._behave
        self._response = api.response

    async def _behave(self, upstream: Conversation) -> None:
        await upstream.head()
        self.asked.set()
        await self.release.wait()
        await upstream.say(self._response)


async def test_a_second_signal_cuts_the_draining_short(directory: Path, issuer: DemoIssuer) -> None:
    async with upstream() as api, program(directory, issuer, api) as gateway:
        held = Held(api)
        asking = asyncio.create_task(gateway.raw(request(issuer)))
        await held.asked.wait()
        for _ in range(2):
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.wait_for("draining")
        async with asyncio.timeout(5):
            assert await gateway.process.wait() == 0
        with pytest.raises(ConnectionResetError):
            await asking
    assert "1 connections were cut" in gateway.output.decode()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_every_process_is_one_signal(
    directory: Path, issuer: DemoIssuer, signum: signal.Signals
) -> None:
    async with upstream() as api, program(directory, issuer, api) as gateway:
        held = Held(api)
        asking = asyncio.create_task(gateway.raw(request(issuer)))
        await held.asked.wait()
        for pid in (gateway.process.pid, *gateway.workers()):
            os.kill(pid, signum)
        await gateway.wait_for("draining")
        held.release.set()
        assert (await asking).endswith(b"ok")
        assert await gateway.process.wait() == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_secret_whose_file_is_replaced_is_shown_to_the_api_by_every_worker(
    directory: Path, issuer: DemoIssuer, workers: int
) -> None:
    secret, other = directory / "bearer", directory / "next"
    secret.write_text("the-token-of-yesterday")
    async with upstream() as api:
        api.response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        more = (
            f"upstreams: {{api: {{url: '{api.url}', authorization: {{bearer: {{file: {secret}}}}}}}}}\n"
            "routes: [{path: /*, upstream: api}]"
        )
        async with program(directory, issuer, api, workers=workers, more=more) as gateway:
            assert (await gateway.ask(issuer.access_token()))[0] == 200
            assert api.last.values(b"Authorization") == [b"Bearer the-token-of-yesterday"]
            other.write_text("the-token-of-today")
            other.rename(secret)
            await gateway.wait_for("(?s)" + ".*".join(["bearer.file has a new secret"] * workers))
            for _ in range(10):
                assert (await gateway.ask(issuer.access_token()))[0] == 200
                assert api.last.values(b"Authorization") == [b"Bearer the-token-of-today"]
        assert b"the-token-of" not in gateway.output


def request(issuer: DemoIssuer) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {issuer.access_token()}\r\n\r\n".encode()
