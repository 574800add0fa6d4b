"""What was revoked, for whoever asks in this process, with somebody in memory who keeps it."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.core.errors import StoreUnavailable, TokenRevoked
from gateway.core.revocation.entry import Entry
from gateway.core.revocation.revoked import ListFull
from gateway.core.token.handles import handles_of
from gateway.core.token.identity import Identity
from gateway.events import RevocationAdded, RevocationsKnown
from gateway.store.revocations import MAX_AGE, CannotRevoke, Revocations
from tests.issuer import RecordingObserver
from tests.memory import identity
from tests.signer import NOW

ISS = "https://i.example"


class MemoryKeeper:
    """Keeps what it is told, or fails; it may be long ago that it was sure."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []
        self.wrong: Exception | None = None
        self.age = 0.0
        self.closed = 0

    async def start(self, revocations: Revocations) -> None:
        revocations.take(self.kept, source="store")

    async def close(self) -> None:
        self.closed += 1

    async def write(self, entries: Sequence[Entry], *, source: str) -> Sequence[Entry]:
        if self.wrong is not None:
            raise self.wrong
        self.kept += entries
        return entries


def entry(kind: Any = "subject", value: str = "alice", **changes: Any) -> Entry:
    return Entry(kind, ISS, value, **{"until": NOW + 100, "before": NOW, "at": NOW, **changes})


def caller(**claims: Any) -> Identity:
    handles = handles_of({"iat": NOW - 1, **claims}, issuer=ISS, subject="alice", client="app", digest=bytes(32))
    return identity(handles=handles)


class World:
    def __init__(self, **settings: Any) -> None:
        self.now = NOW
        self.observer = RecordingObserver()
        self.keeper = MemoryKeeper()
        self.revocations = Revocations(
            observer=self.observer, **{"keeper": self.keeper, "clock": lambda: self.now, **settings}
        )


async def test_what_is_revoked_is_refused_from_then_on_and_says_by_what() -> None:
    world = World()
    heard: list[int] = []
    world.revocations.subscribe(lambda: heard.append(len(world.revocations.entries())))
    await world.revocations.start()
    assert (world.revocations.is_needed, world.revocations.is_empty) == (False, True)
    world.revocations.check(caller())
    assert await world.revocations.add(entry(reason="phone lost"), source="command") is True
    assert (world.revocations.is_needed, world.revocations.is_empty, heard) == (True, False, [1])
    world.now += 7
    with pytest.raises(TokenRevoked) as caught:
        world.revocations.check(caller())
    assert caught.value.evidence == "its subject was revoked 7 s ago: phone lost"
    assert caught.value.suspect is not None
    assert caught.value.suspect.token_id == "0123456789ab"
    world.revocations.check(caller(iat=NOW + 1))
    assert world.revocations.find(caller(iat=NOW + 1)) is None
    assert world.revocations.find(caller()) == entry(reason="phone lost")
    assert await world.revocations.add(entry(), source="command") is False
    assert heard == [1]


async def test_what_is_lifted_passes_again() -> None:
    world = World()
    await world.revocations.start()
    await world.revocations.add(entry(), source="command")
    assert await world.revocations.lift(entry(), who="ops") is True
    world.revocations.check(caller())
    assert world.revocations.is_needed is False
    assert await world.revocations.lift(entry()) is False
    assert [one.lifted for one in world.keeper.kept] == [False, True]
    assert world.revocations.entries(lifted=True)[0].who == "ops"


async def test_what_cannot_be_kept_is_not_revoked() -> None:
    world = World()
    world.keeper.wrong = CannotRevoke("the disk is full")
    with pytest.raises(CannotRevoke, match="the disk is full"):
        await world.revocations.add(entry(), source="command")
    assert world.revocations.is_empty


async def test_nothing_else_is_needed_to_remember_until_the_end() -> None:
    world = World(keeper=None)
    await world.revocations.start()
    await world.revocations.add(entry(), source="logout")
    assert world.revocations.find(caller()) is not None
    await world.revocations.close()


async def test_what_ends_is_forgotten_and_counted() -> None:
    world = World()
    await world.revocations.start()
    await world.revocations.add(entry(), entry("client", "other"), source="logout")
    world.now = NOW + 100
    world.revocations.look()
    assert world.revocations.is_needed is False
    added = [event for event in world.observer.events if isinstance(event, RevocationAdded)]
    assert added == [RevocationAdded("subject", "logout"), RevocationAdded("client", "logout")]
    known = [dict(event.counts) for event in world.observer.events if isinstance(event, RevocationsKnown)]
    assert [counts["subject"] + counts["client"] for counts in known] == [2, 0]
    await world.revocations.close()
    assert world.keeper.closed == 1


@pytest.mark.parametrize("closed", [True, False])
async def test_a_list_that_is_too_old_admits_nobody_where_that_is_configured(
    *, closed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(closed=closed)
    world.keeper.age = MAX_AGE + 1
    with caplog.at_level(logging.INFO, "gateway"):
        await world.revocations.start()
        world.revocations.look()
        assert world.revocations.is_stale
        assert world.revocations.is_needed is closed
        if closed:
            with pytest.raises(StoreUnavailable, match="older than 30 s"):
                world.revocations.check(caller())
        else:
            world.revocations.check(caller())
        assert repr(world.revocations) == "Revocations(Revoked(0, and 0 lifted), too old)"
        world.keeper.age = 0.0
        world.revocations.look()
    assert world.revocations.is_needed is False
    world.revocations.check(caller())
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


async def test_a_full_list_says_so_to_whoever_revokes() -> None:
    world = World()
    world.revocations._list._max_entries = 1
    await world.revocations.add(entry(), source="command")
    for more in ([entry("client", "x")], [entry(), entry("client", "x")]):
        with pytest.raises(CannotRevoke, match="has 1 entries"):
            await world.revocations.add(*more, source="command")
    assert len(world.keeper.kept) == 1
    with pytest.raises(ListFull, match="takes no more"):
        world.revocations.take([entry(until=NOW + 200), entry("client", "x")], source="store")
    assert world.revocations.entries() == (entry(until=NOW + 200),)
    world.revocations.replace([entry("client", "app")])
    assert world.revocations.entries() == (entry("client", "app"),)


async def test_the_log_says_who_revoked_what_kind_of_thing_and_of_many_only_of_some(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "gateway")
    world = World()
    await world.revocations.add(entry(who="ops", reason="lost"), source="command")
    await world.revocations.add(entry(), source="command")
    await world.revocations.lift(entry(), who="me")
    world.revocations.take([Entry("token", "", "ab" * 32, until=NOW + 9)], source="store")
    world.revocations.take([entry("client", "uncounted")], source="")
    assert [record.getMessage() for record in caplog.records] == [
        "revoked: a subject of https://i.example; by ops: lost",
        "lifted: a subject of https://i.example; by me",
        "revoked: a token; by store",
    ]
    caplog.clear()
    world.revocations.take([entry("jti", str(number)) for number in range(25)], source="store")
    assert len(caplog.records) == 21
    assert caplog.records[-1].getMessage() == "revoked or lifted: 5 more"
    assert "alice" not in caplog.text


async def test_what_would_change_nothing_is_known_without_writing_it() -> None:
    world = World()
    known = (entry("sid", "s-1"), entry("sessionless"))
    assert not world.revocations.covers(known)
    await world.revocations.add(known[0], source="logout")
    assert not world.revocations.covers(known)
    await world.revocations.add(known[1], source="logout")
    world.now += 5
    assert world.revocations.covers(known)
    assert world.revocations.covers(entry(one.kind, one.value, at=world.now, before=NOW - 10) for one in known)
    assert not world.revocations.covers([known[0], entry("sessionless", before=NOW + 1)])
    await world.revocations.lift(known[0])
    # Said again after it was taken back.
    assert not world.revocations.covers([entry("sid", "s-1", at=world.now + 1)])


async def test_nobody_is_admitted_before_the_list_was_read_for_the_first_time() -> None:
    world = World()
    before = world.revocations.is_needed
    assert world.revocations.refuses_everything() is not None
    with pytest.raises(StoreUnavailable):
        world.revocations.check(caller())
    await world.revocations.start()
    world.revocations.check(caller())
    assert (before, world.revocations.is_needed) == (True, False)
    # Whoever is given a list knows it.
    given = World().revocations
    given.replace([])
    given.check(caller())


async def test_what_has_ended_is_missed_by_nobody() -> None:
    world = World()
    world.revocations.take([entry(), entry("jti", until=NOW + 5)], source="store")
    indexes = world.revocations.indexes()
    assert len(world.revocations.lasting([*indexes, b"unknown"])) == 2
    world.now = NOW + 5
    assert world.revocations.lasting(indexes) == [entry()]
