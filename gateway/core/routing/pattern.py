"""The path of a route in the file as what it names: segments, variables, and perhaps everything below.

Knows nothing of requests and of other routes.
"""

import re
from typing import Final, NamedTuple

from gateway.core.http.paths import parse_path

#: the whole segment, and no regular expression in it
_VARIABLE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: stands for a variable while the rest is decoded
_STAND_IN: Final = "x"


class Pattern(NamedTuple):
    """What the path of a route names."""

    #: decoded; None: any one segment that is not empty
    segments: tuple[str | None, ...]
    #: everything below belongs to it too
    below: bool


def parse_pattern(path: str, *, ignore_case: bool = False) -> Pattern:
    """The path of a route. AmbiguousPath, UriTooLong: no request could have it."""
    below = path.endswith("/*")
    written = path.removesuffix("*" if below else "").split("/")
    plain = "/".join(_STAND_IN if _VARIABLE.fullmatch(segment) else segment for segment in written)
    segments = parse_path(plain.encode(), ignore_case=ignore_case)
    named = (None if _VARIABLE.fullmatch(own) else text for own, text in zip(written[1:], segments, strict=False))
    return Pattern(tuple(named), below)


def variables_of(path: str) -> dict[str, int]:
    """The variables of a route's path: name to the segment that it is, from 0. Of a name that is repeated the last."""
    found = ((_VARIABLE.fullmatch(segment), place) for place, segment in enumerate(path.split("/")[1:]))
    return {match[1]: place for match, place in found if match is not None}


def is_within(one: Pattern, other: Pattern) -> bool:
    """Whether each path that `one` names is named by `other` too: as narrow as that, or narrower."""
    if len(one.segments) < len(other.segments) if other.below else len(one.segments) != len(other.segments):
        return False
    if one.below and not other.below:
        return False
    return all(theirs is None or ours == theirs for ours, theirs in zip(one.segments, other.segments, strict=False))


class _Branch:
    """So many segments deep: numbers of the patterns that end here, and what comes next."""

    __slots__ = ("below", "exact", "next")

    def __init__(self) -> None:
        self.exact: Final[list[int]] = []
        self.below: Final[list[int]] = []
        self.next: Final[dict[str | None, _Branch]] = {}


class Covering:
    """Patterns by what they name, to find those that name all that another one names. For looking at a file."""

    def __init__(self) -> None:
        self._root = _Branch()
        self._patterns: dict[int, Pattern] = {}

    def add(self, number: int, pattern: Pattern) -> None:
        """One more."""
        branch = self._root
        for segment in pattern.segments:
            branch = branch.next.setdefault(segment, _Branch())
        (branch.below if pattern.below else branch.exact).append(number)
        self._patterns[number] = pattern

    def find(self, pattern: Pattern) -> list[tuple[int, Pattern]]:
        """Those within which `pattern` is, by number."""
        found: list[int] = []
        branches = [self._root]
        for segment in pattern.segments:
            found += [number for branch in branches for number in branch.below]
            keys = (None,) if segment is None else (segment, None)
            branches = [branch.next[key] for branch in branches for key in keys if key in branch.next]
        found += [number for branch in branches for number in branch.below]
        if not pattern.below:
            found += [number for branch in branches for number in branch.exact]
        return [(number, self._patterns[number]) for number in sorted(found)]
