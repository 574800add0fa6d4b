"""The generic cell rate algorithm: a bucket that refills evenly is one number, the time at which it will be full again.

Whole microseconds of any one clock, so that Python and Lua (store/rates.py) come to the same result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

#: microseconds in a second
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a bucket refills, and how much it holds."""

    #: microseconds in which it gains one; at least 1
    interval: int
    #: how many it holds; at least 1
    burst: int

    @classmethod
    def of(cls, *, limit: int, window: float, burst: int) -> "Pace":
        """`limit` in `window` seconds, never more: the interval is rounded up."""
        return cls(-(-int(window * SECOND) // limit), burst)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of taking one out of each of some buckets: out of all of them, or out of none."""

    #: microseconds of the clock that the times are of
    now: int
    #: for each bucket the time at which it will be full again, in microseconds
    full_at: tuple[int, ...]
    #: indexes of those that were empty; none: one was taken out of each
    empty: tuple[int, ...]


def take(full_at: Sequence[int], paces: Sequence[Pace], *, now: int) -> Taken:
    """One out of each bucket, unless one of them is empty. `full_at`: of a bucket nobody knows, 0."""
    starts: list[int] = []
    empty: list[int] = []
    for index, pace in enumerate(paces):
        interval, burst = pace.interval, pace.burst
        # Never further ahead than an empty bucket is: a clock that was set back makes nobody wait for longer than that.
        start = min(max(full_at[index], now), now + burst * interval)
        starts.append(start)
        if start - now > (burst - 1) * interval:
            empty.append(index)
    if empty:
        return Taken(now, tuple(starts), tuple(empty))
    return Taken(now, tuple([start + paces[index].interval for index, start in enumerate(starts)]), ())


def remaining(full_at: int, pace: Pace, *, now: int) -> int:
    """How many may be taken now."""
    return (pace.burst * pace.interval - max(full_at - now, 0)) // pace.interval


def wait(full_at: int, pace: Pace, *, now: int) -> int:
    """Microseconds until one may be taken; 0: now."""
    return max(full_at - now - (pace.burst - 1) * pace.interval, 0)
