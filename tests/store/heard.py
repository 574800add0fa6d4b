"""What tests of the store have in common: who hears of it, and how one is made."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from gateway.core.config.store import StoreSection
from gateway.events import Event, StoreKnown, StoreUsed
from gateway.observe.observers import Unheard
from gateway.store.redis import Redis
from gateway.store.store import Store
from tests.redis_server import SECRET


class Heard:
    """Hears of everything, and keeps what happens rarely."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        # A class of Python cannot stand on one that is compiled.
        return cast("Callable[..., None]", getattr(Unheard(), name))

    def happened(self, event: Event) -> None:
        self.events.append(event)

    @property
    def used(self) -> Counter[tuple[str, str]]:
        """How many operations ended how, by use."""
        return Counter((event.use, event.result) for event in self.events if isinstance(event, StoreUsed))

    @property
    def known(self) -> list[tuple[bool, bool]]:
        """Up and evicting, as it was told."""
        return [(event.up, event.evicts) for event in self.events if isinstance(event, StoreKnown)]


@asynccontextmanager
async def a_store(
    section: StoreSection, *, heard: Heard | None = None, read: Callable[[Any], str] = lambda _: SECRET, **more: Any
) -> AsyncIterator[Store]:
    """A started one."""
    store = Store(section, read=read, observer=heard or Heard(), **more)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


def shared(store: Store) -> Redis:
    """The Redis of a store that has one."""
    assert store.shared is not None
    return store.shared
