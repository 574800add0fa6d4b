"""Event streams and tunnels of a listener: none ends by itself, so they are ended here, with the token or one by one.

A listener that drains ends them one by one: all at once, their clients would all come back at once, to the gateways
that are left. Who was told to end with a token is told why, and has less time.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.core.errors import Draining, Refusal, TokenExpired
from gateway.core.http.facts import Facts
from gateway.core.token.identity import Identity
from gateway.messages import Opened
from gateway.relay.frames import GOING_AWAY, POLICY_VIOLATION, close_frame
from gateway.relay.tunnel import Tunnel

#: seconds that a tunnel has to end in good order, once its client was told; at most this part of the time for all
GOODBYE: Final = 1.0
_PART: Final = 0.25
#: the same for one whose token is no good any more: what its client still sends goes up meanwhile
SHORT_GOODBYE: Final = 0.5
#: seconds between two looks at least: when there are more streams, several end at a time
STEP: Final = 0.02
#: how many are judged in a turn of the loop
AT_ONCE: Final = 250


#: why a request of this identity would be refused now; None: it would not
JudgeRequest = Callable[[Facts, Identity | None], Refusal | None]
#: why whoever was admitted as this would be refused now; None: they would not
Judge = Callable[[Identity], Refusal | None]


class OpenStream:
    """One of them, for as long as it is open."""

    def __init__(self, timeout: asyncio.Timeout, tunnel: Tunnel | None, by: Opened) -> None:
        """`timeout`: around it, none yet; when it is over the stream ends. `tunnel`: None for an event stream."""
        self._timeout = timeout
        self._tunnel = tunnel
        self.identity: Final = by.identity
        self.facts: Final = by.facts
        #: why it ends, since it was told to
        self.ended_by: Refusal | None = None
        #: ends it with its token
        self.expiry: asyncio.TimerHandle | None = None

    def end(self, why: Refusal, *, goodbye: float) -> None:
        """An event stream at once, a tunnel once its client was told and both sides ended; within `goodbye` seconds.

        Told a second time it ends by the earlier of both, for the first reason.
        """
        if self._timeout.expired():
            return
        if self.ended_by is None:
            self.ended_by = why
            if self._tunnel is not None:
                self._tunnel.leave(_goodbye(why))
        ends = asyncio.get_running_loop().time()
        if self._tunnel is not None:
            ends += goodbye
        expires = self._timeout.when()
        self._timeout.reschedule(ends if expires is None else min(ends, expires))


def _goodbye(why: Refusal) -> bytes:
    """The Close that tells a WebSocket why it ends: programs know the reason by its word, as in any refusal."""
    return GOING_AWAY if isinstance(why, Draining) else close_frame(POLICY_VIOLATION, why.reason)


class Streams:
    """All that are open, in the order in which they were opened, and their end."""

    def __init__(self) -> None:
        """Needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._open: dict[OpenStream, None] = {}
        #: by when all that are open are told to end, in seconds of the loop; and how long it takes for those to come
        self._ends = self._seconds = 0.0
        self._goodbye = GOODBYE
        #: one was opened where there was none, or there is less time than was thought
        self._news = asyncio.Event()
        self._winding: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Streams {len(self._open)} open{', winding down' if self._winding is not None else ''}>"

    def add(self, timeout: asyncio.Timeout, tunnel: Tunnel | None, by: Opened | None = None) -> OpenStream:
        """Another one: `forget` it when it is over."""
        by = by or Opened()
        opened = OpenStream(timeout, tunnel, by)
        self._open[opened] = None
        if by.seconds_left is not None:
            opened.expiry = self._loop.call_later(max(0.0, by.seconds_left), self._expire, opened)
        if self._winding is not None and len(self._open) == 1:
            self._news.set()
        return opened

    def forget(self, opened: OpenStream | None) -> None:
        """It is over."""
        if opened is not None:
            self._open.pop(opened, None)
            if opened.expiry is not None:
                opened.expiry.cancel()

    def identities(self) -> set[Identity]:
        """Who has any of them open."""
        return {opened.identity for opened in self._open if opened.identity is not None}

    async def end_refused(self, judge: Judge) -> int:
        """Ends those that were opened by whoever would be refused now, and gives how many; lets the loop go meanwhile.

        `judge` touches no network. Who has come in the meantime is not asked about.
        """
        return await self._end_all(lambda opened: None if opened.identity is None else judge(opened.identity))

    async def end_unadmitted(self, judge: JudgeRequest) -> int:
        """The same of requests: those of nobody as well."""
        return await self._end_all(
            lambda opened: None if opened.facts is None else judge(opened.facts, opened.identity)
        )

    async def _end_all(self, judge: Callable[[OpenStream], Refusal | None]) -> int:
        ended = 0
        for place, opened in enumerate(tuple(self._open), 1):
            # It may have ended while the loop went on.
            if opened in self._open and (refusal := judge(opened)) is not None:
                ended += 1
                self._end(opened, refusal)
            if not place % AT_ONCE:
                await asyncio.sleep(0)
        return ended

    def _expire(self, opened: OpenStream) -> None:
        self._end(opened, TokenExpired("the token expired while the stream was open"))

    def _end(self, opened: OpenStream, why: Refusal) -> None:
        """One whose token is no good any more."""
        self._open.pop(opened, None)
        opened.end(why, goodbye=SHORT_GOODBYE)

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def wind_down(self, *, seconds: float) -> None:
        """Ends the first one now, the others evenly, all within that time. Whatever is opened later has as long.

        When called again while some are left, they end by the earlier of both times.
        """
        now = self._loop.time()
        self._goodbye = min(GOODBYE, _PART * seconds)
        seconds -= self._goodbye
        ends = now + seconds
        self._ends = min(self._ends, ends) if self._open and self._ends > now else ends
        self._seconds = seconds
        self._news.set()
        if self._winding is None:
            self._end_oldest(1)
            self._winding = self._loop.create_task(self._wind_down(), name="wind down streams")

    def close(self) -> None:
        """No more of them are ended here."""
        if self._winding is not None:
            self._winding.cancel()

    async def _wind_down(self) -> None:
        while True:
            self._news.clear()
            if not self._open:
                await self._news.wait()
                continue
            now = self._loop.time()
            if now >= self._ends:
                self._ends = now + self._seconds
            left = self._ends - now
            share = left / (len(self._open) + 1)
            step = max(share, STEP)
            try:
                async with asyncio.timeout(step):
                    await self._news.wait()
            except TimeoutError:
                self._end_oldest(round(step / share) if share > 0 else len(self._open))

    def _end_oldest(self, count: int) -> None:
        for opened in [opened for opened, _ in zip(self._open, range(count), strict=False)]:
            del self._open[opened]
            opened.end(Draining("the gateway ended the stream: it is stopping"), goodbye=self._goodbye)
