"""The last 15 minutes of all processes together: steps of 5 s, the last refusals, and how each said things are."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from gateway.console.told import MAX_COUNTS, Counted, Refused, Told, folded
from gateway.core.errors import reasons

#: seconds of a step, and how many there are: 15 minutes
STEP: Final = 5
STEPS: Final = 180
#: refusals that are kept
KEPT: Final = 200
#: seconds after which a process that says nothing is not counted
SILENT: Final = 15.0
#: shares of the requests that took no longer
QUANTILES: Final = (0.5, 0.9, 0.99)


@dataclass(slots=True)
class Step:
    """What ended in 5 seconds."""

    #: seconds since the epoch
    at: int
    counts: dict[tuple[str, str, str, int], int] = field(default_factory=dict)
    own: list[int] = field(default_factory=list)
    upstream: list[int] = field(default_factory=list)
    #: refusals that were counted and not kept
    more: int = 0

    def add(self, told: Told) -> None:
        """What one process says of this time."""
        for one in told.counts:
            key = (one.route, one.outcome, one.reason, one.status)
            self.counts[key] = self.counts.get(key, 0) + one.count
        if len(self.counts) > 2 * MAX_COUNTS:
            kept = folded([Counted(*key, count) for key, count in self.counts.items()], MAX_COUNTS)
            self.counts = {(one.route, one.outcome, one.reason, one.status): one.count for one in kept}
        self.own = _added(self.own, told.own)
        self.upstream = _added(self.upstream, told.upstream)
        self.more += told.more


@dataclass(slots=True)
class UpstreamSeen:
    """When an upstream was last heard of."""

    responded_at: float | None = None
    failed_at: float | None = None
    failure: Refused | None = None
    #: the last request whose client gave up waiting for it
    abandoned: Refused | None = None


class History:
    """What all processes told."""

    def __init__(self, *, own: Sequence[float], upstream: Sequence[float]) -> None:
        """`own`, `upstream`: upper bounds of the buckets in seconds, the infinite one left out."""
        self._bounds: Final = (tuple(own), tuple(upstream))
        self._steps: deque[Step] = deque(maxlen=STEPS)
        self.refusals: Final[deque[Refused]] = deque(maxlen=KEPT)
        #: by process
        self._told: dict[int, Told] = {}
        self.upstreams: Final[dict[str, UpstreamSeen]] = {}

    def __repr__(self) -> str:
        return f"<History of {len(self._steps)} steps and {len(self.refusals)} refusals>"

    def add(self, told: Told, *, process: int = 0) -> None:
        """What a process says, in the order of time."""
        self._told[process] = told
        self.step(told.at).add(told)
        self.refusals.extend(told.refusals)
        for one in told.upstreams:
            if one.responded:
                self._seen(one.name).responded_at = told.at
        for refused in told.refusals:
            if refused.upstream is None:
                continue
            seen = self._seen(refused.upstream)
            if refused.waited is not None:
                seen.abandoned = refused
            else:
                seen.failed_at, seen.failure = refused.at, refused

    def _seen(self, name: str) -> UpstreamSeen:
        return self.upstreams.setdefault(name, UpstreamSeen())

    def forget(self, process: int) -> None:
        """A process has ended; what it told of requests stays."""
        self._told.pop(process, None)

    def step(self, now: float) -> Step:
        """The step that this moment is in, or the last one where the clock went back."""
        at = int(now // STEP) * STEP
        if not self._steps or self._steps[-1].at < at:
            self._steps.append(Step(at))
        return self._steps[-1]

    def steps(self, now: float) -> list[Step]:
        """Those of the last 15 minutes in which something ended, the oldest first."""
        oldest = now - STEP * STEPS
        return [step for step in self._steps if step.at > oldest]

    def processes(self, now: float) -> list[Told]:
        """What each process that was heard of lately said last."""
        return [told for told in self._told.values() if now - told.at < SILENT]

    def counted(self, now: float, *, seconds: float = float("inf")) -> dict[tuple[str, str], int]:
        """How many requests ended in the last seconds, by outcome and reason."""
        found: dict[tuple[str, str], int] = {}
        for step in self.steps(now):
            if step.at > now - seconds:
                for (_, outcome, reason, _), count in step.counts.items():
                    found[outcome, reason] = found.get((outcome, reason), 0) + count
        return found

    def shown(self, step: Step) -> dict[str, Any]:
        """A step as the API has it."""
        return {
            "at": step.at,
            "counts": [
                {"route": route, "outcome": outcome, "reason": reason, "status": f"{status}xx", "count": count}
                for (route, outcome, reason, status), count in step.counts.items()
            ],
            "own": quantiles(step.own, self._bounds[0]),
            "upstream": quantiles(step.upstream, self._bounds[1]),
            "more": step.more,
        }


def _added(one: list[int], other: list[int]) -> list[int]:
    if not one or not other:
        return one or list(other)
    return [left + right for left, right in zip(one, other, strict=True)]


def quantiles(times: Sequence[int], bounds: Sequence[float]) -> dict[str, float] | None:
    """p50, p90 and p99 in milliseconds, by going evenly through each bucket; None: there was nothing.

    What is beyond the last bound is said to be that bound.
    """
    total = sum(times)
    if not total:
        return None
    sums = list(accumulate(times))
    found = {}
    for share in QUANTILES:
        wanted = share * total
        bucket = bisect_left(sums, wanted)
        if bucket >= len(bounds):
            seconds = bounds[-1]
        else:
            low = bounds[bucket - 1] if bucket else 0.0
            before = sums[bucket - 1] if bucket else 0
            seconds = low + (bounds[bucket] - low) * (wanted - before) / times[bucket]
        found[f"p{share * 100:.0f}"] = round(seconds * 1000, 3)
    return found


def refusals_shown(kept: Iterable[Refused], advice: Mapping[str, str]) -> list[dict[str, Any]]:
    """The newest first, each with the public sentence of its reason and what to do about it."""
    known = reasons()
    shown: list[dict[str, Any]] = []
    for one in reversed(list(kept)):
        members = {name: getattr(one, name) for name in one.__struct_fields__ if getattr(one, name) is not None}
        kind = known.get(one.reason)
        members["sentence"] = "" if kind is None else kind.public
        members["advice"] = advice.get(one.reason, "")
        shown.append(members)
    return shown
