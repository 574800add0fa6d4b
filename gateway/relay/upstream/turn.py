"""One request on a connection, and what has come of it so far: what arrives goes in, whoever passes it on takes it."""

import asyncio
from typing import Final

from gateway.core.errors import Refusal
from gateway.core.http.facts import Facts
from gateway.ports import Exchange
from gateway.relay.http1.events import END, UPGRADE, Broken, Data
from gateway.relay.http1.response_head import ResponseHead
from gateway.relay.http1.response_parser import SURPLUS, Interim, ResponseParser

#: bytes of a response's body that are held for a client that takes them slowly, before reading pauses
HELD: Final = 64 * 1024


class Turn:
    """What a connection knows of one request."""

    __slots__ = (
        "_client",
        "_has_surplus",
        "_is_last",
        "_parser",
        "_parts",
        "body_task",
        "broke_off",
        "deadline",
        "failure",
        "has_begun",
        "head",
        "held",
        "is_complete",
        "is_invited",
        "is_paused",
        "is_sent",
        "timeout",
    )

    def __init__(self, facts: Facts, client: Exchange, *, timeout: float, is_last: bool) -> None:
        """`timeout`: seconds of silence. `is_last`: whatever comes of it, no other may follow."""
        self._client = client
        self._parser = ResponseParser(facts.method, accepts_upgrade=facts.is_websocket)
        self._is_last = is_last
        self.timeout = timeout
        #: loop time by which the upstream must have said or taken something
        self.deadline: float | None = None
        #: all of the request, body included
        self.is_sent = False
        #: sends the body, while it comes
        self.body_task: asyncio.Task[None] | None = None
        #: a byte of the response came
        self.has_begun = False
        #: 100 came
        self.is_invited = False
        #: of the final response; None until all of it came
        self.head: ResponseHead | None = None
        #: pieces of body that nobody took yet, and the bytes that came meanwhile
        self._parts: list[bytes] = []
        self.held = 0
        #: nothing is read, since enough is held
        self.is_paused = False
        self.is_complete = False
        self._has_surplus = False
        #: why there will be no more of it
        self.failure: Exception | None = None
        #: since the connection ended, and not since what came makes no sense
        self.broke_off = False

    def __repr__(self) -> str:
        state = "failed" if self.failure is not None else "complete" if self.is_complete else "under way"
        status = "" if self.head is None else f", status {self.head.status}"
        return f"<Turn {state}{status}{'' if self.is_sent else ', not all sent'}, {self.held} bytes held>"

    @property
    def has_parts(self) -> bool:
        """Something came of the body that nobody took yet."""
        return bool(self._parts)

    @property
    def is_clean(self) -> bool:
        """Request and response are whole, and nothing is left over: another request may follow."""
        return (
            self.is_complete
            and self.is_sent
            and self.failure is None
            and self.head is not None
            and self.head.reusable
            and not (self._has_surplus or self._is_last)
        )

    def raise_failure(self) -> None:
        """Raises why there will be no more of it, if so."""
        if self.failure is not None:
            raise self.failure

    def receive(self, data: bytes) -> Refusal | None:
        """More of the response. A refusal: nobody can tell what it means, or nobody is there to hear of it."""
        self.has_begun = True
        self.held += len(data)
        for event in self._parser.feed(data):
            if isinstance(event, Data):
                self._parts.append(event.data)
            elif isinstance(event, ResponseHead):
                self.head = event
            elif event is END or event is UPGRADE:
                self.is_complete = True
            elif event is SURPLUS:
                self._has_surplus = True
            elif isinstance(event, Broken):
                return event.refusal
            elif isinstance(event, Interim) and (refusal := self._inform(event)) is not None:
                return refusal
        return None

    def _inform(self, interim: Interim) -> Refusal | None:
        self.is_invited = self.is_invited or interim.status == 100
        try:
            self._client.inform(interim.status, interim.reason, interim.lines)
        except Refusal as refusal:
            return refusal
        return None

    def end(self) -> Refusal | None:
        """Nothing more comes, in good order. A refusal: there should have."""
        event = self._parser.end()
        if isinstance(event, Broken):
            return event.refusal
        self.is_complete = True
        return None

    def take(self) -> bytes:
        """What came of the body and nobody took yet."""
        parts = self._parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.held = 0
        return taken
