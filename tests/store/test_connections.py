"""How Redis is reached: sockets, TLS, users and Sentinels, each a real one."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreSection
from gateway.store.down import StoreDown
from gateway.store.rates import try_counting
from gateway.store.replays import SCRIPT as REPLAYS
from gateway.store.script import Script
from gateway.store.store import Store
from tests.authorities import strict_by_default
from tests.redis_server import SECRET, RedisServer, free_port, redis_server
from tests.relay.upstream.test_dialing import Authority
from tests.store.heard import Heard, a_store, shared
from tests.wire import until

ROOT = Path(__file__).parents[2]
PASSWORD, OTHER = "hunter2-hunter2", "swordfish-swordfish"
DOCUMENTED = re.search(r"ACL SETUSER gateway on >PASSWORD (.*)", (ROOT / "docs" / "store.md").read_text())
#: what docs/store.md tells to allow
ACL = DOCUMENTED[1].split() if DOCUMENTED else ()


async def works(store: Store) -> bool:
    """Something that was put there comes back."""
    cache = store.cache("u")
    await cache.put(b"k", b"v", seconds=60)
    return await cache.get(b"k") == b"v"


async def test_a_socket_and_a_database(tmp_path: Path) -> None:
    with redis_server(tmp_path, path=tmp_path / "redis.sock") as server:
        section = StoreSection(url=f"{server.url}?db=5", secrets=(Secret(env="S"),))
        async with a_store(section) as store:
            assert await works(store)
            assert server.ask("KEYS", "*") == []
            assert len(server.ask("KEYS", "*", before=[("SELECT", "5")])) == 4


async def test_a_password_that_is_replaced_counts_from_the_next_connection_on(tmp_path: Path) -> None:
    now = PASSWORD
    with redis_server(tmp_path, "--requirepass", PASSWORD) as server:
        section = server.section(password=Secret(env="PASSWORD"))
        async with a_store(section, read=lambda secret: now if secret.env == "PASSWORD" else SECRET) as store:
            assert await works(store)
            server.ask("CONFIG", "SET", "requirepass", OTHER, before=[("AUTH", PASSWORD)])
            server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", before=[("AUTH", OTHER)])
            await until(lambda: store.reason == "it does not accept our username and password")
            assert not await works(store)
            now = OTHER
            await until(lambda: store.is_up)
            assert await works(store)


async def test_a_user_of_the_acl_that_the_documentation_gives(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.ask("ACL", "SETUSER", "gateway", "on", f">{PASSWORD}", *ACL)
        server.ask("ACL", "SETUSER", "default", "off")
        section = server.section(username="gateway", password=Secret(env="PASSWORD"))
        async with a_store(section, read=lambda secret: PASSWORD if secret.env == "PASSWORD" else SECRET) as store:
            assert await works(store)
            assert not shared(store).evicts
            for forbidden in ((b"FLUSHALL",), (b"KEYS", b"*"), (b"GET", b"other"), (b"CONFIG", b"GET", b"*")):
                with pytest.raises(StoreDown, match="ACL"):
                    await shared(store).command("u", *forbidden)
            stream = shared(store).name("u", b"s")
            await shared(store).command("u", b"XADD", stream, b"*", b"a", b"b")
            script = Script("return redis.call('HSET', KEYS[1], 'a', 'b')")
            assert await shared(store).run(script, use="u", keys=[shared(store).name("u", b"h")]) == 1
            with pytest.raises(StoreDown):
                await shared(store).run(script, use="u", keys=[b"other"])


async def test_what_the_user_of_the_documentation_may_is_enough_for_rates_and_proofs(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis.ask("ACL", "SETUSER", "gateway", "on", f">{PASSWORD}", *ACL)
    section, heard = redis.section(username="gateway", password=Secret(env="PASSWORD")), Heard()
    read = lambda secret: PASSWORD if secret.env == "PASSWORD" else SECRET  # noqa: E731 -- as `a_store` wants it
    async with a_store(section, heard=heard, read=read) as store:
        await try_counting(shared(store))
        name = shared(store).name("replay", b"x")
        assert await shared(store).run(REPLAYS, use="replay", keys=[name, name + b"m"], args=[1000, b"m"]) == [1, b"m"]
    assert heard.used == {("rates", "ok"): 1, ("replay", "ok"): 1}
    assert "yet does not do" not in caplog.text


async def test_what_a_user_may_not_is_told_once_for_each_use(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis.ask("ACL", "SETUSER", "gateway", "on", f">{PASSWORD}", *ACL, "-time")
    section = redis.section(username="gateway", password=Secret(env="PASSWORD"))
    read = lambda secret: PASSWORD if secret.env == "PASSWORD" else SECRET  # noqa: E731 -- as `a_store` wants it
    told = "the store can be had, and yet does not do what rates needs of it: its ACL does not allow us what we need"
    async with a_store(section, read=read) as store:
        for _ in range(2):
            with pytest.raises(StoreDown, match="ACL"):
                await try_counting(shared(store))
            await until(lambda: not shared(store)._refused)
        assert store.is_up
        assert await works(store)
    assert caplog.text.count(told) == 1


async def test_a_user_that_may_not_enough_is_told_of(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.ask("ACL", "SETUSER", "gateway", "on", f">{PASSWORD}", "~other:*", "+@all")
        section = server.section(username="gateway", password=Secret(env="PASSWORD"))
        async with a_store(section, read=lambda secret: PASSWORD if secret.env == "PASSWORD" else SECRET) as store:
            assert store.reason == "its ACL does not allow us what we need (docs/store.md)"


async def test_no_password_where_one_is_wanted_and_one_where_none_is(tmp_path: Path, redis: RedisServer) -> None:
    wanted = "it wants a password, or none where we have one"
    with redis_server(tmp_path, "--requirepass", PASSWORD) as server:
        async with a_store(server.section()) as store:
            assert store.reason in {wanted, "it does not accept our username and password"}
    async with a_store(redis.section(password=Secret(env="S"))) as store:
        assert store.reason in {wanted, "it does not accept our username and password"}


@contextmanager
def with_tls(folder: Path, authority: Authority, *options: str) -> Iterator[StoreSection]:
    """The section of one that speaks TLS alone, without its authority."""
    certificate, key = authority.issue("127.0.0.1")
    port = free_port()
    tls = (
        "--port", "0", "--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key),
        "--tls-ca-cert-file", str(authority.file), "--tls-auth-clients", "no",
    )  # fmt: skip
    with redis_server(folder, *tls, *options, port=port):
        yield StoreSection(url=f"rediss://127.0.0.1:{port}", secrets=(Secret(env="S"),), timeout=Seconds(1))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


async def test_tls_with_a_private_authority(tmp_path: Path, authority: Authority) -> None:
    with with_tls(tmp_path, authority, "--requirepass", SECRET) as section:
        trusting = msgspec.structs.replace(section, ca_file=str(authority.file), password=Secret(env="P"))
        async with a_store(trusting) as store:
            assert await works(store)


async def test_an_authority_of_ones_own_need_not_be_one_for_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict_by_default(monkeypatch)
    bare = Authority(tmp_path, identifies_keys=False)
    with with_tls(tmp_path, bare) as section:
        async with a_store(msgspec.structs.replace(section, ca_file=str(bare.file))) as store:
            assert await works(store)


async def test_an_authority_that_is_not_trusted_is_told_of(tmp_path: Path, authority: Authority) -> None:
    with with_tls(tmp_path, authority) as section:
        async with a_store(section) as store:
            assert str(store.reason).startswith("its certificate is not accepted (")


async def test_plain_where_tls_is_wanted(tmp_path: Path, authority: Authority) -> None:
    with with_tls(tmp_path, authority) as section:
        plain = msgspec.structs.replace(section, url=str(section.url).replace("rediss", "redis"))
        async with a_store(plain) as store:
            assert store.reason == "it cannot be reached"


@contextmanager
def sentinel(folder: Path, master: RedisServer, *lines: str) -> Iterator[RedisServer]:
    """One that watches a master alone."""
    port = free_port()
    path = folder / f"sentinel-{port}.conf"
    path.write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds mymaster 300\nsentinel failover-timeout mymaster 1000\n" + "\n".join(lines)
    )
    with redis_server(folder, str(path), port=port, name="redis-sentinel") as running:
        yield running


def behind(*sentinels: RedisServer, **keys: Any) -> StoreSection:
    hosts = ",".join(f"127.0.0.1:{one.port}" for one in sentinels)
    return StoreSection(url=f"redis+sentinel://{hosts}/mymaster/2", secrets=(Secret(env="S"),), **keys)


async def test_sentinels_say_where_it_is_and_one_that_has_stopped_holds_nobody_up(
    tmp_path: Path, redis: RedisServer
) -> None:
    with sentinel(tmp_path, redis) as one, sentinel(tmp_path, redis) as other:
        one.pause()
        started = time.perf_counter()
        async with a_store(behind(one, other, timeout=Seconds(1.5))) as store:
            assert await works(store)
            assert time.perf_counter() - started < 1.5
        one.go_on()
        one.kill()
        async with a_store(behind(one, other)) as store:
            await until(lambda: store.is_up)
            assert await works(store)


async def test_sentinels_that_want_a_password(tmp_path: Path, redis: RedisServer) -> None:
    with sentinel(tmp_path, redis, f"requirepass {PASSWORD}") as one:
        section = behind(one, sentinel_password=Secret(env="PASSWORD"))
        async with a_store(section, read=lambda secret: PASSWORD if secret.env == "PASSWORD" else SECRET) as store:
            assert await works(store)
        async with a_store(behind(one)) as store:
            assert store.reason == "no Sentinel names a master"


async def test_what_sentinels_name_must_be_a_master(tmp_path: Path, redis: RedisServer) -> None:
    with sentinel(tmp_path, redis, "sentinel down-after-milliseconds mymaster 60000") as one:
        redis.ask("REPLICAOF", "127.0.0.1", "1")
        async with a_store(behind(one)) as store:
            assert store.reason == "not a master"
            redis.ask("REPLICAOF", "NO", "ONE")
            await until(lambda: store.is_up)


async def test_sentinels_that_know_no_such_service(tmp_path: Path, redis: RedisServer) -> None:
    with sentinel(tmp_path, redis) as one:
        section = msgspec.structs.replace(behind(one), url=f"redis+sentinel://127.0.0.1:{one.port}/other")
        async with a_store(section) as store:
            assert store.reason == "no Sentinel names a master"


async def test_sentinels_and_what_they_name_with_tls(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("127.0.0.1", label="both")
    tls = {
        "tls-cert-file": certificate,
        "tls-key-file": key,
        "tls-ca-cert-file": authority.file,
        "tls-auth-clients": "no",
    }
    master, watching = free_port(), free_port()
    options = [
        "--port",
        "0",
        "--tls-port",
        str(master),
        *(f"{text}" for name, value in tls.items() for text in (f"--{name}", value)),
    ]
    path = tmp_path / "sentinel-tls.conf"
    path.write_text(
        f"port 0\ntls-port {watching}\ntls-replication yes\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {master} 1\n"
        + "".join(f"{name} {value}\n" for name, value in tls.items())
    )
    url = f"rediss+sentinel://127.0.0.1:{watching}/mymaster"
    section = StoreSection(url=url, secrets=(Secret(env="S"),), ca_file=str(authority.file), timeout=Seconds(1.5))
    with (
        redis_server(tmp_path, *options, port=master),
        redis_server(tmp_path, str(path), port=watching, name="redis-sentinel"),
    ):
        async with a_store(section) as store:
            await until(lambda: store.is_up)
            assert await works(store)
