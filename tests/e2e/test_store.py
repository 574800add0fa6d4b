"""Gateways that share a Redis: a provider that is down, a store that is not there, and workers. How it fails: test_replicas."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fleet import until_store_is, until_true
from process import GatewayProcess, serving

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.redis_server import SECRET, RedisServer

AUDIENCE = "https://api.example.com"


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
        await until_store_is(gateway, None)
        assert (await gateway.ask(issuer.access_token()))[0] == 200
        redis.kill()
        await until_store_is(gateway, "it cannot be reached")
        assert (await ready(gateway))["ready"]
        redis.start()
        await until_store_is(gateway, None)
        _, metrics = await gateway.admin("/metrics")
        assert 'gateway_store_operations_total{result="ok",use="keys"}' in metrics
