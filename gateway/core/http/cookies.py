"""A token in a cookie (RFC 6265 section 4.2), read in one spelling and taken out in all of them."""

import re
from collections.abc import Sequence
from typing import Final

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


def take_cookies(value: bytes, names: Sequence[bytes]) -> tuple[bytes | None, list[tuple[bytes, bytes]]]:
    """A Cookie value without cookies of these names, and name and value of each that is spelled as it should be.

    None: nothing is left. Other spellings are taken out as well: other case, escapes, and what stands behind a comma,
    which old servers end a cookie at.
    """
    loose = {name.lower(): name for name in names}
    found: list[tuple[bytes, bytes]] = []
    kept: list[bytes] = []
    is_changed = False
    for part in value.split(b";"):
        name, _, content = part.partition(b"=")
        if name.strip(b" \t") in names:
            found.append((name.strip(b" \t"), content.strip(b" \t")))
            is_changed = True
            continue
        pieces = part.split(b",")
        left = [piece for piece in pieces if _loose(piece.partition(b"=")[0]) not in loose]
        is_changed = is_changed or len(left) < len(pieces)
        if left:
            kept.append(b",".join(left))
    if not is_changed:
        return value, []
    rest = b";".join(kept).strip(b" \t")
    return rest or None, found


def _loose(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), name).strip(b' \t"').lower()
