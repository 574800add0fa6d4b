"""JSON as RFC 8259 means it, for text that a stranger wrote: one value, no surprises, bounded.

The standard parser takes NaN, turns 1e400 into infinity, lets the last of two equal members win and recurses as deep
as it is told to; here each of these is a ValueError with a constant sentence.
"""

import json
import math
import re
from typing import Any, Final, NoReturn

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
