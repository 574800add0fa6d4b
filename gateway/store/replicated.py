"""What was revoked, in the Redis that replicas share: each process has the whole list, and hears of every change.

A hash has the entries, sealed; a sorted set when each ends; a stream says which of them changed, and no more than that.
Redis may forget: whoever finds that it did reads all of it, and puts back what it holds and Redis lacks.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from random import random
from typing import Any, Final

from gateway.core.revocation.entry import Entry, following, merged, parse_entry, written
from gateway.core.revocation.revoked import MAX_ENTRIES, ListFull
from gateway.store.redis import Follower, Redis, StoreDown, Unsealable
from gateway.store.revocations import CannotRevoke, Revocations
from gateway.store.scripts import CHANGES, END, PUT, PUT_BACK, STATE

USE: Final = "revocation"
#: seconds for which the follower waits for a change; and beyond that for the response
_BLOCK: Final = 1.0
_PATIENCE: Final = 1.5
#: changes that are heard at a time, and entries that are read at a time
_HEARD: Final = 256
_SCANNED: Final = 1000
#: entries that are opened, or put back, without letting others have their turn: some 2 ms
_AT_ONCE: Final = 64
#: seconds between two looks for what has ended, and of the longest pause after a failure
_EXPIRE_EVERY: Final = 60.0
_LONGEST_PAUSE: Final = 2.0
#: seconds that a start waits for the first reading
_FIRST: Final = 1.0
#: looks in a row that find fewer entries than there are here before all is read: they end at about the same time
_FEWER: Final = 3
#: seconds until what could not be put back is tried again
_OWED: Final = 5.0
#: others may change the same entry meanwhile
_ATTEMPTS: Final = 5
_START: Final = b"0-0"

log = logging.getLogger("gateway.store")


class _TooMany(Exception):
    """There are more entries than a process can have: what the others revoke is not known."""


class ReplicatedList:
    """Keeps the list of this process and of all others in one Redis."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch."""
        self._redis = redis
        self._clock = clock
        self._revocations: Revocations | None = None
        self._follower: Follower | None = None
        self._following: asyncio.Task[None] | None = None
        #: when it was sure to have all of it, in seconds of `time.monotonic`
        self._sure_at = float("-inf")
        self._is_whole = asyncio.Event()
        #: the last change that was heard
        self._last = _START
        self._must_read = True
        self._fewer = 0
        #: when Redis last took nothing of what it lacks; None: it lacks nothing
        self._owed_at: float | None = None
        self._expired_at = float("-inf")
        self._wrong = ""
        #: fields whose entries cannot be opened: what they revoke is not known
        self._sealed_up: set[bytes] = set()
        redis.on_loss.append(self._has_lost)

    def __repr__(self) -> str:
        return f"ReplicatedList(last heard {self.age:.0f} s ago)"

    @property
    def age(self) -> float:
        """Seconds since this process was sure to have the whole list."""
        return time.monotonic() - self._sure_at

    async def start(self, revocations: Revocations) -> None:
        """Begins to hear what others revoke; waits a moment for the first reading."""
        self._revocations = revocations
        self._follower = self._redis.follower()
        self._following = asyncio.create_task(self._follow(self._follower), name="revocations")
        try:
            async with asyncio.timeout(_FIRST):
                await self._is_whole.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Ends that. May be called twice."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None
        if self._follower is not None:
            await self._follower.close()
            self._follower = None

    async def write(self, entries: Sequence[Entry], *, source: str) -> Sequence[Entry]:
        """In Redis when this returns, and announced to everybody. CannotRevoke."""
        try:
            return [await self._put(entry) for entry in entries]
        except StoreDown as down:
            wrong = f"the store cannot be had: {down}"
        except Unsealable as error:
            wrong = f"what the store has there cannot be opened: {error}"
        raise CannotRevoke(wrong)

    async def find(self, entry: Entry) -> Entry | None:
        """What the store has of an entry's kind about the same; None: nothing. StoreDown. Unsealable."""
        field = self._field(entry)
        value = await self._redis.command(USE, b"HGET", self._keys()[0], field)
        return None if value is None else self._opened(field, value)

    async def read(self) -> list[Entry]:
        """All of it, lifted entries included, without hearing of changes. StoreDown. Unsealable."""
        found: list[Entry] = []
        cursor = b"0"
        while True:
            cursor, values = await self._redis.command(USE, b"HSCAN", self._keys()[0], cursor, b"COUNT", _SCANNED)
            for field, value in zip(values[::2], values[1::2], strict=True):
                entry = self._opened(field, value)
                if entry is not None:
                    found.append(entry)
            if cursor == b"0":
                return found

    def _keys(self) -> list[bytes]:
        return [self._redis.name(USE, part) for part in (b"entries", b"until", b"changes")]

    def _field(self, entry: Entry) -> bytes:
        return self._redis.name(USE, b"field", entry.index)

    def _opened(self, field: bytes, value: bytes) -> Entry | None:
        """An entry as it stands there; None: it has ended. Unsealable."""
        plain = self._redis.open(USE, field, value, now=self._clock())
        if plain is None:
            return None
        try:
            return parse_entry(plain)
        except ValueError as error:
            raise Unsealable(str(error)) from None

    def _sealed(self, field: bytes, entry: Entry) -> bytes:
        return self._redis.seal(USE, field, written(entry), until=entry.until)

    async def _put(self, entry: Entry) -> Entry:
        """What counts now, merged with what was there. StoreDown. Unsealable. CannotRevoke."""
        field, old, now = self._field(entry), b"", entry
        for _ in range(_ATTEMPTS):
            result = await self._redis.run(
                PUT, use=USE, keys=self._keys(), args=[field, old, self._sealed(field, now), now.until, MAX_ENTRIES]
            )
            if result[0] == b"done":
                return now
            if result[0] == b"full":
                raise CannotRevoke(f"the list of what is revoked has {MAX_ENTRIES} entries, and takes no more")
            old = result[1]
            found = self._opened(field, old) if old else None
            now = merged(found, following(found, entry))
            if now is found:
                return now
        raise CannotRevoke("others change the same entry all the time")

    # The follower

    def _has_lost(self) -> None:
        self._must_read = True

    async def _follow(self, follower: Follower) -> None:
        """Hears of changes for ever; what goes wrong makes the list older, and nothing else."""
        failures = 0
        while True:
            wrong, is_gone = "", False
            try:
                await self._hear(follower)
            except StoreDown as down:
                # Redis says so itself, and the list becomes older.
                is_gone = True
                wrong = f"the store cannot be had: {down}"
            except _TooMany as error:
                wrong = str(error)
                if wrong != self._wrong:
                    log.error("what is revoked is not known: %s", error)  # noqa: TRY400 -- all there is to say
            except Exception:
                log.exception("what is revoked could not be followed")
                wrong = "internal error"
            self._wrong = wrong
            if not wrong:
                failures = 0
                continue
            failures += 1
            # To read all of it takes long, and where nothing was lost what has changed is enough.
            self._must_read |= not (is_gone and self._redis.tells_of_loss)
            await asyncio.sleep(min(0.05 * 2 ** min(failures, 10), _LONGEST_PAUSE) * (0.5 + random() / 2))  # noqa: S311 -- jitter

    async def _hear(self, follower: Follower) -> None:
        """Reads all of it where that is needed, else what has changed since. StoreDown. _TooMany."""
        began = time.monotonic()
        if self._must_read or (self._owed_at is not None and began - self._owed_at > _OWED):
            self._must_read = False
            try:
                await self._read_whole(follower)
            except BaseException:
                self._must_read = True
                raise
            before = self._last
        else:
            before = self._last
            await self._read_changes(follower)
            if self._sealed_up:
                await self._read_again(follower)
        assert self._revocations is not None
        self._revocations.forget_ended()
        if await self._is_complete(follower, before):
            self._sure_at = began
            self._is_whole.set()
            self._revocations.look()
        if began - self._expired_at > _EXPIRE_EVERY:
            self._expired_at = began
            await self._end()

    async def _end(self) -> None:
        """Has Redis forget what has ended; if it takes no writes now, another time, or another process."""
        with contextlib.suppress(StoreDown):
            await self._redis.run(END, use=USE, keys=self._keys(), args=[self._clock()])

    async def _read_changes(self, follower: Follower) -> None:
        """Waits for changes, and takes them."""
        keys = self._keys()
        found = await follower.command(
            b"XREAD", b"COUNT", _HEARD, b"BLOCK", int(_BLOCK * 1000), b"STREAMS", keys[2], self._last,
            seconds=_BLOCK + _PATIENCE,
        )  # fmt: skip
        if not found:
            return
        changes = found[0][1]
        fields = list(dict.fromkeys(members[1] for _, members in changes if members))
        values = await follower.command(b"HMGET", keys[0], *fields, seconds=_PATIENCE)
        await self._take(zip(fields, values, strict=True), source="store")
        self._last = changes[-1][0]

    async def _is_complete(self, follower: Follower, before: bytes) -> bool:
        """Whether nothing can have been missed. If something may have been, all is read next.

        `before`: the last change that had been heard when those since were asked for.
        """
        assert self._revocations is not None
        count, ends, first, last = await self._state(follower)
        held = self._revocations.count
        # Between what was heard and what is remembered others may have been.
        is_trimmed = _number(first) > _number(before) and (before != _START or count >= CHANGES)
        if _number(last) < _number(self._last) or is_trimmed:
            self._must_read = True
        is_poorer = self._owed_at is None and (count < held or ends < count)
        self._fewer = self._fewer + 1 if is_poorer else 0
        if self._fewer >= _FEWER:
            self._fewer = 0
            self._must_read = True
        return not self._must_read and not self._sealed_up

    async def _read_again(self, follower: Follower) -> None:
        """What could not be opened: it may have gone, or been written anew."""
        fields = list(self._sealed_up)[:_SCANNED]
        values = await follower.command(b"HMGET", self._keys()[0], *fields, seconds=_PATIENCE)
        await self._take(zip(fields, values, strict=True), source="store")
        if not self._sealed_up:
            log.info("what is revoked is known again")

    async def _state(self, follower: Follower) -> tuple[int, int, bytes, bytes]:
        """How many entries and ends there are, and the first and the last change that are known."""
        keys = self._keys()
        count, ends, first, last = await follower.command(b"EVAL", STATE.text, len(keys), *keys, seconds=_PATIENCE)
        return int(count), int(ends), first or _START, last or _START

    async def _read_whole(self, follower: Follower) -> None:
        """All of it, and puts back what is here and not there."""
        assert self._revocations is not None
        keys = self._keys()
        count, ends, _, last = await self._state(follower)
        found: set[bytes] = set()
        poorer: list[Entry] = []
        cursor = b"0"
        self._sealed_up.clear()
        while True:
            cursor, values = await follower.command(b"HSCAN", keys[0], cursor, b"COUNT", _SCANNED, seconds=_PATIENCE)
            await self._take(zip(values[::2], values[1::2], strict=True), source="", found=found, poorer=poorer)
            if cursor == b"0":
                break
        missing = await self._missing(set() if ends < count else found)
        self._last = last
        self._revocations.has_changed()
        await self._give_back(missing, poorer)

    async def _missing(self, found: set[bytes]) -> list[Entry]:
        """Those that are here and were not found there."""
        assert self._revocations is not None
        missing: list[Entry] = []
        indexes = self._revocations.indexes()
        for at in range(0, len(indexes), _SCANNED):
            missing += self._revocations.lasting([one for one in indexes[at : at + _SCANNED] if one not in found])
            await asyncio.sleep(0)
        return missing

    async def _take(
        self,
        values: Any,
        *,
        source: str,
        found: set[bytes] | None = None,
        poorer: list[Entry] | None = None,
    ) -> None:
        """Takes what stands in Redis. `found`: gets their index values; `poorer`: what counts for more here than there.

        What cannot be opened hides no other, and is remembered. _TooMany.
        """
        assert self._revocations is not None
        entries: list[Entry] = []
        for number, (field, value) in enumerate(values, start=1):
            entry = self._tried(field, value)
            if entry is not None:
                entries.append(entry)
                held = self._revocations.get(entry.index)
                if found is not None and poorer is not None:
                    found.add(entry.index)
                    if held is not None and merged(entry, held) is not entry:
                        poorer.append(held)
            if number % _AT_ONCE == 0:
                self._add(entries, source=source, tell=found is None)
                entries = []
                await asyncio.sleep(0)
        self._add(entries, source=source, tell=found is None)

    def _tried(self, field: bytes, value: bytes | None) -> Entry | None:
        """The entry in a field, if there is one that has not ended, and it can be opened."""
        try:
            entry = None if value is None else self._opened(field, value)
        except Unsealable as error:
            if not self._sealed_up:
                log.error("what is revoked is not known: an entry in the store cannot be opened: %s", error)  # noqa: TRY400 -- all there is to say
            self._sealed_up.add(field)
            return None
        self._sealed_up.discard(field)
        return entry

    def _add(self, entries: Sequence[Entry], *, source: str, tell: bool) -> None:
        """Takes them. _TooMany."""
        assert self._revocations is not None
        try:
            self._revocations.take(entries, source=source, tell=tell)
        except ListFull as full:
            raise _TooMany(str(full)) from None

    async def _give_back(self, missing: Sequence[Entry], poorer: Sequence[Entry]) -> None:
        """Has Redis have what is here. One that takes no writes makes the list no older: all of it was read."""
        self._owed_at = None
        try:
            await self._put_back(missing)
            for entry in poorer:
                await self._put(entry)
        except (StoreDown, CannotRevoke, Unsealable) as error:
            self._owed_at = time.monotonic()
            log.warning("what the store had forgotten of what is revoked cannot be put back now: %s", error)

    async def _put_back(self, entries: Sequence[Entry]) -> None:
        """Gives Redis what it lacks, and leaves what it has."""
        if not entries:
            return
        log.warning("the store had forgotten %d of what is revoked, which is put back", len(entries))
        for at in range(0, len(entries), _AT_ONCE):
            args: list[bytes | int | float] = []
            for entry in entries[at : at + _AT_ONCE]:
                field = self._field(entry)
                args += [field, self._sealed(field, entry), entry.until]
            await self._redis.run(PUT_BACK, use=USE, keys=self._keys(), args=args)
            await asyncio.sleep(0)


def _number(change: bytes) -> tuple[int, int]:
    """The id of a change, so that it can be compared."""
    first, _, second = change.partition(b"-")
    return int(first), int(second or 0)
