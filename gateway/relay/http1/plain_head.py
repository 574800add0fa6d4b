"""Heads of responses as nearly all are written, read without llhttp: a few look-ups in place of a call for every line.

What is read here, llhttp and `judge_head` would read to the byte as it is read here; whatever they might not is left
to them. Lines that are the same from response to response are read once.
"""

from typing import Final

from gateway.relay.http1.response_head import BODYLESS, CLOSES, KEPT, UNUSUAL, ResponseHead, read_line

_USUAL: Final = b"HTTP/1.1 200 OK"
_BEGINNING: Final = b"HTTP/1.1 "
#: all but control bytes; tabs are none
_TEXT: Final = bytes({0x09, *range(0x20, 0x7F), *range(0x80, 0x100)})

#: lines that are remembered, and bytes of the longest
MAX_LINES: Final = 1024
MAX_LINE: Final = 128
#: Names of lines that say the same from response to response, and nothing of whoever gets it: only these are kept.
_REPEATED: Final = frozenset(
    {
        b"accept-ranges",
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"allow",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-type",
        b"date",
        b"expires",
        b"keep-alive",
        b"permissions-policy",
        b"pragma",
        b"referrer-policy",
        b"server",
        b"strict-transport-security",
        b"vary",
        b"x-content-type-options",
        b"x-frame-options",
        b"x-powered-by",
        b"x-xss-protection",
    }
)
#: what whole lines say, by `read_line`
_LINES: Final[dict[bytes, int]] = {}


def read_plain(method: str, raw: bytes) -> ResponseHead | None:
    """A head, its last two line ends excepted; None: it is not plain. `method`: of the request.

    Plain: a final response of HTTP/1.1 whose lines each mean something on their own, with a length or without a body.
    """
    lines = raw.split(b"\r\n")
    first = lines[0]
    status, reason, is_text = 200, b"OK", False
    if first != _USUAL:
        status, reason = _status(first), first[len(_BEGINNING) + 4 :]
        is_text = status > 0 and _is_text(raw, len(lines))
        if not is_text:
            return None
    length = -1
    keeps = True
    kept = [first]
    for index in range(1, len(lines)):
        line = lines[index]
        meaning = _LINES.get(line)
        if meaning is None:
            is_text = is_text or _is_text(raw, len(lines))
            if not is_text:
                return None
            meaning = read_line(line)
            _remember(line, meaning)
        if meaning == KEPT:
            kept.append(line)
        elif meaning >= 0:
            if length >= 0:
                return None
            length = meaning
            kept.append(line)
        elif meaning == UNUSUAL:
            return None
        elif meaning == CLOSES:
            keeps = False
    bodyless = method == "HEAD" or status in BODYLESS
    if length < 0 and not bodyless:
        return None
    return ResponseHead(
        status,
        reason,
        None,
        bodyless=bodyless,
        length=length if length >= 0 else None,
        chunked=False,
        reusable=keeps,
        is_event_stream=False,
        raw=raw if len(kept) == len(lines) else b"\r\n".join(kept),
    )


def _status(first: bytes) -> int:
    """The status that a line says which looks as nearly all do; 0: it does not, or it is not that of a response."""
    digits = first[len(_BEGINNING) : len(_BEGINNING) + 3]
    if not (first.startswith(_BEGINNING) and first[len(_BEGINNING) + 3 :].startswith(b" ") and digits.isdigit()):
        return 0
    status = int(digits)
    return status if 200 <= status <= 599 else 0


def _is_text(raw: bytes, count: int) -> bool:
    """Whether there are no control bytes, but for the ends of so many lines less one."""
    return len(raw.translate(None, _TEXT)) == 2 * (count - 1)


def _remember(line: bytes, meaning: int) -> None:
    if meaning != UNUSUAL and len(line) <= MAX_LINE and line[: line.find(b":")].lower() in _REPEATED:
        if len(_LINES) >= MAX_LINES:
            _LINES.clear()
        _LINES[line] = meaning
