"""A token in the query of a target (RFC 6750 section 2.3), read in one spelling and taken out in all of them.

What APIs take for the same name is wider than what is read: escapes, case, and what PHP makes of dots and brackets.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_SEPARATOR: Final = re.compile(rb"([&;?#])")
_EQUALS: Final = re.compile(rb"=|%(?:25){0,2}3[dD]")
#: where a name ends: PHP and Rack read NAME[] as an array of that name, and qs, by which Express reads, [NAME] as NAME
_END_OF_NAME: Final = re.compile(rb"[\[\]\0]")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
#: how often an escape is undone: by a proxy, by an API, by whatever it calls
_DECODED: Final = 3
_LIKE_UNDERSCORE: Final = bytes.maketrans(b". +", b"___")
_BLANK: Final = b" +\t\0"


class Found(NamedTuple):
    """One parameter."""

    #: which of the names
    name: bytes
    value: bytes
    #: why it is no token
    wrong: str | None


def take_parameters(target: bytes, names: Sequence[bytes]) -> tuple[bytes, list[Found]]:
    """The target without parameters of these names, every other byte as it was; and those. Without any: no `?`."""
    path, mark, query = target.partition(b"?")
    if not mark:
        return target, []
    loose = {one: name for name in names for one in _readings(name)}
    pieces = [b"&", *_SEPARATOR.split(query), b"&"]
    found: list[Found] = []
    kept: list[bytes] = []
    for index in range(1, len(pieces), 2):
        before, part, after = pieces[index - 1 : index + 2]
        read = _readings(_EQUALS.split(part, maxsplit=1)[0])
        name = next((loose[one] for one in read if one in loose), None)
        if name is None:
            kept += (before, part)
        elif before == after == b"&" and part.partition(b"=")[0] == name:
            found.append(Found(name, part.partition(b"=")[2], None))
        else:
            found.append(Found(name, b"", "its name is written in another way"))
    if not found:
        return target, []
    return path + b"?" + b"".join(kept[1:]) if kept else path, found


def _readings(name: bytes) -> tuple[bytes, ...]:
    """A name as the loosest of APIs would read it: with what stands in brackets left out, or PHP's underscore there."""
    for _ in range(_DECODED):
        decoded = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), name)
        if decoded == name:
            break
        name = decoded
    plain = _plain(_END_OF_NAME.split(name.lstrip(_BLANK + b"["), maxsplit=1)[0])
    return (plain,) if b"[" not in name else (plain, _plain(name.replace(b"[", b"_")))


def _plain(name: bytes) -> bytes:
    return name.strip(_BLANK).lower().translate(_LIKE_UNDERSCORE)
