"""The whole list of what was revoked, in memory: a request looks up what it is about, and waits for nobody."""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

from gateway.core.revocation.entry import KINDS, Entry, Kind, merged
from gateway.core.token.handles import Handles

#: entries, those that were lifted included: some 85 MiB of a process
MAX_ENTRIES: Final = 250_000
#: ends that are looked at without letting others have their turn: some 15 ms
AT_ONCE: Final = 4096


class ListFull(Exception):
    """There is no room for another entry; the sentence has the number."""


class Revoked:
    """What was revoked, by index value."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        #: what counts
        self._entries: dict[bytes, Entry] = {}
        #: what was lifted: nobody who still has it may bring it back
        self._lifted: dict[bytes, Entry] = {}
        #: when each may be forgotten; an entry that was prolonged stands here more than once
        self._ends: list[tuple[float, bytes]] = []
        self._counts: dict[Kind, int] = dict.fromkeys(KINDS, 0)

    def __len__(self) -> int:
        """How many count."""
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Revoked({len(self._entries)}, and {len(self._lifted)} lifted)"

    @property
    def room(self) -> int:
        """For how many entries that are about something new."""
        return self._max_entries - self.count

    @property
    def count(self) -> int:
        """How many there are, those included that were lifted."""
        return len(self._entries) + len(self._lifted)

    @property
    def full_sentence(self) -> str:
        """What to say when there is none."""
        return f"the list of what is revoked has {self._max_entries} entries, and takes no more"

    def find(self, handles: Handles | None) -> Entry | None:
        """An entry that is about the token with these handles, or None. None as handles: nothing can revoke it."""
        entries = self._entries
        if not entries or handles is None:
            return None
        for value in handles.index:
            # Compiled, a fifth less than to get what is hardly ever there.
            if value in entries and (entry := entries[value]).is_about(handles.issued_at):
                return entry
        return None

    def get(self, index: bytes) -> Entry | None:
        """The entry with this index value, lifted or not."""
        return self._entries.get(index) or self._lifted.get(index)

    def add(self, entry: Entry) -> Entry | None:
        """Takes an entry, or one that lifts another. What stands there now; None: nothing has changed.

        It may have been confirmed elsewhere, so there is an eighth more than `room` says. ListFull: not even that.
        """
        index = entry.index
        old = self.get(index)
        now = merged(old, entry)
        if now is old:
            return None
        if old is None and self.room <= -(self._max_entries // 8):
            raise ListFull(self.full_sentence)
        self._forget(index)
        self._put(index, now)
        return now

    def _put(self, index: bytes, entry: Entry) -> None:
        if entry.lifted:
            self._lifted[index] = entry
        else:
            self._entries[index] = entry
            self._counts[entry.kind] += 1
        heappush(self._ends, (entry.until, index))
        if len(self._ends) > 2 * self.count + 1024:
            self._ends = [(one.until, at) for held in (self._entries, self._lifted) for at, one in held.items()]
            heapify(self._ends)

    def _forget(self, index: bytes) -> None:
        entry = self._entries.pop(index, None)
        if entry is not None:
            self._counts[entry.kind] -= 1
        else:
            self._lifted.pop(index, None)

    def expire(self, now: float, *, most: int = AT_ONCE) -> int:
        """Forgets what has ended, of much at once only some. `now`: seconds since the epoch. How many those were."""
        ended = 0
        for _ in range(most):
            if not self._ends or self._ends[0][0] > now:
                break
            _, index = heappop(self._ends)
            entry = self.get(index)
            if entry is not None and entry.until <= now:
                self._forget(index)
                ended += 1
        return ended

    def entries(self, *, lifted: bool = False) -> tuple[Entry, ...]:
        """Those that count; with `lifted` those that were lifted as well."""
        return (*self._entries.values(), *(self._lifted.values() if lifted else ()))

    def indexes(self) -> list[bytes]:
        """The index values of all, lifted or not."""
        return [*self._entries, *self._lifted]

    def replace(self, entries: Iterable[Entry]) -> None:
        """These and no others from now on. ListFull: nothing has changed."""
        other = Revoked(max_entries=self._max_entries)
        for entry in entries:
            other.add(entry)
        self._entries, self._lifted, self._ends, self._counts = (
            other._entries, other._lifted, other._ends, other._counts,
        )  # fmt: skip

    @property
    def counts(self) -> dict[Kind, int]:
        """How many of each kind count."""
        return dict(self._counts)
