"""Heads of responses as nearly all are written, read without llhttp: a few look-ups in place of a call for every line.

What is read here, llhttp and `judge_head` would read to the byte as it is read here; whatever they might not is left
to them. Lines that are the same from response to response are read once, and heads that have no others as well.
"""

from http import HTTPStatus
from typing import Final

from gateway.core.memory import NameMemo
from gateway.relay.http1.response_head import BODYLESS, CLOSES, KEPT, UNUSUAL, ResponseHead, read_name, read_value

_BEGINNING: Final = b"HTTP/1.1 "
_DIGITS: Final = len(_BEGINNING) + 3
#: the status of a line, as servers write them
_STATUSES: Final = {
    b"HTTP/1.1 %d %b" % (status, status.phrase.encode()): int(status) for status in HTTPStatus if 200 <= status <= 599
}
_BLANK: Final = 0x20
_TAB: Final = 0x09
#: control bytes, line ends among them, become NUL; tabs are none
_CONTROLS: Final = bytes(0 if (byte < _BLANK and byte != _TAB) or byte == 0x7F else 0x61 for byte in range(256))

#: lines and heads that are remembered, and bytes of the longest: what is remembered means the same for ever
MAX_LINES: Final = 1024
MAX_LINE: Final = 128
MAX_HEADS: Final = 256
MAX_HEAD: Final = 1024
#: Names of lines that say the same from response to response, and nothing of whoever gets it: only these are kept.
_REPEATED: Final = frozenset(
    b"accept-ranges access-control-allow-credentials access-control-allow-headers access-control-allow-methods allow "
    b"cache-control connection content-encoding content-language content-length content-type date expires keep-alive "
    b"permissions-policy pragma referrer-policy server strict-transport-security vary x-content-type-options "
    b"x-frame-options x-powered-by x-xss-protection".split()
)
#: what whole lines say
_LINES: Final[dict[bytes, int]] = {}
#: whole heads, to requests other than HEAD
_HEADS: Final[dict[bytes, ResponseHead]] = {}
#: what lines are about, by their names
_NAMES: Final[NameMemo[int]] = NameMemo(read_name)


def read_plain(method: str, raw: bytes) -> ResponseHead | None:
    """A head, its last two line ends excepted; None: it is not plain. `method`: of the request.

    Plain: a final response of HTTP/1.1 whose lines each mean something on their own, with a length or without a body.
    """
    if method == "HEAD":
        return _read(raw, is_head=True)
    return _HEADS.get(raw) or _read(raw, is_head=False)


def _read(raw: bytes, *, is_head: bool) -> ResponseHead | None:
    lines = raw.split(b"\r\n")
    first = lines[0]
    repeats = not is_head and len(raw) <= MAX_HEAD and first in _STATUSES
    status = _STATUSES[first] if repeats else _read_status(first)
    if status == 0:
        return None
    length = -1
    keeps = True
    kept = [first]
    for index in range(1, len(lines)):
        line = lines[index]
        meaning = _LINES.get(line)
        if meaning is None:
            meaning = _read_line(line)
            repeats = repeats and line in _LINES
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
    bodyless = is_head or status in BODYLESS
    if length < 0 and not bodyless:
        return None
    head = ResponseHead(
        status,
        first[_DIGITS + 1 :],
        None,
        bodyless=bodyless,
        length=length if length >= 0 else None,
        chunked=False,
        reusable=keeps,
        is_event_stream=False,
        raw=raw if len(kept) == len(lines) else b"\r\n".join(kept),
    )
    if repeats:
        if len(_HEADS) >= MAX_HEADS:
            _HEADS.clear()
        _HEADS[raw] = head
    return head


def _read_status(first: bytes) -> int:
    """The status that a line says which looks as nearly all do; 0: it does not, or it is not that of a response."""
    digits = first[len(_BEGINNING) : _DIGITS]
    if not (first.startswith(_BEGINNING) and first[_DIGITS : _DIGITS + 1] == b" " and digits.isdigit()):
        return 0
    status = int(digits)
    return status if 200 <= status <= 599 and not _has_controls(first) else 0


def _read_line(line: bytes) -> int:
    """What a line says on its own, remembered where others may say the same."""
    name, separator, value = line.partition(b": ")
    if not separator or _has_controls(line) or (value and (value[0] == _BLANK or value[0] == _TAB)):
        return UNUSUAL
    meaning = _NAMES[name]
    if meaning != KEPT and meaning != UNUSUAL:  # noqa: PLR1714 -- compiled, two numbers
        meaning = read_value(meaning, value)
    if meaning != UNUSUAL and name.lower() in _REPEATED and len(line) <= MAX_LINE:
        if len(_LINES) >= MAX_LINES:
            _LINES.clear()
        _LINES[line] = meaning
    return meaning


def _has_controls(line: bytes) -> bool:
    return 0 in line.translate(_CONTROLS)
