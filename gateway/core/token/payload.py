"""A token's claims as a condition is told of them: plain values, and how much they are.

Kept only where a condition names `token`, and of the claims only those that one names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: what an integer of a condition can be: 64 bits
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
#: bytes of memory that a value takes beside its text, about
_OVERHEAD: Final = 64


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to go through."""

    #: of all lists and maps together
    members: int
    #: characters of the longest text
    longest: int

    def beside(self, other: "Extent") -> "Extent":
        """Of both together."""
        return Extent(self.members + other.members, max(self.longest, other.longest))


class Payload:
    """Claims of one token, each a plain value."""

    __slots__ = ("claims", "extent", "size")

    def __init__(self, claims: Mapping[str, Any], extent: Extent, *, size: int) -> None:
        self.claims: Final = claims
        self.extent: Final = extent
        #: bytes in memory, about
        self.size: Final = size

    def __repr__(self) -> str:
        return f"Payload({len(self.claims)} claims, {self.size} bytes)"


def payload_of(claims: Mapping[str, Any], names: frozenset[str] | None) -> Payload:
    """The claims of a token that was verified. `names`: those that are kept; None: all.

    An integer beyond 64 bits becomes a double.
    """
    kept = dict(claims) if names is None else {name: claims[name] for name in names if name in claims}
    plain, members, longest, size = _plain(kept)
    return Payload(plain, Extent(members, longest), size=size)


def _plain(value: Any) -> tuple[Any, int, int, int]:
    """The value, its members, its longest text, and its bytes. As deep as JSON was read, and no deeper."""
    if isinstance(value, str):
        return value, 0, len(value), _OVERHEAD + len(value)
    if isinstance(value, Mapping):
        made = {name: _plain(member) for name, member in value.items()}
        longest = max((max(len(name), of[2]) for name, of in made.items()), default=0)
        names = sum(_OVERHEAD + len(name) for name in made)
        size = _OVERHEAD + names + sum(of[3] for of in made.values())
        return {name: of[0] for name, of in made.items()}, len(made) + sum(of[1] for of in made.values()), longest, size
    if isinstance(value, list):
        listed = [_plain(member) for member in value]
        longest = max((of[2] for of in listed), default=0)
        size = _OVERHEAD + sum(of[3] for of in listed)
        return [of[0] for of in listed], len(listed) + sum(of[1] for of in listed), longest, size
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        return float(value), 0, 0, _OVERHEAD
    return value, 0, 0, _OVERHEAD
