"""Two processes and one real Redis: what is revoked at one is refused at the other, whatever becomes of Redis."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.revocation.entry import Entry
from gateway.store import replicated as module
from gateway.store.replicated import USE, ReplicatedList
from gateway.store.revocations import CannotRevoke, Revocations
from tests.issuer import RecordingObserver
from tests.redis_server import SECRET, RedisServer, redis_server
from tests.store.heard import a_store, shared
from tests.wire import until

ISS = "https://i.example"
#: by how much a machine on which other tests run may be late
SOON = 1.0


def entry(value: str = "alice", kind: Any = "subject", **changes: Any) -> Entry:
    now = time.time()
    return Entry(kind, ISS, value, **{"until": now + 3600, "before": now, "at": now, **changes})


class Process:
    """The list of one process, and its Redis."""

    def __init__(self, revocations: Revocations, keeper: ReplicatedList, observer: RecordingObserver) -> None:
        self.revocations = revocations
        self.keeper = keeper
        self.observer = observer

    @property
    def redis(self) -> Any:
        return self.keeper._redis

    def values(self) -> set[str]:
        return {one.value for one in self.revocations.entries()}

    async def has(self, *values: str) -> None:
        await until(lambda: self.values() == set(values))


@asynccontextmanager
async def process(
    server: RedisServer, *, read: Callable[[Secret], str] = lambda _: SECRET, **more: Any
) -> AsyncIterator[Process]:
    async with a_store(server.section(timeout=Seconds(0.5)), read=read) as store:
        keeper, observer = ReplicatedList(shared(store), **more), RecordingObserver()
        revocations = Revocations(observer=observer, keeper=keeper)
        await revocations.start()
        try:
            yield Process(revocations, keeper, observer)
        finally:
            await revocations.close()
            await revocations.close()


Start = Callable[..., Coroutine[Any, Any, Process]]


@pytest_asyncio.fixture
async def start(redis: RedisServer) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**more: Any) -> Process:
            return await stack.enter_async_context(process(redis, **more))

        yield started


async def test_what_is_revoked_at_one_is_refused_at_the_other_within_a_second(start: Start) -> None:
    one, other = await start(), await start()
    assert one.keeper.age < SOON
    assert not one.revocations.is_stale
    for number in range(20):
        began = time.monotonic()
        await one.revocations.add(entry(str(number)), source="logout")
        await until(lambda: len(other.values()) == number + 1)  # noqa: B023 -- awaited right here
        assert time.monotonic() - began < SOON
    assert await one.revocations.lift(entry("7"), who="ops") is True
    await other.has(*(str(number) for number in range(20) if number != 7))
    assert await other.revocations.lift(entry("7")) is False
    # A process that comes later has all of it.
    late = await start()
    assert late.values() == other.values()
    assert [entry.value for entry in late.revocations.entries(lifted=True) if entry.lifted] == ["7"]
    assert await late.revocations.add(entry("7"), source="logout") is True
    await one.has(*map(str, range(20)))
    added = [event.source for event in other.observer.events if hasattr(event, "source")]
    assert added == ["store"] * 21


async def test_two_that_revoke_the_same_at_once_lose_nothing(start: Start) -> None:
    one, other = await start(), await start()
    base = time.time()
    await asyncio.gather(
        *(
            process.revocations.add(entry(before=base + number, until=base + 5000 - number), source="logout")
            for number in range(4)
            for process in (one, other)
        )
    )
    for process in (one, other, await start()):
        await process.has("alice")
        (found,) = process.revocations.entries()
        assert found.before == pytest.approx(base + 3)
        assert found.until == pytest.approx(base + 5000)
    assert await one.revocations.add(entry(before=1.0, until=2.0), source="logout") is False


async def test_nothing_in_redis_tells_of_anybody(start: Start, redis: RedisServer) -> None:
    one = await start()
    await one.revocations.add(entry("alice@example.com", reason="laptop lost", who="ops"), source="command")
    await one.revocations.add(entry("s-123", "sid"), Entry("token", "", "ab" * 32, until=time.time() + 9), source="c")
    dumped = repr(redis.dump())
    assert "bearer-gateway" in dumped
    for told in ("alice", "example", ISS, "laptop", "ops", "s-123", "abab", "subject"):
        assert told not in dumped


async def test_a_redis_that_comes_back_empty_is_given_back_what_was_revoked(
    start: Start, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = await start(), await start()
    await one.revocations.add(*map(entry, "abc"), source="logout")
    await one.revocations.lift(entry("c"))
    await other.has("a", "b")
    redis.kill()
    with pytest.raises(CannotRevoke, match="the store cannot be had: it cannot be reached"):
        await one.revocations.add(entry("d"), source="logout")
    assert one.values() == {"a", "b"}
    redis.start()
    await until(lambda: len(redis.dump()) >= 4)
    async with process(redis) as third:
        await third.has("a", "b")
        assert await third.revocations.lift(entry("c")) is False
        await third.revocations.add(entry("e"), source="logout")
        await one.has("a", "b", "e")
        await other.has("a", "b", "e")
    assert "the store had forgotten 3 of what is revoked, which is put back" in caplog.text


@pytest.mark.parametrize("part", ["entries", "until", "changes", "all"])
async def test_what_redis_throws_away_is_put_back(
    start: Start, redis: RedisServer, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is believed that something is lost when several looks in a row say so: here they are a third of their time apart.
    monkeypatch.setattr(module, "_BLOCK", 0.3)
    one, other = await start(), await start()
    await one.revocations.add(*map(entry, "abc"), source="logout")
    await other.has("a", "b", "c")
    if part == "all":
        redis.ask("FLUSHALL")
    else:
        redis.ask("DEL", one.redis.name(USE, part.encode()))
    await until(lambda: redis.ask("HLEN", one.redis.name(USE, b"entries")) == 3)
    await until(lambda: redis.ask("ZCARD", one.redis.name(USE, b"until")) == 3)
    await other.revocations.add(entry("d"), source="logout")
    await one.has("a", "b", "c", "d")


async def test_one_that_stops_leaves_the_list_and_makes_it_older(
    start: Start, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    monkeypatch.setattr(module, "_BLOCK", 0.1)
    one, other = await start(), await start()
    await one.revocations.add(entry("a"), source="logout")
    await other.has("a")
    redis.pause()
    age = one.keeper.age
    await until(lambda: one.keeper.age > age + 0.5)
    assert one.values() == {"a"}
    with pytest.raises(CannotRevoke, match="the store cannot be had"):
        await one.revocations.add(entry("b"), source="logout")
    redis.go_on()
    await until(lambda: one.keeper.age < 0.5 and one.redis.is_up)
    # Whether it had been done nobody knew: saying it again is right in any case.
    await one.revocations.add(entry("b"), source="logout")
    await other.has("a", "b")


async def test_a_read_only_redis_takes_nothing_and_the_list_stays(start: Start, redis: RedisServer) -> None:
    one = await start()
    await one.revocations.add(entry("a"), source="logout")
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(CannotRevoke, match="it is a replica, which takes no writes"):
        await one.revocations.add(entry("b"), source="logout")
    assert one.values() == {"a"}
    redis.ask("REPLICAOF", "NO", "ONE")
    await until(lambda: one.redis.is_up)
    await one.revocations.add(entry("b"), source="logout")
    assert one.values() == {"a", "b"}


async def test_what_a_redis_without_writes_lacks_is_put_back_later_and_the_list_is_as_good(
    start: Start, redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_OWED", 0.1)
    monkeypatch.setattr(module, "_BLOCK", 0.1)
    one = await start()
    await one.revocations.add(*map(entry, "ab"), source="logout")
    redis.ask("HDEL", one.redis.name(USE, b"entries"), one.keeper._field(entry("a")))
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    await until(lambda: "cannot be put back now: it is a replica, which takes no writes" in caplog.text)
    await asyncio.sleep(0)
    sure = one.keeper._sure_at
    await until(lambda: one.keeper._sure_at > sure)
    assert one.values() == {"a", "b"}
    redis.ask("REPLICAOF", "NO", "ONE")
    await until(lambda: redis.ask("HLEN", one.redis.name(USE, b"entries")) == 2)
    await until(lambda: one.keeper._owed_at is None)


async def test_a_full_redis_takes_nothing_new_and_the_list_stays(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "3mb") as redis:
        async with process(redis) as one:
            await one.revocations.add(entry("a"), source="logout")
            redis.ask("CONFIG", "SET", "maxmemory", "1mb")
            with pytest.raises(CannotRevoke, match="it is full, and its maxmemory-policy lets it forget nothing"):
                await one.revocations.add(entry("b"), source="logout")
            sure = one.keeper._sure_at
            await until(lambda: one.keeper._sure_at > sure)
            assert one.values() == {"a"}
            redis.ask("CONFIG", "SET", "maxmemory", "0")
            await until(lambda: one.redis.is_up)
            await one.revocations.add(entry("b"), source="logout")
            assert one.values() == {"a", "b"}


async def test_the_user_of_the_documentation_may_do_all_of_it(tmp_path: Path, redis: RedisServer) -> None:
    page = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
    rules = page.split("ACL SETUSER gateway ", 1)[1].split("\n", 1)[0].split()
    redis.ask("ACL", "SETUSER", "gateway", *rules)
    section = redis.section(username="gateway", password=Secret(env="PASSWORD"))
    async with a_store(section, read=lambda secret: {"PASSWORD": "PASSWORD"}.get(secret.env or "", SECRET)) as store:
        keeper = ReplicatedList(shared(store))
        revocations = Revocations(observer=RecordingObserver(), keeper=keeper)
        await revocations.start()
        await revocations.add(entry("a"), source="logout")
        redis.ask("FLUSHALL")
        await until(lambda: any(b"revocation" in key for key in redis.dump()))
        await until(lambda: keeper.age < 0.5)
        assert await revocations.lift(entry("a")) is True
        await keeper._end()
        await revocations.close()


async def test_whoever_was_away_for_more_changes_than_are_remembered_reads_all(
    start: Start, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await start(), await start()
    await one.revocations.add(entry("a"), source="logout")
    await other.has("a")
    await other.revocations.close()
    await one.revocations.add(*map(entry, "bcd"), source="logout")
    redis.ask("XTRIM", one.redis.name(USE, b"changes"), "MAXLEN", "1")
    # It goes on where it was, as if its connection had only been slow.
    monkeypatch.setattr(other.keeper, "_must_read", False)
    await other.revocations.start()
    await other.has("a", "b", "c", "d")


async def test_an_entry_that_cannot_be_opened_is_a_failure_and_hides_no_other(
    start: Start, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one = await start()
    await one.revocations.add(entry("a"), source="logout")
    entries = one.redis.name(USE, b"entries")
    redis.ask("HSET", entries, "x", "nonsense")
    redis.ask("XADD", one.redis.name(USE, b"changes"), "*", "field", "x")
    await until(lambda: "what is revoked is not known: an entry in the store cannot be opened" in caplog.text)
    sure = one.keeper._sure_at
    other = await start()
    await other.has("a")
    assert other.keeper.age == float("inf")
    assert other.revocations.is_stale
    assert other.revocations.is_needed
    assert other.revocations.refuses_everything() is not None
    assert one.keeper._sure_at == sure
    field = one.keeper._field(entry("b"))
    redis.ask("HSET", entries, field, "nonsense")
    with pytest.raises(CannotRevoke, match="cannot be opened"):
        await one.revocations.add(entry("b"), source="logout")
    redis.ask("HDEL", entries, "x", field)
    await until(lambda: other.keeper.age < 5)
    assert other.revocations.refuses_everything() is None


async def test_secrets_that_are_replaced_forget_nothing(redis: RedisServer) -> None:
    secrets = {"now": SECRET}
    async with process(redis, read=lambda _: secrets["now"]) as one:
        await one.revocations.add(entry("a"), source="logout")
    section = redis.section(timeout=Seconds(0.5))
    both = type(section)(url=section.url, secrets=(Secret(env="NEW"), Secret(env="OLD")))
    read = {"NEW": "f" * 32, "OLD": SECRET}.__getitem__
    async with a_store(both, read=lambda secret: read(secret.env or "")) as store:
        keeper = ReplicatedList(shared(store))
        revocations = Revocations(observer=RecordingObserver(), keeper=keeper)
        await revocations.start()
        assert [one.value for one in revocations.entries()] == ["a"]
        assert await revocations.lift(entry("a")) is True
        await revocations.close()


async def test_a_start_with_a_store_that_is_there_has_nothing_to_complain_of(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    one = await start()
    assert one.revocations.refuses_everything() is None
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


def scans(redis: RedisServer) -> int:
    found = re.search(rb"cmdstat_hscan:calls=(\d+)", redis.ask("INFO", "commandstats"))
    return 0 if found is None else int(found[1])


async def test_a_connection_that_breaks_makes_nobody_read_all_of_it_again(start: Start, redis: RedisServer) -> None:
    one, other = await start(), await start()
    await one.revocations.add(entry("a"), source="logout")
    await other.has("a")
    before = scans(redis)
    redis.ask("CLIENT", "KILL", "TYPE", "normal")
    began = time.monotonic()
    await until(lambda: other.redis.is_up and other.keeper._sure_at > began)
    await until(lambda: one.redis.is_up)
    await one.revocations.add(entry("b"), source="logout")
    await other.has("a", "b")
    assert scans(redis) == before


async def test_who_has_another_secret_does_not_take_the_list_for_empty(start: Start, redis: RedisServer) -> None:
    one = await start()
    await one.revocations.add(entry("a"), source="logout")
    async with process(redis, read=lambda _: "f" * 32) as other:
        assert other.revocations.refuses_everything() is not None
        assert (
            other.redis.reason == "what is kept there was named under another secret; none of store.secrets is that one"
        )
        with pytest.raises(CannotRevoke, match="named under another secret"):
            await other.revocations.add(entry("b"), source="logout")
    assert one.keeper.age < 5


async def test_what_has_ended_leaves_redis_too(
    start: Start, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EXPIRE_EVERY", 0.0)
    one = await start()
    await one.revocations.add(entry("a", until=time.time() + 0.2), entry("b"), source="logout")
    await one.has("b")
    await until(lambda: redis.ask("HLEN", one.redis.name(USE, b"entries")) == 1)
    assert one.values() == {"b"}


async def test_a_full_store_says_how_full(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 1)
    one = await start()
    await one.revocations.add(entry("a"), source="logout")
    with pytest.raises(CannotRevoke, match="the list of what is revoked has 1 entries, and takes no more"):
        await one.revocations.add(entry("b"), source="logout")


async def test_a_list_that_is_too_long_for_a_process_is_a_failure(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = await start(), await start()
    other.revocations._list._max_entries = 1
    await one.revocations.add(*map(entry, "ab"), source="logout")
    await until(lambda: "what is revoked is not known: the list of what is revoked has 1 entries" in caplog.text)
    sure = other.keeper._sure_at
    other.revocations._list._max_entries = 2
    await other.has("a", "b")
    await until(lambda: other.keeper._sure_at > sure)


async def test_what_is_there_can_be_read_without_following(start: Start) -> None:
    one = await start()
    await one.revocations.add(*(entry(str(number), reason="x") for number in range(30)), source="logout")
    async with a_store(one.redis._section) as store:
        keeper = ReplicatedList(shared(store))
        assert {found.value for found in await keeper.read()} == set(map(str, range(30)))
        found = await keeper.find(entry("7"))
        assert found is not None
        assert found.reason == "x"
        assert await keeper.find(entry("77")) is None
        assert repr(keeper) == "ReplicatedList(last heard inf s ago)"


async def test_a_bug_makes_the_list_older_and_is_told(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = await start()
    caplog.set_level(logging.ERROR)

    async def fail(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(one.keeper, "_hear", fail)
    await until(lambda: "what is revoked could not be followed" in caplog.text)
    monkeypatch.undo()
    await until(lambda: one.keeper.age < 1)
