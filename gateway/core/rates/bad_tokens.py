"""Who sends bad tokens gets nothing done that costs something: no signature check, no key fetch, no introspection.

Counted by client address, for nothing else is known of whoever sends a bad token. What is cheap is done for everybody.
"""

from collections.abc import Callable

from gateway.core.config.file import Config, bad_tokens_of
from gateway.core.errors import RateLimited
from gateway.core.rates.buckets import MAX_BUCKETS, Buckets
from gateway.core.rates.gcra import SECOND, Pace, wait


class BadTokens:
    """How many bad tokens each client address has sent of late."""

    def __init__(self, *, limit: int, window: float, clock: Callable[[], float], most: int = MAX_BUCKETS) -> None:
        """`limit` in `window` seconds. `clock`: seconds that only go forward. `most`: addresses that are kept."""
        self._pace = Pace.of(limit=limit, window=window, burst=limit)
        self._says = f"{limit} bad tokens in {window:g}s came from this address"
        self._clock = clock
        self._buckets = Buckets(most=most)

    def __repr__(self) -> str:
        return f"<BadTokens: {self._buckets!r}>"

    def inherit(self, other: "BadTokens") -> None:
        """Goes on with what another one counted."""
        self._buckets = other._buckets  # noqa: SLF001 -- one of its own kind

    def count(self, sender: str | None) -> None:
        """One more of this address; None, where nobody says whose address counts, is counted for nobody."""
        if sender is not None:
            self._buckets.take((sender.encode(),), (self._pace,), now=self._now())

    def check(self, sender: str | None) -> None:
        """RateLimited: this address has sent so many that nothing is done for it that costs something."""
        if sender is None:
            return
        taken = self._buckets.look((sender.encode(),), (self._pace,), now=self._now())
        if taken.empty:
            seconds = -(-wait(taken.full_at[0], self._pace, now=taken.now) // SECOND)
            raise RateLimited(self._says, retry_after=max(seconds, 1))

    def _now(self) -> int:
        return int(self._clock() * SECOND)


def compile_bad_tokens(config: Config, *, clock: Callable[[], float]) -> BadTokens | None:
    """As configured; None: they are not counted. `clock`: seconds that only go forward."""
    section = bad_tokens_of(config)
    return None if section is None else BadTokens(limit=section.limit, window=float(section.window), clock=clock)
