"""Whether this process, or its workers together, can serve, and what stands in the way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class IssuerHealth(Protocol):
    """What readiness needs to know of one issuer."""

    @property
    def name(self) -> str:
        """Configured name."""

    @property
    def has_keys(self) -> bool:
        """There are keys, and they are not too old."""

    @property
    def first_fetch_ended(self) -> bool:
        """It was asked at least once."""

    @property
    def reason(self) -> str | None:
        """Why the last fetch failed, if it did."""

    @property
    def kept_for(self) -> float | None:
        """Seconds since another replica fetched the keys that serve; None: this process fetched them itself."""


class StoreHealth(Protocol):
    """What readiness needs to know of the store."""

    @property
    def reason(self) -> str | None:
        """Why it cannot be had; None: it can."""

    def refuses_everything(self) -> str | None:
        """Why no request can pass for want of it; None: some can."""


class TokenHealth(Protocol):
    """What readiness needs to know of an upstream that is shown a token of the gateway's own."""

    @property
    def name(self) -> str:
        """Name of the upstream."""

    @property
    def has_token(self) -> bool:
        """There is one, and it has not ended."""

    @property
    def first_fetch_ended(self) -> bool:
        """It was asked for at least once."""

    @property
    def reason(self) -> str | None:
        """Why the last fetch failed, if it did."""


class AskedHealth(Protocol):
    """What readiness tells of one issuer that is asked about tokens."""

    @property
    def name(self) -> str:
        """Configured name."""

    @property
    def reason(self) -> str | None:
        """Why it said nothing when it was asked last."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be answered, and what stands in the way."""

    ready: bool
    #: every issuer was asked at least once
    started: bool
    #: names of issuers without keys and of upstreams without a token of the gateway's own, and why
    missing: tuple[tuple[str, str], ...] = ()
    #: why the store cannot be had, and whether anything can pass without it
    store: str | None = None
    #: names of issuers that serve with keys that another replica fetched, and why
    kept: tuple[tuple[str, str], ...] = ()


def readiness_of(
    issuers: Sequence[IssuerHealth],
    *,
    all_issuers: bool,
    store: StoreHealth | None = None,
    tokens: Sequence[TokenHealth] = (),
    upstreams: int = 1,
    asked: Sequence[AskedHealth] = (),
) -> Readiness:
    """Of one process. `all_issuers`: ready only when every one of them has keys; else one is enough.

    `tokens`: of those of the `upstreams` that need one; ready only while some upstream can be served.
    `asked`: issuers that are asked about tokens. That one says nothing is told, and no reason not to be ready: it may
    be for one token, and every replica would go at once.
    """
    missing = tuple(
        (issuer.name, issuer.reason or "its keys were not fetched yet") for issuer in issuers if not issuer.has_keys
    )
    enough = not missing if all_issuers else len(missing) < len(issuers)
    lacking = tuple(
        (f"upstream {token.name}", token.reason or "no token for it was fetched yet")
        for token in tokens
        if not token.has_token
    )
    started = all(issuer.first_fetch_ended for issuer in issuers) and all(token.first_fetch_ended for token in tokens)
    silent = tuple((one.name, f"introspection: {one.reason}") for one in asked if one.reason is not None)
    refused = None if store is None else store.refuses_everything()
    return Readiness(
        enough and started and refused is None and len(lacking) < upstreams,
        started,
        missing + lacking + silent,
        store=refused or (None if store is None else store.reason),
        kept=tuple(
            (issuer.name, issuer.reason or "its keys were not fetched yet")
            for issuer in issuers
            if issuer.kept_for is not None
        ),
    )


def readiness_of_all(workers: Iterable[Readiness]) -> Readiness:
    """Of several processes that share the work: one at least can respond, and none that has started cannot.

    One that is still starting does not count: a worker that was replaced is no reason to leave service.
    """
    told = tuple(workers)
    started = [worker for worker in told if worker.started]
    missing: dict[str, str] = {}
    kept: dict[str, str] = {}
    for worker in started or told:
        missing |= {name: reason for name, reason in worker.missing if name not in missing}
        kept |= {name: reason for name, reason in worker.kept if name not in kept}
    return Readiness(
        ready=bool(started) and all(worker.ready for worker in started),
        started=bool(started),
        missing=tuple(missing.items()),
        store=next((worker.store for worker in started or told if worker.store is not None), None),
        kept=tuple(kept.items()),
    )
