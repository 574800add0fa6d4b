"""JSON as RFC 8259 means it, for text that a stranger wrote: one value, no surprises, bounded.

The standard parser takes NaN, turns 1e400 into infinity, lets the last of two equal members win and recurses as deep
as it is told to; here each of these is a ValueError with a constant sentence.
"""

import json
import math
import re
from typing import Any, Final, NoReturn

import msgspec

#: Deeper than any claim or key set of a real provider.
MAX_DEPTH: Final = 32
#: Digits of the largest finite double; beyond that an integer is no number anybody means.
MAX_DIGITS: Final = 308

#: RFC 8259 section 2; a byte order mark is none of them (section 8.1).
_BLANKS: Final = " \t\n\r"

#: A string, also one that never ends; possessive, so that hostile text costs one pass.
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("the JSON has a member twice")
    return members


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("the JSON has a number too large")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("the JSON has a number too large")
    return int(text)


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("the JSON has NaN or Infinity")


#: Made once: the parts of a token are many and small, and a decoder costs as much as they do.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_number, parse_int=_integer, parse_constant=_refuse_constant
)


#: reads what is usual in a third of the time; takes the last of two equal members, and is not asked for its refusals
_QUICK: Final = msgspec.json.Decoder()
_UNREAD: Final = object()
_BACKSLASH: Final = 0x5C
#: integers up to here have no more digits than a number may have
_WIDE: Final = 1 << 63


def _read_quickly(raw: bytes) -> Any:
    """The value of a text that is sound and has no backslash; _UNREAD: it may be anything.

    Without a backslash two quotes are one string: there is no member twice where the value has all that the text has.
    """
    if _BACKSLASH in raw:
        return _UNREAD
    try:
        value = _QUICK.decode(raw)
        if 2 * _strings(value, MAX_DEPTH) == raw.count(b'"'):
            return value
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    return _UNREAD


def _strings(value: Any, depth: int) -> int:
    """How many strings a value has, names of members too. ValueError: nested beyond `depth`, or a wide number."""
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        if not depth:
            raise ValueError
        count = len(value)
        for member in value.values():
            count += 1 if isinstance(member, str) else _strings(member, depth - 1)
        return count
    if isinstance(value, list):
        if not depth:
            raise ValueError
        count = 0
        for member in value:
            count += _strings(member, depth - 1)
        return count
    if isinstance(value, int) and not -_WIDE < value < _WIDE:
        raise ValueError
    return 0


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = deepest = 0
    for char in _STRING.sub("", text):
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest > MAX_DEPTH


def parse_json(raw: bytes) -> Any:
    """The value of a UTF-8 JSON text.

    ValueError, its sentence constant: not UTF-8, not JSON, a member twice, NaN or Infinity, a number beyond a double,
    nesting beyond 32, or an escape that is no character.
    """
    value = _read_quickly(raw)
    return _read_strictly(raw) if value is _UNREAD else value


def _read_strictly(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8").strip(_BLANKS)
    except UnicodeDecodeError:
        raise ValueError("the JSON is not UTF-8") from None
    if _is_too_deep(text):
        raise ValueError("the JSON is nested too deeply")
    try:
        value, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError:
        raise ValueError("the text is not JSON") from None
    if end != len(text):
        raise ValueError("the text is not JSON")
    # RFC 8259 section 8.2: half a surrogate pair is no character. All begin with d, or D.
    if "\\" in text and ("\\ud" in text or "\\uD" in text):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("the JSON has an escape that is no character") from None
    return value
