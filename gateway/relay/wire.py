"""What the parts of a client's connection ask of one another: the exchange of its wire, the wire of its listener."""

from collections import deque
from typing import Any, Protocol

from aiohttp import HttpVersion
from aiohttp.web_protocol import ERROR
from multidict import CIMultiDictProxy

from gateway.core.config import Config, Limits
from gateway.core.errors import Refusal
from gateway.ports import Service
from gateway.relay.facts import Peer, TrustedProxies
from gateway.relay.tunnel import Tunnel


class Awaited(Protocol):
    """A body that somebody waits for."""

    def expire(self) -> None:
        """The client owed more of it for too long."""


class RequestHead(Protocol):
    """What aiohttp's parser makes of a head. aiohttp declares the tuple that its slow parser gives."""

    @property
    def method(self) -> str:
        """As it was sent."""

    @property
    def path(self) -> str:
        """The target, its bytes outside UTF-8 as surrogate escapes."""

    @property
    def version(self) -> HttpVersion:
        """Of HTTP."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """By name."""

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """As they were sent."""

    @property
    def should_close(self) -> bool:
        """The connection is to end behind this request."""

    @property
    def upgrade(self) -> bool:
        """It asks for another protocol."""

    @property
    def chunked(self) -> bool:
        """Its body comes in chunks."""


#: heads and errors with their bodies; aiohttp's declaration of it cannot be relied on, as above
Parsed = deque[Any]
#: stands where the parser found no request
NO_REQUEST: RequestHead = ERROR


class Wire(Protocol):
    """What an exchange needs of its connection."""

    @property
    def peer(self) -> Peer:
        """The other end."""

    @property
    def limits(self) -> Limits:
        """Bounds on what a client may send."""

    @property
    def realm(self) -> str:
        """What challenges name."""

    @property
    def is_draining(self) -> bool:
        """Answers are to announce the end of the connection."""

    @property
    def is_closed(self) -> bool:
        """No new request is to be served."""

    @property
    def cut_by(self) -> Refusal | None:
        """Why the gateway itself cut the connection, if it did."""

    @property
    def is_gone(self) -> bool:
        """There is no client any more."""

    @property
    def is_full(self) -> bool:
        """The client takes less than is written: wait for `drained`."""

    def write(self, data: bytes) -> None:
        """Writes. ClientDisconnected."""

    async def drained(self) -> None:
        """Waits while the client takes nothing. ClientDisconnected."""

    def await_body(self, body: Awaited | None) -> None:
        """Somebody waits for more of a body, or no longer: its `expire` is called after `body_timeout`."""

    def hold(self, *, held: bool) -> None:
        """Stops reading from the client, or reads again."""

    async def run_tunnel(self, tunnel: Tunnel) -> None:
        """Bytes both ways until one side ends."""

    def abort(self) -> None:
        """Cuts the connection."""


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
