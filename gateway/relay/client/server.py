"""A listener's connections: how many there may be, which are busy, and how they end. One is `connection`."""

import asyncio
from itertools import islice

from gateway.core.config.file import Config
from gateway.core.errors import Draining, Overloaded, Refusal
from gateway.ports import Ending, Observer, Service
from gateway.relay.client.connection import Connection
from gateway.relay.client.peer import TrustedProxies

#: how many of the oldest connections are looked at for an idle one when there are too many
IDLE_SOUGHT = 64
#: seconds between two looks at connections that are late with something
SWEEP = 1.0
#: how many looks there are at least within the shortest timeout
_LOOKS = 4


class Server:
    """Accepts connections for one service; knows how many there are, and drains on its own flag."""

    def __init__(self, service: Service, config: Config, *, max_connections: int, observer: Observer | None) -> None:
        """Needs a running loop. `observer` None: the connections are not traffic, and not counted."""
        self.service = service
        self.config = config
        self.max_connections = max_connections
        self.observer = observer
        self.trusted_proxies = TrustedProxies.of(config)
        #: in the order in which they came
        self.open: dict[Connection, None] = {}
        #: responses carry Connection: close
        self.draining = False
        #: requests on connections that were open before are refused
        self.closed = False
        self._in_flight = self._told_in_flight = 0
        self._quiet = asyncio.Event()
        limits = config.limits
        shortest = min(limits.header_timeout, limits.body_timeout, limits.send_timeout, limits.keepalive)
        self._interval = min(SWEEP, float(shortest) / _LOOKS)
        self._tunnels = 0
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="sweep connections")

    def __call__(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._interval)
            self._look(loop.time())

    def _look(self, now: float) -> None:
        """At what is late, and at what changed."""
        if self.observer is not None and self._in_flight != self._told_in_flight:
            self._told_in_flight = self._in_flight
            self.observer.requests_in_flight(self._in_flight)
        for connection in tuple(self.open):
            connection.check(now)

    def busy(self) -> list[Connection]:
        """Connections on which a request is under way or has begun to arrive, or a response is not yet sent."""
        return [connection for connection in self.open if connection.is_busy]

    def count_request(self, change: int) -> None:
        """A request begins (+1) or ends (-1)."""
        self._in_flight += change
        if self.closed:
            self.something_ended()

    def count_tunnel(self, change: int) -> None:
        """A tunnel begins (+1) or ends (-1)."""
        self._tunnels += change
        if self.observer is not None:
            self.observer.tunnels_open(self._tunnels)

    def opened(self, connection: Connection) -> Refusal | None:
        """Counts a new connection; a refusal when there are too many."""
        if len(self.open) >= self.max_connections and not self._close_an_idle_one():
            refusal = Overloaded(f"{len(self.open)} connections are open")
            if self.observer is not None:
                self.observer.request_ended(Ending(status=refusal.status, refusal=refusal))
            return refusal
        self.open[connection] = None
        self._count_connections()
        return None

    def _close_an_idle_one(self) -> bool:
        """Makes room: of the connections that are open longest, one that has nothing to do gives way."""
        idle = next((old for old in islice(self.open, IDLE_SOUGHT) if not old.is_busy), None)
        if idle is None:
            return False
        self.open.pop(idle)
        idle.close()
        return True

    def lost(self, connection: Connection) -> None:
        """Forgets a connection."""
        self.open.pop(connection, None)
        self._count_connections()
        self.something_ended()

    def _count_connections(self) -> None:
        if self.observer is not None:
            self.observer.connections_open(len(self.open))

    def something_ended(self) -> None:
        """A request or a connection ended: wakes a drain that waits for the last."""
        self._quiet.set()

    def close_idle(self) -> None:
        """From now on no new request is served: idle connections close, the others after their response."""
        self.closed = True
        for connection in tuple(self.open):
            if not connection.has_request:
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
        self._sweeper.cancel()
        for connection in tuple(self.open):
            if connection.is_busy:
                connection.cut(Draining("the gateway cut it: it did not end within drain"))
            else:
                connection.close()
        while self.open:
            self._quiet.clear()
            await self._quiet.wait()
        return left

    async def _until_quiet(self) -> None:
        while self.busy():
            self._quiet.clear()
            await self._quiet.wait()
