"""Values that are kept until they end: a memory with a bound, for what strangers cause."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: entries
MAX_ENTRIES: Final = 10_000
#: bytes of what they hold
MAX_BYTES: Final = 32 << 20


class Kept(Generic[T]):
    """Values by key, each with its end; those that were asked for longest ago go first."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, tuple[T, float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Kept({len(self)} values, {self._bytes} bytes)"

    def find(self, key: Hashable, now: float) -> T | None:
        """What is kept, unless it is over. `now`: by the clock of `keep`."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry[1]:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def keep(self, key: Hashable, value: T, *, until: float, size: int = 0) -> None:
        """Keeps a value of `size` bytes in place of what was there."""
        self.drop(key)
        self._entries[key] = (value, until, size)
        self._bytes += size
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self.drop(next(iter(self._entries)))

    def drop(self, key: Hashable) -> None:
        """Forgets it; no error where there is nothing."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[2]
