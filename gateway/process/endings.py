"""Ends event streams and tunnels whose tokens are no good any more: revoked, or not active when asked about again.

A request is judged when it comes, and these go on for hours. Nothing here is on the way of a request.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final

from gateway.assembly import Assembly
from gateway.core.config.issuers import Issuer, audiences_of, issuer_name
from gateway.core.errors import NoLongerAdmitted, Refusal, TokenRevoked
from gateway.core.http.facts import Facts
from gateway.core.routing.policy import check_policy
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


#: seconds from a reload to the look at what is open
SETTLED: Final = 1.0


class WithdrawnStreams:
    """Ends what was opened under another configuration, where its issuer is gone or its route does not admit it now.

    After making it you must call `stop`.
    """

    def __init__(self, server: Server, current: Callable[[], Assembly]) -> None:
        """Needs a running loop."""
        self._server = server
        self._current = current
        self._soon: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Another configuration is in use: in a second they are judged by that of then."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SETTLED, self._look)

    def stop(self) -> None:
        """No more looks. May be called twice."""
        for pending in (self._soon, self._ending):
            if pending is not None:
                pending.cancel()

    def _look(self) -> None:
        self._soon = None
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.create_task(self._end(), name="end what is not admitted any more")

    async def _end(self) -> None:
        if ended := await self._server.end_unadmitted(self._judge):
            log.info("%d streams and tunnels were ended: the configuration does not admit them any more", ended)

    def _judge(self, facts: Facts, identity: Identity | None) -> Refusal | None:
        # By that of now, so that none is held.
        return withdrawn(self._current(), facts, identity)


def withdrawn(assembly: Assembly, facts: Facts, identity: Identity | None) -> Refusal | None:
    """Why what this request opened would not be opened now; None: it would, as far as is known without its token.

    Rates and proofs are asked of requests, not of what is open; and that time went by has not changed anything.
    """
    try:
        route = assembly.gate.routes.match(facts)
    except Refusal as refusal:
        return NoLongerAdmitted(refusal.evidence or refusal.reason)
    if route.public or route.reports or (identity is None and route.optional):
        return None
    if identity is None:
        return NoLongerAdmitted(f"{route.name} needs a token")
    if not any(_issues(issuer, identity) for issuer in assembly.config.issuers):
        return NoLongerAdmitted(f"{identity.issuer} is no issuer any more, or not of such tokens, or audiences")
    try:
        if route.demands is not None:
            route.demands.check(identity, now=time.time() if identity.auth_time is None else identity.auth_time)
        check_policy(route, identity, target=facts.target)
        if route.condition is not None and assembly.check_condition is not None:
            assembly.check_condition(route.condition, facts, identity)
    except Refusal as refusal:
        return NoLongerAdmitted(f"{route.name}: {refusal.reason}")
    return None


def _issues(issuer: Issuer, identity: Identity) -> bool:
    if issuer_name(issuer) != identity.issuer:
        return False
    if issuer.clients and identity.client not in issuer.clients:
        return False
    if issuer.binding != "any" and identity.confirmation is None:
        return False
    must_name = issuer.introspection is None or issuer.introspection.require_audience
    if (identity.accepted or must_name) and set(identity.accepted).isdisjoint(audiences_of(issuer)):
        return False
    if identity.tenant is None:
        return issuer.issuer == identity.iss
    return issuer.tenants == "any" or identity.tenant in (issuer.tenants or ())
