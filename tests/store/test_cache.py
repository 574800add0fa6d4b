"""A cache gives what was put there, or nothing; in memory and in a real Redis alike."""

from pathlib import Path

import pytest

from gateway.core.config.store import StoreSection
from gateway.store.cache import Cache
from tests.redis_server import RedisServer, redis_server
from tests.store.heard import Heard, a_store

TOKEN, SUBJECT = b"opaque-token-of-alice", b"alice@example.com"


@pytest.fixture(params=["memory", "redis"])
def section(request: pytest.FixtureRequest) -> StoreSection:
    if request.param == "memory":
        return StoreSection()
    server: RedisServer = request.getfixturevalue("redis")
    return server.section()


async def test_what_was_put_comes_back_until_it_is_dropped(section: StoreSection) -> None:
    async with a_store(section) as store:
        cache, other = store.cache("introspection"), store.cache("userinfo")
        assert await cache.get(b"k") is None
        await cache.put(b"k", b"\0\xff" * 100, seconds=60)
        assert await cache.get(b"k") == b"\0\xff" * 100
        assert await other.get(b"k") is None
        await cache.put(b"k", b"", seconds=60)
        assert await cache.get(b"k") == b""
        await cache.drop(b"k")
        assert await cache.get(b"k") is None
        await cache.drop(b"k")


async def test_what_is_too_large_or_over_already_is_not_kept(section: StoreSection) -> None:
    async with a_store(section) as store:
        cache = store.cache("u", value_bytes=10)
        await cache.put(b"large", b"x" * 11, seconds=60)
        await cache.put(b"over", b"x", seconds=0)
        await cache.put(b"fits", b"x" * 10, seconds=0.5)
        assert [await cache.get(key) for key in (b"large", b"over", b"fits")] == [None, None, b"x" * 10]


async def test_in_redis_it_is_sealed_and_ends(redis: RedisServer) -> None:
    async with a_store(redis.section()) as store:
        cache = store.cache("introspection")
        await cache.put(TOKEN, SUBJECT, seconds=60)
        everything = repr(redis.dump()).encode()
        assert TOKEN not in everything
        assert b"alice" not in everything
        (key,) = (key for key in redis.dump() if b":introspection:" in key)
        assert 59_000 < redis.ask("PTTL", key) <= 60_000
        redis.ask("SET", key, b"something else")
        assert await cache.get(TOKEN) is None


async def test_a_value_that_redis_keeps_for_too_long_does_not_exist(redis: RedisServer) -> None:
    now = 1000.0
    async with a_store(redis.section(), clock=lambda: now) as store:
        cache = store.cache("u")
        await cache.put(b"k", b"v", seconds=5)
        (key,) = (key for key in redis.dump() if b":u:" in key)
        redis.ask("PERSIST", key)
        now = 1004.9
        assert await cache.get(b"k") == b"v"
        now = 1005.0
        assert await cache.get(b"k") is None


async def test_a_store_that_fails_is_a_miss(tmp_path: Path) -> None:
    heard = Heard()
    with redis_server(tmp_path) as server:
        async with a_store(server.section(), heard=heard) as store:
            cache: Cache = store.cache("u")
            await cache.put(b"k", b"v", seconds=60)
            server.kill()
            for _ in range(3):
                assert await cache.get(b"k") is None
                await cache.put(b"k", b"v", seconds=60)
                await cache.drop(b"k")
            assert heard.used["u", "ok"] == 1
            assert heard.used["u", "error"] == 1
            assert heard.used["u", "down"] == 8
            assert repr(cache).startswith("Cache('u', Redis(Circuit(it cannot be reached")


async def test_before_redis_was_ever_reached_it_is_a_miss(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, 1)
    async with a_store(server.section()) as store:
        cache = store.cache("u")
        await cache.put(b"k", b"v", seconds=60)
        await cache.drop(b"k")
        assert await cache.get(b"k") is None


async def test_what_is_shown_of_a_memory(section: StoreSection) -> None:
    async with a_store(StoreSection()) as store:
        assert repr(store.cache("u")) == "Cache('u', memory)"
