"""One client connection, less what is read from it: writing, back-pressure, holding, cutting. Parses nothing."""

import asyncio
from typing import Any, Protocol, cast

from gateway.core.config.file import Config
from gateway.core.config.limits import Limits
from gateway.core.errors import ClientDisconnected, Refusal
from gateway.ports import Service
from gateway.relay.client.closing import has_left, reset
from gateway.relay.client.peer import Peer, TrustedProxies
from gateway.relay.tunnel import Tunnel


class Awaited(Protocol):
    """A body that somebody waits for."""

    def expire(self) -> None:
        """The client owed more of it for too long."""


class Listener(Protocol):
    """What a connection needs of the server it belongs to; `connection` is a `relay.connection.Connection`."""

    config: Config
    service: Service
    trusted_proxies: TrustedProxies
    draining: bool
    closed: bool

    def opened(self, connection: Any) -> Refusal | None:
        """Counts a new connection; a refusal when there are too many."""

    def lost(self, connection: Any) -> None:
        """Forgets a connection."""

    def count_request(self, change: int) -> None:
        """A request begins (+1) or ends (-1)."""

    def count_tunnel(self, change: int) -> None:
        """A tunnel begins (+1) or ends (-1)."""


class Wire(asyncio.Protocol):
    """What an exchange, a body and a tunnel need of their connection."""

    __slots__ = (
        "_awaited",
        "_drained",
        "_is_held",
        "_server",
        "_stalled_since",
        "_taken",
        "_tunnel",
        "_written",
        "cut_by",
        "is_full",
        "is_gone",
        "limits",
        "loop",
        "peer",
        "realm",
        "transport",
    )

    def __init__(self, server: Listener) -> None:
        """Needs a running loop."""
        self._server = server
        self.loop = asyncio.get_running_loop()
        #: None before there is one; it is kept when the connection has ended
        self.transport: asyncio.Transport | None = None
        #: bounds on what a client may send
        self.limits: Limits = server.config.limits
        #: what challenges name
        self.realm: str = server.config.realm
        self.peer = Peer("unix", trusted=False)
        #: why the gateway itself cut it, if it did
        self.cut_by: Refusal | None = None
        #: there is no client any more
        self.is_gone = False
        #: the client takes less than is written: wait for `drained`
        self.is_full = False
        self._drained: asyncio.Future[None] | None = None
        #: nothing is read
        self._is_held = False
        #: the body that somebody waits for, and since when
        self._awaited: tuple[Awaited, float] | None = None
        #: bytes that were written, bytes the client had taken when somebody last looked, and since when no more
        self._written = self._taken = 0
        self._stalled_since: float | None = None
        #: once the connection left HTTP
        self._tunnel: Tunnel | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to be written to."""
        # uvloop's transports are no subclass of it, and have everything it has.
        self.transport = cast("asyncio.Transport", transport)
        self.peer = self._server.trusted_proxies.peer(transport.get_extra_info("peername"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody is there."""
        self.is_gone = True
        self._let_go()

    @property
    def is_draining(self) -> bool:
        """Responses are to announce the end of the connection."""
        return self._server.draining

    @property
    def is_closed(self) -> bool:
        """No new request is to be served."""
        return self._server.closed

    # Writing

    def write(self, data: bytes) -> None:
        """Writes. ClientDisconnected."""
        transport = self.transport
        if transport is None or self.is_gone or transport.is_closing():
            raise ClientDisconnected("the connection is closed")
        self._written += len(data)
        transport.write(data)

    async def drained(self) -> None:
        """Waits while the client takes nothing. ClientDisconnected."""
        if self.is_full and not self.is_gone:
            self._drained = self.loop.create_future()
            await self._drained
        if self.is_gone:
            raise ClientDisconnected("the connection broke while it was written to")

    def pause_writing(self) -> None:
        """The client takes less than is written."""
        self.is_full = True
        if self._tunnel is not None:
            self._tunnel.client_ready(ready=False)

    def resume_writing(self) -> None:
        """It takes more again."""
        self.is_full = False
        self._let_go()
        if self._tunnel is not None:
            self._tunnel.client_ready(ready=True)

    def _let_go(self) -> None:
        """Of whoever waits in `drained`."""
        waiter, self._drained = self._drained, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # Reading

    def hold(self, *, held: bool) -> None:
        """Stops reading from the client, or reads again."""
        if held != self._is_held and self.transport is not None and not self.transport.is_closing():
            self._is_held = held
            if held:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def pace(self) -> None:
        """Somebody took of a body: there may be room again."""
        raise NotImplementedError

    def await_body(self, body: Awaited | None) -> None:
        """Somebody waits for more of a body, or no longer: its `expire` is called after `body_timeout`."""
        self._awaited = None if body is None else (body, self.loop.time())

    async def run_tunnel(self, tunnel: Tunnel) -> None:
        """After 101: bytes both ways until one side ends."""
        raise NotImplementedError

    # Ends

    def cut(self, reason: Refusal) -> None:
        """Cuts the connection on the gateway's own account."""
        self.cut_by = reason
        self.abort()

    def abort(self) -> None:
        """Cuts the connection, in a way that nobody takes for an end."""
        if self.transport is not None:
            reset(self.transport)

    def check_flow(self, now: float) -> None:
        """Ends what takes too long: a body, a response to be taken; and who left unheard. `now`: loop time."""
        transport = self.transport
        assert transport is not None
        if self._awaited is not None and now - self._awaited[1] > self.limits.body_timeout:
            self._awaited[0].expire()
        left = transport.get_write_buffer_size()
        taken = self._written - left
        if not left or taken > self._taken or self._stalled_since is None:
            self._taken, self._stalled_since = taken, now if left else None
        elif now - self._stalled_since > self.limits.send_timeout:
            self.cut(ClientDisconnected("it took nothing of the response within send_timeout"))
        if self._is_held and not transport.is_closing() and has_left(transport):
            self.abort()
