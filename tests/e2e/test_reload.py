"""The configuration is read anew under load: nothing is lost, and what is not sound changes nothing.

SIGHUP is also what a terminal that closes sends to every process of a program, and what `nohup` has ignored.
"""

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process import ROOT, START_SECONDS, GatewayProcess
from test_workers import WORKERS, counted, directory, program, upstream

from gateway.demo.issuer import DemoIssuer
from tests.relay.test_tunnel import echo, handshake_with
from tests.wire import RawClient, RawUpstream

__all__ = ["directory"]

#: each leaves the paths of the other to nobody
SOUND = (
    "routes: [{path: /even}, {path: /both}]\nunmatched: refuse",
    "routes: [{path: /odd}, {path: /both}]\nunmatched: refuse",
)
#: how often it is swapped, how many ask meanwhile, and how many requests there are at least: the suite takes few.
#: What operations of years would do is RELOAD_SWAPS=100 RELOAD_CLIENTS=64 RELOAD_REQUESTS=200000
SWAPS, CLIENTS, REQUESTS = (
    int(os.environ.get(f"RELOAD_{name}", usual))
    for name, usual in (("SWAPS", "8"), ("CLIENTS", "8"), ("REQUESTS", "0"))
)
#: reloads over which memory is flat; RELOADS=1000 RELOAD_TUNNELS=200 is the whole of it
RELOADS, TUNNELS = int(os.environ.get("RELOADS", "40")), int(os.environ.get("RELOAD_TUNNELS", "5"))
BROKEN = ("routes: [", "routes: [{path: no-path}]", "listen: 127.0.0.1:1", "workers: 3", "issuers: []")


def text_of(directory: Path) -> str:
    return (directory / "gateway.yaml").read_text()


def rewrite(directory: Path, more: str, *, whole: str) -> None:
    """As most programs do it, at once."""
    beside = directory / "beside"
    beside.write_text(whole.partition("routes:")[0] + more)
    beside.rename(directory / "gateway.yaml")


JSON = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def reloaded(gateway: GatewayProcess, count: int) -> None:
    """Waits until as many were used."""
    async with asyncio.timeout(START_SECONDS):
        while gateway.output.count(b"another configuration is in use") < count:  # noqa: ASYNC110 -- it tells in words
            await asyncio.sleep(0.01)


def resident_kib(gateway: GatewayProcess) -> int:
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{gateway.process.pid}/status").read_text())[0])


class Asking:
    """Clients that ask one request after another, each on its connection, until they are told to stop."""

    def __init__(self, gateway: GatewayProcess, token: str) -> None:
        self._address = gateway.url.removeprefix("http://")
        self._token = token.encode()
        self.statuses: dict[tuple[bytes, int], int] = {}
        self.over = False

    async def run(self) -> None:
        client = await RawClient.connect(self._address)
        for path in itertools.cycle((b"/even", b"/odd", b"/both")):
            request = b"GET %b HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n\r\n" % (path, self._token)
            response = await client.ask(request)
            key = (path, response.status)
            self.statuses[key] = self.statuses.get(key, 0) + 1
            if self.over:
                await client.close()
                return


@pytest.mark.timeout(3600 if REQUESTS else 120)
@pytest.mark.parametrize("workers", [1, WORKERS])
async def test_swapped_under_load_nothing_is_lost_and_each_response_fits_one_of_the_two(
    directory: Path, issuer: DemoIssuer, workers: int
) -> None:
    async with upstream() as api, program(directory, issuer, api, workers=workers, more=SOUND[0]) as gateway:
        whole = text_of(directory)
        api.response = JSON
        asking = Asking(gateway, issuer.access_token())
        running = [asyncio.create_task(asking.run()) for _ in range(CLIENTS)]
        broken = itertools.cycle(BROKEN)
        for number in range(1, SWAPS + 1):
            rewrite(directory, f"{next(broken)}", whole=whole)
            gateway.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.05)
            rewrite(directory, SOUND[number % 2], whole=whole)
            gateway.process.send_signal(signal.SIGHUP)
            await reloaded(gateway, number)
            while sum(asking.statuses.values()) < REQUESTS * number // SWAPS:  # noqa: ASYNC110 -- a count
                await asyncio.sleep(0.01)
        asking.over = True
        await asyncio.gather(*running)
        assert {key for key in asking.statuses if key[0] == b"/both"} == {(b"/both", 200)}
        assert asking.statuses.keys() <= {
            (path, status) for path in (b"/even", b"/odd", b"/both") for status in (200, 404)
        }
        # Both of them served.
        assert {(b"/even", 200), (b"/even", 404)} <= asking.statuses.keys()
        assert gateway.output.count(b"replaced") == 0
        assert await gateway.stop() == 0


@pytest.mark.timeout(3600 if RELOADS > 100 else 120)
async def test_memory_is_flat_however_often_it_is_read_anew(directory: Path, issuer: DemoIssuer) -> None:
    async with upstream() as api, program(directory, issuer, api, workers=1, more=SOUND[0]) as gateway:
        whole, token = text_of(directory), issuer.access_token(exp=time.time() + 7200)
        api.behaviour = echo
        tunnels = [await RawClient.connect(gateway.url.removeprefix("http://")) for _ in range(TUNNELS)]
        for tunnel in tunnels:
            await tunnel.send(handshake_with(token).replace(b"GET / ", b"GET /both "))
            assert (await tunnel.head()).status == 101

        async def resident(after: int, until: int) -> int:
            for number in range(after + 1, until + 1):
                rewrite(directory, SOUND[number % 2], whole=whole)
                gateway.process.send_signal(signal.SIGHUP)
                await reloaded(gateway, number)
            return resident_kib(gateway)

        before = await resident(0, RELOADS // 4)
        # An assembly that stayed would be some 30 KiB, of so small a configuration.
        assert await resident(RELOADS // 4, RELOADS) - before < (4096 if RELOADS > 100 else 512)
        for tunnel in tunnels:
            await tunnel.send(b"\x81\x80....")
            assert await tunnel.reader.readexactly(6) == b"\x81\x80...."
            await tunnel.close()


@pytest.mark.parametrize("workers", [1, WORKERS])
async def test_what_is_not_sound_is_told_and_changes_nothing(directory: Path, issuer: DemoIssuer, workers: int) -> None:
    async with upstream() as api, program(directory, issuer, api, workers=workers, more=SOUND[0]) as gateway:
        whole = text_of(directory)
        api.response = JSON
        _, before = await gateway.admin("/metrics")
        rewrite(
            directory, "routes: [{path: /even}]\nlisten: 127.0.0.1:1", whole=whole.replace("listen: 127.0.0.1:0\n", "")
        )
        # As where a terminal closes: every process gets it, and the workers leave it to their supervisor.
        for pid in (gateway.process.pid, *(gateway.workers() if workers > 1 else ())):
            os.kill(pid, signal.SIGHUP)
        await gateway.wait_for("listen: cannot change while the gateway runs: restart it")
        await gateway.wait_for("the configuration stays as it was")
        assert (await gateway.ask(issuer.access_token(), path="/even"))[0] == 200
        # The page is rendered once a second.
        async with asyncio.timeout(START_SECONDS):
            while await counted(gateway, "gateway_config_last_reload_successful") != 0:  # noqa: ASYNC110 -- a page
                await asyncio.sleep(0.2)
        rewrite(directory, SOUND[0], whole=whole)
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.wait_for("was read anew, and has not changed")
        _, after = await gateway.admin("/metrics")
        assert re.findall("gateway_config_info.*", before) == re.findall("gateway_config_info.*", after)


async def test_a_worker_that_says_nothing_is_replaced_and_one_that_starts_later_has_what_was_decided(
    directory: Path, issuer: DemoIssuer
) -> None:
    async with upstream() as api, program(directory, issuer, api, more=SOUND[0]) as gateway:
        whole = text_of(directory)
        api.response = JSON
        rewrite(directory, SOUND[1], whole=whole)
        gateway.process.send_signal(signal.SIGHUP)
        await reloaded(gateway, 1)
        for pid in gateway.workers():
            os.kill(pid, signal.SIGKILL)
        for place in range(WORKERS):
            await gateway.wait_for(rf"(?s)died.*worker {place} serves")
        await gateway.ready()
        for _ in range(8):
            assert (await gateway.ask(issuer.access_token(), path="/odd"))[0] == 200


async def test_a_file_that_changes_is_read_anew_where_it_is_watched(directory: Path, issuer: DemoIssuer) -> None:
    async with (
        upstream() as api,
        program(directory, issuer, api, workers=1, more=f"{SOUND[0]}\nreload: watch") as gateway,
    ):
        whole = text_of(directory)
        api.response = JSON
        rewrite(directory, f"{SOUND[1]}\nreload: watch", whole=whole)
        await reloaded(gateway, 1)
        assert (await gateway.ask(issuer.access_token(), path="/odd"))[0] == 200


async def test_under_nohup_it_stays_ignored(tmp_path: Path, issuer: DemoIssuer) -> None:
    api = RawUpstream()
    await api.start()
    path = tmp_path / "gateway.yaml"
    path.write_text(
        f"upstream: {api.url}\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\nlimits: {{drain_delay: 0, drain: 1}}\n"
        f"issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]\n"
    )
    process = await asyncio.create_subprocess_exec(
        "nohup", sys.executable, "-m", "gateway", "serve", "--config", str(path),
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    async with asyncio.timeout(START_SECONDS):
        while b"listens on" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        rest = await process.stderr.read()
    assert await process.wait() == 0
    assert b"read anew" not in rest
    await api.stop()
