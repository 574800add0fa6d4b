"""The request that `explain` is asked about: a token in one of the places where one may stand, and further headers."""

import re
from base64 import urlsafe_b64encode
from typing import Final

from gateway.core.http.facts import HeaderLine
from gateway.core.http.placed import Place

#: what may stand before the colon of --place
KINDS: Final = ("header", "websocket", "query", "cookie")
_HEADER: Final = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\r\n\0]*)")
#: RFC 9110 section 5.6.2: the characters of a WebSocket's subprotocol
_PROTOCOL: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def parse_place(text: str) -> Place | None:
    """`authorization`, which is None, or `header:NAME`, `websocket:NAME`, `query:NAME`, `cookie:NAME`.

    ValueError carries a sentence.
    """
    if text == "authorization":
        return None
    kind, colon, name = text.partition(":")
    if kind not in KINDS or not colon or not name:
        raise ValueError("must be authorization, header:NAME, websocket:NAME, query:NAME or cookie:NAME")
    return Place(kind, name)


def parse_header(text: str) -> HeaderLine:
    """`Name: value`, as on the wire. ValueError carries a sentence."""
    found = _HEADER.fullmatch(text)
    if found is None:
        raise ValueError("must be a header line such as Origin: https://app.example.com")
    return found["name"].encode("ascii"), found["value"].strip(" \t").encode("utf-8", "surrogateescape")


def with_token(
    target: bytes, token: bytes, place: Place | None, *, proof: bytes | None = None
) -> tuple[bytes, tuple[HeaderLine, ...]]:
    """The target, and the header lines, of a request that has the token there. `proof`: a DPoP proof beside it."""
    proofs = () if proof is None else ((b"DPoP", proof),)
    if not token:
        return target, proofs
    target, lines = _placed(target, token, place, scheme=b"Bearer " if proof is None else b"DPoP ")
    return target, (*lines, *proofs)


def _placed(target: bytes, token: bytes, place: Place | None, *, scheme: bytes) -> tuple[bytes, tuple[HeaderLine, ...]]:
    name = b"" if place is None else place.name.encode("utf-8", "surrogateescape")
    match "" if place is None else place.kind:
        case "header":
            return target, ((name, token),)
        case "query":
            return target + (b"&" if b"?" in target else b"?") + name + b"=" + token, ()
        case "cookie":
            return target, ((b"Cookie", name + b"=" + token),)
        case "websocket":
            return target, (*UPGRADE, (b"Sec-WebSocket-Protocol", _offered(name, token)))
    return target, ((b"Authorization", scheme + token),)


def _offered(name: bytes, token: bytes) -> bytes:
    """The first of the two forms, where the token has the characters for it."""
    if _PROTOCOL.fullmatch(token) is not None:
        return name + b", " + token
    return b"base64url." + name + b"." + urlsafe_b64encode(token).rstrip(b"=")


#: RFC 6455 section 4.1
UPGRADE: Final[tuple[HeaderLine, ...]] = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))
