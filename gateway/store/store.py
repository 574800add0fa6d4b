"""The store: what replicas share where they have a Redis, what this process keeps for itself where they have none."""

import time
from collections.abc import Callable

from gateway.core.config.secret import Secret
from gateway.core.config.store import StoreSection
from gateway.ports import Observer
from gateway.store.cache import ENTRIES, VALUE_BYTES, Cache
from gateway.store.redis import Redis


class Store:
    """There is always one."""

    def __init__(
        self,
        section: StoreSection,
        *,
        read: Callable[[Secret], str],
        observer: Observer,
        clock: Callable[[], float] = time.time,
        before: "Store | None" = None,
    ) -> None:
        """`section`: sound. `read`: what a secret is now. `clock`: seconds since the epoch. Asks nobody yet.

        `before`: one with the same section, whose Redis is taken over.
        """
        self._clock = clock
        #: None: there is no `store.url`
        self.shared: Redis | None = None
        self._is_taken_over = before is not None
        if before is not None:
            self.shared = before.shared
        elif section.url is not None:
            self.shared = Redis(section, read=read, observer=observer, clock=clock)
        self._refusing: list[Callable[[], str | None]] = []

    def __repr__(self) -> str:
        return f"Store({self.shared or 'memory'})"

    @property
    def is_up(self) -> bool:
        """Whether all that it is to share can be shared; a memory always is."""
        return self.shared is None or self.shared.is_up

    @property
    def reason(self) -> str | None:
        """Why it is not, for `/readyz`."""
        return None if self.shared is None else self.shared.reason

    def cache(self, use: str, *, entries: int = ENTRIES, value_bytes: int = VALUE_BYTES) -> Cache:
        """A cache for one use. `entries`: how many a memory holds. `value_bytes`: what is larger is not kept."""
        if self.shared is None:
            from gateway.store.memory import BoundedMemory  # noqa: PLC0415 -- aiocache, where something is to be kept

            memory = BoundedMemory(entries=entries)
            return Cache(use, memory, shared=None, value_bytes=value_bytes, clock=self._clock)
        from gateway.store.shared import SharedMemory  # noqa: PLC0415 -- redis-py, where there is a Redis

        shared = SharedMemory(self.shared.client)
        return Cache(use, shared, shared=self.shared, value_bytes=value_bytes, clock=self._clock)

    def add_refusing(self, why: Callable[[], str | None]) -> None:
        """A use that may refuse every request for want of the store: `why` says that it does now, and None when not.

        Then this process is not ready.
        """
        self._refusing.append(why)

    def refuses_everything(self) -> str | None:
        """Why no request can pass now, for want of the store; None: some can."""
        return next((sentence for why in self._refusing if (sentence := why()) is not None), None)

    async def start(self) -> None:
        """Begins to look after a Redis; waits for it no longer than `timeout`."""
        if self.shared is not None and not self._is_taken_over:
            await self.shared.start()

    async def close(self, *, but: "Store | None" = None) -> None:
        """Ends all that is under way. May be called twice. `but`: its Redis goes on."""
        if self.shared is not None and (but is None or but.shared is not self.shared):
            await self.shared.close()
