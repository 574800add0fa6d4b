"""One client connection: aiohttp's parser, our loop, limits and answers, and silence about what was read.

The only module that touches private names of aiohttp's server; tests/relay/test_aiohttp_names.py lists them.
"""

import asyncio
import logging

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo
from mypy_extensions import mypyc_attr

from gateway.core.errors import BadRequest, ClientDisconnected, InternalError, Refusal, RequestTimeout, TooLarge
from gateway.relay.closing import has_left, linger, reset
from gateway.relay.exchange import ClientExchange, refusal_bytes
from gateway.relay.facts import Peer
from gateway.relay.parser_errors import parser_refusal
from gateway.relay.tunnel import Tunnel
from gateway.relay.wire import NO_REQUEST, Awaited, Listener, Parsed, RequestHead

#: bytes of empty lines between two requests
MAX_EMPTY = 16
_HEAD_END = b"\r\n\r\n"

log = logging.getLogger("gateway.relay")


@mypyc_attr(native_class=False)
class Connection(RequestHandler):
    """One client connection: aiohttp's parser, our loop, limits and answers."""

    __slots__ = (
        "_awaited",
        "_empty_bytes",
        "_head_bytes",
        "_head_since",
        "_idle_since",
        "_last_chunked",
        "_last_payload",
        "_server",
        "_silent_since",
        "_spoiled",
        "_stalled_since",
        "_taken",
        "_tunnel",
        "_waiting_requests",
        "_wire",
        "_written",
        "cut_by",
        "limits",
        "peer",
        "realm",
    )

    def __init__(self, server: Listener, manager: web.Server) -> None:
        """`manager`: the same server, as aiohttp sees it."""
        limits = server.config.limits
        # The parser names the limit that was passed and not what passed it: make the two limits differ.
        line_bytes = limits.uri_bytes + (limits.uri_bytes == limits.header_bytes)
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=0,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own way of saying none
            max_line_size=line_bytes,
            max_field_size=limits.header_bytes,
            max_headers=limits.header_count,
            auto_decompress=False,
        )
        self._server = server
        self.limits = limits
        #: why the gateway itself cut it, if it did
        self.cut_by: Refusal | None = None
        self.realm = server.config.realm
        self.peer = Peer("unix", trusted=False)
        self._head_bytes = 0
        self._head_since: float | None = None
        #: since when, while no request has come at all
        self._silent_since: float | None = self._loop.time()
        #: since when, between two requests
        self._idle_since: float | None = None
        #: the body that somebody waits for, and since when
        self._awaited: tuple[Awaited, float] | None = None
        self._waiting_requests: Parsed = self._messages
        self._empty_bytes = 0
        self._last_payload: StreamReader | None = None
        self._last_chunked = self._spoiled = False
        #: the transport, also after aiohttp let go of it
        self._wire: asyncio.Transport | None = None
        #: bytes that were written, bytes the client had taken when somebody last looked, and since when no more
        self._written = self._taken = 0
        self._stalled_since: float | None = None
        #: once the connection left HTTP
        self._tunnel: Tunnel | None = None

    # Life of a connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts it, or sends it away when there are too many."""
        super().connection_made(transport)
        self._wire = self.transport
        refusal = self._server.opened(self)
        if refusal is not None:
            assert self.transport is not None
            self.transport.write(refusal_bytes(refusal, realm=self.realm))
            self.force_close()
            return
        self.peer = self._server.trusted_proxies.peer(transport.get_extra_info("peername"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forgets it; a request under way is cancelled by aiohttp."""
        super().connection_lost(exc)
        self._server.lost(self)

    def cut(self, reason: Refusal) -> None:
        """Cuts the connection on the gateway's own account."""
        self.cut_by = reason
        self.abort()

    def abort(self) -> None:
        """Cuts the connection, in a way that nobody takes for an end."""
        if self._wire is not None:
            reset(self._wire)

    @property
    def has_request(self) -> bool:
        """Whether a request is under way, waits, or has begun to arrive."""
        return self._request_in_progress or bool(self._messages) or self._head_since is not None

    @property
    def is_busy(self) -> bool:
        """The same, or the client has not taken all of its last answer."""
        return self.has_request or (self._wire is not None and self._wire.get_write_buffer_size() > 0)

    def check(self, now: float) -> None:
        """Ends what takes too long: a head, a body, an answer to be taken, idleness. `now`: loop time."""
        limits = self.limits
        assert self._wire is not None
        if self._head_since is not None:
            if now - self._head_since > limits.header_timeout:
                self._break_off(RequestTimeout("the head did not end within header_timeout"))
        elif self._silent_since is not None:
            if now - self._silent_since > limits.header_timeout:
                self.force_close()
        elif self._idle_since is not None and now - self._idle_since > limits.keepalive:
            self.force_close()
        if self._awaited is not None and now - self._awaited[1] > limits.body_timeout:
            self._awaited[0].expire()
        self._check_taking(now)
        if not (self._wire.is_closing() or self._wire.is_reading()) and has_left(self._wire):
            self.abort()

    def _check_taking(self, now: float) -> None:
        assert self._wire is not None
        left = self._wire.get_write_buffer_size()
        taken = self._written - left
        if not left or taken > self._taken or self._stalled_since is None:
            self._taken, self._stalled_since = taken, now if left else None
        elif now - self._stalled_since > self.limits.send_timeout:
            self.cut(ClientDisconnected("it took nothing of the answer within send_timeout"))

    # Bounds on the head

    def data_received(self, data: bytes) -> None:
        """Feeds the parser head by head: of a piece in which it finds an error it gives nothing that came before."""
        if self._tunnel is not None:
            self._tunnel.from_client(data)
            return
        start = 0
        while not (self._is_in_body or self._buffer_paused or self._spoiled or self._upgraded):
            begin = start
            if self._head_since is None and (begin := self._count_empty_lines(data, start)) == len(data):
                self._feed(data[start:], is_empty=True)
                return
            end = data.find(_HEAD_END, begin) + len(_HEAD_END)
            if end < len(_HEAD_END) or end == len(data):
                break
            self._feed(data[start:end])
            start = end
        # Behind an upgrade, what comes before the tunnel is there is kept by aiohttp, up to a limit.
        self._feed(data[start:] if start else data)

    def _count_empty_lines(self, data: bytes, start: int) -> int:
        """Where they end. RFC 9112 section 2.2: the parser passes over them; a stream of them is no client.

        The parser gets them in any case: they may belong to a head that began behind a body.
        """
        while start < len(data) and data[start] in b"\r\n":
            start += 1
            self._empty_bytes += 1
            if self._empty_bytes > MAX_EMPTY:
                self._break_off(BadRequest("empty lines where a request was due"))
                return len(data)
        return start

    @property
    def _is_in_body(self) -> bool:
        return self._last_payload is not None and not self._last_payload.is_eof()

    def _feed(self, data: bytes, *, is_empty: bool = False) -> None:
        """Counts the bytes of a head that is not complete, and of what frames a body. `is_empty`: line ends only."""
        if self._spoiled:
            return
        body = self._last_payload if self._is_in_body else None
        before = 0 if body is None else body.total_bytes
        waiting = len(self._messages)
        super().data_received(data)
        if len(self._messages) > waiting:
            message, latest = self._waiting_requests[-1]
            if isinstance(message, _ErrInfo):
                self._spoil()
            else:
                self._last_payload, self._last_chunked = latest, message.chunked
            self._head_bytes, self._head_since = 0, None
            self._empty_bytes, self._silent_since = 0, None
            if body is not None and latest is EMPTY_PAYLOAD:
                self._note_head(len(data.rpartition(_HEAD_END)[2]))
        elif body is not None:
            self._note_framing(body, data, body.total_bytes - before)
        elif data and not (is_empty or self._upgraded):
            self._note_head(len(data))

    def _note_head(self, size: int) -> None:
        """`size` bytes belong to a head that is not complete."""
        if size:
            self._head_bytes += size
            self._head_since = self._head_since or self._loop.time()
            if self._head_bytes > self.limits.header_bytes:
                self._break_off(TooLarge("the head did not end within header_bytes"))

    def _note_framing(self, body: StreamReader, data: bytes, taken: int) -> None:
        """Of `data`, `taken` bytes were body: the rest framed it, or began the next head."""
        if body.is_eof():
            self._head_bytes = 0
            behind = data.rpartition(_HEAD_END)[2].lstrip(b"0") if self._last_chunked else data[taken:]
            self._note_head(len(behind.lstrip(b"\r\n")))
        else:
            # Chunk extensions and trailers: they have no limit of their own.
            self._head_bytes = 0 if taken else self._head_bytes + len(data)
            if self._head_bytes > self.limits.header_bytes:
                self._spoil()

    def _spoil(self) -> None:
        """The byte stream makes no sense any more; whoever reads a body from it is told."""
        self._spoiled = True
        if self._last_payload is not None and not self._last_payload.is_eof():
            self._last_payload.set_exception(RequestPayloadError())

    def _break_off(self, refusal: Refusal) -> None:
        """Queues our own refusal, as aiohttp queues what its parser found."""
        self._spoiled = True
        self._head_bytes, self._head_since = 0, None
        self._messages.append((_ErrInfo(refusal.status, refusal, ""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Requests

    async def start(self) -> None:
        """Serves one request after another. Instead of aiohttp's loop: a task and three objects less a request."""
        try:
            while not self._force_close:
                if not self._messages:
                    await self._next()
                message, payload = self._waiting_requests.popleft()
                if self._parser is not None:
                    self._parser.message_consumed()
                if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                    self._resume_reading_if_drained()
                if not await self._serve(message, payload):
                    break
        except Exception as error:  # noqa: BLE001 -- see below
            # Ours raise nothing, so this is a bug. The error is not shown: it may quote what was read.
            log.error("the server failed: %s", type(error).__name__)  # noqa: TRY400 -- see above
            self.abort()
        finally:
            if self.transport is not None:
                self.transport.close()

    async def _next(self) -> None:
        """Until there is a request, or an error of the parser."""
        if self._silent_since is None:
            self._idle_since = self._loop.time()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._idle_since = None

    async def _serve(self, message: RequestHead | _ErrInfo, payload: StreamReader) -> bool:
        """One request, or what the parser made of one, through the gate. Whether another may follow."""
        refusal = None
        if isinstance(message, _ErrInfo):
            refusal = parser_refusal(message.exc, limits_line=self.max_line_size)
            message = NO_REQUEST
        exchange = ClientExchange(self, message, payload, refusal)
        self._request_in_progress = True
        self._server.count_request(1)
        written = self._written
        try:
            await self._server.service.handle(exchange)
        except Exception:
            log.exception("the server failed")
            if self._written > written:
                self.abort()
            else:
                self.write(refusal_bytes(InternalError(), realm=self.realm))
            return False
        finally:
            self._request_in_progress = False
            self._server.count_request(-1)
        if exchange.keep_alive and payload.is_eof():
            return True
        transport = self.transport
        if transport is None or transport.is_closing() or self._tunnel is not None:
            return False
        if exchange.lingers or not payload.is_eof():
            await linger(transport, EMPTY_PAYLOAD if self._spoiled else payload, deafen=self._deafen)
        return False

    def _deafen(self) -> None:
        """Nothing that still comes is read."""
        self._spoiled = True

    # What an exchange needs: relay.wire.Wire

    @property
    def is_draining(self) -> bool:
        """Answers are to announce the end of the connection."""
        return self._server.draining

    @property
    def is_closed(self) -> bool:
        """No new request is to be served."""
        return self._server.closed

    def write(self, data: bytes) -> None:
        """Writes. ClientDisconnected."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ClientDisconnected("the connection is closed")
        self._written += len(data)
        transport.write(data)

    @property
    def is_gone(self) -> bool:
        """There is no client any more."""
        return self.transport is None

    @property
    def is_full(self) -> bool:
        """The client takes less than is written: wait for `drained`."""
        return self._paused

    async def drained(self) -> None:
        """Waits while the client takes nothing. ClientDisconnected."""
        try:
            await self._drain_helper()
        except ConnectionError:
            raise ClientDisconnected("the connection broke while it was written to") from None

    def await_body(self, body: Awaited | None) -> None:
        """Somebody waits for more of a body, or no longer."""
        self._awaited = None if body is None else (body, self._loop.time())

    # After 101

    async def run_tunnel(self, tunnel: Tunnel) -> None:
        """Bytes both ways until one side ends."""
        self._tunnel = tunnel
        early, self._message_tail = self._message_tail, b""
        if self._buffer_paused:
            self._resume_reading_for_buffer()
        self._server.count_tunnel(1)
        try:
            await tunnel.run(early)
        finally:
            self._server.count_tunnel(-1)

    def hold(self, *, held: bool) -> None:
        """Stops reading from the client, or reads again."""
        if held:
            self._pause_transport_reading()
        else:
            self._resume_transport_reading()

    def pause_writing(self) -> None:
        """The client takes less than is written."""
        super().pause_writing()
        if self._tunnel is not None:
            self._tunnel.client_ready(ready=False)

    def resume_writing(self) -> None:
        """It takes more again."""
        super().resume_writing()
        if self._tunnel is not None:
            self._tunnel.client_ready(ready=True)
