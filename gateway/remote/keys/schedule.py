"""When keys may be fetched, and when they must: token bucket, backoff, refresh before the end.

Plain arithmetic: now and chance are arguments, and nothing here waits or asks.
"""

from typing import Final

#: On-demand fetches at once, and seconds until there is one more.
BUCKET_SIZE: Final = 3
BUCKET_INTERVAL: Final = 10.0
#: seconds
MIN_BACKOFF: Final = 1.0
MAX_BACKOFF: Final = 60.0
#: Seconds from the end of an attempt at an issuer that fails to the next, while requests ask for its keys.
PAUSE: Final = 1.0
#: seconds a kid is remembered as missing, and how many are
MISS_LIFETIME: Final = 30.0
MAX_MISSES: Final = 1_000


class TokenBucket:
    """Fetches that unknown kids may cause: three at once, then one every ten seconds."""

    def __init__(self) -> None:
        #: when it is full again, in monotonic seconds
        self._full_at = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until a token is there; 0.0 when one is."""
        return max(0.0, self._full_at - (BUCKET_SIZE - 1) * BUCKET_INTERVAL - now)

    def has_spare(self, now: float) -> bool:
        """Whether one may be taken and another is left for somebody else."""
        return self._full_at - (BUCKET_SIZE - 2) * BUCKET_INTERVAL <= now

    def spend(self, now: float) -> None:
        """Takes the token that `wait` promised."""
        self._full_at = max(self._full_at, now) + BUCKET_INTERVAL


class Misses:
    """What was not in a set that was fetched for it: (alg, kid), for a while. Oldest out first."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str | None], float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def remember(self, miss: tuple[str, str | None], now: float) -> None:
        """Holds `miss` from `now` on for 30 s, unless it is held already: nothing is held longer than that."""
        if self.has(miss, now):
            return
        self._until[miss] = now + MISS_LIFETIME
        if len(self._until) > MAX_MISSES:
            del self._until[next(iter(self._until))]

    def has(self, miss: tuple[str, str | None], now: float) -> bool:
        """Whether `miss` was remembered less than 30 s ago."""
        until = self._until.get(miss)
        if until is not None and now >= until:
            del self._until[miss]
            return False
        return until is not None

    def clear(self) -> None:
        """Forgets all: the set has changed."""
        self._until.clear()


def backoff(failures: int, chance: float) -> float:
    """Seconds until the next try after `failures` in a row, 1 to 60; `chance` in [0, 1) takes off up to a half."""
    full = min(MAX_BACKOFF, MIN_BACKOFF * 2.0 ** min(failures - 1, 10))
    return max(MIN_BACKOFF, full * (1.0 - chance / 2.0))


def refresh_after(lifetime: float, chance: float) -> float:
    """Seconds until keys that live for `lifetime` are fetched anew: 75 to 85 % of it, by `chance` in [0, 1)."""
    return lifetime * (0.75 + 0.1 * chance)
