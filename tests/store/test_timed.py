"""Nothing waits for longer than it was told."""

import asyncio
import time

import pytest

from gateway.store.down import StoreDown
from gateway.store.timed import Timed, first_of, within
from tests.redis_server import RedisServer
from tests.store.heard import a_store, shared
from tests.wire import until


async def test_a_follower_waits_on_a_connection_of_its_own(redis: RedisServer) -> None:
    async with a_store(redis.section()) as store:
        follower = shared(store).follower()
        waiting = asyncio.create_task(
            follower.command(b"XREAD", b"BLOCK", 5000, b"STREAMS", b"{bearer-gateway}:changes", b"$", seconds=6)
        )
        await until(lambda: b"blocked_clients:1" in redis.ask("INFO", "clients"))
        added = await shared(store).command("changes", b"XADD", b"{bearer-gateway}:changes", b"*", b"field", b"1")
        ((stream, ((identity, values),)),) = await waiting
        assert (stream, identity, values) == (b"{bearer-gateway}:changes", added, [b"field", b"1"])
        await follower.close()
        await follower.close()


async def test_a_follower_whose_redis_stops_is_told_in_time(redis: RedisServer) -> None:
    async with a_store(redis.section()) as store:
        follower = shared(store).follower()
        assert await follower.command(b"PING", seconds=1) == b"PONG"
        redis.pause()
        started = time.perf_counter()
        with pytest.raises(StoreDown, match="does not respond within 100 ms"):
            await follower.command(b"PING", seconds=0.1)
        assert time.perf_counter() - started < 0.2
        redis.go_on()
        assert await follower.command(b"PING", seconds=1) == b"PONG"


async def test_what_closes_is_not_waited_for() -> None:
    await within(0.01, asyncio.sleep(10))
    await first_of(asyncio.Event(), 0.01)
    event = asyncio.Event()
    event.set()
    await first_of(event, 10)


async def test_a_command_that_fails_in_time_says_why() -> None:
    class Failing:
        async def command(self, *parts: object) -> object:
            raise StoreDown("it is full")

    with pytest.raises(StoreDown, match="full"):
        await Timed(Failing(), 1).command(b"SET")
