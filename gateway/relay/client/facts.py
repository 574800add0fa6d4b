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
#: that of a WebSocket before RFC 6455: eight bytes follow, which no framing announces
_OLD_WEBSOCKET: Final = b"sec-websocket-key1"
#: the header lines that are looked at
_READ: Final = _ONCE | {b"authorization", b"x-request-id", b"expect", b"upgrade", _OLD_WEBSOCKET}
#: a header line's colon, blank and line end; a request line's blanks, version and line end, and the empty line
_LINE_EXTRA: Final = 4
_REQUEST_LINE_EXTRA: Final = 14


def _read_name(name: bytes) -> bytes | None:
    lower = name.lower()
    return lower if lower in _READ else None


#: header names as clients write them, and what they are in lower case when they are looked at here, else None
_NAMES: NameMemo[bytes | None] = NameMemo(_read_name)


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
    found = _look_at(lines, limits, size=len(method) + len(target) + _REQUEST_LINE_EXTRA)
    if b"host" not in found and version == (1, 1):
        raise BadRequest("no Host")
    if _OLD_WEBSOCKET in found:
        raise BadRequest("a WebSocket older than RFC 6455")
    chunked = b"transfer-encoding" in found
    if chunked:
        # RFC 9112 section 6.1: a coding in HTTP/1.0 is a sign of trouble; any other than chunked we cannot forward.
        if version == (1, 0):
            raise BadRequest("Transfer-Encoding in HTTP/1.0")
        if not _says(found[b"transfer-encoding"], b"chunked"):
            raise BadRequest("a Transfer-Encoding other than chunked")
    content_length = _parse_length(found[b"content-length"][0]) if b"content-length" in found else None
    target, host = _origin_form(method, target, found[b"host"][0] if b"host" in found else None)
    return Facts(
        method=method,
        target=target,
        version=version,
        lines=lines,
        authorization=tuple(found.get(b"authorization", ())),
        host=host or None,
        content_length=content_length,
        chunked=chunked,
        scheme=peer.scheme,
        peer=peer.address,
        trusted=peer.trusted,
        request_id=(parse_request_id(found[b"x-request-id"]) if b"x-request-id" in found else None) or _new_id(),
        expects_continue=b"expect" in found and version == (1, 1) and _says(found[b"expect"], b"100-continue"),
        # RFC 6455 section 4.1. Any other upgrade is ignored, as RFC 9110 section 7.8 allows.
        is_websocket=(
            upgrade
            and version == (1, 1)
            and method == "GET"
            and _says(found.get(b"upgrade", ()), b"websocket")
            and not (chunked or content_length)
        ),
        certificate=peer.certificate,
    )


def _look_at(lines: tuple[FieldLine, ...], limits: Limits, *, size: int) -> dict[bytes, list[bytes]]:
    """The values of the lines that matter, by name. TooLarge, BadRequest. `size`: bytes of the head without them."""
    found: dict[bytes, list[bytes]] = {}
    size += _LINE_EXTRA * len(lines)
    for line in lines:
        size += len(line.name) + len(line.value)
        lower = line.read_as
        if lower == b"":
            lower = line.read_as = _NAMES[line.name]
        if lower is None:
            continue
        if lower not in found:
            found[lower] = [line.value]
        elif lower in _ONCE:
            raise BadRequest(f"more than one {lower.decode('ascii')}")
        else:
            found[lower].append(line.value)
    if size > limits.header_bytes:
        raise TooLarge(f"the head has {size} bytes; {limits.header_bytes} are accepted")
    if len(lines) > limits.header_count:
        raise TooLarge(f"{len(lines)} header lines; {limits.header_count} are accepted")
    return found


def _says(values: Sequence[bytes], word: bytes) -> bool:
    return len(values) == 1 and values[0].lower() == word


def _new_id() -> str:
    """32 hex digits. Unique, and no secret: no need to ask the kernel for each."""
    return random.getrandbits(128).to_bytes(16, "big").hex()


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
    if host and not is_authority(host):
        raise BadRequest("Host, or the target's authority, is not a host with an optional port")
    return target, host
