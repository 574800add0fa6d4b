"""The client's side where what came is no request: it can be refused, and nothing else; the connection ends with it."""

import time
from collections.abc import Sequence
from typing import Final

from gateway.core.errors import Refusal
from gateway.core.http.challenge import Challenges
from gateway.core.http.facts import Facts, HeaderLine
from gateway.messages import Body, Opened, OwnResponse, Response
from gateway.ports import Rest
from gateway.relay.client.exchange import refusal_bytes
from gateway.relay.client.wire import Wire


class Unreadable:
    """Stands where an exchange would, so that it is counted and logged as a request would be."""

    __slots__ = ("_challenges", "_refusal", "_wire", "began_at", "body", "bytes_in", "bytes_out")

    def __init__(self, wire: Wire, refusal: Refusal, *, challenges: Challenges) -> None:
        """`refusal`: why it is none."""
        self._wire: Final = wire
        self._refusal: Final = refusal
        self._challenges: Final = challenges
        self.body: Body | None = None
        #: when the response began, in seconds of `time.perf_counter`; 0: not yet
        self.began_at = 0.0
        self.bytes_in = self.bytes_out = 0

    def __repr__(self) -> str:
        return f"<Unreadable: {self._refusal.reason}>"

    @property
    def has_begun(self) -> bool:
        """Our response has begun."""
        return self.began_at > 0.0

    @property
    def cut_by(self) -> Refusal | None:
        """Why the gateway itself cut the connection, if it did."""
        return self._wire.cut_by

    def read_facts(self) -> Facts:
        """There are none: raises the refusal."""
        raise self._refusal

    def inform(self, status: int, reason: bytes, headers: Sequence[HeaderLine]) -> None:
        """Nothing: nobody is asked."""

    async def relay(self, response: Response, *, lines: tuple[HeaderLine, ...] = (), by: Opened | None = None) -> None:
        """Never: nobody can have admitted it."""
        raise TypeError("a response to what is no request")

    def go_on(self, rest: Rest) -> None:
        """Never: there is no response that could."""
        raise TypeError("a response that goes on to what has none")

    async def respond(self, response: OwnResponse, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """Never, either."""
        raise TypeError("a response to what is no request")

    async def refuse(self, refusal: Refusal, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """Says why. ClientDisconnected."""
        response = refusal_bytes(refusal, challenges=self._challenges, headers=lines)
        self.bytes_out = len(response) - response.index(b"\r\n\r\n") - 4
        self.began_at = time.perf_counter()
        self._wire.write_own(response)
        if self._wire.is_full:
            await self._wire.drained()

    def abort(self) -> None:
        """Cuts the connection."""
        self._wire.abort()
