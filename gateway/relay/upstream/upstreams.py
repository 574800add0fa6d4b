"""Requests to upstreams: what is sent, on which connection, and what is sent a second time.

How a request gets its connection is in `connections`, and what one connection does in `connection`.
"""

import math
from collections.abc import Coroutine, Mapping
from typing import Final

from msgspec.structs import replace

from gateway.core.addresses import parse_upstream
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.config.words import named
from gateway.core.errors import Overloaded, UpstreamClosed
from gateway.core.http.facts import Facts
from gateway.core.routing.admission import Admission
from gateway.ports import Exchange, Observer
from gateway.relay.http1.response_head import ResponseHead, is_connection_login
from gateway.relay.sweep import Clock, Sweep
from gateway.relay.upstream.connection import Closed, UpstreamConnection
from gateway.relay.upstream.connections import Connections
from gateway.relay.upstream.pool import KNOWN, STRANGER, TUNNEL
from gateway.relay.upstream.response import UpstreamResponse

#: RFC 9110 section 9.2.2, less TRACE: may be sent again when a reused connection turns out to be closed
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
#: RFC 9110 section 9.3: where a body is due. With any other method many servers leave it where it is
_WITH_BODIES: Final = frozenset({"POST", "PUT", "PATCH"})
#: how nearly every request begins its one credential
_USUAL: Final = b"Bearer "


class Tunnels:
    """How many WebSockets there are, those about to be included, and how many there may be."""

    def __init__(self, most: int | None) -> None:
        #: None: any number
        self.most = most
        self._open = 0

    def __repr__(self) -> str:
        return f"<Tunnels {self._open} of {self.most}>"

    def begin(self) -> None:
        """One more. Overloaded."""
        if self.most is not None and self._open >= self.most:
            raise Overloaded(f"{self._open} tunnels are open")
        self._open += 1

    def end(self) -> None:
        """One less."""
        self._open -= 1


class HttpUpstream:
    """One upstream: `http://`, `https://` or `unix:`."""

    def __init__(
        self, name: str, upstream: UpstreamSection, *, tunnels: Tunnels, clock: Clock, observer: Observer | None
    ) -> None:
        """ValueError: a file of `tls` cannot be used."""
        self._name = name
        self._tunnels = tunnels
        self._observer = observer
        self._shown = upstream.url
        self._own_host = upstream.host == "upstream"
        self._authority = own_host(upstream.url)
        self._response_timeout = float(upstream.response_timeout)
        #: idle and busy connections that the observer knows of
        self._told = (0, 0)
        #: nobody sends to it any more, whatever is under way
        self.is_over = False
        self.section: Final = upstream
        self.connections = Connections(upstream, now=clock.now)

    # One request

    async def send(self, facts: Facts, admission: Admission, client: Exchange) -> UpstreamResponse:
        """One request. UpstreamBusy, UpstreamUnreachable, UpstreamTimeout, UpstreamProtocolError, or the body's own."""
        # A server that reads no body there would take it for the next request, headers of ours included.
        closes = facts.method not in _WITH_BODIES and (facts.chunked or bool(facts.content_length))
        head = self._head(facts, admission, closes=closes)
        route_timeout = admission.route.timeout
        timeout = self._response_timeout if route_timeout is None else route_timeout
        kind = STRANGER if admission.identity is None else KNOWN
        if facts.is_websocket:
            kind |= TUNNEL
        is_last = closes or logs_in(facts, is_known=kind & STRANGER == 0)
        connections = self.connections
        connection = connections.find(kind)
        if connection is None or connections.is_old(connection):
            connection = await connections.get(kind, connection)
        is_second = is_whole = False
        response: ResponseHead | None = None
        while response is None:
            if is_second:
                connection = await connections.get_fresh(kind)
            try:
                connection.ask(facts, head, client, timeout=timeout, is_last=is_last, is_whole=is_whole)
                while (response := connection.response()) is None:
                    await connection.news()
            except Closed:
                connection.abort()
                unsent = connection.unsent
                if unsent and not is_second:
                    head, is_whole = unsent, True
                else:
                    self._check_again(facts, client, is_reused=connection.is_reused, is_second=is_second)
                is_second = True
            except BaseException:
                connection.abort()
                raise
        connections.responded()
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
        self.connections.give_back(connection)

    def _check_again(self, facts: Facts, client: Exchange, *, is_reused: bool, is_second: bool) -> None:
        """RFC 9110 section 9.2.2: once more, where the connection had served before and was closing.

        UpstreamClosed: not this one.
        """
        if is_second:
            raise UpstreamClosed(f"{self._shown}: the connection ended before a response, twice") from None
        untouched = client.body is None or not client.body.is_touched
        if not (is_reused and untouched and facts.method in IDEMPOTENT):
            raise UpstreamClosed(f"{self._shown}: the connection ended before a response") from None

    def _head(self, facts: Facts, admission: Admission, *, closes: bool) -> bytes:
        """Request line and lines as they are, then framing from the parsed message (RFC 9112 section 6)."""
        parts = [facts.method.encode("ascii"), b" ", admission.target, b" HTTP/1.1\r\n"]
        kept = admission.lines.kept
        if facts.host is None or self._own_host:
            parts += [b"Host: ", self._authority, b"\r\n"]
            kept = [line for line in kept if line.name.lower() != b"host"]
        for line in kept:
            parts.append(line.wire)
        parts += admission.lines.ours
        if facts.chunked:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        elif facts.content_length is not None:
            parts.append(b"Content-Length: %d\r\n" % facts.content_length)
        if facts.is_websocket:
            parts.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
        elif closes:
            parts.append(b"Connection: close\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)

    def sweep(self, now: float) -> None:
        """Ends what is silent or idle for too long, and tells how many are left. `now`: loop time."""
        self.connections.sweep(now)
        counts = self.connections.pool.counts()
        if counts != self._told and self._observer is not None:
            self._told = counts
            self._observer.upstream_connections(self._name, idle=counts[0], busy=counts[1])


class HttpUpstreams:
    """Every configured upstream, by the name that routes know it by."""

    def __init__(
        self,
        upstreams: Mapping[str, UpstreamSection],
        *,
        timeouts: tuple[float, ...] = (),
        tunnels: int | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        before: "HttpUpstreams | None" = None,
    ) -> None:
        """Needs a running loop; `close` lets go of it. `timeouts`: those of routes, in seconds.

        `tunnels`: how many there may be, to all upstreams together. `clock`: the loop's if not given.
        `before`: those of the configuration before, of which what is the same is taken over; see `succeed`.
        ValueError: a file of an upstream's `tls` cannot be used; the sentence begins with its key.
        """
        self.by_name: dict[str, HttpUpstream] = {}
        self.tunnels: Tunnels = Tunnels(tunnels) if before is None else before.tunnels
        self._most_tunnels = tunnels
        #: those of configurations before, on which something is under way
        self._leaving: list[HttpUpstream] = []
        clock = clock or Clock.of_loop()
        for name, upstream in upstreams.items():
            known = None if before is None else before.by_name.get(name)
            if known is not None and _is_same(known.section, upstream):
                self.by_name[name] = known
                continue
            try:
                self.by_name[name] = HttpUpstream(name, upstream, tunnels=self.tunnels, clock=clock, observer=observer)
            except ValueError as error:
                raise ValueError(f"{named('upstreams', upstreams)[name]}.{error}") from None
        shortest = min(
            (*timeouts, *(min(one.response_timeout, one.keepalive) for one in upstreams.values())), default=math.inf
        )
        self._sweep = Sweep(self._look, shortest=shortest, clock=clock, name="sweep upstreams")

    def succeed(self, before: "HttpUpstreams") -> None:
        """Takes the place of those before: looks after what is under way there, and ends what is idle."""
        before.stop_looking()
        self.tunnels.most = self._most_tunnels
        gone = [upstream for name, upstream in before.by_name.items() if self.by_name.get(name) is not upstream]
        for upstream in gone:
            upstream.connections.retire()
        self._leaving = [*before.leaving(), *gone]

    def leaving(self) -> "list[HttpUpstream]":
        """Those of configurations before that are looked after here."""
        return self._leaving

    def stop_looking(self) -> None:
        """Somebody else looks after the connections from now on, or nobody need."""
        self._sweep.close()

    def _look(self, now: float) -> None:
        for upstream in self.by_name.values():
            upstream.sweep(now)
        for upstream in tuple(self._leaving):
            upstream.sweep(now)
            if upstream.is_over and not upstream.connections.pool.connections:
                self._leaving.remove(upstream)

    async def close(self, *, but: "HttpUpstreams | None" = None) -> None:
        """Closes every connection. `but`: what it has goes on, and what it looks after ends there."""
        self._sweep.close()
        ours = [*self.by_name.values(), *self._leaving]
        if but is not None:
            kept = {id(upstream) for upstream in (*but.by_name.values(), *but.leaving())}
            for upstream in ours:
                upstream.is_over = upstream not in but.by_name.values()
            ours = [upstream for upstream in ours if id(upstream) not in kept]
        for upstream in ours:
            await upstream.connections.close()

    def send(self, facts: Facts, admission: Admission, client: Exchange) -> Coroutine[None, None, UpstreamResponse]:
        """One request to the upstream of its route, as `HttpUpstream.send`."""
        upstream = self.by_name[admission.route.upstream]
        if facts.is_websocket:
            return upstream.open_tunnel(facts, admission, client)
        return upstream.send(facts, admission, client)


def _is_same(one: UpstreamSection, other: UpstreamSection) -> bool:
    """Whether connections to one are as good for the other. What requests say on them is not asked."""
    return replace(one, authorization="drop", headers={}) == replace(other, authorization="drop", headers={})


def logs_in(facts: Facts, *, is_known: bool) -> bool:
    """Whether the API may take whoever comes next on the same connection for this client. `is_known`: was admitted."""
    lines = facts.authorization
    # Who was admitted by it has shown one Bearer token there, and nothing else; elsewhere there may be anything.
    if is_known and len(lines) == 1 and lines[0].startswith(_USUAL):
        return False
    return any(is_connection_login(value) for value in lines)


def own_host(url: str) -> bytes:
    """What Host says to the upstream itself."""
    origin = parse_upstream(url)
    if origin.path is not None:
        return b"localhost"
    name = (origin.host or "").rstrip(".")
    port = "" if origin.port == (443 if origin.scheme == "https" else 80) else f":{origin.port}"
    return (f"[{name}]{port}" if ":" in name else name + port).encode("ascii")
