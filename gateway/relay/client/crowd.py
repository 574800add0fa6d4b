"""Who gives way when a listener has as many connections as it may: found by what it does, not by how old it is."""

from typing import Final, Protocol

# A connection with nothing under way belongs to one of three kinds: idle or silent, with a head that has begun, or
# lingering behind its last response. There is a fourth: who has nothing under way but a response of the gateway's own
# and does not take it, which is told by the look that is taken at all connections again and again. On the admin
# listener that is everybody with a request: a page that waits for somebody else, or for a client that reads nothing,
# can be asked for again. The oldest of the most numerous kind gives way. So neither who says nothing nor who says or
# hears little can lock anybody out: a crowd of either pushes out its own, and who comes with a request sees as many
# newcomers as there are in that crowd before it would be its turn.

#: something is under way
NOWHERE: Final = -1
IDLING: Final = 0
BEGINNING: Final = 1
LINGERING: Final = 2
#: has a response of the gateway's own to take, and nothing else: it can be asked for again
TAKING: Final = 3
_NAMES: Final = ("idle", "begun", "lingering", "taking")


class Guest(Protocol):
    """A connection, as far as it matters here. It knows its place."""

    def give_way(self) -> bool:
        """Ends, since somebody else needs the room, and has no place any more; unless it cannot yet.

        Then it may have found another place.
        """


class Crowd:
    """The connections of a listener that have nothing under way. Each step takes the same time, however many."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: Final[tuple[dict[Guest, None], ...]] = ({}, {}, {}, {})

    def __repr__(self) -> str:
        return f"<Crowd {', '.join(f'{len(kind)} {name}' for name, kind in zip(_NAMES, self._kinds, strict=True))}>"

    def move(self, guest: Guest, *, was: int, now: int) -> None:
        """It is the newest of its new kind; or NOWHERE: it has something to do, or is gone."""
        if was != NOWHERE:
            self._kinds[was].pop(guest, None)
        if now != NOWHERE:
            self._kinds[now][guest] = None

    def pop(self) -> Guest | None:
        """Who is to give way, and is NOWHERE now; None: everybody has something to do."""
        kind = max(self._kinds, key=len)
        if not kind:
            return None
        guest = next(iter(kind))
        del kind[guest]
        return guest
