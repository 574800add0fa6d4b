"""The head of an upstream's answer: what goes on to the client, where the body ends, what becomes of the connection.

Pure: lines in, an `AnswerHead` out. RFC 9112 sections 6.3 and 9.3, RFC 9110 section 7.6.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.errors import UpstreamProtocolError
from gateway.core.header_names import HOP_BY_HOP, NameMemo, nominated
from gateway.core.model import HeaderLine
from gateway.relay.facts import MAX_LENGTH

#: RFC 9110 sections 15.3.5 and 15.4.5: answers that never have a body
BODYLESS = frozenset({204, 304})
#: options of Connection that name no header
_STANDARD = frozenset({b"close", b"keep-alive"})
_BEHIND_A_TYPE = (b"", b";")
#: RFC 9110 section 5.6.3: around values, which the parser leaves behind them
_BLANKS = b" \t"
_LENGTH_DIGITS = len(str(MAX_LENGTH))
#: lines that say something about the connection or the body; all others pass unread
_READ = HOP_BY_HOP | {b"content-length", b"content-type"}


@dataclass(slots=True)
class AnswerHead:
    """A final answer's head, judged."""

    status: int
    #: as sent
    reason: bytes
    #: in order and case, hop-by-hop ones left out; Content-Length is among them
    lines: tuple[HeaderLine, ...]
    #: there is no body, whatever the head announces
    bodyless: bool
    #: bytes of body announced; None: chunked, or until the connection closes, or nothing said
    length: int | None
    chunked: bool
    #: the connection can carry another request after this answer
    reusable: bool
    #: `text/event-stream`: silence is no fault
    is_event_stream: bool


def _meaning(name: bytes) -> bytes | None:
    lower = name.lower()
    return lower if lower in _READ else None


#: header names as upstreams write them, and what they are in lower case when they are read here, else None
_MEANINGS: NameMemo[bytes | None] = NameMemo(_meaning)


def judge_head(method: str, status: int, reason: bytes, version: str, headers: Sequence[HeaderLine]) -> AnswerHead:
    """The head of a final answer to `method`; `version`: "1.0" or "1.1". UpstreamProtocolError: its end is unclear."""
    lines: list[HeaderLine] = []
    length: int | None = None
    chunked = False
    options: list[bytes] = []
    media_type = b""
    for line in headers:
        name, value = line
        meaning = _MEANINGS[name]
        if meaning is None:
            lines.append(line)
        elif meaning == b"content-type":
            media_type = value
            lines.append(line)
        elif meaning == b"content-length":
            if length is not None:
                raise UpstreamProtocolError("more than one length")
            length = _parse_length(value.rstrip(_BLANKS))
            lines.append(line)
        elif meaning == b"transfer-encoding":
            if chunked or value.rstrip(_BLANKS).lower() != b"chunked" or version == "1.0":
                raise UpstreamProtocolError("a Transfer-Encoding other than chunked, or one in HTTP/1.0")
            chunked = True
        elif meaning == b"connection":
            options += [option.strip(_BLANKS).lower() for option in value.split(b",")]
    if chunked and length is not None:
        raise UpstreamProtocolError("more than one length")
    if not _STANDARD.issuperset(options) and (gone := nominated(headers)):
        lines = [line for line in lines if line[0].lower() not in gone]
    # RFC 9112 section 9.3: close wins, and before 1.1 only keep-alive keeps.
    keeps = b"close" not in options and (version == "1.1" or b"keep-alive" in options)
    bodyless = method == "HEAD" or status in BODYLESS
    return AnswerHead(
        status,
        reason,
        tuple(lines),
        bodyless,
        length,
        chunked and not bodyless,
        keeps and (bodyless or chunked or length is not None),
        media_type[:17].lower() == b"text/event-stream" and media_type[17:].lstrip(_BLANKS)[:1] in _BEHIND_A_TYPE,
    )


def _parse_length(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > _LENGTH_DIGITS or int(digits) > MAX_LENGTH:
        raise UpstreamProtocolError("a length that is no number up to 2^63-1")
    return int(digits)
