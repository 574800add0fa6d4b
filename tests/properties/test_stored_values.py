"""Whatever stands in Redis in the place of what was put there: it is that, or nothing, or a failure of the store."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.section import Seconds
from gateway.core.revocation.entry import Entry
from gateway.observe.observers import Unheard
from gateway.store.redis import Redis, StoreDown, Unsealable
from gateway.store.replicated import ReplicatedList
from gateway.store.sealing import Seals
from gateway.store.store import Store
from tests.redis_server import SECRET, RedisServer, redis_server
from tests.store.heard import shared

#: uses, keys and values of what is put there
PUT = {("introspection", b"one"): b"1800000000.0 {}", ("introspection", b"two"): b"x", ("exchange", b"one"): b"y" * 300}
NOW = 1_800_000_000.0
ENTRIES = (
    Entry("subject", "https://issuer.example", "alice", until=NOW + 9e8, before=NOW),
    Entry("sid", "https://issuer.example", "s", until=NOW + 9e8, before=NOW),
)


@contextlib.contextmanager
def a_store(section: Any, read: Any = lambda _: SECRET) -> Iterator[tuple[asyncio.Runner, Store]]:
    with asyncio.Runner() as runner:
        store = Store(section, read=read, observer=Unheard())
        runner.run(store.start())
        try:
            yield runner, store
        finally:
            runner.run(store.close())


class World:
    """A process with a store, and what stands in Redis when nobody has touched it."""

    def __init__(self, server: RedisServer, runner: asyncio.Runner, store: Store) -> None:
        self.server = server
        self.runner = runner
        self.redis: Redis = shared(store)
        self.caches = {use: store.cache(use) for use, _ in PUT}
        self.keeper = ReplicatedList(self.redis)
        self.runner.run(self._put())
        self.names = {(use, key): self.redis.name(use, key) for use, key in PUT}
        self.sealed = {at: server.ask("GET", name) for at, name in self.names.items()}
        self.hash = self.keeper._keys()[0]
        self.fields = {entry: self.keeper._field(entry) for entry in ENTRIES}
        self.entries = {field: server.ask("HGET", self.hash, field) for field in self.fields.values()}

    async def _put(self) -> None:
        for (use, key), value in PUT.items():
            await self.caches[use].put(key, value, seconds=3600)
        await self.keeper.write(ENTRIES, source="command")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        redis_server(tmp_path_factory.mktemp("redis")) as server,
        # What is there is not to be missed for want of time.
        a_store(server.section(timeout=Seconds(5))) as (runner, store),
    ):
        yield World(server, runner, store)


def forged(data: st.DataObject, value: bytes, others: list[bytes], use: str, name: bytes) -> bytes:
    """Something like it, and not what was put there."""
    draw = data.draw
    kinds = ["bytes", "cut", "flipped", "longer", "moved", "stranger", "another use", "past"]
    kind = draw(st.sampled_from(["odd", *kinds] if use == "revocation" else kinds))
    if kind == "bytes":
        return draw(st.binary(max_size=80))
    if kind == "cut":
        return value[: draw(st.integers(0, len(value) - 1))]
    if kind == "flipped":
        at = draw(st.integers(0, len(value) - 1))
        return value[:at] + bytes([value[at] ^ draw(st.integers(1, 255))]) + value[at + 1 :]
    if kind == "longer":
        return value + draw(st.binary(min_size=1, max_size=9))
    if kind == "moved":
        return draw(st.sampled_from(others))
    if kind == "odd":
        return Seals((SECRET,)).seal(use, name, draw(st.binary(max_size=30)), now=900.0, until=NOW * 2)
    # Of a tenant with another secret; of ours, for something else, or over already.
    seals = Seals(("f" * 32,)) if kind == "stranger" else Seals((SECRET,))
    plain = draw(st.sampled_from([b"1800000000.0 {}", b'{"kind": "subject"}']))
    until = 1_000.0 if kind == "past" else NOW * 2
    return seals.seal("userinfo" if kind == "another use" else use, name, plain, now=900.0, until=until)


@given(st.data())
def test_a_cache_gives_what_was_put_there_or_nothing(world: World, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from(sorted(PUT)))
    others = [value for other, value in world.sealed.items() if other != at]
    value = forged(data, world.sealed[at], others, at[0], world.names[at])
    world.server.ask("SET", world.names[at], value)
    try:
        found = world.runner.run(world.caches[at[0]].get(at[1]))
        assert found is None
        for (use, key), plain in PUT.items():
            if (use, key) != at:
                assert world.runner.run(world.caches[use].get(key)) == plain
    finally:
        world.server.ask("SET", world.names[at], world.sealed[at])
    assert world.runner.run(world.caches[at[0]].get(at[1])) == PUT[at]


@given(st.data())
def test_a_revocation_is_what_was_written_or_a_failure_and_never_absent(world: World, data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(ENTRIES))
    field = world.fields[entry]
    others = [value for other, value in world.entries.items() if other != field]
    value = forged(data, world.entries[field], others, "revocation", field)
    world.server.ask("HSET", world.hash, field, value)
    try:
        found: Entry | str | None
        try:
            found = world.runner.run(world.keeper.find(entry))
        except Unsealable:
            found = "unknown"
        with contextlib.suppress(Unsealable):
            assert entry not in world.runner.run(world.keeper.read())
        # Only what we sealed ourselves, for this very place, and which has ended, is none.
        assert found == "unknown" or found is None
    finally:
        world.server.ask("HSET", world.hash, field, world.entries[field])
    assert world.runner.run(world.keeper.find(entry)) == entry


def test_what_is_of_another_type_is_nothing_or_a_failure(world: World) -> None:
    at = ("exchange", b"one")
    world.server.ask("DEL", world.names[at], world.hash)
    world.server.ask("RPUSH", world.names[at], "x")
    world.server.ask("RPUSH", world.hash, "x")
    try:
        assert world.runner.run(world.caches["exchange"].get(b"one")) is None
        with pytest.raises(StoreDown, match="it says WRONGTYPE"):
            world.runner.run(world.keeper.find(ENTRIES[0]))
    finally:
        world.server.ask("DEL", world.names[at], world.hash)
        world.server.ask("SET", world.names[at], world.sealed[at])
        for field, value in world.entries.items():
            world.server.ask("HSET", world.hash, field, value)
