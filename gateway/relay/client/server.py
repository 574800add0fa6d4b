"""Accepts the connections of one listener, looks at them again and again, and drains them in the end."""

import asyncio
from typing import cast

from gateway.core.config.file import Config
from gateway.core.token.identity import Identity
from gateway.ports import Observer, Service
from gateway.relay.client.connection import Connection
from gateway.relay.client.handshakes import Handshakes
from gateway.relay.client.listener import Listener
from gateway.relay.client.phase import IDLE
from gateway.relay.client.secure import Secure
from gateway.relay.client.streams import Judge, JudgeRequest
from gateway.relay.sweep import Clock, Sweep


class Server:
    """Accepts connections for one service; knows how many there are, and drains on its own flag."""

    def __init__(
        self,
        service: Service,
        config: Config,
        *,
        max_connections: int,
        observer: Observer | None,
        clock: Clock | None = None,
        own_pages: bool = False,
        secure: Secure | None = None,
    ) -> None:
        """Needs a running loop. `observer` None: the connections are not traffic, and not counted.

        `own_pages`: the service has nothing but small ones, for which it asks nobody. `secure`: connections begin with
        TLS; they are to be given to `handshakes` then.
        """
        clock = clock or Clock.of_loop()
        self.listener = Listener(
            service,
            config,
            max_connections=max_connections,
            observer=observer,
            clock=clock,
            own_pages=own_pages,
            secure=secure,
        )
        #: None: connections begin without TLS
        self.handshakes = (
            None
            if secure is None
            else Handshakes(self.listener, config, secure, max_connections=max_connections, observer=observer)
        )
        #: in the order in which they came
        self.open = cast("dict[Connection, None]", self.listener.open)
        self._ends_idle = False
        self._clock = clock
        self._sweep = self._sweeping(config)

    def __repr__(self) -> str:
        return f"<Server {self.listener!r}>"

    def __call__(self) -> asyncio.Protocol:
        """A protocol for a new connection."""
        return cast("asyncio.Protocol", Connection(self.listener))

    def _look(self, now: float) -> None:
        """At what is late, and at what changed."""
        self.listener.tell()
        self.listener.lines.forget()
        for connection in tuple(self.open):
            connection.check(now)
        if self.handshakes is not None:
            self.handshakes.look(now)
        if self._ends_idle:
            self.end_idle()

    def _sweeping(self, config: Config) -> Sweep:
        limits = config.limits
        shortest = min(limits.header_timeout, limits.body_timeout, limits.send_timeout, limits.keepalive)
        return Sweep(self._look, shortest=float(shortest), clock=self._clock, name="sweep connections")

    def reconfigure(self, config: Config, *, max_connections: int) -> None:
        """From now on connections go by this, those that are open as well; whoever is too many stays."""
        self.listener.reconfigure(config, max_connections=max_connections)
        if self.handshakes is not None:
            self.handshakes.reconfigure(config, max_connections=max_connections)
        for connection in tuple(self.open):
            connection.wire.meet(self.listener.peer_of(connection.wire.transport))
        self._sweep.close()
        self._sweep = self._sweeping(config)

    def busy(self) -> list[Connection]:
        """Connections on which a request is under way or has begun to arrive, or a response is not yet sent."""
        return [connection for connection in self.open if connection.is_busy]

    @property
    def draining(self) -> bool:
        """Responses carry Connection: close."""
        return self.listener.draining

    @draining.setter
    def draining(self, draining: bool) -> None:
        self.listener.draining = draining

    @property
    def closed(self) -> bool:
        """No new request is served."""
        return self.listener.closed

    def wind_down(self, *, seconds: float) -> None:
        """From now on event streams and tunnels are ended one by one, evenly over that time. May be called again."""
        self.listener.streams.wind_down(seconds=seconds)

    async def end_streams(self, judge: Judge) -> int:
        """Ends event streams and tunnels of whoever would be refused now, and gives how many. See `Streams`."""
        return await self.listener.streams.end_refused(judge)

    async def end_unadmitted(self, judge: JudgeRequest) -> int:
        """Ends event streams and tunnels whose requests would be refused now, and gives how many. See `Streams`."""
        return await self.listener.streams.end_unadmitted(judge)

    def identities(self) -> set[Identity]:
        """Who has event streams and tunnels open."""
        return self.listener.streams.identities()

    def end_idle(self) -> None:
        """Closes connections between two requests, now and from now on; who has just come is served."""
        self._ends_idle = True
        for connection in tuple(self.open):
            if connection.phase.state == IDLE:
                connection.close()

    def make_last(self) -> None:
        """Connections that are open now, or about to be, end with their next response; those without one at once."""
        if self.handshakes is not None:
            self.handshakes.make_last()
        for connection in tuple(self.open):
            connection.wire.is_last = True
            if connection.phase.state == IDLE:
                connection.close()

    def close_idle(self) -> None:
        """From now on no new request is served: idle connections close, the others after their response."""
        self.listener.closed = True
        if self.handshakes is not None:
            self.handshakes.cut()
        for connection in tuple(self.open):
            if connection.is_idle:
                connection.close()

    async def drain(self, *, seconds: float, hurry: asyncio.Event | None = None) -> int:
        """Waits for the requests under way, at most `seconds` or until `hurry` is set, and cuts what is left.

        Returns how many connections with a request were cut.
        """
        waiting = asyncio.create_task(self._until_quiet())
        hurrying = asyncio.create_task(hurry.wait() if hurry is not None else asyncio.Event().wait())
        await asyncio.wait({waiting, hurrying}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        hurrying.cancel()
        left = len(self.busy())
        self._sweep.close()
        self.listener.streams.close()
        if self.handshakes is not None:
            self.handshakes.cut()
        for connection in tuple(self.open):
            connection.cut_short()
        while self.open or (self.handshakes is not None and self.handshakes.under_way):
            await self._news()
        return left

    async def _until_quiet(self) -> None:
        while self.busy():
            await self._news()

    async def _news(self) -> None:
        """A request or a connection ended."""
        self.listener.news.clear()
        await self.listener.news.wait()
