"""What passes the gate, as whoever moves it sees it: bodies, responses, and what leaves HTTP behind."""

from dataclasses import dataclass
from typing import Final, Protocol

from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.token.identity import Identity


class Receiver(Protocol):
    """Who takes what comes of a `Stream`."""

    def from_upstream(self, data: bytes) -> None:
        """Bytes that the upstream sent."""

    def upstream_ready(self, *, ready: bool) -> None:
        """Whether the upstream takes more bytes."""

    def upstream_lost(self) -> None:
        """The connection ended."""


class Stream(Protocol):
    """The upstream's end of a connection that left HTTP (RFC 9110 section 7.8). Whoever got one must end it."""

    def start(self, receiver: Receiver) -> bytes:
        """From now on the receiver hears of everything. Gives the bytes that came behind the head of the 101."""

    def write(self, data: bytes) -> None:
        """Bytes for the upstream, whatever became of it."""

    def hold(self, *, held: bool) -> None:
        """Stops reading from the upstream, or reads again."""

    def close(self) -> None:
        """Ends it once what was written is sent."""

    def abort(self) -> None:
        """Ends it at once."""


class Response(Protocol):
    """The upstream's response: its head, and its body as it comes."""

    @property
    def status(self) -> int:
        """Status code."""

    @property
    def reason(self) -> bytes:
        """Reason phrase, as sent."""

    @property
    def headers(self) -> tuple[HeaderLine, ...]:
        """Hop-by-hop ones excepted; those that frame the body are among them."""

    @property
    def raw(self) -> bytes | None:
        """Status line and `headers` as they may go on, the last line end excepted; None: to be made of them."""

    @property
    def content_length(self) -> int | None:
        """Length of the body in bytes as the head announces it; None when unknown."""

    @property
    def whole(self) -> bytes | None:
        """The whole body, when it came with the head; None while some of it may still be under way."""

    @property
    def stream(self) -> Stream | None:
        """What follows a 101 instead of a body; None for any other status."""

    @property
    def is_endless(self) -> bool:
        """An event stream or a tunnel: it goes on for as long as both sides like, and no longer than the token."""

    async def read(self) -> bytes:
        """The next piece of a body that is not `whole`; empty at its end. UpstreamProtocolError, UpstreamTimeout."""

    def close(self) -> None:
        """Lets go of the connection: back to the pool when the response was read to its end, else closed."""


@dataclass(slots=True)
class OwnResponse:
    """A small response of ours that is no refusal."""

    status: int
    reason: bytes
    #: those that frame the body are among them
    headers: tuple[HeaderLine, ...] = ()
    body: bytes = b""


class Body(Protocol):
    """The body of a request as it comes, read at the pace of whoever takes it."""

    @property
    def is_touched(self) -> bool:
        """Somebody took of it: the request cannot be sent a second time."""

    @property
    def is_here(self) -> bool:
        """Whether some of it arrived."""

    def take_whole(self) -> bytes | None:
        """All of it, where all of it is here already; None while some is under way."""

    async def read(self) -> bytes:
        """The next piece, without framing; empty at its end.

        BadRequest: its framing broke. ClientDisconnected: the client went away. BodyTooLarge, RequestTimeout.
        """


class Opened:
    """By whom an event stream or tunnel was opened, and by which request."""

    __slots__ = ("facts", "identity", "seconds_left")

    def __init__(
        self, identity: Identity | None = None, seconds_left: float | None = None, facts: Facts | None = None
    ) -> None:
        #: None: anybody may have
        self.identity: Final = identity
        #: how long their token lives, with which it ends
        self.seconds_left: Final = seconds_left
        #: None: nobody judges it again
        self.facts: Final = facts

    def __repr__(self) -> str:
        return f"<Opened by {self.identity}, {self.facts!r}>"
