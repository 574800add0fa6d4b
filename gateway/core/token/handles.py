"""By what an identity can be revoked, worked out once, when its token is verified: a request only looks these up."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from gateway.core.token.opaque import JWT, form_of

#: bytes of an index value
_INDEX_BYTES: Final = 16


def index_value(kind: str, *parts: str) -> bytes:
    """What entries of a kind are found by: one value for the same parts, another for any others. 16 bytes."""
    digest = blake2b(kind.encode(), digest_size=_INDEX_BYTES)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"\0%d:" % len(encoded))
        digest.update(encoded)
    return digest.digest()


class Handles:
    """What a token can be revoked by. Kept only where revocation is configured."""

    __slots__ = ("index", "issued_at", "jti", "sid")

    def __init__(self, *, issued_at: float | None, jti: str | None, sid: str | None, index: tuple[bytes, ...]) -> None:
        #: `iat`, seconds since the epoch; None: issued before everything
        self.issued_at: Final = issued_at
        self.jti: Final = jti
        #: the session at the issuer, where the token names one
        self.sid: Final = sid
        #: see `index_value`
        self.index: Final = index

    def __repr__(self) -> str:
        return f"Handles({len(self.index)}, issued at {self.issued_at})"


def fixed_part(token: bytes) -> bytes:
    """What of a token has one spelling only.

    Of a JWT all but its signature, of which ECDSA has two that are good; of another one all but the padding, which its
    issuer may forgive.
    """
    if token.count(b".") == 2 and form_of(token) == JWT:
        return token.rpartition(b".")[0]
    return token.rstrip(b"=")


def handles_of(
    claims: Mapping[str, Any], *, issuer: str, subject: str | None, client: str | None, digest: bytes
) -> Handles:
    """The handles of a token whose claims were judged. `issuer`: the real `iss`. `digest`: SHA-256 of `fixed_part`."""
    iat = claims.get("iat")
    jti, sid = _text(claims.get("jti")), _text(claims.get("sid"))
    index = [index_value("token", digest.hex()), index_value("issuer", issuer)]
    if jti is not None:
        index.append(index_value("jti", issuer, jti))
    if sid is not None:
        index.append(index_value("sid", issuer, sid))
    if subject is not None:
        index.append(index_value("subject", issuer, subject))
        if sid is None:
            index.append(index_value("sessionless", issuer, subject))
    if client is not None:
        index.append(index_value("client", issuer, client))
    return Handles(
        issued_at=float(iat) if isinstance(iat, int | float) and not isinstance(iat, bool) else None,
        jti=jti,
        sid=sid,
        index=tuple(index),
    )


def _text(value: object) -> str | None:
    """A claim as text, where it is text that names something."""
    return value if isinstance(value, str) and value else None
