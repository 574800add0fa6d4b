"""The client's side of one request: its facts, its body, and the response, ours or the upstream's.

Writes bytes; decides nothing about who may have them.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence

from gateway.core.errors import (
    BadRequest,
    BodyTooLarge,
    ClientDisconnected,
    Draining,
    Refusal,
    RequestTimeout,
    TokenExpired,
)
from gateway.core.http.challenge import compose_refusal
from gateway.core.http.cors import with_lines
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.upstream.headers import response_headers
from gateway.ports import Response, Stream
from gateway.relay.client.body import IncomingBody
from gateway.relay.client.facts import read_facts
from gateway.relay.client.wire import Wire
from gateway.relay.http1.head import written
from gateway.relay.http1.request_parser import RequestHead
from gateway.relay.http1.response_head import BODYLESS
from gateway.relay.tunnel import Tunnel


class RequestBody:
    """The body of a request, read at the pace of whoever takes it."""

    __slots__ = ("_content", "_exchange", "_limit", "_wire", "is_touched")

    def __init__(self, exchange: "ClientExchange", wire: Wire, content: IncomingBody) -> None:
        self._exchange = exchange
        self._wire = wire
        self._content = content
        self._limit = wire.limits.body_bytes
        self.is_touched = False

    @property
    def is_here(self) -> bool:
        """Whether some of it arrived."""
        return self._content.received > 0 or self._content.is_complete

    def take_whole(self) -> bytes | None:
        """All of it, where all of it is here already."""
        if not self._content.is_complete:
            return None
        whole = self._content.take()
        self._count(len(whole))
        return whole

    def _count(self, size: int) -> None:
        self.is_touched = True
        self._exchange.bytes_in += size
        if self._limit is not None and self._exchange.bytes_in > self._limit:
            raise BodyTooLarge(f"more than {self._limit} bytes of body")

    async def read(self) -> bytes:
        """The next piece, without framing; empty at its end."""
        self._exchange.invite_body()
        self._wire.await_body(self)
        try:
            piece = await self._content.read()
        finally:
            self._wire.await_body(None)
        if piece:
            self._count(len(piece))
        return piece

    def expire(self) -> None:
        """The client owed more of it for too long."""
        self._content.fail(RequestTimeout("nothing came of the body within body_timeout"))


class ClientExchange:
    """The client's side of one request."""

    __slots__ = (
        "_invited",
        "_request",
        "_wire",
        "body",
        "bytes_in",
        "bytes_out",
        "has_begun",
        "keep_alive",
        "lingers",
    )

    def __init__(self, wire: Wire, request: RequestHead) -> None:
        self._wire = wire
        self._request = request
        #: whether the client waits to be asked for its body; None: it does not wait
        self._invited: bool | None = None
        self.has_begun = False
        self.bytes_in = self.bytes_out = 0
        self.keep_alive = False
        #: the connection ends with our own response, and the client may not be done sending
        self.lingers = False
        self.body = None if request.body is None else RequestBody(self, wire, request.body)

    def read_facts(self) -> Facts:
        """What the parser made of the request, judged further by `relay.facts`."""
        request = self._request
        if request.refusal is not None:
            raise request.refusal
        wire = self._wire
        facts = read_facts(
            method=request.method,
            target=request.target,
            version=request.version,
            headers=request.headers,
            peer=wire.peer,
            limits=wire.limits,
            upgrade=request.upgrades,
        )
        if self.body is None and (facts.chunked or facts.content_length):
            raise BadRequest("the parser gives no body where the head announces one")
        # RFC 9110 section 7.8: an upgrade may be ignored. What follows it would be lost, so the connection ends here.
        self.keep_alive = not request.closes
        if facts.expects_continue:
            self._invited = False
        if wire.is_closed:
            raise Draining("the gateway is stopping")
        return facts

    @property
    def is_read(self) -> bool:
        """All of the request came, its body included."""
        body = self._request.body
        return body is None or body.is_complete

    @property
    def cut_by(self) -> Refusal | None:
        """Why the gateway itself cut the connection, if it did."""
        return self._wire.cut_by

    def invite_body(self) -> None:
        """RFC 9110 section 10.1.1: a client that waits for 100 gets it once somebody takes the body it holds back."""
        if self._invited is False and not self.has_begun and self.body is not None and not self.body.is_here:
            self._invited = True
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def inform(self, status: int, reason: bytes, headers: Sequence[HeaderLine]) -> None:
        """Writes an interim response of the upstream, once, and to nobody whom it would confuse."""
        if self._request.version < (1, 1) or self.has_begun or (status == 100 and self._invited):
            return
        if status == 100 and self._invited is not None:
            self._invited = True
        # RFC 9110 section 8.6: no length, which somebody might take for that of the response to come.
        lines = [line for line in response_headers(headers) if line[0].lower() != b"content-length"]
        self._wire.write(response_bytes(status, reason, lines))

    async def relay(
        self, response: Response, *, cors: tuple[HeaderLine, ...] = (), seconds_left: float | None = None
    ) -> None:
        """The upstream's response: its head as it is, `cors` excepted, its body as it comes."""
        if response.stream is not None:
            await self._tunnel(response, response.stream, cors, seconds_left)
            return
        request = self._request
        bodyless = request.method == "HEAD" or response.status in BODYLESS
        chunked = close_delimited = False
        if response.content_length is None and not bodyless:
            chunked = request.version >= (1, 1)
            close_delimited = not chunked
        headers = with_lines(list(response.headers), cors)
        if response.status == 204 or chunked or close_delimited:
            headers = [line for line in headers if line[0].lower() != b"content-length"]
        if chunked:
            headers.append((b"Transfer-Encoding", b"chunked"))
        whole = response.whole
        if bodyless or whole is not None:
            body = b"" if bodyless or whole is None else whole
            self.bytes_out = len(body)
            framed = _chunk(body, last=True) if chunked else body
            self._begin(response.status, response.reason, headers, closing=close_delimited, body=framed)
        else:
            self._begin(response.status, response.reason, headers, closing=close_delimited)
            streaming = self._stream(response, chunked=chunked)
            await (self._go_on(streaming, seconds_left) if response.is_endless else streaming)
        if self._wire.is_full:
            await self._wire.drained()

    async def _stream(self, response: Response, *, chunked: bool) -> None:
        wire = self._wire
        while chunk := await response.read():
            self.bytes_out += len(chunk)
            wire.write(_chunk(chunk, last=False) if chunked else chunk)
            if wire.is_full:
                await wire.drained()
        if chunked:
            wire.write(b"0\r\n\r\n")

    async def _tunnel(
        self, response: Response, stream: Stream, cors: tuple[HeaderLine, ...], seconds_left: float | None
    ) -> None:
        """RFC 6455: from here on bytes."""
        self.has_begun = True
        lines = [*with_lines(list(response.headers), cors), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
        self._wire.write(response_bytes(response.status, response.reason, lines))
        tunnel = Tunnel(self._wire, stream)
        try:
            await self._go_on(self._wire.run_tunnel(tunnel), seconds_left)
        finally:
            self.keep_alive = False
            self.bytes_in, self.bytes_out = tunnel.bytes_in, tunnel.bytes_out

    async def _go_on(self, endless: Coroutine[None, None, None], seconds_left: float | None) -> None:
        """An event stream or a tunnel: any side may end it at any time, and the token does. TokenExpired."""
        try:
            async with asyncio.timeout(None if seconds_left is None else max(0, seconds_left)):
                await endless
        except TimeoutError:
            self.keep_alive = False
            raise TokenExpired("the token expired while the stream was open") from None
        except (ClientDisconnected, asyncio.CancelledError):
            self.keep_alive = False
            if self._wire.cut_by is not None or not self._wire.is_gone:
                raise

    async def refuse(self, refusal: Refusal, *, headers: tuple[HeaderLine, ...] = ()) -> None:
        """Our own response, with further header lines."""
        response = compose_refusal(refusal, realm=self._wire.realm)
        body = b"" if self._request.method == "HEAD" else response.body
        closing = self._request.refusal is not None or isinstance(refusal, Draining | BadRequest)
        self.bytes_out = len(body)
        self._begin(response.status, response.reason, [*response.headers, *headers], closing=closing, body=body)
        self.lingers = not self.keep_alive
        if self._wire.is_full:
            await self._wire.drained()

    def _begin(
        self, status: int, reason: bytes, headers: list[HeaderLine], *, closing: bool, body: bytes = b""
    ) -> None:
        # A body that is not read to its end leaves the connection where nobody can find the next request.
        self.keep_alive = self.keep_alive and self.is_read and not (closing or self._wire.is_draining)
        if not self.keep_alive:
            headers.append((b"Connection", b"close"))
        elif self._request.version < (1, 1):
            headers.append((b"Connection", b"keep-alive"))
        self.has_begun = True
        self._wire.write(response_bytes(status, reason, headers, body))

    def abort(self) -> None:
        """Cuts the connection."""
        self._wire.abort()


def _chunk(data: bytes, *, last: bool) -> bytes:
    """RFC 9112 section 7.1: one chunk, and the last one behind it."""
    framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return framed + b"0\r\n\r\n" if last else framed


def response_bytes(status: int, reason: bytes, headers: Iterable[HeaderLine], body: bytes = b"") -> bytes:
    """A response as it goes on the wire, or as much of it as there is."""
    first = b"HTTP/1.1 200 OK" if status == 200 and reason == b"OK" else b"HTTP/1.1 %d %b" % (status, reason)
    return written(first, headers, body=body)


def refusal_bytes(refusal: Refusal, *, realm: str) -> bytes:
    """A whole refusal that closes its connection."""
    response = compose_refusal(refusal, realm=realm)
    return response_bytes(
        response.status, response.reason, [*response.headers, (b"Connection", b"close")], response.body
    )
