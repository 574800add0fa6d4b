"""How else a path could be read behind the gateway, as far as that leads elsewhere in the tree of routes.

A segment has other readings where it missed a literal by what some reader ignores: case, `+` for a blank, blanks and
dots at its end; and a path ends for some readers at an escaped `?` or `#`. Literals that the file names exactly are
read in one way: whoever wrote them meant them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.core.errors import AmbiguousPath
from gateway.core.http.loosest import loosest
from gateway.core.routing.place import Place
from gateway.core.routing.tree import State, Tree

#: what ends a path for readers that decode it before they split it
_CUT: Final = re.compile(r"[?#]")
#: the same as it stands in a target
_ESCAPED_CUT: Final = re.compile(rb"%(?:3[fF]|23)")
_PERCENT: Final = 0x25
#: segments that are looked at for one path: no path that anybody means is read in more ways
MAX_STEPS: Final = 256


def may_be_cut(target: bytes) -> bool:
    """Whether a path has an escaped `?` or `#`."""
    return _PERCENT in target and _ESCAPED_CUT.search(target.partition(b"?")[0]) is not None


def other_places(tree: Tree, segments: Sequence[str]) -> Iterator[Place]:
    """Where every reading of a path leads that is not the path as it stands. AmbiguousPath: there are too many."""
    steps = 0
    pending: list[tuple[State, int, bool]] = [(tree.start, 0, False)]
    while pending:
        state, index, is_other = pending.pop()
        steps += 1
        if steps > MAX_STEPS:
            raise AmbiguousPath("the path can be read in too many ways")
        if index == len(segments):
            if is_other:
                yield state.ended
            continue
        segment = segments[index]
        yield from _ends(tree, state, segment)
        for read, differs in _read(state, segment):
            following = tree.follow(state, read)
            if following is not None:
                pending.append((following, index + 1, is_other or differs))
            elif is_other or differs:
                yield state.left
        if segment not in state.literals and not loosest(segment):
            # Nothing is left of it: the empty segment is dropped where slashes are merged.
            pending.append((state, index + 1, True))


def _read(state: State, segment: str) -> list[tuple[str, bool]]:
    """A segment as it stands, and the literals that some node here has and was missed by; whether it differs."""
    missed = [
        (literal, True)
        for literal in state.near.get(loosest(segment), ())
        if any(literal in node.next and segment not in node.next for node in state.nodes)
    ]
    return [(segment, False), *missed]


def _ends(tree: Tree, state: State, segment: str) -> Iterator[Place]:
    """Where a path leads that ends within a segment."""
    if segment in state.literals:
        return
    for mark in _CUT.finditer(segment):
        head = segment[: mark.start()]
        if not loosest(head):
            yield state.ended
        if head:
            for read, _ in _read(state, head):
                following = tree.follow(state, read)
                yield state.left if following is None else following.ended
