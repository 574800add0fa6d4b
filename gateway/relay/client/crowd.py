"""Who gives way when a listener has as many connections as it may: found by what it does, not by how old it is."""

from typing import Final, Generic, Protocol, TypeVar

# A connection with nothing under way belongs to one of three kinds: idle or silent, with a head that has begun, or
# lingering behind its last response. The oldest of the most numerous kind gives way. So neither who says nothing nor
# who says little can lock anybody out: a crowd of either pushes out its own, and who comes with a request sees as many
# newcomers as there are in that crowd before it would be its turn.

#: something is under way
NOWHERE: Final = -1
IDLE: Final = 0
BEGUN: Final = 1
LINGERING: Final = 2
_NAMES: Final = ("idle", "begun", "lingering")


class Member(Protocol):
    """A connection, as far as it matters here."""

    #: one of the kinds; written here only
    place: int

    def __hash__(self) -> int: ...


M = TypeVar("M", bound=Member)


class Crowd(Generic[M]):
    """The connections of a listener that have nothing under way. Each step takes the same time, however many."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: Final[tuple[dict[M, None], ...]] = ({}, {}, {})

    def __repr__(self) -> str:
        return f"<Crowd {', '.join(f'{len(kind)} {name}' for name, kind in zip(_NAMES, self._kinds, strict=True))}>"

    def enter(self, member: M, kind: int) -> None:
        """It is the newest of its kind."""
        if member.place != NOWHERE:
            self.leave(member)
        member.place = kind
        self._kinds[kind][member] = None

    def leave(self, member: M) -> None:
        """It has something to do, or is gone."""
        if member.place != NOWHERE:
            self._kinds[member.place].pop(member, None)
            member.place = NOWHERE

    def pop(self) -> M | None:
        """Who gives way; None: everybody has something to do."""
        kind = max(self._kinds, key=len)
        member = next(iter(kind), None)
        if member is not None:
            self.leave(member)
        return member
