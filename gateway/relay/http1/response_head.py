"""The head of an upstream's response: what goes on to the client, where the body ends, what becomes of the connection.

Pure: lines in, an `ResponseHead` out. RFC 9112 sections 6.3 and 9.3, RFC 9110 section 7.6.1. All there is to know of a
line on its own stands here, for both who read heads: `response_parser` with llhttp, and `plain_head`.
"""

import re
from collections.abc import Sequence
from typing import Final

from gateway.core.errors import UpstreamProtocolError
from gateway.core.http.facts import HeaderLine
from gateway.core.http.header_names import HOP_BY_HOP, nominated
from gateway.core.memory import NameMemo
from gateway.relay.http1.framing import parse_length

#: RFC 9110 sections 15.3.5 and 15.4.5: responses that never have a body
BODYLESS: Final = frozenset({204, 304})
#: options of Connection that name no header
_STANDARD: Final = frozenset({b"close", b"keep-alive"})
_EVENT_STREAM: Final = b"text/event-stream"
_BEHIND_A_TYPE: Final = (b"", b";")
#: RFC 9110 section 5.6.3: around values, which the parser leaves behind them
_BLANKS: Final = b" \t"
_ZERO: Final = 0x30
#: RFC 9110 section 5.6.2
_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: digits of lengths that are nobody's trick
_FEW_DIGITS: Final = 18
#: a scheme of RFC 4559 or its kin at the beginning of one, or what IIS says of one (`Persistent-Auth: true`)
_CONNECTION_LOGIN: Final = re.compile(rb"[ \t]*(?:ntlm|negotiate|nego2|kerberos|true)(?:[ \t]|$)", re.IGNORECASE)
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()


class ResponseHead:
    """A final response's head, judged."""

    __slots__ = ("_lines", "bodyless", "chunked", "is_event_stream", "length", "raw", "reason", "reusable", "status")

    def __init__(  # noqa: PLR0913 -- as many as it has fields
        self,
        status: int,
        reason: bytes,
        lines: list[HeaderLine] | None,
        *,
        bodyless: bool,
        length: int | None,
        chunked: bool,
        reusable: bool,
        is_event_stream: bool,
        raw: bytes | None = None,
    ) -> None:
        """`lines` may be left to be found in `raw`."""
        self.status = status
        #: as sent
        self.reason = reason
        self._lines = None if lines is None else tuple(lines)
        #: status line and `lines` as they go on to a client, the last line end excepted; None: to be made of them
        self.raw = raw
        #: there is no body, whatever the head announces
        self.bodyless = bodyless
        #: bytes of body announced; None: chunked, or until the connection closes, or nothing said
        self.length = length
        self.chunked = chunked
        #: the connection can carry another request after this response
        self.reusable = reusable
        #: `text/event-stream`: silence is no fault
        self.is_event_stream = is_event_stream

    @property
    def lines(self) -> tuple[HeaderLine, ...]:
        """In order and case, hop-by-hop ones left out; Content-Length is among them."""
        lines = self._lines
        if lines is None:
            assert self.raw is not None  # or there would be no lines at all
            lines = self._lines = tuple([_split(line) for line in self.raw.split(b"\r\n")[1:]])
        return lines


def _split(line: bytes) -> HeaderLine:
    name, _, value = line.partition(b": ")
    return name, value


#: What is read of a line, by its name alone. Plain numbers: one is looked up for every line of every response.
_PASSED: Final = 0
_DROPPED: Final = 1
_LENGTH: Final = 2
_TYPE: Final = 3
_CODING: Final = 4
_CONNECTION: Final = 5
_CHALLENGE: Final = 6
#: hop-by-hop, and a challenge
_PROXY_CHALLENGE: Final = 7
#: no name at all; llhttp lets none pass
_NAMELESS: Final = 8

_SPECIAL: Final = {
    b"content-length": _LENGTH,
    b"content-type": _TYPE,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"www-authenticate": _CHALLENGE,
    b"persistent-auth": _CHALLENGE,
    b"proxy-authenticate": _PROXY_CHALLENGE,
}


def _meaning(name: bytes) -> int:
    if not name or name.translate(None, _TOKEN):
        return _NAMELESS
    lower = name.lower()
    return _SPECIAL.get(lower, _DROPPED if lower in HOP_BY_HOP else _PASSED)


def _read_options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip(_BLANKS).lower() for option in value.split(b","))


#: names of lines, and values of Connection, as upstreams write them
_MEANINGS: NameMemo[int] = NameMemo(_meaning)
_OPTIONS: NameMemo[frozenset[bytes]] = NameMemo(_read_options)


#: What a line says on its own, where that is no length, which is a number from 0 on.
KEPT: Final = -1
GONE: Final = -2
#: gone, and the connection with it
CLOSES: Final = -3
#: only `judge_head` can tell, or nobody may
UNUSUAL: Final = -4


def read_name(name: bytes) -> int:
    """What lines of this name are about, for `read_value`; KEPT or UNUSUAL: whatever their values."""
    meaning = _meaning(name)
    return KEPT if meaning == _PASSED else UNUSUAL if meaning in (_CODING, _PROXY_CHALLENGE, _NAMELESS) else meaning


def read_value(meaning: int, value: bytes) -> int:
    """What a line says whatever stands beside it. `meaning`: of its name. `value`: without control bytes."""
    if meaning == _DROPPED:
        return GONE
    if meaning == _LENGTH and value.isdigit() and len(value) <= _FEW_DIGITS:
        return int(value) if value[0] != _ZERO or value == b"0" else UNUSUAL
    if meaning == _CONNECTION and (options := _OPTIONS[value]) <= _STANDARD:
        return CLOSES if b"close" in options else GONE
    if meaning == _TYPE and not _is_event_stream(value):
        return KEPT
    if meaning == _CHALLENGE and not is_connection_login(value):
        return KEPT
    return UNUSUAL


def judge_head(  # noqa: C901 -- one meaning a branch
    method: str, status: int, reason: bytes, version: str, headers: Sequence[HeaderLine]
) -> ResponseHead:
    """The head of a final response to `method`; `version`: "1.0" or "1.1". UpstreamProtocolError: its end is open."""
    lines: list[HeaderLine] = []
    length: int | None = None
    chunked = False
    options: frozenset[bytes] = _NO_OPTIONS
    media_type = b""
    is_login = False
    for line in headers:
        name, value = line
        meaning = _MEANINGS[name]
        if meaning == _PASSED:
            lines.append(line)
        elif meaning == _CHALLENGE:
            is_login = is_login or is_connection_login(value)
            lines.append(line)
        elif meaning == _TYPE:
            media_type = value
            lines.append(line)
        elif meaning == _LENGTH:
            if length is not None:
                raise UpstreamProtocolError("more than one length")
            length = _read_length(value.rstrip(_BLANKS))
            lines.append((name, b"%d" % length) if value[0] == _ZERO else line)
        elif meaning == _CODING:
            if chunked or value.rstrip(_BLANKS).lower() != b"chunked" or version == "1.0":
                raise UpstreamProtocolError("a Transfer-Encoding other than chunked, or one in HTTP/1.0")
            chunked = True
        elif meaning == _PROXY_CHALLENGE:
            is_login = is_login or is_connection_login(value)
        elif meaning == _CONNECTION:
            options = options | _OPTIONS[value] if options else _OPTIONS[value]
    if chunked and length is not None:
        raise UpstreamProtocolError("more than one length")
    if not options <= _STANDARD and (gone := nominated(headers)):
        lines = [line for line in lines if line[0].lower() not in gone]
    # RFC 9112 section 9.3: close wins, and before 1.1 only keep-alive keeps.
    keeps = not is_login and b"close" not in options and (version == "1.1" or b"keep-alive" in options)
    bodyless = method == "HEAD" or status in BODYLESS
    return ResponseHead(
        status,
        reason,
        lines,
        bodyless=bodyless,
        length=length,
        chunked=chunked and not bodyless,
        reusable=keeps and (bodyless or chunked or length is not None),
        is_event_stream=_is_event_stream(media_type),
    )


def is_connection_login(value: bytes) -> bool:
    """Whether credentials or challenges name a scheme that logs a connection in, not a request (RFC 4559 section 6)."""
    # Member by member: a search looks at every byte, and a token has a thousand.
    if b"," not in value:
        return _CONNECTION_LOGIN.match(value) is not None
    return any(_CONNECTION_LOGIN.match(member) is not None for member in value.split(b","))


def _read_length(digits: bytes) -> int:
    try:
        return parse_length(digits)
    except ValueError as error:
        raise UpstreamProtocolError(str(error)) from None


def _is_event_stream(media_type: bytes) -> bool:
    return media_type[:17].lower() == _EVENT_STREAM and media_type[17:].lstrip(_BLANKS)[:1] in _BEHIND_A_TYPE
