"""What every refusal is: an exception that knows its status, its reason and its public sentence."""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Suspect:
    """The token a refusal is about, as far as a log may name it."""

    #: first 12 hex digits of its SHA-256
    token_id: str
    #: `kid` of its header, fit for a log; not verified
    kid: str | None = None
    #: configured name of the issuer it claims to come from, or None
    issuer: str | None = None
    #: which of its tenants, where it has some
    tenant: str | None = None
    #: the client that it says it was issued to, cut and fit to be shown; not verified
    client: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a challenge tells a client of where and for what it gets a token for the route it asked for."""

    #: names of scopes (RFC 6750 section 3)
    scope: tuple[str, ...] = ()
    #: URL of what is published about the protected resource (RFC 9728 section 5.1)
    resource_metadata: str | None = None


class Refusal(Exception):
    """A decided no. `evidence` is for operators: it may name claims, never a piece of a token."""

    status: ClassVar[int]
    reason: ClassVar[str]
    code: ClassVar[str | None] = None
    public: ClassVar[str]
    challenge: ClassVar[bool] = False
    #: the response says it as OAuth does (RFC 6749 section 5.2), by this code: for whoever knows nothing else
    oauth_error: ClassVar[str | None] = None
    #: what somebody sends who tries tokens that nobody issued: `bad_tokens` counts it
    is_bad_token: ClassVar[bool] = False

    def __init__(self, evidence: str = "", *, retry_after: int | None = None) -> None:
        """`retry_after`: whole seconds for the Retry-After field, or None to leave it out."""
        super().__init__(evidence)
        self.evidence = evidence
        self.retry_after = retry_after
        self.suspect: Suspect | None = None
        #: what the route that was asked for tells of itself; None: nothing
        self.asked: Asked | None = None
        #: the credential came, or should have, under this scheme (RFC 9110 section 11.1)
        self.scheme = "Bearer"


class Denied(Refusal):
    """The client must change something before it tries again."""


def reasons() -> dict[str, type[Refusal]]:
    """Every reason, by its word."""
    found: dict[str, type[Refusal]] = {}
    pending: list[type[Refusal]] = [Refusal]
    while pending:
        refusal = pending.pop()
        pending.extend(refusal.__subclasses__())
        if "reason" in vars(refusal):
            found[refusal.reason] = refusal
    return found
