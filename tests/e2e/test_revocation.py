"""What is revoked is refused everywhere: by every worker of a program."""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.config.file import Config
from gateway.core.config.revocation import Revocation
from gateway.core.revocation.entry import Entry
from tests.process.test_revoking import ask, entry, request
from tests.process.test_supervisor import Supervised, config, jwks, supervised
from tests.wire import RawUpstream, until

__all__ = ["jwks"]


async def statuses(it: Supervised, raw: bytes, enough: Callable[[list[int]], bool]) -> list[int]:
    """What requests on connections of their own get, which any of the workers takes."""
    found: list[int] = []
    while not enough(found):
        client = await it.client()
        found.append((await client.ask(raw)).status)
        await client.close()
    return found


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    made = RawUpstream()
    await made.start()
    yield made
    await made.stop()


def revocable(jwks: str, upstream: RawUpstream, path: Path, **settings: Any) -> Config:
    return config(jwks, upstream.url, revocation=Revocation(file=str(path)), **settings)


async def test_real_workers_refuse_what_one_of_them_or_a_new_one_is_shown(
    jwks: str, tmp_path: Path, upstream: RawUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    path, good, later = tmp_path / "revoked", request(), request(iat=time.time() + 20)
    async with supervised(revocable(jwks, upstream, path), caplog, heartbeat=0.1, silent=1000) as it:
        assert set(await statuses(it, good, lambda found: len(found) == 6)) == {200}
        assert await ask(path, "add", entry()) == ([], 1)
        assert set(await statuses(it, good, lambda found: len(found) == 12)) == {401}
        assert set(await statuses(it, later, lambda found: len(found) == 6)) == {200}
        before = set(it.pids)
        os.kill(it.pids[0], signal.SIGSTOP)
        started = time.monotonic()
        assert await ask(path, "add", Entry("client", "https://issuer.test", "x", until=time.time() + 60)) == ([], 1)
        assert time.monotonic() - started < 2.5
        assert it.told("has not confirmed what is revoked within 1 s: killed")
        await until(lambda: len(set(it.pids) - before) == 1)
        await it.ready()
        assert set(await statuses(it, good, lambda found: len(found) == 12)) == {401}
        metrics = (await it.admin("/metrics")).body.decode()
        assert 'gateway_revocations_added_total{kind="subject",source="command"} 1.0' in metrics
        assert 'gateway_revocations{kind="subject"} 1.0' in metrics
    async with supervised(revocable(jwks, upstream, path), caplog) as it:
        assert set(await statuses(it, good, lambda found: len(found) == 6)) == {401}
        assert (await ask(path, "list"))[1] == 2
