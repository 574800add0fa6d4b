"""One request on a connection, and what has come of it so far: what arrives goes in, whoever passes it on takes it."""

import asyncio
from typing import Final

from gateway.core.errors import Refusal
from gateway.core.http.facts import Facts
from gateway.ports import Exchange
from gateway.relay.http1.response_reader import ResponseReader

#: bytes of a response's body that are held for a client that takes them slowly, before reading pauses
HELD: Final = 64 * 1024


class Turn(ResponseReader):
    """What a connection knows of one request, its response included."""

    __slots__ = (
        "_client",
        "_is_last",
        "body_task",
        "broke_off",
        "deadline",
        "failure",
        "is_invited",
        "is_paused",
        "is_sent",
        "timeout",
    )

    def __init__(self, facts: Facts, client: Exchange, *, timeout: float, is_last: bool) -> None:
        """`timeout`: seconds of silence. `is_last`: whatever comes of it, no other may follow."""
        super().__init__(facts.method, accepts_upgrade=facts.is_websocket)
        self._client = client
        self._is_last = is_last
        self.timeout = timeout
        #: loop time by which the upstream must have said or taken something
        self.deadline: float | None = None
        #: all of the request, body included
        self.is_sent = False
        #: sends the body, while it comes
        self.body_task: asyncio.Task[None] | None = None
        #: 100 came
        self.is_invited = False
        #: nothing is read, since enough is held
        self.is_paused = False
        #: why there will be no more of it
        self.failure: Exception | None = None
        #: since the connection ended, and not since what came makes no sense
        self.broke_off = False

    def __repr__(self) -> str:
        state = "failed" if self.failure is not None else "complete" if self.is_complete else "under way"
        status = "" if self.head is None else f", status {self.head.status}"
        return f"<Turn {state}{status}{'' if self.is_sent else ', not all sent'}, {self.held} bytes held>"

    @property
    def is_clean(self) -> bool:
        """Request and response are whole, and nothing is left over: another request may follow."""
        return (
            self.is_complete
            and self.is_sent
            and self.failure is None
            and self.head is not None
            and self.head.reusable
            and not (self.has_surplus or self._is_last)
        )

    def raise_failure(self) -> None:
        """Raises why there will be no more of it, if so."""
        if self.failure is not None:
            raise self.failure

    def receive(self, data: bytes) -> Refusal | None:
        """More of the response. A refusal: nobody can tell what it means, or nobody is there to hear of it."""
        refusal = super().receive(data)
        for interim in self.interims:
            self.is_invited = self.is_invited or interim.status == 100
            try:
                self._client.inform(interim.status, interim.reason, interim.lines)
            except Refusal as gone:
                return gone
        return refusal
