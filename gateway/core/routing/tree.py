"""Which patterns a path fits: a tree of their segments, and the states in which a path can be on its way through it.

Where a literal and a variable stand side by side, a path is on several ways at once; the set of them is a state. States
are made when a request first comes to one, and kept: after that a segment costs one look-up, however many patterns
there are. Requests can make none but by the literals of the patterns, and there is a bound.
"""

from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.http.loosest import loosest
from gateway.core.routing.pattern import Pattern
from gateway.core.routing.place import Place

#: states that are kept, beside those that a tree without variables has
MAX_STATES: Final = 10_000


class Node:
    """So many segments deep: the patterns that end here, those for everything below, and what comes next."""

    __slots__ = ("below", "exact", "next", "number", "variable")

    def __init__(self, number: int) -> None:
        self.number: Final = number
        self.exact: Final[list[int]] = []
        self.below: Final[list[int]] = []
        self.next: Final[dict[str, Node]] = {}
        self.variable: Node | None = None


class State:
    """All nodes that a path has come to with its segments so far."""

    __slots__ = ("ended", "left", "literals", "near", "next", "nodes", "other", "passed", "twins")

    def __init__(
        self, nodes: tuple[Node, ...], passed: tuple[int, ...], *, ended: Place, left: Place, other: "State | None"
    ) -> None:
        """`passed`: numbers of the patterns for everything below that lie on the way, in order."""
        self.nodes: Final = nodes
        self.passed: Final = passed
        #: what fits a path that ends here, and one that goes on to where nothing is
        self.ended: Final = ended
        self.left: Final = left
        #: segments that some pattern has here
        self.literals: Final = frozenset(literal for node in nodes for literal in node.next)
        #: the same as the loosest reader compares them
        self.near: Final[dict[str, list[str]]] = {}
        for literal in sorted(self.literals):
            self.near.setdefault(loosest(literal), []).append(literal)
        #: those of which a node lacks one and has another that is the same to the loosest reader
        self.twins: Final = frozenset(
            literal
            for literals in self.near.values()
            if len(literals) > 1
            for literal in literals
            if any(literal not in node.next and not node.next.keys().isdisjoint(literals) for node in nodes)
        )
        #: those of them that a request had, and where they lead
        self.next: Final[dict[str, State]] = {}
        #: where every other segment leads
        self.other: Final = other


class Tree:
    """Patterns, by their places in the file."""

    def __init__(self, patterns: Sequence[Pattern], *, place_of: Callable[[tuple[int, ...]], Place]) -> None:
        """`place_of`: numbers of patterns, in order, to what a path takes that they fit."""
        self._place_of = place_of
        self._places: dict[tuple[int, ...], Place] = {}
        self._first = Node(0)
        self._count = 1
        for index, pattern in enumerate(patterns):
            node = self._first
            for segment in pattern.segments:
                node = self._below(node, segment)
            (node.below if pattern.below else node.exact).append(index)
        self._states: dict[tuple[tuple[int, ...], tuple[int, ...]], State] = {}
        self._most = MAX_STATES + self._count
        self._start = self._state_of([self._first], ())

    def _below(self, node: Node, segment: str | None) -> Node:
        found = node.variable if segment is None else node.next.get(segment)
        if found is None:
            found = Node(self._count)
            self._count += 1
            if segment is None:
                node.variable = found
            else:
                node.next[segment] = found
        return found

    @property
    def start(self) -> State:
        """Where a path begins."""
        return self._start

    def walk(self, segments: Sequence[str]) -> tuple[Place, bool]:
        """What a path with these segments takes, and whether a segment missed a literal by what some reader ignores."""
        state = self._start
        is_near = False
        for segment in segments:
            following = state.next.get(segment)
            if following is None:
                if segment in state.literals:
                    following = self._follow(state, segment)
                else:
                    if not is_near:
                        is_near = _is_near(segment, state)
                    following = state.other
                    if following is None or not segment:
                        return state.left, is_near
            if state.twins and segment in state.twins:
                is_near = True
            state = following
        return state.ended, is_near

    def follow(self, state: State, segment: str) -> State | None:
        """Where a segment leads from here; None: no pattern names anything there but by everything below."""
        if segment not in state.literals:
            return state.other if segment else None
        return state.next.get(segment) or self._follow(state, segment)

    def _follow(self, state: State, segment: str) -> State:
        """Where one of the literals leads, which no request had yet."""
        nodes = [node.next[segment] for node in state.nodes if segment in node.next]
        following = self._state_of(nodes + _variables(state.nodes), state.passed)
        state.next[segment] = following
        return following

    def _state_of(self, nodes: Sequence[Node], before: tuple[int, ...]) -> State:
        passed = tuple(sorted({*before, *(index for node in nodes for index in node.below)}))
        key = (tuple(node.number for node in nodes), passed)
        found = self._states.get(key)
        if found is None:
            others = _variables(nodes)
            found = State(
                tuple(nodes),
                passed,
                ended=self._place(tuple(sorted({*passed, *(index for node in nodes for index in node.exact)}))),
                left=self._place(passed),
                other=self._state_of(others, passed) if others else None,
            )
            if len(self._states) >= self._most:
                self._forget()
            self._states[key] = found
        return found

    def _place(self, indexes: tuple[int, ...]) -> Place:
        found = self._places.get(indexes)
        if found is None:
            found = self._places[indexes] = self._place_of(indexes)
        return found

    def _forget(self) -> None:
        """Begins anew: patterns that are made for it can have more states than there is room for."""
        self._states.clear()
        self._places.clear()
        state: State | None = self._start
        while state is not None:
            state.next.clear()
            state = state.other


def _is_near(segment: str, state: State) -> bool:
    """Whether a segment that is none of the literals here is one to some reader, or nothing at all."""
    if not state.near and segment.isalnum():
        return False
    read = loosest(segment)
    return not read or read in state.near


def _variables(nodes: Sequence[Node]) -> list[Node]:
    return [node.variable for node in nodes if node.variable is not None]
