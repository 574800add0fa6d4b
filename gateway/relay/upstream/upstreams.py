"""Requests to upstreams: what is sent, on which connection, and what is sent a second time.

Which connection a request gets is decided in `pool`; what one does, `connection`; how it is opened, `dialing`.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Mapping
from typing import Final, cast

from yarl import URL

from gateway.core.addresses import parse_upstream
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import Overloaded, UpstreamBusy, UpstreamUnreachable
from gateway.core.http.facts import Facts
from gateway.core.routing.admission import Admission
from gateway.ports import Exchange, Observer
from gateway.relay.http1.head import written
from gateway.relay.http1.response_head import ResponseHead, is_connection_login
from gateway.relay.upstream.connection import CONTINUE_AFTER, Closed, UpstreamConnection
from gateway.relay.upstream.dialing import Dialer
from gateway.relay.upstream.pool import KNOWN, STRANGER, TUNNEL, Grant, Pool
from gateway.relay.upstream.response import UpstreamResponse

#: RFC 9110 section 9.2.2, less TRACE: may be sent again when a reused connection turns out to be closed
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
#: RFC 9110 section 9.3: a body means nothing there, and many servers leave it where it is
BODYLESS_METHODS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})
#: seconds between two looks at connections that may be silent or idle for too long
SWEEP: Final = 1.0
#: how many looks there are at least within the shortest timeout
_LOOKS: Final = 4
#: seconds over which the ends of connections are spread that were opened together
_SPREAD: Final = 5.0
#: seconds for which old connections will do, after a new one could not be had
_AGAIN: Final = 30.0
#: seconds
_CLOSING: Final = 1.0

log = logging.getLogger("gateway.relay")


class Tunnels:
    """How many WebSockets there are, those about to be included, and how many there may be."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._open = 0

    def __repr__(self) -> str:
        return f"<Tunnels {self._open} of {self._most}>"

    def begin(self) -> None:
        """One more. Overloaded."""
        if self._most is not None and self._open >= self._most:
            raise Overloaded(f"{self._open} tunnels are open")
        self._open += 1

    def end(self) -> None:
        """One less."""
        self._open -= 1


class HttpUpstream:
    """One upstream: `http://`, `https://` or `unix:`."""

    def __init__(self, name: str, upstream: UpstreamSection, *, tunnels: Tunnels, observer: Observer | None) -> None:
        """ValueError: a file of `tls` cannot be used."""
        self._name = name
        self._tunnels = tunnels
        self._observer = observer
        self.dialer = Dialer(upstream)
        self._shown = upstream.url
        self._own_host = upstream.host == "upstream"
        self._authority = _authority(upstream.url)
        self._response_timeout = float(upstream.response_timeout)
        self._pool_timeout = float(upstream.pool_timeout)
        self._keepalive = float(upstream.keepalive)
        self._max_age = float("inf") if upstream.max_age is None else float(upstream.max_age)
        self._loop = asyncio.get_running_loop()
        self._failing = False
        #: loop time before which old connections will do
        self._renews_from = 0.0
        self._told = (0, 0)
        self.pool = Pool(upstream.max_connections)
        #: seconds, for connections opened from now on
        self.continue_after = CONTINUE_AFTER

    # One request

    async def send(self, facts: Facts, admission: Admission, client: Exchange) -> UpstreamResponse:
        """One request. UpstreamBusy, UpstreamUnreachable, UpstreamTimeout, UpstreamProtocolError, or the body's own."""
        # A server that reads no body there would take it for the next request, headers of ours included.
        closes = facts.method in BODYLESS_METHODS and (facts.chunked or bool(facts.content_length))
        head = self._head(facts, admission, closes=closes)
        route_timeout = admission.route.timeout
        timeout = self._response_timeout if route_timeout is None else route_timeout
        kind = STRANGER if admission.identity is None else KNOWN
        if facts.is_websocket:
            kind |= TUNNEL
        # Whoever is admitted has shown a Bearer token, and nothing else.
        is_last = closes or (kind & STRANGER != 0 and _logs_in(facts))
        connection = self.pool.take(kind)
        if connection is None:
            connection = await self._open_or_wait(kind)
        if connection.retires_at <= (now := self._loop.time()) and self._renews_from <= now:
            connection = await self._renewed(kind, connection)
        is_second = False
        response: ResponseHead | None = None
        while response is None:
            if is_second:
                connection = await self._open_fresh(kind)
            try:
                connection.ask(facts, head, client, timeout=timeout, is_last=is_last)
                while (response := connection.response()) is None:
                    await connection.news()
            except Closed:
                connection.abort()
                self._check_again(facts, client, is_reused=connection.is_reused, is_second=is_second)
                is_second = True
            except BaseException:
                connection.abort()
                raise
        if self._failing:
            self._failing = False
            log.info("upstream %s responds again", self._shown)
        return UpstreamResponse(connection, response, self._give_back)

    async def open_tunnel(self, facts: Facts, admission: Admission, client: Exchange) -> UpstreamResponse:
        """As `send`, for what asks for a tunnel. Overloaded: there are too many."""
        self._tunnels.begin()
        is_open = False
        try:
            response = await self.send(facts, admission, client)
            is_open = True
            return response
        finally:
            if not is_open:
                self._tunnels.end()

    def _give_back(self, connection: UpstreamConnection) -> None:
        if connection.kind & TUNNEL:
            self._tunnels.end()
        self.pool.give_back(connection)

    def _check_again(self, facts: Facts, client: Exchange, *, is_reused: bool, is_second: bool) -> None:
        """RFC 9110 section 9.2.2: once more, where the connection had served before and was closing.

        UpstreamUnreachable: not this one.
        """
        if is_second:
            raise UpstreamUnreachable(f"{self._shown}: the connection ended before a response, twice") from None
        untouched = client.body is None or not client.body.is_touched
        if not (is_reused and untouched and facts.method in IDEMPOTENT):
            raise UpstreamUnreachable(f"{self._shown}: the connection ended before a response") from None

    def _head(self, facts: Facts, admission: Admission, *, closes: bool) -> bytes:
        """Request line and lines as they are, then framing from the parsed message (RFC 9112 section 6)."""
        headers = admission.headers
        if facts.host is None or self._own_host:
            headers = ((b"Host", self._authority), *(line for line in headers if line[0].lower() != b"host"))
        more = b""
        if facts.chunked:
            more = b"\r\nTransfer-Encoding: chunked"
        elif facts.content_length is not None:
            more = b"\r\nContent-Length: %d" % facts.content_length
        if facts.is_websocket:
            more += b"\r\nConnection: Upgrade\r\nUpgrade: websocket"
        elif closes:
            more += b"\r\nConnection: close"
        return written(b"%b %b HTTP/1.1" % (facts.method.encode("ascii"), admission.target), headers, more=more)

    # Its connection

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

    async def _open_fresh(self, kind: int) -> UpstreamConnection:
        """A connection that nobody had before."""
        while not self.pool.reserve(kind):
            grant = await self._wait(kind)
            if grant is None or self.pool.replace(grant):
                break
        return await self._dial(kind)

    async def _wait(self, kind: int) -> Grant:
        """What somebody gives back: a connection, or room for one. UpstreamBusy."""
        waiter: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
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
        connection: UpstreamConnection | None = None
        try:
            connection = await self._connect()
        finally:
            if connection is None:
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
            self._renews_from = self._loop.time() + _AGAIN
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
        return await self._open_fresh(kind)

    async def _connect(self) -> UpstreamConnection:
        """A connection that nobody counts yet. UpstreamUnreachable."""
        try:
            connection = await self.dialer.open(
                lambda: UpstreamConnection(self._loop, self.pool.lost, continue_after=self.continue_after)
            )
        except UpstreamUnreachable as error:
            if not self._failing:
                self._failing = True
                log.warning("upstream cannot be reached: %s", error.evidence)
            raise
        # Those that were opened together are not renewed together.
        age = self._max_age + random.random() * min(_SPREAD, self._max_age / 10)  # noqa: S311 -- no secret
        connection.retires_at = self._loop.time() + age
        return connection

    def sweep(self, now: float) -> None:
        """Ends what is silent or idle for too long. `now`: loop time."""
        for connection in self.pool.connections:
            connection.check(now)
        if self.dialer.look_at_files():
            self._renews_from = 0.0
            for connection in self.pool.connections:
                connection.retires_at = min(connection.retires_at, now + random.random() * _SPREAD)  # noqa: S311 -- as above
        self.pool.close_idle(now - self._keepalive)
        counts = self.pool.counts()
        if counts != self._told and self._observer is not None:
            self._told = counts
            self._observer.upstream_connections(self._name, idle=counts[0], busy=counts[1])

    async def close(self) -> None:
        """Closes every connection."""
        for connection in self.pool.connections:
            connection.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                while self.pool.connections:  # noqa: ASYNC110 -- it takes a turn or two of the loop
                    await asyncio.sleep(0)


class HttpUpstreams:
    """Every configured upstream, by the name that routes know it by."""

    def __init__(
        self,
        upstreams: Mapping[str, UpstreamSection],
        *,
        timeouts: tuple[float, ...] = (),
        tunnels: int | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Needs a running loop; `close` lets go of it. `timeouts`: those of routes, in seconds.

        `tunnels`: how many there may be, to all upstreams together.
        ValueError: a file of an upstream's `tls` cannot be used; the sentence begins with its key.
        """
        self.by_name: dict[str, HttpUpstream] = {}
        self.tunnels = Tunnels(tunnels)
        for name, upstream in upstreams.items():
            try:
                self.by_name[name] = HttpUpstream(name, upstream, tunnels=self.tunnels, observer=observer)
            except ValueError as error:
                raise ValueError(f"upstreams.{name}.{error}") from None
        shortest = min(
            (*timeouts, *(min(one.response_timeout, one.keepalive) for one in upstreams.values())), default=SWEEP
        )
        self._interval = min(SWEEP, float(shortest) / _LOOKS)
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="sweep upstreams")

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._interval)
            now = loop.time()
            for upstream in self.by_name.values():
                upstream.sweep(now)

    async def close(self) -> None:
        """Closes every connection."""
        self._sweeper.cancel()
        for upstream in self.by_name.values():
            await upstream.close()

    def send(self, facts: Facts, admission: Admission, client: Exchange) -> Coroutine[None, None, UpstreamResponse]:
        """One request to the upstream of its route, as `HttpUpstream.send`."""
        upstream = self.by_name[admission.route.upstream]
        if facts.is_websocket:
            return upstream.open_tunnel(facts, admission, client)
        return upstream.send(facts, admission, client)


def _logs_in(facts: Facts) -> bool:
    """Whether the API may take whoever comes next on the same connection for this client."""
    return any(is_connection_login(value) for value in facts.authorization)


def _authority(url: str) -> bytes:
    """What Host says to the upstream itself."""
    origin = parse_upstream(url)
    if origin.path is not None:
        return b"localhost"
    made = URL.build(scheme=origin.scheme, host=origin.host or "", port=origin.port)
    return cast("str", made.host_port_subcomponent).encode("ascii")
