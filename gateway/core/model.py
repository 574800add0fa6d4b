"""What passes between the steps of a request: values without behaviour of their own, made once and never changed.

Plain classes with Final attributes: one of each is made for every request, and compiled this is the fastest there is.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from sys import intern
from typing import Any, Final

from gateway.core.claims import ClaimName
from gateway.core.route import Route

#: where a path ends for whoever reads it once, twice or as a browser would
_QUERY: Final = re.compile(rb"[?#]|%(?:25)*(?:3[fF]|23)")

#: hex digits that stand for a subject
_SUBJECT_DIGITS: Final = 16

#: A header field as bytes: name as it was written, value without surrounding blanks.
HeaderLine = tuple[bytes, bytes]


class Facts:
    """What a request says, read in one pass over its raw header lines (RFC 9112 section 3)."""

    __slots__ = (
        "authorization",
        "chunked",
        "content_length",
        "expects_continue",
        "headers",
        "host",
        "is_websocket",
        "method",
        "peer",
        "request_id",
        "scheme",
        "target",
        "trusted",
        "version",
    )

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        version: tuple[int, int],
        headers: tuple[HeaderLine, ...],
        authorization: tuple[bytes, ...],
        host: bytes | None,
        content_length: int | None,
        chunked: bool,
        scheme: str,
        peer: str,
        trusted: bool,
        request_id: str,
        expects_continue: bool = False,
        is_websocket: bool = False,
    ) -> None:
        self.method: Final = method
        #: origin-form or `*`, byte for byte as it will be forwarded
        self.target: Final = target
        #: (major, minor)
        self.version: Final = version
        self.headers: Final = headers
        #: every Authorization value, in order
        self.authorization: Final = authorization
        #: authority the client named, or None (HTTP/1.0 without Host)
        self.host: Final = host
        #: length of the body in bytes; None when there is none or it is chunked
        self.content_length: Final = content_length
        self.chunked: Final = chunked
        #: `http` or `https`: how the client reached us
        self.scheme: Final = scheme
        #: address of the peer, or `unix`
        self.peer: Final = peer
        #: the peer is one of `trusted_proxies`
        self.trusted: Final = trusted
        self.request_id: Final = request_id
        #: the client waits for 100 before it sends its body (RFC 9110 section 10.1.1)
        self.expects_continue: Final = expects_continue
        #: the client asks to go on in the WebSocket protocol (RFC 6455 section 4.1)
        self.is_websocket: Final = is_websocket

    def __repr__(self) -> str:
        return f"Facts({self.method} {self.path} from {self.peer}, request {self.request_id})"

    @property
    def path(self) -> str:
        """The target up to its query or fragment, also where their marks are escaped; printable: for the log."""
        return _QUERY.split(self.target, maxsplit=1)[0].decode("ascii", "backslashreplace")


class Credential:
    """The one bearer token of a request (RFC 6750 section 2.1)."""

    __slots__ = ("token",)

    def __init__(self, token: bytes) -> None:
        self.token: Final = token

    def __repr__(self) -> str:
        return "Credential()"


class Verdict:
    """What kind of token this is, and why."""

    __slots__ = ("evidence", "kind")

    def __init__(self, kind: str, evidence: str) -> None:
        #: access, id, refresh, logout, other or unclassified
        self.kind: Final = kind
        #: the marker that decided, in words; there are few, and each is kept once
        self.evidence: Final = intern(evidence)


class Identity:
    """Who is calling, as a verified token says it. Of the claims only what the configuration needs is kept."""

    __slots__ = (
        "_hashed_subject",
        "claims",
        "client",
        "expires_at",
        "headers",
        "issuer",
        "key",
        "leeway",
        "not_before",
        "scopes",
        "subject",
        "token_id",
        "verdict",
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
        key: str,
        verdict: Verdict,
        token_id: str,
        headers: tuple[HeaderLine, ...],
    ) -> None:
        #: configured name of the issuer
        self.issuer: Final = issuer
        self.subject: Final = subject
        self.client: Final = None if client is None else intern(client)
        self.scopes: Final = scopes
        #: the claims that routes ask for, as far as the token has them
        self.claims: Final = claims
        #: seconds since the epoch; leeway not included
        self.expires_at: Final = expires_at
        self.not_before: Final = not_before
        self.leeway: Final = leeway
        #: RFC 7638 thumbprint of the key that signed
        self.key: Final = key
        self.verdict: Final = verdict
        #: first 12 hex digits of the token's SHA-256
        self.token_id: Final = token_id
        #: identity headers for the upstream, encoded
        self.headers: Final = headers
        self._hashed_subject: str | None = None

    @property
    def hashed_subject(self) -> str | None:
        """The first 16 hex digits of the subject's SHA-256: for the log. Made when it is first asked for."""
        if self._hashed_subject is None and self.subject:
            self._hashed_subject = sha256(self.subject.encode()).hexdigest()[:_SUBJECT_DIGITS]
        return self._hashed_subject

    def __repr__(self) -> str:
        return f"Identity({self.token_id}: subject {self.subject!r}, client {self.client!r}, issuer {self.issuer})"


class Admission:
    """A decided yes: by which route, who, and what the upstream gets."""

    __slots__ = ("headers", "identity", "preflight", "route", "target")

    def __init__(
        self,
        *,
        route: Route,
        identity: Identity | None,
        target: bytes,
        headers: tuple[HeaderLine, ...],
        preflight: tuple[HeaderLine, ...] | None = None,
    ) -> None:
        self.route: Final = route
        #: None on public routes, and where a token was not admitted in full and the route only reports
        self.identity: Final = identity
        self.target: Final = target
        self.headers: Final = headers
        #: header lines of our own response, when this is a preflight that the upstream does not get
        self.preflight: Final = preflight

    def __repr__(self) -> str:
        return f"Admission(route {self.route.name}, identity {self.identity})"
