"""How a configured name finds its claim: literal first, then JSON Pointer, or a path of members."""

import re
from collections.abc import Mapping
from typing import Any, Final


class Absent:
    """The type of ABSENT, so that a null claim and a missing one stay apart."""


ABSENT: Final = Absent()

#: RFC 6901 section 4, and short: no claim has ten thousand elements
_INDEX = re.compile(r"0|[1-9][0-9]{0,3}")

#: a literal name, a JSON Pointer (RFC 6901) when no claim has that literal name, or a path of members
ClaimName = str | tuple[str, ...]


def find_claim(claims: Mapping[str, Any], name: ClaimName) -> Any:
    """The value called `name`, or ABSENT. A literal name wins, whatever dots and slashes it has."""
    if isinstance(name, str):
        if name in claims:
            return claims[name]
        if not name.startswith("/"):
            return ABSENT
        # RFC 6901 section 4: ~1 first, then ~0.
        name = tuple(part.replace("~1", "/").replace("~0", "~") for part in name[1:].split("/"))
    value: Any = claims
    for part in name:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def find_text(claims: Mapping[str, Any], name: ClaimName) -> str | None:
    """The claim when it is a non-empty string, else None."""
    value = find_claim(claims, name)
    return value if isinstance(value, str) and value else None


def find_words(claims: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """All words of the named claims, each once, in order: a string of words, or an array of such strings."""
    words: dict[str, None] = {}
    for name in names:
        value = find_claim(claims, name)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                words.update(dict.fromkeys(word for word in text.split(" ") if word))
    return tuple(words)
