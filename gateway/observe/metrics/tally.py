"""Counts kept as plain numbers and handed to prometheus_client now and then: its own counting takes a lock each time.

Whoever reads the registry gets what was counted until then. The private names used: tests/observe/test_tally.py.
"""

import threading
from collections.abc import Iterator, Sequence

from gateway.libraries.counting import Collector, CollectorRegistry, Counter, Histogram, Metric


class Count:
    """One series of a counter."""

    __slots__ = ("_child", "_told", "total")

    def __init__(self, child: Counter) -> None:
        self._child = child
        self._told = 0
        self.total = 0

    def inc(self) -> None:
        """One more."""
        self.total += 1

    def tell(self) -> None:
        """Hands over what was counted since the last time."""
        total = self.total
        if total != self._told:
            self._child.inc(total - self._told)
            self._told = total


class Timing:
    """One series of a histogram."""

    __slots__ = ("_bounds", "_buckets", "_child", "_sum", "_told", "_told_sum")

    def __init__(self, child: Histogram, bounds: Sequence[float]) -> None:
        """`bounds`: upper ones, ascending, as the histogram has them, the infinite one left out."""
        self._child = child
        self._bounds = list(bounds)
        self._buckets = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._told = [0] * len(self._buckets)
        self._told_sum = 0.0

    def observe(self, amount: float) -> None:
        """One more."""
        # One after the other: most are short, and a compiled loop over a few numbers is done before a call is made.
        bucket = 0
        for bound in self._bounds:
            if amount <= bound:
                break
            bucket += 1
        self._buckets[bucket] += 1
        self._sum += amount

    @property
    def buckets(self) -> list[int]:
        """How many observations each bucket has, the infinite one last."""
        return self._buckets

    def tell(self) -> None:
        """Hands over what was observed since the last time."""
        total, buckets = self._sum, self._buckets.copy()
        if buckets == self._told and total == self._told_sum:
            return
        self._child._sum.inc(total - self._told_sum)  # noqa: SLF001 -- many observations at once have no public name
        for bucket, now, before in zip(self._child._buckets, buckets, self._told, strict=True):  # noqa: SLF001
            if now != before:
                bucket.inc(now - before)
        self._told, self._told_sum = buckets, total


class Tally(Collector):
    """All that is counted this way. In a registry, it hands everything over before others are read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers itself: before those it counts for."""
        self._kept: list[Count | Timing] = []
        self._telling = threading.Lock()
        registry.register(self)

    def count(self, child: Counter) -> Count:
        """A new series of a counter."""
        self._kept.append(made := Count(child))
        return made

    def time(self, child: Histogram, bounds: Sequence[float]) -> Timing:
        """A new series of a histogram."""
        self._kept.append(made := Timing(child, bounds))
        return made

    def tell(self) -> None:
        """Hands over everything. From any thread."""
        with self._telling:
            for kept in tuple(self._kept):
                kept.tell()

    def describe(self) -> Iterator[Metric]:
        """No names of its own."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Nothing of its own: the others are read behind it."""
        self.tell()
        return iter(())
