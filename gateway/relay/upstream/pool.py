"""Connections to upstreams: which one a request gets, how many there may be, and what is sent a second time.

What one connection does is `upstream`; how it is opened, `dialing`.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Final, cast

from yarl import URL

from gateway.core.addresses import parse_upstream
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import UpstreamBusy, UpstreamUnreachable
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.routing.admission import Admission
from gateway.ports import Exchange, Observer, Stream
from gateway.relay.http1.head import written
from gateway.relay.http1.response_head import ResponseHead
from gateway.relay.upstream.connection import Closed, UpstreamConnection
from gateway.relay.upstream.dialing import Dialer

#: RFC 9110 section 9.2.2, less TRACE: may be sent again when a reused connection turns out to be closed
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
#: seconds between two looks at connections that may be silent or idle for too long
SWEEP = 1.0
#: how many looks there are at least within the shortest timeout
_LOOKS: Final = 4
#: seconds
_CLOSING: Final = 1.0

log = logging.getLogger("gateway.relay")


class UpstreamResponse:
    """The upstream's response, on the connection it comes on."""

    __slots__ = (
        "_connection",
        "_pool",
        "content_length",
        "headers",
        "is_endless",
        "reason",
        "status",
        "stream",
        "whole",
    )

    def __init__(self, pool: "HttpUpstream", connection: UpstreamConnection, head: ResponseHead) -> None:
        self._pool = pool
        self._connection = connection
        self.status = head.status
        self.reason = head.reason
        self.headers: tuple[HeaderLine, ...] = head.lines
        self.content_length = None if head.chunked else head.length
        self.whole = connection.take_whole()
        self.stream: Stream | None = connection if head.status == 101 else None
        self.is_endless = head.is_event_stream or head.status == 101
        if self.is_endless:
            connection.be_patient()

    async def read(self) -> bytes:
        """The next piece of the body as it arrives; empty at its end."""
        return await self._connection.read()

    def close(self) -> None:
        """Lets go of the connection; when the response was not read to its end it is closed."""
        self._pool.put(self._connection)


class HttpUpstream:
    """One upstream: `http://`, `https://` or `unix:`."""

    def __init__(self, name: str, upstream: UpstreamSection, *, observer: Observer | None) -> None:
        """ValueError: a file of `tls` cannot be used."""
        self._name = name
        self._observer = observer
        self._dialer = Dialer(upstream)
        self._shown = upstream.url
        self._own_host = upstream.host == "upstream"
        self._authority = _authority(upstream.url)
        self._response_timeout = float(upstream.response_timeout)
        self._pool_timeout = float(upstream.pool_timeout)
        self._keepalive = float(upstream.keepalive)
        self._max = upstream.max_connections
        self._failing = False
        #: open, or about to be
        self._count = 0
        self._open: set[UpstreamConnection] = set()
        #: the most recently used last
        self._idle: list[UpstreamConnection] = []
        #: who waits for a connection (its result) or for room for one (None)
        self._waiting: deque[asyncio.Future[UpstreamConnection | None]] = deque()
        self._told = (0, 0)

    # One request

    async def send(self, facts: Facts, admission: Admission, client: Exchange) -> UpstreamResponse:
        """One request. UpstreamBusy, UpstreamUnreachable, UpstreamTimeout, UpstreamProtocolError, or the body's own."""
        head = self._head(facts, admission)
        route_timeout = admission.route.timeout
        timeout = self._response_timeout if route_timeout is None else route_timeout
        connection = self._find_idle()
        if connection is None:
            connection = await self._take_or_open()
        is_second = False
        response: ResponseHead | None = None
        while response is None:
            if is_second:
                connection = await self._open_fresh()
            try:
                connection.ask(
                    facts.method,
                    head,
                    client.body,
                    chunked=facts.chunked,
                    timeout=timeout,
                    inform=client.inform,
                    waits=facts.expects_continue,
                    upgrades=facts.is_websocket,
                )
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
        return UpstreamResponse(self, connection, response)

    def _check_again(self, facts: Facts, client: Exchange, *, is_reused: bool, is_second: bool) -> None:
        """RFC 9110 section 9.2.2: once more, where the connection had served before and was closing.

        UpstreamUnreachable: not this one.
        """
        if is_second:
            raise UpstreamUnreachable(f"{self._shown}: the connection ended before a response, twice") from None
        untouched = client.body is None or not client.body.is_touched
        if not (is_reused and untouched and facts.method in IDEMPOTENT):
            raise UpstreamUnreachable(f"{self._shown}: the connection ended before a response") from None

    def _head(self, facts: Facts, admission: Admission) -> bytes:
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
        return written(b"%b %b HTTP/1.1" % (facts.method.encode("ascii"), admission.target), headers, more=more)

    # Connections

    def _find_idle(self) -> UpstreamConnection | None:
        """The most recently used idle connection that is still sound."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_sound():
                return connection
            connection.abort()
        return None

    async def _take_or_open(self) -> UpstreamConnection:
        """A connection that somebody else gives back, or a new one. UpstreamBusy, UpstreamUnreachable."""
        while (given := await self._room()) is not None:
            if given.is_sound():
                return given
            if self._has_taken_place_of(given):
                break
        return await self._dial()

    async def _open_fresh(self) -> UpstreamConnection:
        """A connection that nobody had before."""
        while (given := await self._room()) is not None and not self._has_taken_place_of(given):
            pass
        return await self._dial()

    def _has_taken_place_of(self, connection: UpstreamConnection) -> bool:
        """Ends it, and has room for another instead; unless it ended already: its place was given to somebody else."""
        if connection not in self._open:
            return False
        self._open.discard(connection)
        connection.abort()
        return True

    async def _room(self) -> UpstreamConnection | None:
        """Room for a connection, counted (None), or what somebody gives back. UpstreamBusy."""
        if self._count >= self._max:
            return await self._wait()
        self._count += 1
        return None

    async def _wait(self) -> UpstreamConnection | None:
        """What somebody gives back: a connection, or room for one, which is counted already. UpstreamBusy."""
        waiter: asyncio.Future[UpstreamConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self._pool_timeout):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                # It came at the very moment in which nobody waited any more.
                given = waiter.result()
                if given is None:
                    self._free()
                elif not given.is_lost:
                    self._pass_on(given)
            if isinstance(error, TimeoutError):
                raise UpstreamBusy(f"{self._max} connections are in use") from None
            raise

    def _next_waiting(self) -> "asyncio.Future[UpstreamConnection | None] | None":
        while self._waiting:
            if not (waiter := self._waiting.popleft()).done():
                return waiter
        return None

    def _pass_on(self, connection: UpstreamConnection) -> None:
        """To the one who waits longest; a connection that nobody waits for becomes idle."""
        if self._waiting and (waiter := self._next_waiting()) is not None:
            waiter.set_result(connection)
        else:
            self._idle.append(connection)

    def _free(self) -> None:
        """There is room for one connection more: for the one who waits longest."""
        if (waiter := self._next_waiting()) is not None:
            waiter.set_result(None)
        else:
            self._count -= 1

    async def _dial(self) -> UpstreamConnection:
        """A new connection, which is counted already."""
        loop = asyncio.get_running_loop()
        try:
            connection = await self._dialer.open(lambda: UpstreamConnection(loop, self._lost))
        except BaseException as error:
            self._free()
            if isinstance(error, UpstreamUnreachable) and not self._failing:
                self._failing = True
                log.warning("upstream cannot be reached: %s", error.evidence)
            raise
        if connection.is_lost:
            self._free()
        else:
            self._open.add(connection)
        return connection

    def put(self, connection: UpstreamConnection) -> None:
        """Takes a connection back: to be used again when it can be, else closed."""
        if connection.is_reusable:
            connection.rest()
            self._pass_on(connection)
        elif not connection.is_lost:
            connection.abort()

    def _lost(self, connection: UpstreamConnection) -> None:
        if connection in self._open:
            self._open.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._free()

    def sweep(self, now: float) -> None:
        """Ends what is silent or idle for too long. `now`: loop time."""
        for connection in tuple(self._open):
            connection.check(now)
        while self._idle and now - self._idle[0].idle_since > self._keepalive:
            self._idle.pop(0).abort()
        told = (len(self._idle), len(self._open) - len(self._idle))
        if told != self._told and self._observer is not None:
            self._told = told
            self._observer.upstream_connections(self._name, idle=told[0], busy=told[1])

    async def close(self) -> None:
        """Closes every connection."""
        for connection in tuple(self._open):
            connection.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                while self._open:  # noqa: ASYNC110 -- it takes a turn or two of the loop
                    await asyncio.sleep(0)


class HttpUpstreams:
    """Every configured upstream, by the name that routes know it by."""

    def __init__(
        self,
        upstreams: Mapping[str, UpstreamSection],
        *,
        timeouts: tuple[float, ...] = (),
        observer: Observer | None = None,
    ) -> None:
        """Needs a running loop; `close` lets go of it. `timeouts`: those of routes, in seconds.

        ValueError: a file of an upstream's `tls` cannot be used; the sentence begins with its key.
        """
        self._upstreams: dict[str, HttpUpstream] = {}
        for name, upstream in upstreams.items():
            try:
                self._upstreams[name] = HttpUpstream(name, upstream, observer=observer)
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
            for upstream in self._upstreams.values():
                upstream.sweep(now)

    async def close(self) -> None:
        """Closes every connection."""
        self._sweeper.cancel()
        for upstream in self._upstreams.values():
            await upstream.close()

    def send(self, facts: Facts, admission: Admission, client: Exchange) -> Coroutine[None, None, UpstreamResponse]:
        """One request to the upstream of its route, as `HttpUpstream.send`."""
        return self._upstreams[admission.route.upstream].send(facts, admission, client)


def _authority(url: str) -> bytes:
    """What Host says to the upstream itself."""
    origin = parse_upstream(url)
    if origin.path is not None:
        return b"localhost"
    made = URL.build(scheme=origin.scheme, host=origin.host or "", port=origin.port)
    return cast("str", made.host_port_subcomponent).encode("ascii")
