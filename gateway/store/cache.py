"""What others said and need not be asked again for a while. The only way to aiocache; nothing of its types comes out.

A cache never fails: what cannot be had is a miss, and what cannot be kept is not.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

from gateway.store.down import StoreDown
from gateway.store.redis import Redis
from gateway.store.sealing import Unsealable

#: entries of a cache in memory
ENTRIES: Final = 10_000
#: bytes of a value: a response of 256 KiB is the largest that is ever read
VALUE_BYTES: Final = 256 << 10


class Cache:
    """Bytes under bytes, each until its end."""

    def __init__(
        self, use: str, kept: Any, *, shared: Redis | None, value_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        """`shared`: the Redis that `kept` keeps it in; None: it is memory. `clock`: seconds since the epoch."""
        self._use = use
        self._kept = kept
        self._shared = shared
        self._value_bytes = value_bytes
        self._clock = clock

    def __repr__(self) -> str:
        return f"Cache({self._use!r}, {self._shared or 'memory'})"

    async def get(self, key: bytes) -> bytes | None:
        """What was put there, unless its end is past. None as well when it cannot be had. Never raises."""
        shared = self._shared
        if shared is None:
            return _bytes(await self._kept.get(_digest(key)))
        try:
            name = shared.name(self._use, key)
            sealed = _bytes(await shared.renamed(self._use, self._kept.get, name))
            return None if sealed is None else shared.open(self._use, name, sealed, now=self._clock())
        except (StoreDown, Unsealable):
            return None

    async def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Keeps it for so long, if it is not too large and can be kept. Never raises."""
        if seconds <= 0.0 or len(value) > self._value_bytes:
            return
        shared = self._shared
        if shared is None:
            await self._kept.set(_digest(key), value, ttl=float(seconds))
            return
        try:
            name = shared.name(self._use, key)
            sealed = shared.seal(self._use, name, value, until=self._clock() + seconds)
            # Redis counts milliseconds, and wants one at least.
            await shared.renamed(self._use, self._set, name, sealed, max(0.001, float(seconds)))
        except StoreDown:
            return

    async def drop(self, key: bytes) -> None:
        """Forgets it, if it can be reached. Never raises."""
        shared = self._shared
        if shared is None:
            await self._kept.delete(_digest(key))
            return
        try:
            await shared.renamed(self._use, self._kept.delete, shared.name(self._use, key))
        except StoreDown:
            return

    async def _set(self, name: bytes, sealed: bytes, seconds: float) -> None:
        await self._kept.set(name, sealed, ttl=seconds)


def _digest(key: bytes) -> bytes:
    """Keys may be tokens: memory holds none of them."""
    return hashlib.sha256(key).digest()


def _bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None
