"""What happens rarely enough to be made a value of: those who observe the gateway hear of it. See `ports.Observer`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeysFetched:
    """A key fetch ended."""

    issuer: str
    ok: bool
    #: seconds since the epoch
    at: float


@dataclass(frozen=True, slots=True)
class KeysSuppressed:
    """A key fetch was asked for and not made: the token bucket was empty."""

    issuer: str


@dataclass(frozen=True, slots=True)
class KeysKnown:
    """How many usable keys of an issuer there are now."""

    issuer: str
    count: int
    #: the last refresh failed
    stale: bool
    #: seconds from the last fetch that succeeded until the keys are too old to be used; None when there are none
    age_limit: float | None


@dataclass(frozen=True, slots=True)
class StoreUsed:
    """An operation on the store ended."""

    #: what it was for
    use: str
    #: ok, error, timeout, or down: it was not asked, since it cannot be had
    result: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StoreKnown:
    """How the store is now."""

    up: bool
    #: it may throw away what is kept there
    evicts: bool


@dataclass(frozen=True, slots=True)
class RevocationAdded:
    """Something was revoked."""

    kind: str
    #: `command`, `console`, `logout`, or `store`: another process has heard of it first
    source: str


@dataclass(frozen=True, slots=True)
class RevocationsKnown:
    """How many entries the list of what is revoked has now, by kind."""

    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class LogoutHeard:
    """A logout token was posted. `result`: ok, repeated, unmatched (no token can be meant), or the reason."""

    issuer: str
    result: str


@dataclass(frozen=True, slots=True)
class UserInfoAsked:
    """An issuer was asked for claims that a token lacked: ok, error, refused; or was not: crowded, suppressed."""

    issuer: str
    result: str


@dataclass(frozen=True, slots=True)
class TokenRequested:
    """A token for an API was asked for, or found among what replicas share."""

    upstream: str
    #: ok, refused, error or shared
    result: str


@dataclass(frozen=True, slots=True)
class TokenIntrospected:
    """An issuer was asked about a token, or was to be."""

    issuer: str
    #: as docs/opaque-tokens.md names them
    result: str
    #: None: nothing was asked, or no response came
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ProofJudged:
    """A DPoP proof was used up, or refused: ok, or the reason."""

    result: str


@dataclass(frozen=True, slots=True)
class ProofsKnown:
    """How many used proofs this process remembers now."""

    count: int


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """A client's TLS did not begin. `reason`: certificate, protocol, timeout, closed, or gave_way to another one."""

    reason: str


@dataclass(frozen=True, slots=True)
class CertificateKnown:
    """The certificate of a listener, by its key in the configuration, and when it ends, in seconds since the epoch."""

    listener: str
    ends_at: float


@dataclass(frozen=True, slots=True)
class SpansEnded:
    """Spans that the collector took, or that were dropped. `result`: sent or dropped."""

    result: str
    count: int


#: what happens rarely enough to be made a value of
Event = (
    KeysFetched
    | KeysSuppressed
    | KeysKnown
    | StoreUsed
    | StoreKnown
    | RevocationAdded
    | RevocationsKnown
    | LogoutHeard
    | UserInfoAsked
    | TokenRequested
    | TokenIntrospected
    | ProofJudged
    | ProofsKnown
    | HandshakeFailed
    | CertificateKnown
    | SpansEnded
)  # fmt: skip
