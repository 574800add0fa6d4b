"""SIGHUP, which a terminal that closes or an old habit of reloading sends, loses nobody's request: it drains."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from load import load
from test_workers import Held, directory, program, request, upstream

from gateway.demo.issuer import DemoIssuer

__all__ = ["directory"]


@pytest.mark.parametrize("workers", [1, 2])
async def test_sighup_under_load_loses_no_request_and_no_upload(
    directory: Path, issuer: DemoIssuer, workers: int
) -> None:
    async with upstream() as api, program(directory, issuer, api, workers=workers) as gateway:
        async with load(gateway.url, issuer.access_token(), clients=24, uploads=8) as tally:
            await tally.more(200)
            gateway.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(20):
                assert await gateway.process.wait() == 0
        assert "draining" in gateway.output.decode()
        assert tally.lost == []
        assert tally.uploaded == 8


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_terminal_that_closes_tells_every_process(directory: Path, issuer: DemoIssuer, workers: int) -> None:
    async with upstream() as api, program(directory, issuer, api, workers=workers) as gateway:
        held = Held(api)
        asking = asyncio.create_task(gateway.raw(request(issuer)))
        await held.asked.wait()
        for pid in (gateway.process.pid, *(gateway.workers() if workers > 1 else ())):
            os.kill(pid, signal.SIGHUP)
        await gateway.wait_for("draining")
        held.release.set()
        assert (await asking).endswith(b"ok")
        assert await gateway.process.wait() == 0


async def test_a_worker_alone_is_renewed(directory: Path, issuer: DemoIssuer) -> None:
    """As with SIGTERM: the others go on, and nothing is lost."""
    async with (
        upstream() as api,
        program(directory, issuer, api) as gateway,
        load(gateway.url, issuer.access_token(), clients=16) as tally,
    ):
        await tally.more(100)
        renewed = gateway.workers()[0]
        os.kill(renewed, signal.SIGHUP)
        await gateway.wait_for(rf"\(process {renewed}\) was told to end by somebody else: replaced")
        await tally.more(100)
        assert (tally.lost, tally.refused) == ([], 0)
