"""How Envoy asks over gRPC: attributes of a request, read as that request; and which of its headers are taken out.

Knows nothing of messages: what it reads are plain values.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.core.addresses import is_authority
from gateway.core.config.limits import Limits
from gateway.core.errors import MethodNotImplemented, TooLarge, UnclearSubrequest
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.header_names import HOP_BY_HOP
from gateway.core.upstream.headers import parse_request_id

#: RFC 9110 sections 5.1 and 5.5
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
#: as on the traffic port, whose parser takes capital letters only
_METHOD: Final = re.compile(r"[A-Z][A-Z-]*")
_VERSIONS: Final = {"HTTP/1.0": (1, 0), "HTTP/2": (2, 0), "HTTP/3": (3, 0)}
#: what a proxy writes itself: not for us to take out
_FRAMING: Final = HOP_BY_HOP | {b"content-length", b"expect", b"host"}


@dataclass(frozen=True, slots=True, repr=False)
class Attributes:
    """What Envoy says of a request, as it says it."""

    method: str
    #: with the query
    path: str
    host: str
    scheme: str
    protocol: str
    #: lines as they came (`header_map`), those of HTTP/2 that begin with a colon among them
    lines: tuple[HeaderLine, ...]
    #: or each name once, several values of it joined by commas (`headers`)
    joined: tuple[HeaderLine, ...] = ()
    #: bytes of body; less than 0: unknown
    size: int = -1
    #: of this call
    id: str = ""


def read(told: Attributes, *, peer: str, trusted: bool, limits: Limits, new_id: str) -> Facts:
    """The request that is asked about. UnclearSubrequest, MethodNotImplemented, TooLarge.

    `peer`: who asks. `new_id`: of the request, where it has none.
    """
    lines = told.lines or told.joined
    pseudo: dict[bytes, bytes] = {}
    headers: list[HeaderLine] = []
    for name, value in lines:
        if name.startswith(b":"):
            if name in pseudo:
                raise UnclearSubrequest("a fact stands there twice")
            pseudo[name] = value
        elif _NAME.fullmatch(name) is None or _CONTROL.search(value):
            raise UnclearSubrequest("a header is none")
        else:
            headers.append((name, value.strip(b" \t")))
    _check_size(headers, limits)
    target, host = told.path.encode("utf-8"), told.host.encode("utf-8")
    facts = ((b":path", target), (b":authority", host), (b":method", told.method.encode("utf-8")))
    for name, value in facts:
        # As it came, it is what the proxy forwards; a text of other bytes is another request.
        if pseudo.get(name, value) != value:
            raise UnclearSubrequest(f"{name[1:].decode()} is told in two ways")
    if _METHOD.fullmatch(told.method) is None:
        raise MethodNotImplemented("the method is not in capital letters")
    if not is_authority(host):
        raise UnclearSubrequest("the host is not a host with an optional port")
    if told.scheme not in {"http", "https"}:
        raise UnclearSubrequest("the scheme is neither http nor https")
    return Facts(
        method=told.method,
        target=target,
        version=_VERSIONS.get(told.protocol, (1, 1)),
        headers=tuple(headers),
        authorization=_authorization(headers, is_joined=not told.lines),
        host=host,
        content_length=told.size if told.size >= 0 else None,
        chunked=False,
        scheme=told.scheme,
        peer=peer,
        trusted=trusted,
        request_id=parse_request_id([value for name, value in headers if name.lower() == b"x-request-id"]) or new_id,
        is_question=True,
    )


def _check_size(headers: list[HeaderLine], limits: Limits) -> None:
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    if size > limits.header_bytes:
        raise TooLarge(f"the head has {size} bytes; {limits.header_bytes} are accepted")
    if len(headers) > limits.header_count:
        raise TooLarge(f"{len(headers)} header lines; {limits.header_count} are accepted")


def _authorization(headers: list[HeaderLine], *, is_joined: bool) -> tuple[bytes, ...]:
    """Every credential. Where lines were joined, whatever has a comma may have been two."""
    found = [value for name, value in headers if name.lower() == b"authorization"]
    if is_joined:
        return tuple(part for value in found for part in (value.split(b",") if b"," in value else (value,)))
    return tuple(found)


def removed(asked: Facts, admitted: Iterable[HeaderLine], written: Iterable[HeaderLine]) -> list[bytes]:
    """Names of the client's headers that the API must not see, in every spelling that is there.

    `admitted`: what the API would get from the gateway itself. `written`: what the proxy is told to write instead.
    """
    kept = {name.lower() for name, _ in admitted} - _absent(written)
    kept |= {name.lower() for name, value in written if value}
    names = dict.fromkeys(name.lower() for name, _ in asked.headers)
    return [name for name in names if name not in kept and name not in _FRAMING]


def _absent(written: Iterable[HeaderLine]) -> set[bytes]:
    return {name.lower() for name, value in written if not value}
