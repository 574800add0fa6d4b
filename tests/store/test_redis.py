"""A real Redis, and all that becomes of one: no operation takes longer than it may, and all is well again by itself."""

import asyncio
import logging
import time
from pathlib import Path

import pytest

from gateway.core.config.section import Seconds
from gateway.store.down import StoreDown
from gateway.store.script import Script
from gateway.store.store import Store
from tests.redis_server import RedisServer
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
