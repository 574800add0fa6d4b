"""Buckets in the memory of one process: as many as fit a bound, the least recently used forgotten first.

A bucket that is forgotten is full when it comes back. Whoever wants that has to fill all of the others: docs/rates.md.
"""

from collections import OrderedDict
from collections.abc import Sequence

from gateway.core.rates.gcra import Pace, Taken, take

#: a bucket is about 250 bytes
MAX_BUCKETS = 100_000


class Buckets:
    """When each bucket will be full again, in microseconds of one clock."""

    def __init__(self, *, most: int = MAX_BUCKETS) -> None:
        self._most = most
        self._full_at: OrderedDict[bytes, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def __repr__(self) -> str:
        return f"<Buckets: {len(self)} of {self._most}>"

    def take(self, keys: Sequence[bytes], paces: Sequence[Pace], *, now: int) -> Taken:
        """One out of each, unless one of them is empty. `now`: microseconds."""
        taken = self.look(keys, paces, now=now)
        if not taken.empty:
            self.learn(keys, taken.full_at)
        return taken

    def look(self, keys: Sequence[bytes], paces: Sequence[Pace], *, now: int) -> Taken:
        """What `take` would give; takes nothing."""
        known = self._full_at
        return take([known.get(key, 0) for key in keys], paces, now=now)

    def learn(self, keys: Sequence[bytes], full_at: Sequence[int]) -> None:
        """From now on these will be full at these times."""
        known = self._full_at
        for key, time in zip(keys, full_at, strict=True):
            known[key] = time
            known.move_to_end(key)
        while len(known) > self._most:
            known.popitem(last=False)
