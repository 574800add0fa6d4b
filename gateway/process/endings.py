"""Ends event streams and tunnels whose tokens are no good any more: revoked, or not active when asked about again.

A request is judged when it comes, and these go on for hours. Nothing here is on the way of a request.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final

from gateway.core.errors import Refusal, TokenRevoked
from gateway.core.token.identity import Identity
from gateway.ports import Revocations
from gateway.relay.client.server import Server

#: seconds from a change of what is revoked to the look: whoever revokes much revokes it bit by bit
SOON: Final = 0.1
#: tokens about which issuers are asked at a time
AT_ONCE: Final = 16
#: seconds from a question to the next about the same token, where nobody could tell
PAUSE: Final = 5.0

log = logging.getLogger("gateway")

#: whether it is time to ask the issuer about a token again; False for what speaks for itself
IsDue = Callable[[Identity], bool]
#: asks the issuer about a token again. Why it is no good any more; None: it is, or nobody can tell now. Raises nothing
Reask = Callable[[Identity], Awaitable[Refusal | None]]


class RevokedStreams:
    """Ends what was opened with tokens that were revoked since. After making it you must call `stop`."""

    def __init__(self, server: Server, revocations: Revocations) -> None:
        """Needs a running loop."""
        self._server = server
        self._revocations = revocations
        self._loop = asyncio.get_running_loop()
        self._soon: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        #: something may have changed since the look that is under way began
        self._again = False

    def changed(self) -> None:
        """Something was revoked: they are looked at in a moment."""
        if self._soon is None:
            self._soon = self._loop.call_later(SOON, self._look_soon)

    def look(self, now: float) -> None:
        """Ends those that are to end: also who was admitted before a change, and opened what it did after it."""
        if not self._revocations.is_needed:
            return
        if self._ending is None or self._ending.done():
            self._ending = self._loop.create_task(self._end(), name="end what was revoked")
        else:
            self._again = True

    def stop(self) -> None:
        """No more looks. May be called twice."""
        for pending in (self._soon, self._ending):
            if pending is not None:
                pending.cancel()

    def _look_soon(self) -> None:
        self._soon = None
        self.look(self._loop.time())

    async def _end(self) -> None:
        while True:
            self._again = False
            if ended := await self._server.end_streams(self._judge):
                log.info("%d streams and tunnels were ended: their tokens were revoked", ended)
            if not self._again:
                return

    def _judge(self, identity: Identity) -> Refusal | None:
        try:
            self._revocations.check(identity)
        except TokenRevoked as refusal:
            return refusal
        except Refusal:
            # That nobody can tell refuses requests; what is open was admitted when somebody could.
            return None
        return None


class AskedStreams:
    """Asks about introspected tokens again for as long as what they opened is open, and ends it when one is inactive.

    After making it you must call `stop`.
    """

    def __init__(self, server: Server, *, reask: Reask, is_due: IsDue) -> None:
        """Needs a running loop. `reask` puts off when it `is_due`, unless nobody could tell."""
        self._server = server
        self._reask = reask
        self._is_due = is_due
        #: those of which nobody could tell of late, or that are believed for no time: when they were asked about
        self._asked: dict[Identity, float] = {}
        self._asking: asyncio.Task[None] | None = None

    def look(self, now: float) -> None:
        """Begins to ask about those that are due, unless the last ones are still asked about. `now`: monotonic."""
        if self._asking is not None and not self._asking.done():
            return
        self._asked = {identity: asked for identity, asked in self._asked.items() if now - asked < PAUSE}
        due = [one for one in self._server.identities() if self._is_due(one) and one not in self._asked]
        if due:
            self._asked |= dict.fromkeys(due, now)
            self._asking = asyncio.get_running_loop().create_task(self._ask(due), name="ask about open streams")

    def stop(self) -> None:
        """Asks no more. May be called twice."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self, due: list[Identity]) -> None:
        left = iter(due)
        while batch := tuple(islice(left, AT_ONCE)):
            verdicts = await asyncio.gather(*map(self._reask, batch))
            for one in batch:
                if not self._is_due(one):
                    self._asked.pop(one, None)
            refused = {one: refusal for one, refusal in zip(batch, verdicts, strict=True) if refusal is not None}
            if refused and (ended := await self._server.end_streams(refused.get)):
                log.info("%d streams and tunnels were ended: their tokens are not active any more", ended)
