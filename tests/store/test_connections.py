"""How Redis is reached: sockets, TLS, users and Sentinels, each a real one."""

from pathlib import Path

from tests.redis_server import redis_server
from tests.store.heard import a_store


async def test_a_socket(tmp_path: Path) -> None:
    with redis_server(tmp_path, path=tmp_path / "redis.sock") as server:
        async with a_store(server.section()) as store:
            assert store.is_up
