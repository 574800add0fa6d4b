"""A real Redis, and all that becomes of one: no operation takes longer than it may, and all is well again by itself."""

import asyncio
import logging
import time
from pathlib import Path
from typing import cast

import pytest

import gateway.store.redis as redis_module
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreSection
from gateway.ports import Exchange
from gateway.store.budget import spend, within_budget
from gateway.store.down import StoreDown
from gateway.store.script import Script
from gateway.store.store import Store
from tests.redis_server import SECRET, RedisServer, redis_server
from tests.store.heard import Heard, a_store, shared
from tests.wire import until

TIMEOUT = 0.1
#: by how much a machine on which other tests run may be late; redis-py left to itself takes seconds
LATE = 0.4
COUNT = Script("return redis.call('INCR', KEYS[1])")


async def a_write(store: Store) -> int:
    """A number that grows."""
    redis = shared(store)
    return int(await redis.run(COUNT, use="count", keys=[redis.name("count", b"k")]))


async def failing(store: Store) -> tuple[str, float]:
    """Why a write failed, and how long that took in seconds."""
    started = time.perf_counter()
    with pytest.raises(StoreDown) as told:
        await a_write(store)
    return str(told.value), time.perf_counter() - started


async def test_one_that_is_killed_and_comes_back_empty(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    heard, lost = Heard(), []
    caplog.set_level(logging.INFO)
    async with a_store(redis.section(timeout=Seconds(TIMEOUT)), heard=heard) as store:
        shared(store).on_loss.append(lambda: lost.append(1))
        name = shared(store).name("u", b"k")
        assert await a_write(store) == 1
        redis.kill()
        why, took = await failing(store)
        assert (why, took < LATE) == ("it cannot be reached", True)
        assert not store.is_up
        assert store.reason == "it cannot be reached"
        assert (await failing(store))[1] < TIMEOUT
        redis.start()
        await until(lambda: store.is_up)
        assert await a_write(store) == 1
        assert lost, "whoever can restore something is told"
        assert shared(store).name("u", b"k") == name
    assert heard.known == [(True, False), (False, False), (True, False)]
    told = [record.message for record in caplog.records]
    assert told.count("the store cannot be had: it cannot be reached") == 1
    assert told.count("the store can be had") == 2
    assert "the store was started anew, or is another one than before" in told


async def test_one_that_stops_costs_each_request_its_time_once_and_the_next_nothing(redis: RedisServer) -> None:
    async with a_store(redis.section(timeout=Seconds(TIMEOUT))) as store:
        assert await a_write(store) == 1
        redis.pause()
        told = await asyncio.gather(*(failing(store) for _ in range(50)))
        assert {why for why, _ in told} == {"it does not respond within 100 ms"}
        assert max(took for _, took in told) < TIMEOUT + LATE
        assert (await failing(store))[1] < TIMEOUT
        redis.go_on()
        await until(lambda: store.is_up)
        assert await a_write(store) >= 2


async def test_one_that_is_not_there_at_the_start_holds_nobody_up(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, 1)
    started = time.perf_counter()
    async with a_store(server.section(timeout=Seconds(TIMEOUT))) as store:
        assert time.perf_counter() - started < TIMEOUT + LATE
        why, took = await failing(store)
        assert (why, took < LATE) == ("it cannot be reached", True)


async def test_one_that_is_full_says_no_to_writes_and_is_read_from(tmp_path: Path) -> None:
    heard = Heard()
    with redis_server(tmp_path) as server:
        async with a_store(server.section(timeout=Seconds(TIMEOUT)), heard=heard) as store:
            cache = store.cache("u")
            await cache.put(b"k", b"v", seconds=60)
            server.ask("CONFIG", "SET", "maxmemory", "1")
            why, _ = await failing(store)
            assert why == "it is full, and its maxmemory-policy lets it forget nothing"
            await until(lambda: not store.is_up)
            assert store.reason == why
            assert await cache.get(b"k") == b"v"
            server.ask("CONFIG", "SET", "maxmemory", "0")
            await until(lambda: store.is_up)
            assert await a_write(store) == 1
    assert heard.known == [(True, False), (False, False), (True, False)]


async def test_one_that_takes_no_writes_any_more(redis: RedisServer) -> None:
    async with a_store(redis.section(timeout=Seconds(TIMEOUT))) as store:
        assert await a_write(store) == 1
        redis.ask("REPLICAOF", "127.0.0.1", "1")
        assert (await failing(store))[0] == "it is a replica, which takes no writes"
        await until(lambda: not store.is_up)
        redis.ask("REPLICAOF", "NO", "ONE")
        await until(lambda: store.is_up)
        assert await a_write(store) == 2


async def test_one_that_throws_away_is_told_of_and_whoever_can_puts_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "INTERVAL", 0.01)
    heard, lost = Heard(), []
    with redis_server(tmp_path, "--maxmemory-policy", "allkeys-random") as server:
        async with a_store(server.section(timeout=Seconds(0.5)), heard=heard) as store:
            shared(store).on_loss.append(lambda: lost.append(1))
            assert shared(store).evicts
            assert heard.known == [(False, True), (True, True)]
            name = shared(store).name("u", b"k")
            used = int(server.ask("INFO", "memory").split(b"used_memory:")[1].split(b"\r\n")[0])
            server.ask("CONFIG", "SET", "maxmemory", str(used + 200_000))
            for number in range(40):
                server.ask("SET", f"filler{number}", "x" * 20_000)
            await until(lambda: lost)
            server.ask("CONFIG", "SET", "maxmemory", "0")
            await until(lambda: store.is_up)
            assert shared(store).name("u", b"k") == name
            server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
            await until(lambda: not shared(store).evicts)
    assert heard.known[-1] == (True, False)
    assert "its maxmemory-policy is 'allkeys-random', not noeviction" in caplog.text
    assert "keys for want of memory" in caplog.text


async def test_one_that_is_emptied_gets_its_names_back(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_module, "INTERVAL", 0.01)
    async with a_store(redis.section()) as store:
        name = shared(store).name("u", b"k")
        redis.ask("FLUSHALL")
        await until(lambda: any(b":names:" in key for key in redis.ask("KEYS", "*")))
        async with a_store(redis.section()) as other:
            assert shared(other).name("u", b"k") == name


async def test_a_cluster_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--cluster-enabled", "yes") as server:
        async with a_store(server.section()) as store:
            assert store.reason == "it is a Redis Cluster, which is not supported"


async def test_secrets_that_are_replaced_one_after_the_other_forget_nothing(redis: RedisServer) -> None:
    old, new = Secret(env="OLD"), Secret(env="NEW")
    values = {old: "o" * 32, new: "n" * 32}

    def section(*secrets: Secret) -> StoreSection:
        return StoreSection(url=redis.url, secrets=secrets)

    async with a_store(section(old), read=values.__getitem__) as store:
        await store.cache("u").put(b"k", b"v", seconds=60)
        assert await a_write(store) == 1
    for number, secrets in enumerate(((old, new), (new, old)), start=2):
        async with a_store(section(*secrets), read=values.__getitem__) as store:
            assert await store.cache("u").get(b"k") == b"v"
            await store.cache("u").put(b"k", b"v", seconds=60)
            assert await a_write(store) == number
    async with a_store(section(new), read=values.__getitem__) as store:
        assert await store.cache("u").get(b"k") == b"v"
        assert await a_write(store) == 4


async def test_a_secret_in_a_file_that_is_replaced_while_it_runs(redis: RedisServer) -> None:
    now = "o" * 32
    async with a_store(redis.section(), read=lambda _: now) as store:
        cache = store.cache("u")
        await cache.put(b"k", b"v", seconds=60)
        name = shared(store).name("u", b"k")
        now = "n" * 32
        assert await cache.get(b"k") is None, "nobody has the secret any more that sealed it"
        await cache.put(b"k", b"v", seconds=60)
        assert await cache.get(b"k") == b"v"
        await until(lambda: sum(b":names:" in key for key in redis.ask("KEYS", "*")) == 2)
        async with a_store(redis.section(), read=lambda _: now) as other:
            assert shared(other).name("u", b"k") == name
            assert await other.cache("u").get(b"k") == b"v"


async def test_all_work_of_a_request_has_one_time_together(redis: RedisServer) -> None:
    heard = Heard()
    async with a_store(redis.section(timeout=Seconds(TIMEOUT)), heard=heard) as store:

        async def handle(_: Exchange) -> None:
            assert await a_write(store) == 1
            spend(TIMEOUT)
            with pytest.raises(StoreDown, match="the time for this request is spent"):
                await a_write(store)

        await asyncio.create_task(within_budget(handle)(cast("Exchange", None)))
        assert store.is_up
        assert await a_write(store) == 2
    assert heard.used["count", "timeout"] == 1


async def test_what_is_short_of_time_through_others_is_no_reason_to_give_it_up(redis: RedisServer) -> None:
    async with a_store(redis.section(timeout=Seconds(1))) as store:

        async def handle(_: Exchange) -> None:
            spend(0.99)
            redis.pause()
            with pytest.raises(StoreDown, match="does not respond"):
                await a_write(store)
            redis.go_on()

        await asyncio.create_task(within_budget(handle)(cast("Exchange", None)))
        assert store.is_up


async def test_a_proof_is_remembered_once_by_two_processes(redis: RedisServer) -> None:
    """Replay at the store's interface: the random value of the attempt tells our own first try from another's proof."""
    seen = Script("return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2])")
    async with a_store(redis.section()) as one, a_store(redis.section()) as other:
        keys = [shared(store).name("replay", b"jti") for store in (one, other)]
        assert keys[0] == keys[1]
        first, second = [
            await shared(store).run(seen, use="replay", keys=[key], args=[value, 60_000])
            for store, key, value in ((one, keys[0], b"attempt-1"), (other, keys[1], b"attempt-2"))
        ]
        assert (first, second) == (None, b"attempt-1")


def test_nothing_of_the_secrets_is_shown(redis: RedisServer) -> None:
    store = Store(redis.section(), read=lambda _: SECRET, observer=Heard())
    assert SECRET not in repr(store)
