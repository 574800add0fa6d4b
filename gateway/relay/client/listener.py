"""What the connections of one listener have in common: whom they serve, their limits, and how many there are."""

import asyncio
from typing import Final

from gateway.core.config.file import Config
from gateway.core.errors import Overloaded, Refusal
from gateway.core.http.challenge import Challenges
from gateway.ports import Ending, Observer, Service
from gateway.relay.client.crowd import NOWHERE, TAKING, Crowd, Guest
from gateway.relay.client.peer import Peer, TrustedProxies
from gateway.relay.client.secure import Secure, secured
from gateway.relay.client.streams import Streams
from gateway.relay.client.turns import Turns
from gateway.relay.http1.plain_request import LineMemory
from gateway.relay.sweep import Clock


class Listener:
    """One address, as its connections see it."""

    def __init__(
        self,
        service: Service,
        config: Config,
        *,
        max_connections: int,
        observer: Observer | None,
        clock: Clock,
        own_pages: bool = False,
        secure: Secure | None = None,
    ) -> None:
        """`observer` None: the connections are not traffic, and not counted. `secure`: where they begin with TLS."""
        self.service = service
        self._configure(config)
        #: where in the crowd a connection is that has a request under way. All there is to be had here may be pages of
        #: the gateway's own: then it can be asked for again
        self.under_way: Final = TAKING if own_pages else NOWHERE
        #: reads heads, and remembers what they have in common
        self.lines: Final = LineMemory()
        #: None: connections have no TLS of ours
        self.secure: Final = secure
        #: what time it is, in seconds of the clock
        self.now: Final = clock.now
        #: a request takes its steps within the call that brought it; else each in a turn of the loop. Nobody but tests
        #: has a reason to change that: they prove that it makes no difference
        self.serves_at_once = True
        #: responses announce the end of the connection
        self.draining = False
        #: no new request is served, on connections that were open before either
        self.closed = False
        #: in the order in which they came
        self.open: Final[dict[Guest, None]] = {}
        #: those whose TLS has not begun; they count as well
        self._arriving = 0
        #: those of them that have nothing under way
        self.crowd: Final = Crowd()
        #: those that ask for much at a time
        self.turns: Final = Turns()
        #: responses that do not end by themselves
        self.streams: Final = Streams()
        self._max = max_connections
        self._observer: Final = observer
        self._in_flight = self._told_in_flight = 0
        self._tunnels = 0
        #: a request or a connection ended
        self.news: Final = asyncio.Event()

    def __repr__(self) -> str:
        end = "closed, " if self.closed else "draining, " if self.draining else ""
        under_way = f"{self._in_flight} requests, {self._tunnels} tunnels"
        return f"<Listener {end}{len(self.open)} open, {under_way}, {self.crowd!r}>"

    def reconfigure(self, config: Config, *, max_connections: int) -> None:
        """From now on connections go by this: those that begin by all of it, those that are open by most."""
        self._max = max_connections
        self._configure(config)
        self.lines.empty()

    def _configure(self, config: Config) -> None:
        #: bounds on what a client may send
        self.limits = config.limits
        self.body_bytes: int | None = config.limits.body_bytes
        #: seconds
        self.header_timeout = float(config.limits.header_timeout)
        self.body_timeout = float(config.limits.body_timeout)
        #: bytes a second; 0: any
        self.body_rate = int(config.limits.body_rate or 0)
        #: seconds
        self.send_timeout = float(config.limits.send_timeout)
        self.keepalive = float(config.limits.keepalive)
        #: how a credential is asked for
        self.challenges = Challenges.of(config)
        self.trusted_proxies = TrustedProxies.of(config)

    def peer_of(self, transport: asyncio.BaseTransport) -> Peer:
        """Who is at the other end of a connection that begins."""
        peer = self.trusted_proxies.peer(transport.get_extra_info("peername"))
        return peer if self.secure is None else secured(peer, transport, asks=self.secure.asks)

    def opened(self, guest: Guest) -> Refusal | None:
        """Counts a new connection; a refusal when there are too many, and none that gives way."""
        if (refusal := self._find_refusal()) is not None:
            return refusal
        self.open[guest] = None
        self._tell_open()
        return None

    def arrives(self) -> bool:
        """Counts a connection whose TLS is about to begin; False when there are too many, and none that gives way."""
        if self._find_refusal() is not None:
            return False
        self._arriving += 1
        self._tell_open()
        return True

    def arrived(self) -> None:
        """Its TLS has begun, or never will: it is counted as any other, or not at all."""
        self._arriving -= 1
        self._tell_open()

    def _find_refusal(self) -> Refusal | None:
        """Why there is no room for one more."""
        count = len(self.open) + self._arriving
        if count < self._max or self._make_room():
            return None
        refusal = Overloaded(f"{count} connections are open")
        if self._observer is not None:
            self._observer.request_ended(Ending(status=refusal.status, refusal=refusal))
        return refusal

    def _make_room(self) -> bool:
        """Decision 14 of docs/decisions.md. Who is passed over has another place in the crowd, or none."""
        for _ in range(2 * self._max):
            if (guest := self.crowd.pop()) is None:
                break
            if guest.give_way() and guest in self.open:
                del self.open[guest]
                return True
        return False

    def lost(self, guest: Guest) -> None:
        """Forgets a connection."""
        self.open.pop(guest, None)
        self._tell_open()
        self.news.set()

    def _tell_open(self) -> None:
        if self._observer is not None:
            self._observer.connections_open(len(self.open) + self._arriving)

    def count_request(self, change: int) -> None:
        """A request begins (+1) or ends (-1)."""
        self._in_flight += change
        if self.closed:
            self.news.set()

    def count_tunnel(self, change: int) -> None:
        """A tunnel begins (+1) or ends (-1)."""
        self._tunnels += change
        if self._observer is not None:
            self._observer.tunnels_open(self._tunnels)

    def tell(self) -> None:
        """Tells what changed, but not each time it does."""
        if self._observer is not None and self._in_flight != self._told_in_flight:
            self._told_in_flight = self._in_flight
            self._observer.requests_in_flight(self._in_flight)
