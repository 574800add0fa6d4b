from tests.redis_server import RedisServer
from tests.store.heard import a_store, shared


async def test_it_is_on_the_one_client_and_has_no_time_of_its_own(redis: RedisServer) -> None:
    async with a_store(redis.section()) as store:
        cache = store.cache("u")
        assert cache._kept.client is shared(store).client
        assert cache._kept.timeout is None
        assert cache._kept.serializer.encoding is None
        await cache.put(b"k", b"v", seconds=1.5)
        connections = int(redis.ask("INFO", "clients").split(b"connected_clients:")[1].split(b"\r\n")[0])
        assert connections == 2, "one is that of this test"
