"""A token in a cookie (RFC 6265 section 4.2), read in one spelling and taken out in all of them."""

import re
from collections.abc import Sequence
from typing import Final

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
#: how often an escape is undone: by a proxy, by an API, by whatever it calls
_DECODED: Final = 3
#: where a cookie ends as well: for old servers, and for Python's http.cookies, which aiohttp reads them with
_SEPARATORS: Final = re.compile(rb"([, \t]+)")
#: what PHP ends a name at, and what it reads as an underscore
_END_OF_NAME: Final = re.compile(rb"[\[\0]")
_LIKE_UNDERSCORE: Final = bytes.maketrans(b". +", b"___")


def take_cookies(value: bytes, names: Sequence[bytes]) -> tuple[bytes | None, list[tuple[bytes, bytes]]]:
    """A Cookie value without cookies of these names, and name and value of each that is spelled as it should be.

    None: nothing is left. Other spellings are taken out as well: other case, escapes, what PHP makes of dots and
    brackets, and what stands behind a comma or a blank, which some servers end a cookie at.
    """
    loose = frozenset(map(_loose, names))
    found: list[tuple[bytes, bytes]] = []
    kept: list[bytes] = []
    is_changed = False
    for part in value.split(b";"):
        name, _, content = part.partition(b"=")
        if name.strip(b" \t") in names:
            found.append((name.strip(b" \t"), content.strip(b" \t")))
            is_changed = True
            continue
        left = _without(part, loose)
        is_changed = is_changed or left != part
        if left is not None:
            kept.append(left)
    if not is_changed:
        return value, []
    rest = b";".join(kept).strip(b" \t")
    return rest or None, found


def _without(part: bytes, loose: frozenset[bytes]) -> bytes | None:
    """What a separator ends, without cookies of these names; None: nothing of it is left."""
    pieces = [b"", *_SEPARATORS.split(part)]
    pairs = list(zip(pieces[::2], pieces[1::2], strict=True))
    left = [pair for pair in pairs if _loose(pair[1].partition(b"=")[0]) not in loose]
    if len(left) == len(pairs):
        return part
    if not any(piece for _, piece in left):
        return None
    # What separated it from what is gone goes too.
    return left[0][1] + b"".join(before + piece for before, piece in left[1:])


def _loose(name: bytes) -> bytes:
    """A name as the loosest of APIs would read it."""
    for _ in range(_DECODED):
        decoded = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), name)
        if decoded == name:
            break
        name = decoded
    return _END_OF_NAME.split(name.strip(b' \t"'), maxsplit=1)[0].lower().translate(_LIKE_UNDERSCORE)
