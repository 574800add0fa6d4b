"""A supervisor and its workers have one list: asked, told, confirmed; whoever does not confirm is replaced."""

import asyncio
import os
from pathlib import Path

import pytest

from gateway.core.config.file import Config
from gateway.core.revocation.entry import written
from gateway.events import RevocationAdded
from gateway.process import sharing as module
from gateway.process.sharing import Sharing, SuppliedList, sharing_for
from gateway.store.journal import Journal, JournalKeeper
from gateway.store.revocations import CannotRevoke, Revocations
from tests.issuer import RecordingObserver
from tests.process.test_revoking import entry
from tests.wire import until


class Worker:
    """A worker in this process: a list of its own, and lines to and from its supervisor."""

    def __init__(self, sharing: Sharing, pid: int) -> None:
        self.pid = pid
        self.confirmed: int | None = None
        self.heard = asyncio.Event()
        self.is_gone = False
        self.is_deaf = False
        self.observer = RecordingObserver()
        self.list = SuppliedList(self._say)
        self.revocations = Revocations(observer=self.observer, keeper=self.list)
        self._sharing = sharing

    def tell(self, what: bytes) -> None:
        for line in what.splitlines(keepends=True):
            if not self.is_deaf:
                assert self.list.hear(line)

    def _say(self, what: bytes) -> None:
        for line in what.splitlines(keepends=True):
            self._sharing.hear(self, line)

    def kill(self) -> None:
        self.is_gone = True
        self.heard.set()

    def values(self) -> set[str]:
        return {one.value for one in self.revocations.entries()}


class World:
    def __init__(self, journal: JournalKeeper | None = None) -> None:
        self.workers: list[Worker] = []
        self.sharing = Sharing(journal, workers=lambda: self.workers)

    async def join(self) -> Worker:
        worker = Worker(self.sharing, len(self.workers))
        self.workers.append(worker)
        self.sharing.greet(worker)
        await worker.revocations.start()
        return worker


async def test_every_worker_has_what_is_revoked_before_that_is_confirmed(tmp_path: Path) -> None:
    world = World(JournalKeeper(*Journal.open(str(tmp_path / "revoked"), now=0.0)))
    await world.sharing.revocations.start()
    assert world.sharing.age == 0.0
    first = await world.join()
    assert first.list.age == 0.0
    await world.sharing.revocations.add(entry("alice"), source="command")
    second = await world.join()
    assert first.values() == second.values() == {"alice"}
    assert await first.revocations.add(entry("bob"), source="logout") is True
    assert await second.revocations.add(entry("bob", before=1.0, until=2.0), source="logout") is False
    assert first.values() == second.values() == {"alice", "bob"}
    # Of all processes one counts each.
    added = [event for one in world.workers for event in one.observer.events if isinstance(event, RevocationAdded)]
    assert added == [RevocationAdded("subject", "command"), RevocationAdded("subject", "logout")]
    await world.sharing.revocations.lift(entry("alice"))
    assert first.values() == second.values() == {"bob"}
    await world.sharing.close()
    again = World(JournalKeeper(*Journal.open(str(tmp_path / "revoked"), now=0.0)))
    await again.sharing.revocations.start()
    third = await again.join()
    assert third.values() == {"bob"}
    assert await third.revocations.lift(entry("alice")) is False
    await again.sharing.close()
    await again.sharing.close()


async def test_a_worker_that_does_not_confirm_is_killed_and_only_then_is_it_confirmed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CONFIRMED_WITHIN", 0.05)
    world = World()
    good, deaf, starting = await world.join(), await world.join(), await world.join()
    deaf.is_deaf = starting.is_deaf = True
    # One that is not yet served with the list does not serve either, and gets this behind it.
    starting.confirmed = None
    await world.sharing.revocations.add(entry("alice"), source="command")
    assert (good.is_gone, deaf.is_gone, starting.is_gone) == (False, True, False)
    assert "process 1 has not confirmed what is revoked within 0.05 s: killed" in caplog.text
    assert good.values() == {"alice"}


async def test_one_that_does_not_even_end_keeps_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONFIRMED_WITHIN", 0.01)
    monkeypatch.setattr(module, "GONE_WITHIN", 0.01)
    world = World()
    deaf = await world.join()
    deaf.is_deaf = True
    monkeypatch.setattr(deaf, "kill", lambda: None)
    await world.sharing.revocations.add(entry("alice"), source="command")


async def test_a_worker_hears_why_it_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World(JournalKeeper(*Journal.open(str(tmp_path / "revoked"), now=0.0)))
    await world.sharing.revocations.start()
    worker = await world.join()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotRevoke, match="the journal cannot be written: No space left on device"):
        await worker.revocations.add(entry("alice"), source="logout")
    monkeypatch.undo()
    world.sharing.revocations._list._max_entries = 0
    with pytest.raises(CannotRevoke, match="has 0 entries"):
        await worker.revocations.add(entry("alice"), source="logout")
    assert worker.revocations.is_empty
    await world.sharing.close()


async def test_without_its_supervisor_a_worker_revokes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[bytes] = []
    supplied = SuppliedList(said.append)
    asking = asyncio.create_task(supplied.write([entry()], source="logout"))
    await asyncio.sleep(0)
    assert said[0].endswith(b"? 1 logout\n")
    supplied.lost()
    supplied.lost()
    with pytest.raises(CannotRevoke, match="is stopping"):
        await asking
    with pytest.raises(CannotRevoke, match="is stopping"):
        await supplied.write([entry()], source="logout")
    late = SuppliedList(said.append)
    monkeypatch.setattr(module, "ASKED_FOR", 0.01)
    with pytest.raises(CannotRevoke, match=r"has not responded within 0\.01 s"):
        await late.write([entry()], source="logout")
    assert late.hear(b"! 1 \n")
    assert not late.hear(b"stop\n")


async def test_a_worker_serves_when_it_has_the_whole_list() -> None:
    reader, supplied = asyncio.StreamReader(), SuppliedList(lambda _: None)
    reader.feed_data(b"= 0\n")
    assert await supplied.supplied(reader) is True
    reader.feed_eof()
    assert await supplied.supplied(reader) is False


async def test_a_worker_confirms_when_the_list_counts_and_hears_later_what_else_was_said_meanwhile() -> None:
    said: list[bytes] = []
    reader, supplied = asyncio.StreamReader(), SuppliedList(said.append)
    reader.feed_data(b"drain\n+" + written(entry("alice")) + b"\n= 7\n")
    assert await supplied.supplied(reader) is True
    assert (said, supplied.unheard) == ([], [b"drain\n"])
    revocations = Revocations(observer=RecordingObserver(), keeper=supplied)
    await revocations.start()
    assert [one.value for one in revocations.entries()] == ["alice"]
    assert said == [b"= 7\n"]


async def test_a_long_list_is_given_bit_by_bit_and_what_is_revoked_meanwhile_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    world = World()
    for number in range(5):
        await world.sharing.revocations.add(entry(str(number)), source="command")
    worker = Worker(world.sharing, 1)
    world.workers.append(worker)
    world.sharing.greet(worker)
    assert worker.list._first == []
    await world.sharing.revocations.add(entry("5"), source="command")
    await until(lambda: len(worker.list._first) == 6)
    before = worker.confirmed
    await worker.revocations.start()
    assert worker.values() == set("012345")
    assert (before, worker.confirmed) == (None, 6)
    # Whoever goes meanwhile is waited for by nobody.
    gone = Worker(world.sharing, 2)
    world.sharing.greet(gone)
    await world.sharing.close()


async def test_without_revocation_nothing_is_shared() -> None:
    async with sharing_for(Config(issuers=()), tuple) as shared:
        assert shared is None
