"""What passes between the steps of a request: frozen values without behaviour of their own."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.core.claims import ClaimName
from gateway.core.route import Route

#: where a path ends for whoever reads it once, twice or as a browser would
_QUERY = re.compile(rb"[?#]|%(?:25)*(?:3[fF]|23)")

#: A header field as bytes: name as it was written, value without surrounding blanks.
HeaderLine = tuple[bytes, bytes]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says, read in one pass over its raw header lines (RFC 9112 section 3).

    A msgspec struct, as `Admission` is: there is one a request, and a frozen dataclass takes seven times as long.
    """

    method: str
    #: origin-form or `*`, byte for byte as it will be forwarded
    target: bytes
    #: (major, minor)
    version: tuple[int, int]
    headers: tuple[HeaderLine, ...]
    #: every Authorization value, in order
    authorization: tuple[bytes, ...]
    #: authority the client named, or None (HTTP/1.0 without Host)
    host: bytes | None
    #: length of the body in bytes; None when there is none or it is chunked
    content_length: int | None
    chunked: bool
    #: `http` or `https`: how the client reached us
    scheme: str
    #: address of the peer, or `unix`
    peer: str
    #: the peer is one of `trusted_proxies`
    trusted: bool
    request_id: str
    #: the client waits for 100 before it sends its body (RFC 9110 section 10.1.1)
    expects_continue: bool = False
    #: the client asks to go on in the WebSocket protocol (RFC 6455 section 4.1)
    is_websocket: bool = False

    def __repr__(self) -> str:
        return f"Facts({self.method} {self.path} from {self.peer}, request {self.request_id})"

    @property
    def path(self) -> str:
        """The target up to its query or fragment, also where their marks are escaped; printable: for the log."""
        return _QUERY.split(self.target, maxsplit=1)[0].decode("ascii", "backslashreplace")


class Credential(msgspec.Struct, frozen=True):
    """The one bearer token of a request (RFC 6750 section 2.1)."""

    token: bytes

    def __repr__(self) -> str:
        return "Credential()"


class Verdict(msgspec.Struct, frozen=True):
    """What kind of token this is, and why."""

    #: access, id, refresh, logout, other or unclassified
    kind: str
    #: the marker that decided, in words
    evidence: str


class Identity(msgspec.Struct, frozen=True):
    """Who is calling, as a verified token says it. Of the claims only what the configuration needs is kept."""

    #: configured name of the issuer
    issuer: str
    subject: str | None
    client: str | None
    scopes: tuple[str, ...]
    #: the claims that routes ask for, as far as the token has them
    claims: Mapping[ClaimName, Any]
    #: seconds since the epoch; leeway not included
    expires_at: float
    not_before: float | None
    leeway: float
    #: RFC 7638 thumbprint of the key that signed
    key: str
    verdict: Verdict
    #: first 12 hex digits of the token's SHA-256
    token_id: str
    #: identity headers for the upstream, encoded
    headers: tuple[HeaderLine, ...]

    def __repr__(self) -> str:
        return f"Identity({self.token_id}: subject {self.subject!r}, client {self.client!r}, issuer {self.issuer})"


class Admission(msgspec.Struct, frozen=True):
    """A decided yes: by which route, who, and what the upstream gets."""

    route: Route
    #: None on public routes, and where a token was not admitted in full and the route only reports
    identity: Identity | None
    target: bytes
    headers: tuple[HeaderLine, ...]
    #: header lines of our own answer, when this is a preflight that the upstream does not get
    preflight: tuple[HeaderLine, ...] | None = None

    def __repr__(self) -> str:
        return f"Admission(route {self.route.name}, identity {self.identity})"
