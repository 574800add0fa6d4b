"""What is revoked is refused everywhere: by every worker of a program, and by every program that has the same store."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from prepared import ran
from process import GatewayProcess, serving

from gateway.core.config.file import Config
from gateway.core.config.revocation import Revocation
from gateway.core.config.secret import Secret
from gateway.core.revocation.entry import Entry
from gateway.demo.issuer import DemoIssuer
from tests.process.supervised import Supervised, config, supervised
from tests.process.test_revoking import ask, entry, request
from tests.process.test_supervisor import jwks
from tests.redis_server import SECRET, RedisServer, free_port
from tests.wire import RawClient, RawUpstream, starting, until

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
    async with supervised(revocable(jwks, upstream, path), caplog, heartbeat=0.3, silent=1000) as it:
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


async def test_a_gateway_that_starts_without_its_redis_admits_nobody_until_it_has_the_list(
    tmp_path: Path, redis: RedisServer
) -> None:
    redis.kill()
    secrets = {Secret(env="STORE_SECRET"): SECRET}
    async with starting(tmp_path) as start:
        gateway = await start(revocation=Revocation(), store=redis.section(), secrets=secrets)
        client = await gateway.client()
        refused = await client.ask(request())
        assert (refused.status, refused.problem["reason"]) == (503, "store_unavailable")
        assert refused.values(b"Retry-After") == [b"5"]
        page = await gateway.admin("/readyz")
        assert page.status == 503
        assert b"the list of what is revoked is older than 30 s, or was not read yet" in page.body
        redis.start()
        revocations = gateway.gateway.assembly.revocations
        assert revocations is not None
        await until(lambda: not revocations.is_needed)
        assert (await client.ask(request())).status == 200
        assert (await gateway.admin("/readyz")).status == 200
        # From then on it goes on without, for as long as the list is not too old.
        redis.kill()
        assert (await client.ask(request())).status == 200


async def test_who_comes_while_it_starts_is_not_admitted_before_the_list_is_known(
    tmp_path: Path, redis: RedisServer
) -> None:
    redis.pause()
    secrets, port = {Secret(env="STORE_SECRET"): SECRET}, free_port()
    async with starting(tmp_path) as start:
        begun = asyncio.ensure_future(
            start(revocation=Revocation(), store=redis.section(), secrets=secrets, listen=f"127.0.0.1:{port}")
        )
        client: RawClient | None = None
        while client is None:
            with contextlib.suppress(OSError):
                client = await RawClient.connect(f"127.0.0.1:{port}")
            await asyncio.sleep(0)
        refused = await client.ask(request())
        assert not begun.done()
        assert (refused.status, refused.problem["reason"]) == (503, "store_unavailable")
        redis.go_on()
        await begun
        await client.close()


# Whole programs


async def command(config: Path, *words: str) -> str:
    """What `bearer-gateway revoke` prints."""
    return (await ran("revoke", *words, "--config", str(config)))[1]


def written(path: Path, issuer: DemoIssuer, api: RawUpstream, more: str) -> Path:
    path.write_text(f"""
upstream: {api.url}
listen: 127.0.0.1:0
admin: 127.0.0.1:0
issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]
limits: {{drain_delay: 0s, drain: 1s}}
{more}
""")
    return path


def minted(issuer: DemoIssuer, subject: str) -> str:
    now = int(time.time())
    return issuer.access_token(alg="ES256", sub=subject, iat=now, exp=now + 600)


async def refuses(gateway: GatewayProcess, token: str, *, within: float, reason: str = "token_revoked") -> float:
    """Waits until a token is refused for this reason, by whichever worker takes the request; seconds that took."""
    began = time.monotonic()
    in_a_row = 0
    while in_a_row < 8:
        _, body, _ = await gateway.ask(token)
        in_a_row = in_a_row + 1 if body.get("reason") == reason else 0
        assert in_a_row or time.monotonic() - began < within
    return time.monotonic() - began


async def test_two_programs_with_one_store_refuse_within_a_second_what_either_of_them_is_told_under_load(
    tmp_path: Path, issuer: DemoIssuer, upstream: RawUpstream, redis: RedisServer
) -> None:
    upstream.response = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    shared = f"revocation: {{}}\n{redis.yaml()}\n"
    (tmp_path / "metrics").mkdir()
    one = written(tmp_path / "one.yaml", issuer, upstream, shared)
    two = written(tmp_path / "two.yaml", issuer, upstream, f"{shared}workers: 2\n")
    env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")}
    async with serving(config=str(one)) as first, serving(config=str(two), env=env) as second:
        await first.ready()
        await second.ready()
        await second.wait_for("worker 0 serves")
        await second.wait_for("worker 1 serves")
        alice, bob, carol = (minted(issuer, subject) for subject in ("alice", "bob", "carol"))

        async def busy(gateway: GatewayProcess) -> None:
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {bob}"}) as session:
                while True:
                    async with session.get(gateway.url) as response:
                        assert response.status == 200
                    await asyncio.sleep(0.02)

        working = [asyncio.create_task(busy(gateway)) for gateway in (first, second) for _ in range(2)]
        for gateway in (first, second):
            assert (await gateway.ask(alice))[0] == 200
        assert await command(one, "--subject", "alice") == "revoked\n"
        # Eight requests in a row are among it: more than the time that it takes to hear of it.
        assert await refuses(first, alice, within=1.0) < 2.0
        assert await refuses(second, alice, within=1.0) < 2.0
        # Redis is killed: what is revoked stays so; it comes back empty, and is given back what was there.
        redis.kill()
        assert (await first.ask(alice))[0] == 401
        assert (await second.ask(carol))[0] == 200
        assert await command(two, "--subject", "carol") == "the store cannot be had: it cannot be reached\n"
        redis.start()
        await until(lambda: any(b"revocation" in key for key in redis.dump()))
        assert "'alice'" in await command(two, "list")
        assert await command(two, "--subject", "carol") == "revoked\n"
        await refuses(first, carol, within=3.0)
        await refuses(second, carol, within=3.0)
        assert await command(one, "lift", "--subject", "carol") == "lifted: such tokens are good again\n"
        async with asyncio.timeout(5):
            while (await second.ask(carol))[0] != 200:
                pass
        assert not any(task.done() for task in working)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        assert "Traceback" not in (first.output + second.output).decode()


async def test_a_program_that_is_killed_knows_what_it_had_confirmed(
    tmp_path: Path, issuer: DemoIssuer, upstream: RawUpstream
) -> None:
    upstream.response = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    config = written(tmp_path / "one.yaml", issuer, upstream, f"revocation: {{file: {tmp_path}/revoked}}")
    alice = minted(issuer, "alice")
    async with serving(config=str(config)) as gateway:
        await gateway.ready()
        assert (await gateway.ask(alice))[0] == 200
        assert await command(config, "--subject", "alice", "--reason", "lost") == "revoked\n"
        assert (await gateway.ask(alice))[0] == 401
        gateway.process.kill()
        await gateway.process.wait()
    with (tmp_path / "revoked").open("ab") as torn:
        torn.write(b"0123abcd {")
    async with serving(config=str(config)) as gateway:
        await gateway.ready()
        assert (await gateway.ask(alice))[0] == 401
        assert await command(config, "lift", "--subject", "alice") == "lifted: such tokens are good again\n"
        assert (await gateway.ask(alice))[0] == 200
