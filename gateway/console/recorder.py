"""What a process that serves keeps for the console: the counts of its metrics, and what was refused of late.

A request that was admitted costs nothing here: once a second the metrics are asked how many there were.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from gateway.console.told import (
    MAX_COUNTS,
    MAX_REFUSALS,
    NAME_SHOWN,
    PATH_SHOWN,
    SENTENCE_SHOWN,
    Counted,
    Refused,
    Told,
    cut,
    folded,
)
from gateway.core.errors import (
    ClientDisconnected,
    Refusal,
    UntimelyToken,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway.ports import Ending

#: refusals for one reason that are kept until the next time; the others are counted
MAX_ALIKE: Final = 10
#: seconds without a response after which a client that goes away gave up waiting for the upstream
PATIENCE: Final = 2.0


class Line(Protocol):
    """What the access log would say of a request; of tokens it has nothing."""

    client: str | None
    method: str | None
    path: str | None
    outcome: str | None
    evidence: str | None
    issuer: str | None
    client_id: str | None
    token: str | None
    request_id: str | None


class Totals(Protocol):
    """The metrics, as far as they are asked."""

    def totals(self) -> dict[tuple[str, str, str, int], int]:
        """How many requests have ended so far, by route, outcome, reason and class of status."""

    def own_times(self) -> list[list[int]]:
        """How many took how long, by bucket: of each route."""

    def upstream_times(self) -> dict[str, list[int]]:
        """The same, of each upstream."""


class Recorder:
    """Hears of what is refused, and tells once a second."""

    def __init__(
        self, totals: Totals, line_of: Callable[[Ending], Line], *, clock: Callable[[], float] = time.time
    ) -> None:
        """`line_of`: what may be said of a request. `clock`: seconds since the epoch."""
        self._totals = totals
        self._line_of = line_of
        self._clock = clock
        self._refusals: deque[Refused] = deque()
        self._alike: dict[str, int] = {}
        self._more = 0
        self._told: dict[tuple[str, str, str, int], int] = {}
        self._told_own: list[int] = []
        self._told_upstream: dict[str, list[int]] = {}

    def __repr__(self) -> str:
        return f"<Recorder of {len(self._refusals)} refusals, and {self._more} more>"

    def refused(self, ending: Ending) -> None:
        """A request was refused, failed, or would have been refused."""
        refusal = ending.refusal or ending.reported
        assert refusal is not None  # or it would not be told here
        alike = self._alike.get(refusal.reason, 0)
        if alike >= MAX_ALIKE or len(self._refusals) >= MAX_REFUSALS:
            self._more += 1
            return
        self._alike[refusal.reason] = alike + 1
        self._refusals.append(self._kept(ending, refusal))

    def _kept(self, ending: Ending, refusal: Refusal) -> Refused:
        line, suspect, route = self._line_of(ending), refusal.suspect, ending.route
        gave_up = (
            isinstance(refusal, ClientDisconnected) and ending.upstream_duration is None and ending.waited > PATIENCE
        )
        failed = gave_up or isinstance(refusal, UpstreamFailed | UpstreamTimeout | UpstreamBusy)
        return Refused(
            at=self._clock(),
            status=ending.status,
            reason=refusal.reason,
            outcome=line.outcome or "",
            evidence=cut(line.evidence, SENTENCE_SHOWN),
            route=None if route is None else cut(route.name, NAME_SHOWN),
            method=cut(line.method, NAME_SHOWN),
            path=cut(line.path, PATH_SHOWN),
            issuer=cut(line.issuer, NAME_SHOWN),
            client=cut(line.client_id or (None if suspect is None else suspect.client), NAME_SHOWN),
            peer=line.client,
            token=line.token,
            request_id=cut(line.request_id, NAME_SHOWN),
            upstream=cut(route.upstream, NAME_SHOWN) if failed and route is not None else None,
            untimely=refusal.seconds if isinstance(refusal, UntimelyToken) else None,
            waited=ending.waited if gave_up else None,
        )

    def take(self) -> tuple[Told, dict[str, int]]:
        """What there is to tell since the last time; and how often each upstream has responded since."""
        refusals, self._refusals = list(self._refusals), deque()
        more, self._more = self._more, 0
        self._alike = {}
        own, upstream, responded = self._times()
        told = Told(at=self._clock(), counts=self._counts(), own=own, upstream=upstream, refusals=refusals, more=more)
        return told, responded

    def _counts(self) -> list[Counted]:
        totals, before = self._totals.totals(), self._told
        self._told = totals
        return folded(
            [
                Counted(cut(key[0], NAME_SHOWN) or "", key[1], key[2], key[3], total - before.get(key, 0))
                for key, total in totals.items()
                if total != before.get(key, 0)
            ],
            MAX_COUNTS,
        )

    def _times(self) -> tuple[list[int], list[int], dict[str, int]]:
        own_now = _summed(self._totals.own_times())
        own, self._told_own = _less(own_now, self._told_own), own_now
        now = self._totals.upstream_times()
        by_upstream = {name: _less(times, self._told_upstream.get(name, [])) for name, times in now.items()}
        self._told_upstream = now
        responded = {name: sum(times) for name, times in by_upstream.items() if any(times)}
        return own, _summed(list(by_upstream.values())), responded


def _summed(times: list[list[int]]) -> list[int]:
    return [sum(column) for column in zip(*times, strict=True)]


def _less(now: list[int], before: list[int]) -> list[int]:
    return [one - other for one, other in zip(now, before, strict=True)] if before else now
