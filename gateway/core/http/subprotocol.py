"""A token among the subprotocols of a WebSocket (RFC 6455 section 1.9): browsers can set no other header there.

Either the name first and the token second, or one item, `base64url.NAME.<base64url of the token>`, in which a token may
have characters that no protocol has.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from gateway.core.errors import UpstreamProtocolError
from gateway.core.http.facts import HeaderLine
from gateway.core.http.placed import Offer

PROTOCOL: Final = b"Sec-WebSocket-Protocol"
_ENCODED: Final = b"base64url."
_BASE64URL: Final = re.compile(rb"[A-Za-z0-9_-]+")


class Found(NamedTuple):
    """One token, as it was offered."""

    #: which of the names
    name: bytes
    token: bytes
    #: why it is none
    wrong: str | None
    #: what may be selected for it
    own: bytes


def take_protocols(values: Iterable[bytes], names: Sequence[bytes]) -> tuple[list[Found], tuple[bytes, ...]]:
    """What is offered in these header values: the tokens, and the protocols that are left. `names`: of places.

    Another spelling of a name, or one that does not stand first, is taken out as well, and is no token.
    """
    items = [item for value in values for part in value.split(b",") if (item := part.strip(b" \t"))]
    found: list[Found] = []
    rest: list[bytes] = []
    index = 0
    while index < len(items):
        item = items[index]
        index += 1
        if (name := _named(item, names)) is not None:
            token = items[index] if index < len(items) else b""
            found.append(Found(name, token, _wrong(item, name, token, is_first=index == 1), item))
            index += 1
        elif (name := _encoded(item, names)) is not None:
            found.append(_decoded(item, name))
        else:
            rest.append(item)
    return found, tuple(rest)


def select_protocol(headers: Iterable[HeaderLine], offer: Offer) -> tuple[HeaderLine, ...]:
    """The line that the head of a 101 lacks, or nothing: where the API selects none, a browser would close.

    UpstreamProtocolError: it selected what the client did not offer.
    """
    selected = [value for name, value in headers if name.lower() == PROTOCOL.lower()]
    if not selected:
        return ((PROTOCOL, offer.own),)
    if len(selected) > 1 or selected[0] not in (*offer.others, offer.own):
        raise UpstreamProtocolError("the API selected a subprotocol that the client did not offer")
    return ()


def _named(item: bytes, names: Sequence[bytes]) -> bytes | None:
    return next((name for name in names if item.lower() == name.lower()), None)


def _encoded(item: bytes, names: Sequence[bytes]) -> bytes | None:
    """The longest name that fits: one may be the beginning of another."""
    lower = item.lower()
    fitting = [name for name in names if lower.startswith(_ENCODED + name.lower() + b".")]
    return max(fitting, key=len, default=None)


def _wrong(item: bytes, name: bytes, token: bytes, *, is_first: bool) -> str | None:
    if item != name:
        return "its name is written in another way"
    if not is_first:
        return "its name is not the first that is offered"
    return None if token else "no token follows its name"


def _decoded(item: bytes, name: bytes) -> Found:
    begin = _ENCODED + name + b"."
    encoded = item[len(begin) :]
    if not item.startswith(begin):
        return Found(name, b"", "its name is written in another way", item)
    if _BASE64URL.fullmatch(encoded) is None or len(encoded) % 4 == 1:
        return Found(name, b"", "what stands there is no base64url", item)
    return Found(name, urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)), None, item)
