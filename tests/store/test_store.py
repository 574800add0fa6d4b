from gateway.core.config.store import StoreSection
from tests.redis_server import RedisServer
from tests.store.heard import Heard, a_store


async def test_without_a_url_it_is_memory_and_always_up() -> None:
    heard = Heard()
    async with a_store(StoreSection(), heard=heard) as store:
        assert (store.is_up, store.reason, store.shared) == (True, None, None)
        assert repr(store) == "Store(memory)"
        await store.cache("u").put(b"k", b"v", seconds=1)
    assert heard.events == []


async def test_with_one_it_is_that_redis(redis: RedisServer) -> None:
    heard = Heard()
    async with a_store(redis.section(), heard=heard) as store:
        assert (store.is_up, store.reason) == (True, None)
        assert repr(store) == "Store(Redis(Circuit(up, 0 failures)))"
    assert heard.known == [(True, False)]


async def test_uses_say_when_they_refuse_everything() -> None:
    why: list[str | None] = [None, None]
    async with a_store(StoreSection()) as store:
        store.add_refusing(lambda: why[0])
        store.add_refusing(lambda: why[1])
        assert store.refuses_everything() is None
        why[1] = "revocations are older than 30 s"
        assert store.refuses_everything() == "revocations are older than 30 s"
