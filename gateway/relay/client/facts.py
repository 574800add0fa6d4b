"""A parsed request as Facts: what llhttp lets through and this gateway still does not.

One pass over the raw header lines. Knows nothing of sockets.
"""

import random
import re
from collections.abc import Sequence
from typing import Final

from gateway.core.addresses import is_authority
from gateway.core.config.limits import Limits
from gateway.core.errors import BadRequest, TooLarge, VersionNotSupported
from gateway.core.http.facts import Facts
from gateway.core.http.field_line import FieldLine
from gateway.core.http.request_line import check_request_line
from gateway.core.memory import NameMemo
from gateway.core.upstream.headers import parse_request_id
from gateway.relay.client.peer import Peer
from gateway.relay.http1.framing import parse_length

_ABSOLUTE: Final = re.compile(rb"https?://(?P<authority>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
#: header lines that may stand once: whoever takes the first of two would see another request than who takes the last
_ONCE: Final = frozenset(
    {
        b"content-length",
        b"content-location",
        b"content-range",
        b"content-type",
        b"etag",
        b"host",
        b"max-forwards",
        b"server",
        b"transfer-encoding",
        b"user-agent",
    }
)
#: The lines that are looked at, a bit for each name; those first of which values are read. A WebSocket before RFC 6455
#: has Sec-WebSocket-Key1: eight bytes follow, which no framing announces.
_LISTED: Final = (
    b"host",
    b"authorization",
    b"content-length",
    b"transfer-encoding",
    b"x-request-id",
    b"expect",
    b"upgrade",
    b"sec-websocket-key1",
)
_HOST: Final = 1 << 0
_AUTHORIZATION: Final = 1 << 1
_LENGTH: Final = 1 << 2
_CODING: Final = 1 << 3
_REQUEST_ID: Final = 1 << 4
_EXPECT: Final = 1 << 5
_UPGRADE: Final = 1 << 6
_OLD_WEBSOCKET: Final = 1 << 7
#: below it are those of which values are read
_UNREAD: Final = 1 << 8
_BITS: Final = {name: 1 << bit for bit, name in enumerate((*_LISTED, *sorted(_ONCE.difference(_LISTED))))}
_ONCE_BITS: Final = sum(_BITS[name] for name in _ONCE)
#: ids of requests that are made at once
_IDS_AT_A_TIME: Final = 64
#: a header line's colon, blank and line end; a request line's blanks, version and line end, and the empty line
_LINE_EXTRA: Final = 4
_REQUEST_LINE_EXTRA: Final = 14

#: header names as clients write them, to their bits; 0: not looked at
_NAMES: NameMemo[int] = NameMemo(lambda name: _BITS.get(name.lower(), 0))
#: what was found to be the authority of a host, or none
_AUTHORITIES: NameMemo[bool] = NameMemo(is_authority)


def read_facts(
    *,
    method: str,
    target: bytes,
    version: tuple[int, int],
    lines: tuple[FieldLine, ...],
    peer: Peer,
    limits: Limits,
    upgrade: bool = False,
) -> Facts:
    """The facts of one request. BadRequest and its kin, TooLarge and its kin: RFC 9112 sections 2.3 to 3.3, and 6.

    `upgrade`: what the parser makes of Connection and Upgrade together.
    """
    if version not in ((1, 0), (1, 1)):
        raise VersionNotSupported(f"HTTP/{version[0]}.{version[1]}")
    check_request_line(method, target, limits)
    seen, found = _look_at(lines, limits, size=len(method) + len(target) + _REQUEST_LINE_EXTRA)
    if not seen & _HOST and version == (1, 1):
        raise BadRequest("no Host")
    if seen & _OLD_WEBSOCKET:
        raise BadRequest("a WebSocket older than RFC 6455")
    chunked = seen & _CODING != 0
    if chunked:
        # RFC 9112 section 6.1: a coding in HTTP/1.0 is a sign of trouble; any other than chunked we cannot forward.
        if version == (1, 0):
            raise BadRequest("Transfer-Encoding in HTTP/1.0")
        if not _says(found[_CODING], b"chunked"):
            raise BadRequest("a Transfer-Encoding other than chunked")
    content_length = _parse_length(found[_LENGTH][0]) if seen & _LENGTH else None
    target, host = _origin_form(method, target, found[_HOST][0] if seen & _HOST else None)
    return Facts(
        method=method,
        target=target,
        version=version,
        lines=lines,
        authorization=tuple(found[_AUTHORIZATION]) if seen & _AUTHORIZATION else (),
        host=host or None,
        content_length=content_length,
        chunked=chunked,
        scheme=peer.scheme,
        peer=peer.address,
        trusted=peer.trusted,
        request_id=(parse_request_id(found[_REQUEST_ID]) if seen & _REQUEST_ID else None) or _IDS.next(),
        expects_continue=bool(seen & _EXPECT) and version == (1, 1) and _says(found[_EXPECT], b"100-continue"),
        # RFC 6455 section 4.1. Any other upgrade is ignored, as RFC 9110 section 7.8 allows.
        is_websocket=(
            upgrade
            and version == (1, 1)
            and method == "GET"
            and bool(seen & _UPGRADE)
            and _says(found[_UPGRADE], b"websocket")
            and not (chunked or content_length)
        ),
        certificate=peer.certificate,
    )


def _look_at(lines: tuple[FieldLine, ...], limits: Limits, *, size: int) -> tuple[int, dict[int, list[bytes]]]:
    """Which lines that matter there are, and the values of those that are read. TooLarge, BadRequest.

    `size`: bytes of the head without its lines.
    """
    seen = 0
    found: dict[int, list[bytes]] = {}
    size += _LINE_EXTRA * len(lines)
    for line in lines:
        size += len(line.name) + len(line.value)
        bit = line.read_as
        if bit < 0:
            bit = line.read_as = _NAMES[line.name]
        if not bit:
            continue
        if not seen & bit:
            seen |= bit
            if bit < _UNREAD:
                found[bit] = [line.value]
        elif bit & _ONCE_BITS:
            raise BadRequest(f"more than one {line.name.lower().decode('ascii')}")
        else:
            found[bit].append(line.value)
    if size > limits.header_bytes:
        raise TooLarge(f"the head has {size} bytes; {limits.header_bytes} are accepted")
    if len(lines) > limits.header_count:
        raise TooLarge(f"{len(lines)} header lines; {limits.header_count} are accepted")
    return seen, found


def _says(values: Sequence[bytes], word: bytes) -> bool:
    return len(values) == 1 and values[0].lower() == word


class _Ids:
    """Ids of requests that have none: 32 hex digits. Unique, and no secret: no need to ask the kernel for each."""

    def __init__(self) -> None:
        self._made = ""
        self._at = 0

    def next(self) -> str:
        """Another one. They are made a few at a time."""
        if self._at == len(self._made):
            self._made = random.randbytes(_IDS_AT_A_TIME * 16).hex()  # noqa: S311 -- see above
            self._at = 0
        self._at += 32
        return self._made[self._at - 32 : self._at]


_IDS: Final = _Ids()


def _parse_length(digits: bytes) -> int:
    try:
        return parse_length(digits)
    except ValueError:
        raise BadRequest("Content-Length is not a number up to 2^63-1") from None


def _origin_form(method: str, target: bytes, host: bytes | None) -> tuple[bytes, bytes | None]:
    """RFC 9112 section 3.2: the target in origin-form, and the authority that counts."""
    if target == b"*":
        if method != "OPTIONS":
            raise BadRequest("the target * with a method other than OPTIONS")
    elif not target.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise BadRequest("the target is neither a path nor an http URL")
        # RFC 9112 section 3.2.2: the target's authority replaces Host.
        host = absolute["authority"]
        rest = absolute["rest"]
        target = rest if rest.startswith(b"/") else b"/" + rest
        if not host:
            raise BadRequest("the target has no host")
    if host and not _AUTHORITIES[host]:
        raise BadRequest("Host, or the target's authority, is not a host with an optional port")
    return target, host
