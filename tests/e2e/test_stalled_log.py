"""A container runtime that stops reading standard output: what stands still then is what the configuration says."""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from load import load
from process import ROOT, START_SECONDS, GatewayProcess

from gateway.demo.issuer import DemoIssuer
from tests.wire import RawUpstream, until

#: lines: more than the pipe and what is kept take
MANY = 8000
#: bytes of the pipe
PIPE = 65536


@asynccontextmanager
async def unread(
    directory: Path, issuer: DemoIssuer, *, blocked: str, workers: int = 1
) -> AsyncIterator[tuple[GatewayProcess, int]]:
    """A gateway whose standard output is a pipe, and the end to read from, which nobody does."""
    api = RawUpstream()
    await api.start()
    path = directory / "gateway.yaml"
    path.write_text(f"""
upstream: {api.url}
listen: 127.0.0.1:0
admin: 127.0.0.1:0
workers: {workers}
log: {{blocked: {blocked}}}
issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]
limits: {{drain_delay: 0s, drain: 2s}}
""")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(path),
        cwd=ROOT, env={**os.environ, "TMPDIR": str(directory)}, stdout=writer, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(writer)
    gateway = GatewayProcess(process)
    assert process.stderr is not None
    reading = asyncio.create_task(gateway.read(process.stderr))
    try:
        found = await gateway.wait_for(r"listens on (\S+), admin on (\S+),")
        gateway.url, gateway.admin_url = f"http://{found[1]}", f"http://{found[2]}"
        await gateway.ready()
        yield gateway, reader
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
        os.close(reader)
        await api.stop()


async def live_within(gateway: GatewayProcess, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return (await gateway.admin("/livez"))[0] == 200
    return False


async def dropped(gateway: GatewayProcess) -> float:
    _, text = await gateway.admin("/metrics")
    found = re.search(r"^gateway_access_lines_dropped_total (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])


@pytest.mark.parametrize("workers", [1, 2])
async def test_with_drop_traffic_goes_on_and_what_is_lost_is_counted(
    tmp_path: Path, issuer: DemoIssuer, workers: int
) -> None:
    async with unread(tmp_path, issuer, blocked="drop", workers=workers) as (gateway, reader):
        async with load(gateway.url, issuer.access_token(), clients=16, between=0) as tally:
            for _ in range(MANY // 500):
                await tally.more(500)
            assert await live_within(gateway, 1.0)
        assert tally.lost == []
        async with asyncio.timeout(START_SECONDS):
            while not (lost := await dropped(gateway)):  # noqa: ASYNC110 -- of another process there is no event
                await asyncio.sleep(0.5)
        assert 0 < lost < tally.answered
        await gateway.wait_for("lines of the access log were dropped: standard output is not read")
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        # Nobody reads to the very end, either.
        assert await gateway.process.wait() == 0
        assert time.monotonic() - began < 10
        # What did arrive are whole lines.
        written = await asyncio.to_thread(_rest, reader)
        assert all(json.loads(line)["status"] == 200 for line in written.splitlines())
        assert len(written) > PIPE // 2


async def test_with_wait_everything_stands_still_until_somebody_reads_and_no_line_is_lost(
    tmp_path: Path, issuer: DemoIssuer
) -> None:
    async with unread(tmp_path, issuer, blocked="wait") as (gateway, reader):
        async with load(gateway.url, issuer.access_token(), clients=4, between=0) as tally:
            stood = -1
            while stood != tally.answered:
                stood = tally.answered
                await asyncio.sleep(0.5)  # that nothing happens has no event
            assert stood > 0
            # /livez responds within a second or not at all.
            assert not await live_within(gateway, 1.0)
            taking = asyncio.create_task(asyncio.to_thread(_rest, reader))
            await tally.more(500)
            assert await live_within(gateway, 5.0)
        assert await gateway.stop() == 0
        lines = [json.loads(line) for line in (await taking).splitlines()]
        await until(lambda: gateway.process.returncode is not None)
        assert len([line for line in lines if line["outcome"] == "admitted"]) >= tally.answered
        assert tally.lost == []


def _rest(reader: int) -> bytes:
    found = bytearray()
    while piece := os.read(reader, 65536):
        found += piece
    return bytes(found)
