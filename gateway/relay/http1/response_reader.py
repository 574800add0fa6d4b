"""The bytes of one response, as an upstream sends them, to its head and body, whoever reads the head. No sockets here.

A head that is plain and came whole in the first piece is read in `plain_head`, every other one by llhttp, in
`response_parser`: its bytes decide. Bodies with a length, and those that end with the connection, are counted here.
"""

from gateway.core.errors import Refusal, UpstreamProtocolError
from gateway.relay.http1.plain_head import read_plain
from gateway.relay.http1.response_head import ResponseHead
from gateway.relay.http1.response_parser import HEAD_END, MAX_HEAD, Interim, ResponseParser


class ResponseReader:
    """One response: pieces go in, and what came of them stands here until it is taken."""

    __slots__ = (
        "_accepts_upgrade",
        "_method",
        "_missing",
        "_parser",
        "_parts",
        "has_begun",
        "has_surplus",
        "head",
        "held",
        "interims",
        "is_complete",
    )

    def __init__(self, method: str, *, accepts_upgrade: bool) -> None:
        """`method`: of the request. `accepts_upgrade`: it asked for a WebSocket."""
        self._method = method
        self._accepts_upgrade = accepts_upgrade
        #: reads what is not counted here
        self._parser: ResponseParser | None = None
        #: bytes of body to come; -1: until the connection closes, or what follows a 101
        self._missing = 0
        #: pieces of body that nobody took yet, and the bytes that came meanwhile
        self._parts: list[bytes] = []
        self.held = 0
        #: a byte of it came
        self.has_begun = False
        #: interim responses that came with the last piece
        self.interims: tuple[Interim, ...] = ()
        #: of the final response; None until all of it came
        self.head: ResponseHead | None = None
        self.is_complete = False
        #: bytes came behind the end, which belong to no response; they are dropped
        self.has_surplus = False

    def __repr__(self) -> str:
        status = "" if self.head is None else f", status {self.head.status}"
        return f"<ResponseReader {'complete' if self.is_complete else 'reading'}{status}, {self.held} bytes held>"

    @property
    def has_parts(self) -> bool:
        """Something came of the body that nobody took yet."""
        return bool(self._parts)

    def receive(self, data: bytes) -> Refusal | None:
        """More of it. A refusal: nobody can tell what it means."""
        self.held += len(data)
        if self.interims:
            self.interims = ()
        if self._parser is not None:
            return self._parse(self._parser, data)
        if self.has_begun:
            self._count(data)
            return None
        self.has_begun = True
        # Of what finds bytes within bytes, this takes the fewest steps.
        raw, end, body = data.partition(HEAD_END)
        head = read_plain(self._method, raw) if end and len(raw) <= MAX_HEAD - len(HEAD_END) else None
        if head is None:
            self._parser = parser = ResponseParser(self._method, accepts_upgrade=self._accepts_upgrade)
            return self._parse(parser, data)
        self.head = head
        length = head.length
        self._missing = 0 if head.bodyless or length is None else length
        self.is_complete = self._missing == 0
        if body:
            self._count(body)
        return None

    def _count(self, data: bytes) -> None:
        """Body as it comes: what is left of its length, or what comes until the connection closes."""
        missing = self._missing
        if missing < 0:
            self._parts.append(data)
        elif self.is_complete:
            self.has_surplus = True
        elif len(data) < missing:
            self._parts.append(data)
            self._missing = missing - len(data)
        else:
            self._parts.append(data if len(data) == missing else data[:missing])
            self.has_surplus = len(data) > missing
            self.is_complete = True

    def _parse(self, parser: ResponseParser, data: bytes) -> Refusal | None:
        parser.feed(data)
        if parser.interims:
            self.interims = tuple(parser.interims)
            parser.interims.clear()
        if parser.parts:
            # One piece, however many chunks there were: what is held costs what it weighs.
            self._parts.append(b"".join(parser.parts))
            parser.parts.clear()
        self.head = parser.head
        if parser.problem is not None:
            return parser.problem
        self.is_complete, self.has_surplus = parser.is_complete, parser.has_surplus
        if parser.is_done:
            self._missing = parser.missing
            self._parser = None
        return None

    def end(self) -> Refusal | None:
        """Nothing more comes of a response that is not complete. A refusal: something should have."""
        if self._missing < 0:
            self.is_complete = True
            return None
        return UpstreamProtocolError("the connection ended within the response")

    def take(self) -> bytes:
        """What came of the body and nobody took yet."""
        parts = self._parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.held = 0
        return taken
