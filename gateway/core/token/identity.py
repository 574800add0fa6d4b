"""Who is calling, as a verified token says it."""

from collections.abc import Mapping
from sys import intern
from typing import Any, Final, Protocol

from gateway.core.claims import ClaimName
from gateway.core.http.facts import HeaderLine
from gateway.core.http.outgoing import parted, written
from gateway.core.token.believed import Believed
from gateway.core.token.confirmation import Confirmation
from gateway.core.token.details import Details
from gateway.core.token.digests import digest_of
from gateway.core.token.handles import Handles
from gateway.core.token.lacks import Lacks
from gateway.core.token.markers import Verdict

#: hex digits that stand for a subject
_SUBJECT_DIGITS: Final = 16


class PublishedKeys(Protocol):
    """Which keys issuers publish, as far as is known now."""

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        """Whether the issuer still publishes the key."""


class Identity:
    """Who is calling, as a verified token says it. Of the claims only what the configuration needs is kept."""

    __slots__ = (
        "_hashed_subject",
        "_holds_until",
        "_logged",
        "accepted",
        "bare",
        "believed",
        "claims",
        "client",
        "confirmation",
        "details",
        "expires_at",
        "good_until",
        "handles",
        "iss",
        "issuer",
        "key",
        "lacks",
        "leeway",
        "not_before",
        "scopes",
        "signers",
        "subject",
        "tenant",
        "token_id",
        "unread",
        "verdict",
        "wire",
    )

    def __init__(
        self,
        *,
        issuer: str,
        subject: str | None,
        client: str | None,
        scopes: tuple[str, ...],
        claims: Mapping[ClaimName, Any],
        expires_at: float,
        not_before: float | None,
        leeway: float,
        key: str | None,
        verdict: Verdict,
        token_id: str,
        headers: tuple[HeaderLine, ...],
        unread: str = "",
        confirmation: Confirmation | None = None,
        handles: Handles | None = None,
        details: Details | None = None,
        believed: Believed | None = None,
        lacks: Lacks | None = None,
        bare: "Identity | None" = None,
        good_until: float | None = None,
        iss: str = "",
        tenant: str | None = None,
        signers: str = "",
        accepted: tuple[str, ...] = (),
    ) -> None:
        #: configured name of the issuer
        self.issuer: Final = issuer
        #: the issuer as its tokens name it: what is remembered of a subject belongs to both
        self.iss: Final = iss or issuer
        #: which of its tenants, where one issuer of the file stands for many
        self.tenant: Final = tenant
        #: by what its keys are known: see `IssuerRules.signers`
        self.signers: Final = signers or issuer
        #: the configured audiences that it names; empty: it names none, and its issuer's tokens need not
        self.accepted: Final = accepted
        self.subject: Final = subject
        self.client: Final = None if client is None else intern(client)
        self.scopes: Final = scopes
        #: the claims that routes ask for, as far as the token has them
        self.claims: Final = claims
        #: seconds since the epoch; leeway not included
        self.expires_at: Final = expires_at
        self.not_before: Final = not_before
        self.leeway: Final = leeway
        #: RFC 7638 thumbprint of the key that signed: the ground on which the token is believed; None: nobody signed it
        self.key: Final = key
        #: what its issuer said of it when it was asked, a further ground; None: it was not asked
        self.believed: Final = believed
        self.verdict: Final = verdict
        #: first 12 hex digits of the token's SHA-256
        self.token_id: Final = token_id
        #: identity headers for the upstream, encoded, as they go on the wire
        self.wire: Final = written(headers)
        #: what the token has that might be scopes and is not read as such, in words; empty for most
        self.unread: Final = unread
        #: what the token is bound to; None: a bearer token
        self.confirmation: Final = confirmation
        #: by what it can be revoked; None: revocation is not configured
        self.handles: Final = handles
        #: what only some configurations ask for; None: nothing does
        self.details: Final = details
        #: claims that its issuer may be asked for; None: nothing is missing, or it was asked
        self.lacks: Final = lacks
        #: the same as the token alone says it, where claims were asked for; and until when those are believed
        self.bare: Final = bare
        self.good_until: Final = good_until
        self._holds_until: Final = expires_at + leeway if good_until is None else min(expires_at + leeway, good_until)
        self._hashed_subject: str | None = None
        self._logged: object = None

    @property
    def headers(self) -> tuple[HeaderLine, ...]:
        """Identity headers for the upstream, encoded, as names and values."""
        return parted(self.wire)

    @property
    def ends_at(self) -> float:
        """Seconds since the epoch; leeway included."""
        return self.expires_at + self.leeway

    @property
    def issued_at(self) -> float | None:
        """`iat`, seconds since the epoch; None: there is none, or revocation is not configured. As `jti` and `sid`."""
        return None if self.handles is None else self.handles.issued_at

    @property
    def jti(self) -> str | None:
        """What tells the token from others of its issuer."""
        return None if self.handles is None else self.handles.jti

    @property
    def sid(self) -> str | None:
        """The session at the issuer that the token is of."""
        return None if self.handles is None else self.handles.sid

    @property
    def audience(self) -> tuple[str, ...]:
        """Whom the token is for; empty: nobody says, or no route asks. As `acr`."""
        return () if self.details is None else self.details.audience

    @property
    def acr(self) -> tuple[str, ...]:
        """How the user has logged in: any of these may be asked for."""
        return () if self.details is None else self.details.acr

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept beside the token for it: what its issuer said of it, and what conditions are told."""
        said = 0 if self.believed is None else self.believed.size
        payload = None if self.details is None else self.details.payload
        return said if payload is None else said + payload.size

    @property
    def auth_time(self) -> float | None:
        """When, in seconds since the epoch; None: the token does not say, or no route asks."""
        return None if self.details is None else self.details.auth_time

    def still_holds(self, now: float, keys: PublishedKeys) -> bool:
        """Whether the token would pass now as it did before: its times, and the grounds on which it was believed.

        `now`: seconds since the epoch. What depends on the request is not judged.
        """
        return (
            now < self._holds_until
            and (self.not_before is None or self.not_before <= now + self.leeway)
            and (self.key is None or keys.has_key(self.signers, self.key))
            and (self.believed is None or now < self.believed.until)
        )

    def completed_with(
        self, claims: Mapping[ClaimName, Any], *, headers: tuple[HeaderLine, ...], until: float
    ) -> "Identity":
        """The same with claims that the token lacked, and what is made of them. `until`: seconds since the epoch."""
        return Identity(
            issuer=self.issuer,
            subject=self.subject,
            client=self.client,
            scopes=self.scopes,
            claims=claims,
            expires_at=self.expires_at,
            not_before=self.not_before,
            leeway=self.leeway,
            key=self.key,
            verdict=self.verdict,
            token_id=self.token_id,
            headers=headers,
            unread=self.unread,
            confirmation=self.confirmation,
            handles=self.handles,
            details=self.details,
            believed=self.believed,
            bare=self,
            good_until=until,
            iss=self.iss,
            tenant=self.tenant,
            signers=self.signers,
            accepted=self.accepted,
        )

    @property
    def hashed_subject(self) -> str | None:
        """The first 16 hex digits of the subject's SHA-256: for the log. Made when it is first asked for."""
        if self._hashed_subject is None and self.subject:
            self._hashed_subject = digest_of(self.subject.encode())[: _SUBJECT_DIGITS // 2].hex()
        return self._hashed_subject

    @property
    def logged(self) -> object:
        """What the access log wrote of it and may write again. It means nothing to anybody else."""
        return self._logged

    def keep_logged(self, logged: object) -> None:
        """Has the log find that again."""
        self._logged = logged

    def __repr__(self) -> str:
        return f"Identity({self.token_id}: subject {self.subject!r}, client {self.client!r}, issuer {self.issuer})"
