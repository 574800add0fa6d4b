"""What a process that serves tells the console once a second: what ended since, and how things stand.

Everything is bounded here: where a line between two processes would be too long, what is rarest goes last.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

#: bytes of what one process tells at a time
MAX_TOLD: Final = 64 * 1024
#: refusals that one process tells at a time
MAX_REFUSALS: Final = 50
#: ways in which requests ended, issuers, upstreams and certificates that are told one by one
MAX_COUNTS: Final = 200
MAX_NAMED: Final = 50
#: characters of a name, a path and a sentence
NAME_SHOWN: Final = 100
PATH_SHOWN: Final = 200
SENTENCE_SHOWN: Final = 400
#: what stands for everything that is not told one by one
OTHERS: Final = "(others)"


class Refused(msgspec.Struct, omit_defaults=True):
    """A request that was refused, failed, or would have been refused. No token, no claim, no query."""

    #: seconds since the epoch
    at: float
    status: int
    reason: str
    #: refused, failed or reported
    outcome: str
    evidence: str | None = None
    route: str | None = None
    method: str | None = None
    path: str | None = None
    #: configured name of the issuer that the token claims to come from
    issuer: str | None = None
    #: the client that the token says it was issued to
    client: str | None = None
    #: the address that sent it
    peer: str | None = None
    #: first digits of the token's SHA-256
    token: str | None = None
    request_id: str | None = None
    #: name of the upstream that failed
    upstream: str | None = None
    #: seconds until the token would be good; below 0: since it was
    untimely: float | None = None
    #: seconds for which the upstream had said nothing when the client went away
    waited: float | None = None


class Counted(msgspec.Struct, array_like=True):
    """Requests that ended in the same way."""

    route: str
    outcome: str
    reason: str
    #: hundreds of the status
    status: int
    count: int


class IssuerTold(msgspec.Struct, omit_defaults=True):
    """How an issuer is."""

    name: str
    keys: int = 0
    has_keys: bool = False
    #: seconds since its keys were fetched, and until they are again
    age: float | None = None
    due_in: float = 0.0
    #: why the last fetch failed
    error: str | None = None
    #: another replica fetched the keys that serve
    is_kept: bool = False
    #: seconds by which its clock is ahead of ours
    clock_ahead: float | None = None


class UpstreamTold(msgspec.Struct, omit_defaults=True):
    """How an upstream is."""

    name: str
    url: str = ""
    #: responses since the last time
    responded: int = 0
    idle: int = 0
    busy: int = 0
    #: requests that have waited for its response for long, and seconds for which the longest has
    silent: int = 0
    silence: float = 0.0
    #: why it has no token of the gateway's own
    error: str | None = None


class CertificateTold(msgspec.Struct):
    """A certificate of the gateway."""

    name: str
    #: seconds since the epoch
    ends_at: float


class Told(msgspec.Struct, omit_defaults=True):
    """All of it."""

    #: seconds since the epoch
    at: float
    counts: list[Counted] = []
    #: how many responses took how long, by the buckets of the metrics: of our own part and of the upstreams'
    own: list[int] = []
    upstream: list[int] = []
    refusals: list[Refused] = []
    #: refusals that are counted above and not told here
    more: int = 0
    issuers: list[IssuerTold] = []
    upstreams: list[UpstreamTold] = []
    certificates: list[CertificateTold] = []
    connections: int = 0
    streams: int = 0
    #: why the store cannot be had
    store: str | None = None
    #: entries of what is revoked; None: nothing can be
    revoked: int | None = None
    #: what is revoked is too old to be relied on
    is_stale: bool = False


def upstreams_by_name(told: Iterable[Told]) -> dict[str, list[UpstreamTold]]:
    """The upstreams of a gateway, each as every one of its processes has it."""
    by_name: dict[str, list[UpstreamTold]] = {}
    for process in told:
        for one in process.upstreams:
            by_name.setdefault(one.name, []).append(one)
    return by_name


def bounded(told: Told) -> bytes:
    """As JSON, of at most MAX_TOLD bytes: refusals are left out and counted, then whatever else there is much of."""
    while True:
        written = msgspec.json.encode(told)
        if len(written) <= MAX_TOLD:
            return written
        if told.refusals:
            left = len(told.refusals) // 2
            told.more += len(told.refusals) - left
            told.refusals = told.refusals[-left:] if left else []
        elif len(told.counts) > 1:
            told.counts = folded(told.counts, len(told.counts) // 2)
        else:
            told.issuers = told.issuers[: len(told.issuers) // 2]
            told.upstreams = told.upstreams[: len(told.upstreams) // 2]
            told.certificates = []


def folded(counts: list[Counted], most: int) -> list[Counted]:
    """At most so many: those with the most requests, and one for each way in which the others ended."""
    if len(counts) <= most:
        return counts
    # What was folded before comes last, so that it is folded into the same.
    ordered = sorted(counts, key=lambda one: (one.route != OTHERS, one.count), reverse=True)
    kept = ordered[: most // 2]
    others: dict[tuple[str, str, int], int] = {}
    for one in ordered[most // 2 :]:
        key = (one.outcome, one.reason, one.status)
        others[key] = others.get(key, 0) + one.count
    rest = [Counted(OTHERS, outcome, reason, status, count) for (outcome, reason, status), count in others.items()]
    if len(kept) + len(rest) > most:
        rest = [Counted(OTHERS, OTHERS, OTHERS, 0, sum(one.count for one in rest))]
    return kept + rest


def cut(text: str | None, most: int) -> str | None:
    """As much of it as is shown."""
    return text if text is None or len(text) <= most else f"{text[:most]}..."
