"""The steps of a real Redis: each changes the list in one way, and nothing else."""

from typing import Any

import pytest

from gateway.store.script import Script
from gateway.store.scripts import CHANGES, END, PUT, PUT_BACK, STATE
from tests.redis_server import RedisServer

KEYS = ("e", "u", "c")


def run(redis: RedisServer, script: Script, *args: str | float) -> Any:
    return redis.ask("EVAL", script.text, "3", *KEYS, *map(str, args))


def test_an_entry_is_put_where_it_is_as_was_thought(redis: RedisServer) -> None:
    assert run(redis, PUT, "f", "", "one", 5, 10) == [b"done"]
    assert run(redis, PUT, "f", "", "two", 5, 10) == [b"other", b"one"]
    assert run(redis, PUT, "f", "one", "two", 7, 10) == [b"done"]
    assert run(redis, PUT, "g", "x", "two", 7, 10) == [b"other", b""]
    assert redis.ask("HGETALL", "e") == [b"f", b"two"]
    assert redis.ask("ZRANGE", "u", "0", "-1", "WITHSCORES") == [b"f", b"7"]
    assert [members for _, members in redis.ask("XRANGE", "c", "-", "+")] == [[b"field", b"f"]] * 2


def test_a_full_list_takes_what_it_has_and_nothing_new(redis: RedisServer) -> None:
    assert run(redis, PUT, "f", "", "one", 5, 1) == [b"done"]
    assert run(redis, PUT, "g", "", "one", 5, 1) == [b"full"]
    assert run(redis, PUT, "f", "one", "two", 5, 1) == [b"done"]


def test_what_is_put_back_takes_the_place_of_nothing(redis: RedisServer) -> None:
    run(redis, PUT, "f", "", "one", 5, 10)
    redis.ask("DEL", "u")
    assert run(redis, PUT_BACK, "f", "old", 4, "g", "two", 6) == 1
    assert redis.ask("HGETALL", "e") == [b"f", b"one", b"g", b"two"]
    assert redis.ask("ZRANGE", "u", "0", "-1", "WITHSCORES") == [b"f", b"4", b"g", b"6"]
    assert redis.ask("XLEN", "c") == 2


@pytest.mark.parametrize("count", [1, 2500])
def test_what_has_ended_is_forgotten(redis: RedisServer, count: int) -> None:
    for at in range(0, count, 500):
        args = [part for number in range(at, min(count, at + 500)) for part in (f"f{number}", "v", 5)]
        run(redis, PUT_BACK, *args)
    run(redis, PUT_BACK, "g", "v", 6)
    assert run(redis, END, 5) == count
    assert run(redis, END, 5) == 0
    assert (redis.ask("HKEYS", "e"), redis.ask("ZCARD", "u")) == ([b"g"], 1)


def test_how_things_stand_is_said_also_where_there_is_nothing(redis: RedisServer) -> None:
    assert run(redis, STATE) == [0, 0, b"", b""]
    run(redis, PUT, "f", "", "one", 5, 10)
    run(redis, PUT, "f", "one", "two", 5, 10)
    (first, _), (last, _) = redis.ask("XRANGE", "c", "-", "+")
    assert run(redis, STATE) == [1, 1, first, last]


def test_changes_are_not_remembered_for_ever(redis: RedisServer) -> None:
    for at in range(0, 15_000, 500):
        run(redis, PUT_BACK, *(part for number in range(500) for part in (f"f{at + number}", "v", 5)))
    assert CHANGES <= redis.ask("XLEN", "c") < CHANGES + 500
