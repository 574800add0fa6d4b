"""What redis-py raises leaves as one exception, whose sentence quotes nothing; scripts run once."""

import ssl

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 -- theirs
    DataError,
    MaxConnectionsError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from gateway.store.client import renamed
from gateway.store.down import StoreDown
from gateway.store.script import Script
from tests.redis_server import RedisServer
from tests.store.heard import a_store, shared

COUNT = Script("return redis.call('INCR', KEYS[1])")


@pytest.mark.parametrize(
    ("error", "sentence", "responded"),
    [
        (AuthenticationError("hunter2"), "it does not accept our username and password", False),
        (NoPermissionError("hunter2"), "its ACL does not allow us what we need", True),
        (OutOfMemoryError("hunter2"), "it is full, and its maxmemory-policy lets it forget nothing", True),
        (ReadOnlyError("hunter2"), "it is a replica, which takes no writes", True),
        (BusyLoadingError("hunter2"), "it is still loading what it had", False),
        (MaxConnectionsError("hunter2"), "it takes no more connections", False),
        (MovedError("3999 127.0.0.1:6381"), "it is a Redis Cluster, which is not supported", False),
        (ResponseError("CROSSSLOT hunter2"), "it is a Redis Cluster, which is not supported", False),
        (ResponseError("The user executing the script can't run this"), "its ACL does not allow us what we need", True),
        (ResponseError("MISCONF hunter2"), "it cannot save to disk, and takes no writes", True),
        (ResponseError("NOAUTH hunter2"), "it wants a password, or none where we have one", False),
        (ResponseError("AUTH <password> called without any password configured"), "it wants a password, or none", False),
        (ResponseError("WRONGTYPE hunter2"), "it says WRONGTYPE", True),
        (ResponseError("hunter2 is unknown"), "it says an error", True),
        (ConnectionError("hunter2"), "it cannot be reached", False),
        (ConnectionError("not a master"), "not a master", False),
        (OSError("hunter2"), "it cannot be reached", False),
        (DataError("hunter2"), "it cannot be reached", False),
        (ZeroDivisionError("hunter2"), "it cannot be asked (ZeroDivisionError)", False),
        (StoreDown("as it is"), "as it is", False),
    ],
)  # fmt: skip
def test_what_happened_is_told_and_not_what_was_said(error: Exception, sentence: str, *, responded: bool) -> None:
    down = renamed(error)
    assert str(down).startswith(sentence)
    assert "hunter2" not in str(down)
    assert down.responded is responded


def test_a_certificate_is_told_of_by_what_is_wrong_with_it() -> None:
    cause = ssl.SSLCertVerificationError()
    cause.verify_message = "self-signed certificate"
    error = ConnectionError("x")
    error.__cause__ = cause
    assert str(renamed(error)) == "its certificate is not accepted (self-signed certificate)"
    error.__cause__ = ssl.SSLError(1, "x")
    assert str(renamed(error)) == "TLS failed"


async def test_a_script_that_redis_does_not_know_runs_once(redis: RedisServer) -> None:
    async with a_store(redis.section()) as store:
        key = shared(store).name("count", b"k")
        assert await shared(store).run(COUNT, use="count", keys=[key]) == 1
        assert await shared(store).run(COUNT, use="count", keys=[key]) == 2
        redis.ask("SCRIPT", "FLUSH")
        assert await shared(store).run(COUNT, use="count", keys=[key]) == 3


async def test_a_script_gets_bytes_and_numbers(redis: RedisServer) -> None:
    given = Script("return {KEYS[1], ARGV[1], ARGV[2], ARGV[3], false}")
    async with a_store(redis.section()) as store:
        told = await shared(store).run(given, use="u", keys=[b"{bearer-gateway}:k"], args=[b"\0\xff", 7, 0.25])
        assert told == [b"{bearer-gateway}:k", b"\0\xff", b"7", b"0.25", None]


async def test_a_script_that_fails_says_so_and_the_store_is_up(redis: RedisServer) -> None:
    async with a_store(redis.section()) as store:
        for _ in range(2):
            with pytest.raises(StoreDown, match="it says") as told:
                await shared(store).run(Script("return redis.call('GET')"), use="u", keys=[])
            assert told.value.responded
        assert store.is_up
