"""The journal on a real disk: torn, broken, full, used by two at once, and killed in between."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.revocation.entry import Entry
from gateway.core.revocation.revoked import Revoked
from gateway.events import RevocationAdded
from gateway.store import journal
from gateway.store.journal import Journal, JournalKeeper, read_journal
from gateway.store.revocations import CannotRevoke, Revocations
from tests.issuer import RecordingObserver

NOW = 1000.0


def entry(value: str = "alice", **changes: Any) -> Entry:
    return Entry("subject", "https://i.example", value, **{"until": 2000.0, "before": NOW, **changes})


WHOLE = b"bearer-gateway revocations 1\n" + b"".join(journal._line(one) for one in (entry(), entry("bob")))


def opened(path: Path, *, now: float = NOW) -> tuple[Journal, tuple[Entry, ...]]:
    return Journal.open(str(path), now=now)


def reread(path: Path, *, now: float = NOW) -> tuple[Entry, ...]:
    held, entries = opened(path, now=now)
    held.close()
    return entries


def about(path: Path) -> os.stat_result:
    return path.stat()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "revoked"


async def started(path: Path) -> tuple[Revocations, JournalKeeper]:
    keeper = JournalKeeper(*opened(path))
    revocations = Revocations(observer=RecordingObserver(), keeper=keeper, clock=lambda: NOW)
    await revocations.start()
    return revocations, keeper


async def test_what_was_revoked_is_there_after_a_restart(path: Path) -> None:
    revocations, keeper = await started(path)
    assert keeper.age == 0.0
    await revocations.add(entry(), entry("bob\nü\u2028"), source="command")
    await revocations.add(entry("carol"), source="command")
    await revocations.lift(entry("carol"))
    await revocations.close()
    await revocations.close()
    assert about(path).st_mode & 0o777 == 0o600
    again, _ = await started(path)
    assert set(again.entries()) == {entry(), entry("bob\nü\u2028")}
    assert [one.value for one in again.entries(lifted=True) if one.lifted] == ["carol"]
    await again.close()
    assert read_journal(str(path), now=2000.0) == ()
    with pytest.raises(CannotRevoke, match="is stopping"):
        await again.add(entry("dora"), source="command")


def test_what_has_ended_is_not_written_again(path: Path) -> None:
    held, _ = opened(path)
    held.append([entry(until=1500.0), entry("bob")])
    held.close()
    size = path.stat().st_size
    assert reread(path, now=1500.0) == (entry("bob"),)
    assert path.stat().st_size < size


def test_a_last_line_that_is_torn_anywhere_is_dropped(path: Path) -> None:
    held, _ = opened(path)
    held.append([entry()])
    whole = path.stat().st_size
    held.append([entry("bob")])
    held.close()
    content = path.read_bytes()
    for end in {0, 1, whole - 1, whole, *range(5, len(content), 29), len(content) - 1}:
        path.write_bytes(content[:end])
        first_line = content.index(b"\n") + 1
        assert reread(path) == ((entry(),) if end >= whole else ()), end
        assert path.read_bytes().startswith(content[:first_line])
    path.write_bytes(content + bytes(100))
    assert reread(path) == (entry(), entry("bob"))


@settings(max_examples=30)
@given(st.data())
def test_any_other_line_that_is_broken_stops_the_start(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.mktemp("journal") / "revoked"
    path.write_bytes(WHOLE)
    content = bytearray(WHOLE)
    lines = bytes(content).split(b"\n")
    at = data.draw(st.integers(len(lines[0]) + 1, len(lines[0]) + len(lines[1])))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"names a file whose line [23] is broken, and what it revoked is not known"):
        opened(path)
    assert path.read_bytes() == bytes(content)


@pytest.mark.parametrize("content", [b"hello\n", b"bearer-gateway revocations 2\n", b"\0" * 40])
def test_what_is_no_journal_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match="names a file that is no journal of revocations"):
        opened(path)
    assert path.read_bytes() == content


def test_a_line_without_end_is_not_read_to_its_end(path: Path) -> None:
    path.write_bytes(b"bearer-gateway revocations 1\n" + b"x" * (1 << 19))
    with pytest.raises(ValueError, match="line 2 is broken"):
        opened(path)


def test_two_gateways_do_not_share_one(path: Path) -> None:
    held, _ = opened(path)
    told = "names a file that another gateway has open: each needs one of its own"
    with pytest.raises(ValueError, match=told):
        opened(path)
    # The lock goes on to the file that takes its place.
    held.rewrite([entry()])
    with pytest.raises(ValueError, match=told):
        opened(path)
    assert read_journal(str(path), now=NOW) == (entry(),)
    held.close()
    assert reread(path) == (entry(),)


def test_who_got_the_lock_of_a_file_that_was_replaced_looks_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()
    locking = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", locking)
        path.rename(path.with_name("old"))
        path.with_name("other").write_bytes(WHOLE)
        path.with_name("other").rename(path)
        locking(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    held, entries = opened(path)
    held.close()
    assert [one.value for one in entries] == ["alice", "bob"]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.mkdir(), "cannot be written: Is a directory"),
        (os.mkfifo, "something that is no file"),
        (lambda path: path.symlink_to("/etc/passwd"), "cannot be written: Too many levels of symbolic links"),
        (lambda path: path.parent.rmdir(), "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_a_journal_is_said(path: Path, make: Any, told: str) -> None:
    make(path)
    with pytest.raises(ValueError, match=told):
        opened(path)
    if not path.exists():
        with pytest.raises(ValueError, match="names a file that cannot be read: No such file or directory"):
            read_journal(str(path), now=NOW)


async def test_it_is_written_anew_when_half_of_it_is_past(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_SLACK", 100)
    revocations, _ = await started(path)
    inode = about(path).st_ino
    for number in range(150):
        await revocations.add(entry(until=2000.0 + number), source="command")
    assert about(path).st_ino != inode
    await revocations.close()
    assert about(path).st_size < 20_000
    assert reread(path) == (entry(until=2149.0),)


async def test_a_full_disk_is_told_to_whoever_revokes_and_leaves_a_sound_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations, _ = await started(path)
    await revocations.add(entry(), source="command")
    writing = os.write

    def half(descriptor: int, content: Any) -> int:
        if len(content) < 20:
            raise OSError(28, "No space left on device")
        return writing(descriptor, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half)
    for _ in range(2):
        with pytest.raises(CannotRevoke, match="the journal cannot be written: No space left on device"):
            await revocations.add(entry("bob"), source="command")
    assert [one.value for one in revocations.entries()] == ["alice"]
    assert read_journal(str(path), now=NOW) == (entry(),)
    monkeypatch.undo()
    await revocations.add(entry("carol"), source="command")
    await revocations.close()
    assert reread(path) == (entry(), entry("carol"))


async def test_what_may_not_be_on_the_disk_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    revocations, _ = await started(path)
    await revocations.add(entry(), source="command")

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CannotRevoke, match="the journal cannot be written: Input/output error"):
        await revocations.add(entry("bob"), source="command")
    assert read_journal(str(path), now=NOW) == (entry(),)
    monkeypatch.undo()
    await revocations.add(entry("carol"), source="command")
    await revocations.close()
    assert reread(path) == (entry(), entry("carol"))


async def test_whoever_leaves_meanwhile_leaves_nothing_half_done(path: Path) -> None:
    revocations, keeper = await started(path)
    asking = asyncio.create_task(keeper.write([entry()], source="command"))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await revocations.close()
    assert revocations.entries() == (entry(),)
    assert reread(path) == (entry(),)


async def test_what_is_written_anew_has_what_was_confirmed_a_moment_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_SLACK", -1000)
    revocations, _ = await started(path)
    many = [str(number) for number in range(8)]
    await asyncio.gather(*(revocations.add(entry(value), source="command") for value in many))
    await revocations.close()
    assert {one.value for one in revocations.entries()} == {one.value for one in reread(path)} == set(many)
    counted = [event for event in revocations._observer.events if isinstance(event, RevocationAdded)]  # type: ignore[attr-defined]
    assert len(counted) == len(many)


def test_what_has_ended_takes_no_room_in_a_journal_that_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "Revoked", partial(Revoked, max_entries=2))
    held, _ = opened(path)
    held.append([entry(str(number), until=NOW + 1) for number in range(2)])
    held.append([entry(str(number)) for number in range(2, 4)])
    held.close()
    assert {one.value for one in read_journal(str(path), now=NOW + 2)} == {"2", "3"}
    assert {one.value for one in reread(path, now=NOW + 2)} == {"2", "3"}


@pytest.mark.parametrize("after", [3, 40])
def test_what_was_confirmed_is_there_whenever_the_process_is_killed(path: Path, after: int) -> None:
    program = f"""
        import sys
        from gateway.core.revocation.entry import Entry
        from gateway.store.journal import Journal
        journal, _ = Journal.open({str(path)!r}, now=0.0)
        held = []
        for number in range(1000000):
            one = Entry("subject", "i", str(number), until=1.0)
            held.append(one)
            if number % 7 == 0:
                journal.rewrite(held)
            else:
                journal.append([one])
            print(number, flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(Path.cwd())},
    ) as process:
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        confirmed = after + len(process.stdout.read().splitlines())
    found = reread(path, now=0.0)
    assert [one.value for one in found][:confirmed] == [str(number) for number in range(confirmed)]
    assert len(found) <= confirmed + 1
