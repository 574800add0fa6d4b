"""The client's side of one request: its facts, its body, and the response, ours or the upstream's.

Writes bytes; decides nothing about who may have them.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Final

from gateway.core.errors import BadRequest, ClientDisconnected, Draining, Refusal
from gateway.core.http.challenge import Challenges, compose_refusal
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.response_lines import with_lines
from gateway.core.upstream.headers import response_headers
from gateway.messages import Opened, OwnResponse, Response, Stream
from gateway.ports import Rest
from gateway.relay.client.body import RequestBody
from gateway.relay.client.facts import read_facts
from gateway.relay.client.listener import Listener
from gateway.relay.client.streams import OpenStream
from gateway.relay.client.wire import Wire
from gateway.relay.http1 import chunk
from gateway.relay.http1.head import head_bytes, response_bytes
from gateway.relay.http1.request_head import RequestHead
from gateway.relay.http1.response_head import BODYLESS
from gateway.relay.tunnel import Tunnel


class ClientExchange:
    """The client's side of one request."""

    __slots__ = (
        "_head",
        "_invited",
        "_leave_http",
        "_listener",
        "_raw_in",
        "_wire",
        "began_at",
        "body",
        "bytes_out",
        "keep_alive",
        "lingers",
        "rest",
    )

    def __init__(
        self,
        listener: Listener,
        wire: Wire,
        head: RequestHead,
        body: RequestBody | None,
        *,
        leave_http: Callable[[Tunnel], bytes] | None,
    ) -> None:
        """`leave_http`: hands what the client sends to a tunnel, and gives what came already; None: none was asked."""
        self._listener: Final = listener
        self._wire: Final = wire
        self._head: Final = head
        self._leave_http = leave_http
        #: bytes that came from the client once the connection had left HTTP
        self._raw_in = 0
        #: whether the client waits to be asked for its body; None: it does not wait
        self._invited: bool | None = None
        self.body: Final = body
        #: when the response began, in seconds of `time.perf_counter`; 0: not yet
        self.began_at = 0.0
        self.bytes_out = 0
        #: another request may follow on the connection
        self.keep_alive = False
        #: the connection ends with our own response, and the client may not be done sending
        self.lingers = False
        #: what is to be run once the request was handled
        self.rest: Rest | None = None

    def __repr__(self) -> str:
        return f"<ClientExchange {self._head!r}{', has begun' if self.has_begun else ''}>"

    def read_facts(self) -> Facts:
        """What the parser made of the request, judged further by `relay.facts`."""
        head, wire = self._head, self._wire
        facts = read_facts(
            method=head.method,
            target=head.target,
            version=head.version,
            lines=head.lines,
            peer=wire.peer,
            limits=self._listener.limits,
            upgrade=head.upgrades,
        )
        if not head.has_body and (facts.chunked or facts.content_length):
            raise BadRequest("the parser gives no body where the head announces one")
        # RFC 9110 section 7.8: an upgrade may be ignored. What follows it would be lost, so the connection ends here.
        self.keep_alive = not head.closes
        if facts.expects_continue and self.body is not None:
            self._invited = False
            self.body.invite = self._invite
        if self._listener.closed:
            raise Draining("the gateway is stopping")
        return facts

    @property
    def has_begun(self) -> bool:
        """A final response has begun."""
        return self.began_at > 0.0

    @property
    def is_read(self) -> bool:
        """All of the request came, its body included."""
        return self.body is None or self.body.is_complete

    @property
    def cut_by(self) -> Refusal | None:
        """Why the gateway itself cut the connection, if it did."""
        return self._wire.cut_by

    @property
    def bytes_in(self) -> int:
        """Bytes of body, or of a tunnel, that came from the client and were taken."""
        return self._raw_in + (0 if self.body is None else self.body.bytes_in)

    def _invite(self) -> None:
        """RFC 9110 section 10.1.1: a client that waits for 100 gets it once somebody takes the body it holds back."""
        if self._invited is False and not self.has_begun and self.body is not None and not self.body.is_here:
            self._invited = True
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def inform(self, status: int, reason: bytes, headers: Sequence[HeaderLine]) -> None:
        """Writes an interim response of the upstream, once, and to nobody whom it would confuse."""
        if self._head.version < (1, 1) or self.has_begun or (status == 100 and self._invited):
            return
        if status == 100 and self._invited is not None:
            self._invited = True
        # RFC 9110 section 8.6: no length, which somebody might take for that of the response to come.
        lines = [line for line in response_headers(headers) if line[0].lower() != b"content-length"]
        self._wire.write(response_bytes(status, reason, lines))

    def go_on(self, rest: Rest) -> None:
        """The request is handled but for this."""
        self.rest = rest

    async def relay(self, response: Response, *, lines: tuple[HeaderLine, ...] = (), by: Opened | None = None) -> None:
        """The upstream's response: its head as it is, `lines` excepted, its body as it comes."""
        raw, whole = response.raw, response.whole
        if raw is not None and whole is not None and not lines and response.status != 204:
            self.bytes_out = len(whole)
            self._write(self._begin(raw, closing=False, body=whole))
            if self._wire.is_full:
                await self._wire.drained()
            return
        if response.stream is not None:
            await self._tunnel(response, response.stream, lines, by)
            return
        head = self._head
        bodyless = head.method == "HEAD" or response.status in BODYLESS
        chunked = close_delimited = False
        if response.content_length is None and not bodyless:
            chunked = head.version >= (1, 1)
            close_delimited = not chunked
        if raw is None or lines or response.status == 204 or chunked or close_delimited:
            headers = with_lines(list(response.headers), lines)
            if response.status == 204 or chunked or close_delimited:
                headers = [line for line in headers if line[0].lower() != b"content-length"]
            if chunked:
                headers.append((b"Transfer-Encoding", b"chunked"))
            raw = head_bytes(response.status, response.reason, headers)
        if bodyless or whole is not None:
            body = b"" if bodyless or whole is None else whole
            self.bytes_out = len(body)
            framed = chunk.whole(body) if chunked else body
            self._write(self._begin(raw, closing=close_delimited, body=framed))
        else:
            self._wire.write(self._begin(raw, closing=close_delimited))
            streaming = self._stream(response, chunked=chunked)
            await (self._go_on(streaming, by) if response.is_endless else streaming)
        if self._wire.is_full:
            await self._wire.drained()

    def _write(self, whole: bytes) -> None:
        """A whole response."""
        if self.keep_alive:
            self._wire.write_soon(whole)
        else:
            self._wire.write(whole)

    async def _stream(self, response: Response, *, chunked: bool) -> None:
        wire = self._wire
        while piece := await response.read():
            self.bytes_out += len(piece)
            wire.write(chunk.chunk(piece) if chunked else piece)
            if wire.is_full:
                await wire.drained()
        if chunked:
            wire.write(chunk.LAST)

    async def _tunnel(
        self, response: Response, stream: Stream, lines: tuple[HeaderLine, ...], by: Opened | None
    ) -> None:
        """RFC 6455: from here on bytes."""
        assert self._leave_http is not None  # or the upstream would not have been asked for one
        self.began_at = time.perf_counter()
        headers = [*with_lines(list(response.headers), lines), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
        self._wire.write(response_bytes(response.status, response.reason, headers))
        tunnel = Tunnel(self._wire, stream)
        self._listener.count_tunnel(1)
        try:
            await self._go_on(tunnel.run(self._leave_http(tunnel)), by, tunnel=tunnel)
        finally:
            self._listener.count_tunnel(-1)
            self._leave_http = None  # or its connection would wait for the collector of cycles
            self.keep_alive = False
            self._raw_in, self.bytes_out = tunnel.bytes_in, tunnel.bytes_out

    async def _go_on(
        self, endless: Coroutine[None, None, None], by: Opened | None, *, tunnel: Tunnel | None = None
    ) -> None:
        """An event stream or a tunnel: either side may end it, and `streams` may, for which it raises its reason."""
        streams = self._listener.streams
        opened: OpenStream | None = None
        try:
            async with asyncio.timeout(None) as timeout:
                opened = streams.add(timeout, tunnel, by)
                await endless
        except TimeoutError:
            self.keep_alive = False
        except (ClientDisconnected, asyncio.CancelledError):
            self.keep_alive = False
            if self._wire.cut_by is not None or not self._wire.is_gone:
                raise
        finally:
            streams.forget(opened)
        if (why := _ended_by(opened)) is not None:
            self.keep_alive = False
            raise why

    async def respond(self, response: OwnResponse, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """Our own response, no refusal, with further header lines."""
        await self._say(response.status, response.reason, response.headers, lines, body=response.body)

    async def refuse(self, refusal: Refusal, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """A refusal, with further header lines."""
        response = compose_refusal(refusal, challenges=self._listener.challenges)
        closing = isinstance(refusal, Draining | BadRequest)
        await self._say(response.status, response.reason, response.headers, lines, body=response.body, closing=closing)
        self.lingers = not self.keep_alive

    async def _say(
        self,
        status: int,
        reason: bytes,
        headers: Iterable[HeaderLine],
        lines: tuple[HeaderLine, ...],
        *,
        body: bytes,
        closing: bool = False,
    ) -> None:
        """Our own response."""
        body = b"" if self._head.method == "HEAD" else body
        self.bytes_out = len(body)
        wire = self._wire
        head = head_bytes(status, reason, with_lines(list(headers), lines))
        whole = self._begin(head, closing=closing, body=body)
        wire.write_own(whole, soon=self.keep_alive)
        if wire.is_full:
            await wire.drained()

    def _begin(self, head: bytes, *, closing: bool, body: bytes = b"") -> bytes:
        """What is to be written first of a response. `head`: status line and header lines."""
        # A body that is not read to its end leaves the connection where nobody can find the next request.
        ends = closing or self._listener.draining or self._wire.is_last
        self.keep_alive = self.keep_alive and self.is_read and not ends
        more = b"\r\n\r\n"
        if not self.keep_alive:
            more = b"\r\nConnection: close\r\n\r\n"
        elif self._head.version < (1, 1):
            more = b"\r\nConnection: keep-alive\r\n\r\n"
        self.began_at = time.perf_counter()
        return b"".join((head, more, body))

    def abort(self) -> None:
        """Cuts the connection."""
        self._wire.abort()


def _ended_by(opened: OpenStream | None) -> Refusal | None:
    return None if opened is None else opened.ended_by


def refusal_bytes(refusal: Refusal, *, challenges: Challenges, headers: Iterable[HeaderLine] = ()) -> bytes:
    """A whole refusal that closes its connection."""
    response = compose_refusal(refusal, challenges=challenges)
    lines = [*response.headers, *headers, (b"Connection", b"close")]
    return response_bytes(response.status, response.reason, lines, response.body)
