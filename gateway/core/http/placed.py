"""What stood where a token may stand beside Authorization: taken out of a request before anybody else reads that."""

from typing import Final, NamedTuple


class Place:
    """A place of a token: its kind and its name."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: str, name: str) -> None:
        #: `header`, `websocket`, `query` or `cookie`
        self.kind: Final = kind
        self.name: Final = name

    def __repr__(self) -> str:
        return self.shown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and (self.kind, self.name) == (other.kind, other.name)

    def __hash__(self) -> int:
        return hash((self.kind, self.name))

    @property
    def shown(self) -> str:
        """For log and `explain`: the name of a header alone, as Authorization is."""
        return self.name if self.kind == "header" else f"{self.kind} {self.name}"


class Offer(NamedTuple):
    """What a client offers to speak in a WebSocket, where a token stood among it."""

    #: what goes to the API
    others: tuple[bytes, ...]
    #: what stands for the token when the API selects none of them
    own: bytes


class Placed:
    """One credential, unchecked."""

    __slots__ = ("offer", "place", "value", "wrong")

    def __init__(self, place: Place, value: bytes, *, wrong: str | None = None, offer: Offer | None = None) -> None:
        self.place: Final = place
        #: what is thought to be the token
        self.value: Final = value
        #: why it is none, whatever it is; without a piece of it
        self.wrong: Final = wrong
        #: of a WebSocket
        self.offer: Final = offer

    def __repr__(self) -> str:
        return f"Placed({self.place.shown}{', wrong' if self.wrong else ''})"
