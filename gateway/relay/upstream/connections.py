"""The connections of one upstream: opened, waited for, renewed when they are old, closed when they are of no use.

Which of them a request gets is decided in `pool`; how one is opened, in `dialing`.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Final

from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import UpstreamBusy, UpstreamUnreachable
from gateway.relay.upstream.connection import CONTINUE_AFTER, UpstreamConnection
from gateway.relay.upstream.dialing import Dialer
from gateway.relay.upstream.pool import Grant, Pool

#: seconds over which the ends of connections are spread that were opened together
_SPREAD: Final = 5.0
#: seconds for which old connections will do, after a new one could not be had
_AGAIN: Final = 30.0
#: seconds
_CLOSING: Final = 1.0

log = logging.getLogger("gateway.relay")


class Connections:
    """Gives a request its connection, and takes it back."""

    def __init__(self, upstream: UpstreamSection, *, now: Callable[[], float]) -> None:
        """Needs a running loop. `now`: seconds, of a clock that does not go back.

        ValueError: a file of `tls` cannot be used; the sentence begins with its key.
        """
        self.dialer = Dialer(upstream)
        self.pool = Pool(upstream.max_connections)
        #: seconds, for connections opened from now on
        self.continue_after = CONTINUE_AFTER
        #: none could be opened, and nothing has come of any since
        self.is_failing = False
        self._loop = asyncio.get_running_loop()
        self._now = now
        self._shown = upstream.url
        self._pool_timeout = float(upstream.pool_timeout)
        self._keepalive = float(upstream.keepalive)
        self._max_age = float("inf") if upstream.max_age is None else float(upstream.max_age)
        #: time before which old connections will do
        self._renews_from = 0.0

    def __repr__(self) -> str:
        return f"<Connections to {self._shown}: {self.pool!r}{', failing' if self.is_failing else ''}>"

    # For one request

    def find(self, kind: int) -> UpstreamConnection | None:
        """One that is idle, as it is; None: there is none, or not for this kind."""
        return self.pool.take(kind)

    def is_old(self, connection: UpstreamConnection) -> bool:
        """Whether a new one is preferred."""
        return connection.retires_at <= (now := self._now()) and self._renews_from <= now

    async def get(self, kind: int, found: UpstreamConnection | None) -> UpstreamConnection:
        """A new one, or one that somebody gives back; a new one in place of `found`, which is old.

        UpstreamBusy, UpstreamUnreachable.
        """
        if found is None:
            found = await self._open_or_wait(kind)
            if not self.is_old(found):
                return found
        return await self._renewed(kind, found)

    async def get_fresh(self, kind: int) -> UpstreamConnection:
        """One that nobody had before. UpstreamBusy, UpstreamUnreachable."""
        while not self.pool.reserve(kind):
            grant = await self._wait(kind)
            if grant is None or self.pool.replace(grant):
                break
        return await self._dial(kind)

    def give_back(self, connection: UpstreamConnection) -> None:
        """The request is over."""
        self.pool.give_back(connection)

    def responded(self) -> None:
        """Something came of a connection."""
        if self.is_failing:
            self.is_failing = False
            log.info("upstream %s responds again", self._shown)

    # How it comes to one

    async def _open_or_wait(self, kind: int) -> UpstreamConnection:
        """A new connection, or one that somebody gives back. UpstreamBusy, UpstreamUnreachable."""
        while not self.pool.reserve(kind):
            grant = await self._wait(kind)
            if grant is None:
                break
            if grant.is_sound():
                return grant
            if self.pool.replace(grant):
                break
        return await self._dial(kind)

    async def _wait(self, kind: int) -> Grant:
        """What somebody gives back: a connection, or room for one. UpstreamBusy."""
        waiter: asyncio.Future[Grant] = self._loop.create_future()
        number = self.pool.wait(kind, waiter)
        try:
            async with asyncio.timeout(self._pool_timeout):
                return await waiter
        except BaseException as error:
            self.pool.leave(kind, number)
            if waiter.done() and not waiter.cancelled():
                # It came at the very moment in which nobody waited any more.
                self.pool.decline(kind, waiter.result())
            if isinstance(error, TimeoutError):
                raise UpstreamBusy(self._busy(kind)) from None
            raise

    def _busy(self, kind: int) -> str:
        most, share = self.pool.most, self.pool.share
        if not self.pool.is_full_for(kind):
            return f"{most} connections are in use"
        return f"{share} of {most} connections are in use: all that public routes, or tunnels, may have"

    async def _dial(self, kind: int) -> UpstreamConnection:
        """A new connection, in the room that was reserved for it. UpstreamUnreachable."""
        is_open = False
        try:
            connection = await self._connect()
            is_open = True
        finally:
            if not is_open:
                self.pool.failed(kind)
        self.pool.opened(kind, connection)
        return connection

    async def _renewed(self, kind: int, old: UpstreamConnection) -> UpstreamConnection:
        """A new connection in the place of an old one; that one, where no other can be had."""
        connection: UpstreamConnection | None = None
        is_over = True
        try:
            connection = await self._connect()
            is_over = False
        except UpstreamUnreachable:
            # Not each of them is to find out.
            self._renews_from = self._now() + _AGAIN
            is_over = False
        finally:
            if is_over:
                self.pool.give_back(old)
        if connection is not None and self.pool.exchange(old, connection):
            return connection
        if connection is not None:
            connection.abort()
        if old.is_sound():
            return old
        self.pool.give_back(old)
        return await self.get_fresh(kind)

    async def _connect(self) -> UpstreamConnection:
        """A connection that nobody counts yet. UpstreamUnreachable."""
        try:
            connection = await self.dialer.open(
                lambda: UpstreamConnection(
                    self._loop, self.pool.lost, now=self._now, continue_after=self.continue_after
                )
            )
        except UpstreamUnreachable as error:
            if not self.is_failing:
                self.is_failing = True
                log.warning("upstream cannot be reached: %s", error.evidence)
            raise
        # Those that were opened together are not renewed together.
        age = self._max_age + random.random() * min(_SPREAD, self._max_age / 10)  # noqa: S311 -- no secret
        connection.retires_at = self._now() + age
        return connection

    # All of them

    def retire(self) -> None:
        """Nobody sends any more: those that are idle end now, the others when `sweep` finds them so."""
        self._keepalive = float("-inf")
        self.pool.close_idle(float("inf"))

    def sweep(self, now: float) -> None:
        """Ends what is silent or idle for too long. `now`: the time."""
        for connection in self.pool.connections:
            connection.check(now)
        if self.dialer.look_at_files():
            self._renews_from = 0.0
            for connection in self.pool.connections:
                connection.retires_at = min(connection.retires_at, now + random.random() * _SPREAD)  # noqa: S311
        self.pool.close_idle(now - self._keepalive)

    async def close(self) -> None:
        """Closes every connection."""
        for connection in self.pool.connections:
            connection.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                while self.pool.connections:  # noqa: ASYNC110 -- it takes a turn or two of the loop
                    await asyncio.sleep(0)
