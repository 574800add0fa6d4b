"""What was revoked, in a file of one gateway: on the disk before it is confirmed, and read whole at the next start.

A line has a checksum. The last one may be torn, by a machine that went down while it was written: it was never
confirmed. Any other broken line stops the start: what it said is not known, and nobody may believe it was nothing.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import stat
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from gateway.core.revocation.entry import Entry, parse_entry, written
from gateway.core.revocation.revoked import ListFull, Revoked
from gateway.store.revocations import CannotRevoke, Revocations

_HEADER: Final = b"bearer-gateway revocations 1\n"
#: bytes of the longest line: every character of two values and two notes as an escape
_MAX_LINE: Final = 1 << 18
#: lines beyond twice those that count, before the file is written anew
_SLACK: Final = 1024

log = logging.getLogger("gateway")


class Journal:
    """The open file, and its lock. Every method touches the disk, and may wait for it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """`descriptor`: of the file, locked."""
        self._path = path
        self._descriptor = descriptor
        #: bytes that are known to be sound
        self._size = 0
        self._is_sound = False
        self.lines = 0

    @classmethod
    def open(cls, name: str, *, now: float) -> tuple["Journal", tuple[Entry, ...]]:
        """The journal, made where there is none, and what counts of it, lifted entries included.

        ValueError: a sentence that fits behind the key. `now`: seconds since the epoch.
        """
        path = Path(name)
        try:
            descriptor = _locked(path)
            try:
                with open(descriptor, "rb", closefd=False) as file:
                    held = _read(file, now)
                journal = cls(path, descriptor)
                entries = held.entries(lifted=True)
                journal.rewrite(entries)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise ValueError(f"names a file that cannot be written: {error.strerror}") from None
        return journal, entries

    def append(self, entries: Iterable[Entry]) -> None:
        """Adds them; they are on the disk when this returns. OSError: it is as if nothing had been added."""
        lines = [_line(entry) for entry in entries]
        content = b"".join(lines)
        self._is_sound = False
        try:
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
            _write(self._descriptor, content)
            os.fsync(self._descriptor)
        except OSError:
            # What of it is on the disk is not known; at worst all of it, which then counts.
            os.ftruncate(self._descriptor, self._size)
            raise
        self._is_sound = True
        self._size += len(content)
        self.lines += len(lines)

    @property
    def is_sound(self) -> bool:
        """What is in the file is known. If not, it has to be written anew."""
        return self._is_sound

    def rewrite(self, entries: Sequence[Entry]) -> None:
        """Puts a new file with these entries in the place of the old one. OSError: the old one is as it was."""
        aside = self._path.with_name(f"{self._path.name}.new")
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            # Before it has its name: nobody else is to find it without a lock.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            content = b"".join((_HEADER, *map(_line, entries)))
            _write(descriptor, content)
            os.fsync(descriptor)
            aside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size, self.lines = descriptor, len(content), len(entries)
        self._is_sound = True

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._descriptor)


class JournalKeeper:
    """Keeps the list of one process, or of a supervisor, in a journal."""

    def __init__(self, journal: Journal, entries: tuple[Entry, ...]) -> None:
        """What `Journal.open` gave. `entries`: what the list is at the start."""
        self._journal = journal
        self._entries = entries
        self._revocations: Revocations | None = None
        self._writing = asyncio.Lock()
        self._is_closed = False

    @property
    def age(self) -> float:
        """0: nobody else writes it."""
        return 0.0

    async def start(self, revocations: Revocations) -> None:
        """Hands over what was read."""
        self._revocations = revocations
        revocations.replace(self._entries)
        self._entries = ()

    async def close(self) -> None:
        """Lets go of the file, once what is under way is written. May be called twice."""
        async with self._writing:
            if not self._is_closed:
                self._is_closed = True
                self._journal.close()

    async def write(self, entries: Sequence[Entry], *, source: str) -> Sequence[Entry]:
        """On the disk when this returns. CannotRevoke."""
        # Whoever asked may go: what was begun is ended all the same.
        await asyncio.shield(asyncio.ensure_future(self._write(entries, source)))
        return entries

    async def _write(self, entries: Sequence[Entry], source: str) -> None:
        async with self._writing:
            if self._is_closed or self._revocations is None:
                raise CannotRevoke("the gateway is stopping")
            held = self._revocations.entries(lifted=True)
            try:
                await asyncio.to_thread(self._keep, held, entries)
            except OSError as error:
                sentence = f"the journal cannot be written: {error.strerror}"
                log.error("%s", sentence)  # noqa: TRY400 -- the sentence is the whole story
            else:
                # Before the next one, which may write all anew that counts.
                self._revocations.take(entries, source=source)
                return
        raise CannotRevoke(sentence)

    def _keep(self, held: Sequence[Entry], entries: Sequence[Entry]) -> None:
        journal = self._journal
        if journal.is_sound and journal.lines + len(entries) <= 2 * (len(held) + len(entries)) + _SLACK:
            journal.append(entries)
        else:
            journal.rewrite((*held, *entries))


def read_journal(name: str, *, now: float) -> tuple[Entry, ...]:
    """What counts in the journal of a gateway that may be running. ValueError as in `Journal.open`."""
    try:
        with Path(name).open("rb") as file:
            held = _read(file, now)
    except OSError as error:
        raise ValueError(f"names a file that cannot be read: {error.strerror}") from None
    return held.entries(lifted=True)


def _locked(path: Path) -> int:
    """The file with a lock on it, made where there is none. OSError. ValueError: another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("names something that is no file")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError("names a file that another gateway has open: each needs one of its own") from None
            # Its owner may have put another in its place meanwhile.
            if path.exists() and path.stat().st_ino == status.st_ino:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _read(file: BinaryIO, now: float) -> Revoked:
    """What counts of it: what has ended takes no room. ValueError as in `Journal.open`."""
    held = Revoked()
    header = file.readline(len(_HEADER))
    if header != _HEADER and not _HEADER.startswith(header):
        raise ValueError("names a file that is no journal of revocations")
    number = 1
    while line := file.readline(_MAX_LINE):
        number += 1
        if not line.endswith(b"\n"):
            if len(line) < _MAX_LINE:
                # Torn: nobody was told that it is there.
                break
            raise ValueError(_broken(number))
        try:
            entry = _parse(line)
            if entry.until > now:
                held.add(entry)
        except ListFull as full:
            raise ValueError(f"names a file that cannot be used: {full}") from None
        except ValueError:
            raise ValueError(_broken(number)) from None
    return held


def _broken(number: int) -> str:
    return (
        f"names a file whose line {number} is broken, and what it revoked is not known: restore the file, "
        "or put it aside and revoke anew"
    )


def _line(entry: Entry) -> bytes:
    text = written(entry)
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> Entry:
    checksum, _, text = line[:-1].partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        raise ValueError("the checksum is another one")
    return parse_entry(text)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
