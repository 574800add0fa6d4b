"""Gateways that share a Redis, as people run them: a provider that is down, a store that fails in every way, and none."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from process import GatewayProcess, serving

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.redis_server import SECRET, RedisServer, free_port, redis_server
from tests.store.test_connections import sentinel

AUDIENCE = "https://api.example.com"


async def until_true(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Waits for what has no event of its own."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 -- see above
            await asyncio.sleep(0.02)


def configured(folder: Path, issuer: DemoIssuer, api: EchoApi, store: Mapping[str, Any], workers: int) -> str:
    """The path of a configuration with this store; `workers` stands beside it."""
    secret = folder / "store-secret"
    secret.write_text(SECRET)
    path = folder / "gateway.yaml"
    path.write_text(
        json.dumps(
            {
                "upstream": api.url,
                "issuers": [{"issuer": issuer.url, "audience": AUDIENCE, "name": "login"}],
                "listen": "127.0.0.1:0",
                "admin": "127.0.0.1:0",
                "limits": {"drain_delay": 0, "drain": 1},
                "workers": workers,
                "store": {"secrets": [{"file": str(secret)}], **store},
            }
        )
    )
    return str(path)


async def ready(gateway: GatewayProcess) -> dict[str, Any]:
    status, text = await gateway.admin("/readyz")
    page: dict[str, Any] = json.loads(text)
    assert page["ready"] is (status == 200)
    return page


async def store_is(gateway: GatewayProcess, reason: str | None) -> None:
    """Waits until /readyz says so of the store, and the metric with it."""

    async def said() -> bool:
        page = await ready(gateway)
        return page.get("store") == reason

    await until_true(said)
    _, metrics = await gateway.admin("/metrics")
    if f"gateway_store_up {1.0 if reason is None else 0.0}" not in metrics:
        # The page is rendered once a second.
        await asyncio.sleep(1.1)
        _, metrics = await gateway.admin("/metrics")
    assert f"gateway_store_up {1.0 if reason is None else 0.0}" in metrics


@asynccontextmanager
async def gateway_with(
    folder: Path, issuer: DemoIssuer, api: EchoApi, *, workers: int = 1, **store: Any
) -> AsyncIterator[GatewayProcess]:
    async with serving(config=configured(folder, issuer, api, store, workers)) as gateway:
        yield gateway


async def test_a_replica_that_starts_while_the_provider_is_down_serves_within_a_second_and_says_so(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer
) -> None:
    token, port = issuer.access_token(), issuer.port
    async with gateway_with(tmp_path, issuer, api, url=redis.url) as first:
        await first.ready()
        assert (await first.ask(token))[0] == 200

        async def kept() -> bool:
            return any(b":keys:" in key for key in redis.ask("KEYS", "*"))

        await until_true(kept)
    await issuer.stop()
    async with gateway_with(tmp_path, issuer, api, url=redis.url) as second:
        started = time.perf_counter()
        assert (await second.ask(token))[0] == 200
        assert time.perf_counter() - started < 1.0
        page = await ready(second)
        assert page["ready"]
        assert [one["issuer"] for one in page["kept"]] == ["login"]
        await second.wait_for(r"issuer login: serves with \d keys that another replica fetched \d+ s ago")
        await second.wait_for("issuer login: its keys cannot be had, those known serve for")
        await issuer.start(port)
        await second.wait_for("its keys were fetched, and serve instead of those of another replica")
        assert "kept" not in await ready(second)
    everything = repr(redis.dump()).encode()
    for known in (token, issuer.url, AUDIENCE, SECRET, str(issuer.keys["RS256"].kid)):
        assert known.encode() not in everything


async def test_whatever_becomes_of_the_store_tokens_are_judged_and_it_is_told(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer
) -> None:
    token = issuer.access_token()
    async with gateway_with(tmp_path, issuer, api, url=redis.url) as gateway:
        await gateway.ready()
        await store_is(gateway, None)
        for break_it, mend_it, reason in (
            (redis.kill, redis.start, "it cannot be reached"),
            (redis.pause, redis.go_on, "it does not respond within 250 ms"),
            (
                lambda: redis.ask("REPLICAOF", "127.0.0.1", "1"),
                lambda: redis.ask("REPLICAOF", "NO", "ONE"),
                "it is a replica, which takes no writes",
            ),
            (
                lambda: redis.ask("CONFIG", "SET", "maxmemory", "1"),
                lambda: redis.ask("CONFIG", "SET", "maxmemory", "0"),
                "it is full, and its maxmemory-policy lets it forget nothing",
            ),
        ):
            break_it()
            await store_is(gateway, reason)
            started = time.perf_counter()
            assert (await gateway.ask(token))[0] == 200
            assert (await gateway.ask("not-a-token"))[0] == 401
            assert time.perf_counter() - started < 1.0
            mend_it()
            await store_is(gateway, None)
    assert b"Traceback" not in gateway.output


async def test_a_failover_is_followed_without_a_restart(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with (
        redis_server(folder, "--replicaof", "127.0.0.1", str(redis.port)) as replica,
        sentinel(tmp_path, redis) as watching,
    ):

        async def linked() -> bool:
            return b"master_link_status:up" in replica.ask("INFO", "replication") and (
                f"port={replica.port}".encode() in redis.ask("INFO", "replication")
            )

        async def seen() -> bool:
            return str(replica.port).encode() in repr(watching.ask("SENTINEL", "REPLICAS", "mymaster")).encode()

        await until_true(linked)
        url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{watching.port}/mymaster"
        async with gateway_with(tmp_path, issuer, api, url=url) as gateway:
            await gateway.ready()
            await store_is(gateway, None)
            await until_true(seen)
            names = {key for key in redis.ask("KEYS", "*") if b":names:" in key}
            redis.kill()
            # Sentinels may be done before it is looked for: then nobody heard that it was away.
            await until_true(lambda: said(gateway, "the store was started anew, or is another one than before"))
            await store_is(gateway, None)
            assert replica.ask("ROLE")[0] == b"master"
            assert {key for key in replica.ask("KEYS", "*") if b":names:" in key} == names


async def said(gateway: GatewayProcess, sentence: str) -> bool:
    return sentence.encode() in gateway.output


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/mymaster"])
async def test_a_store_that_is_not_there_keeps_nobody_from_starting(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, url: str
) -> None:
    async with gateway_with(tmp_path, issuer, api, url=url) as gateway:
        await gateway.ready()
        assert (await gateway.ask(issuer.access_token()))[0] == 200
        assert (await ready(gateway))["store"]


async def test_workers_share_it_and_tell_together_how_it_is(
    tmp_path: Path, issuer: DemoIssuer, api: EchoApi, redis: RedisServer
) -> None:
    async with gateway_with(tmp_path, issuer, api, workers=2, url=redis.url) as gateway:
        await gateway.ready()
        for place in range(2):
            await gateway.wait_for(f"worker {place} serves")
        await store_is(gateway, None)
        assert (await gateway.ask(issuer.access_token()))[0] == 200
        redis.kill()
        await store_is(gateway, "it cannot be reached")
        assert (await ready(gateway))["ready"]
        redis.start()
        await store_is(gateway, None)
        _, metrics = await gateway.admin("/metrics")
        assert 'gateway_store_operations_total{result="ok",use="keys"}' in metrics
