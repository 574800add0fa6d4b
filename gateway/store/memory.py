"""aiocache's memory with bounds: least recently used first out, ends kept as times instead of one timer an entry.

aiocache imports redis-py wherever that is installed: 7 MiB and a tenth of a second for nothing, without a Redis.
"""

import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

_REDIS: Final = "redis"

if _REDIS in sys.modules:
    import aiocache
else:
    # What None stands for cannot be imported: so it looks to aiocache as if it were not there.
    sys.modules[_REDIS] = None  # type: ignore[assignment]
    try:
        import aiocache
    finally:
        del sys.modules[_REDIS]

#: bytes of keys and values in one cache, whatever the number of its entries
MAX_BYTES: Final = 32 << 20


class BoundedMemory(aiocache.SimpleMemoryCache):  # type: ignore[misc]
    """A memory for bytes under bytes, bounded in entries and in bytes."""

    def __init__(
        self, *, entries: int, max_bytes: int = MAX_BYTES, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(serializer=aiocache.serializers.NullSerializer(encoding=None), timeout=None)
        self._entries: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._most = entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._monotonic = monotonic

    def __repr__(self) -> str:
        return f"BoundedMemory({len(self._entries)} of {self._most} entries, {self._bytes} bytes)"

    async def _get(self, key: bytes, encoding: str | None = None, _conn: Any = None) -> bytes | None:
        kept = self._entries.get(key)
        if kept is None:
            return None
        value, until = kept
        if self._monotonic() >= until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    async def _set(
        self, key: bytes, value: bytes, ttl: float | None = None, _cas_token: Any = None, _conn: Any = None
    ) -> bool:
        self._drop(key)
        self._entries[key] = (value, float("inf") if ttl is None else self._monotonic() + ttl)
        self._bytes += len(key) + len(value)
        while len(self._entries) > self._most or self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
        return True

    async def _add(self, key: bytes, value: bytes, ttl: float | None = None, _conn: Any = None) -> bool:
        if await self._get(key) is not None:
            raise ValueError("it is there already")
        return await self._set(key, value, ttl)

    async def _delete(self, key: bytes, _conn: Any = None) -> int:
        return self._drop(key)

    def _drop(self, key: bytes) -> int:
        kept = self._entries.pop(key, None)
        if kept is None:
            return 0
        self._bytes -= len(key) + len(kept[0])
        return 1
