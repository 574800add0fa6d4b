"""One client connection: aiohttp's parser and loop, our limits, our answers, and silence about what was read.

The only module that touches private names of aiohttp's server; tests/relay/test_aiohttp_names.py lists them.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from typing import Any, Protocol

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from gateway.core.config import Config
from gateway.core.errors import BadRequest, ClientDisconnected, InternalError, Refusal, RequestTimeout, TooLarge
from gateway.ports import Service
from gateway.relay.exchange import ClientExchange, refusal_bytes
from gateway.relay.facts import Peer, TrustedProxies
from gateway.relay.parser_errors import parser_refusal

#: seconds for which the rest of a refused body is read and dropped, so that the answer is not lost in a reset
LINGERING = 1
#: bytes of empty lines between two requests
MAX_EMPTY = 16
#: SO_LINGER (socket(7)): on, for no time at all
_RESET = struct.pack("ii", 1, 0)
_HEAD_END = b"\r\n\r\n"

log = logging.getLogger("gateway.relay")


class Listener(Protocol):
    """What a connection needs of the server it belongs to."""

    config: Config
    service: Service
    trusted_proxies: TrustedProxies
    draining: bool
    closed: bool

    def opened(self, connection: "Connection") -> Refusal | None:
        """Counts a new connection; a refusal when there are too many."""

    def lost(self, connection: "Connection") -> None:
        """Forgets a connection."""

    def count_request(self, change: int) -> None:
        """A request begins (+1) or ends (-1)."""


class Connection(RequestHandler):
    """One client connection: aiohttp's parser and loop, our limits, our answers."""

    __slots__ = (
        "_empty_bytes",
        "_head_bytes",
        "_head_since",
        "_last_payload",
        "_sent",
        "_server",
        "_silent_since",
        "_spoiled",
        "_wire",
        "is_cut",
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
            keepalive_timeout=float(limits.keepalive),
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own way of saying none
            max_line_size=line_bytes,
            max_field_size=limits.header_bytes,
            max_headers=limits.header_count,
            lingering_time=LINGERING,
            auto_decompress=False,
        )
        self._server = server
        self.limits = limits
        #: the gateway itself cut it, to stop
        self.is_cut = False
        self.realm = server.config.realm
        self.peer = Peer("unix", trusted=False)
        self._head_bytes = 0
        self._head_since: float | None = None
        #: since when, while no request has come at all
        self._silent_since: float | None = self._loop.time()
        self._empty_bytes = 0
        self._last_payload: StreamReader | None = None
        self._spoiled = False
        #: bytes of an answer to the present request were written
        self._sent = False
        #: the transport, also after aiohttp let go of it
        self._wire: asyncio.Transport | None = None

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

    def abort(self) -> None:
        """Cuts the connection by a reset: to an HTTP/1.0 client a mere end would make what it has look whole."""
        if self._wire is not None:
            with contextlib.suppress(OSError):
                self._wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._wire.abort()

    @property
    def has_request(self) -> bool:
        """Whether a request is under way, waits, or has begun to arrive."""
        return self._request_in_progress or bool(self._messages) or self._head_since is not None

    @property
    def is_busy(self) -> bool:
        """The same, or the client has not taken all of its last answer."""
        return self.has_request or (self._wire is not None and self._wire.get_write_buffer_size() > 0)

    def _process_keepalive(self) -> None:
        """Closes an idle connection. One on which a head arrives is not idle: `header_timeout` counts there."""
        if self._head_since is None:
            super()._process_keepalive()
        else:
            self._keepalive_handle = None

    # Bounds on the head

    def data_received(self, data: bytes) -> None:
        """Feeds the parser head by head: of a piece in which it finds an error it gives nothing that came before."""
        start = 0
        while not (self._is_in_body or self._buffer_paused or self._spoiled):
            if self._head_since is None and (start := self._skip_empty_lines(data, start)) == len(data):
                return
            end = data.find(_HEAD_END, start) + len(_HEAD_END)
            if end < len(_HEAD_END) or end == len(data):
                break
            self._feed(data[start:end])
            start = end
        self._feed(data[start:] if start else data)

    def _skip_empty_lines(self, data: bytes, start: int) -> int:
        """RFC 9112 section 2.2: empty lines before a request line are passed over; a stream of them is no client."""
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

    def _feed(self, data: bytes) -> None:
        """Counts the bytes of a head that is not complete."""
        if self._spoiled:
            return
        in_body = self._is_in_body
        waiting = len(self._messages)
        super().data_received(data)
        if len(self._messages) > waiting:
            message, latest = self._messages[-1]
            if isinstance(message, _ErrInfo):
                self._spoil()
            else:
                self._last_payload = latest
            self._head_bytes, self._head_since = 0, None
            self._empty_bytes, self._silent_since = 0, None
        elif data and not (in_body or self._upgraded):
            self._head_bytes += len(data)
            self._head_since = self._head_since or self._loop.time()
            if self._head_bytes > self.limits.header_bytes:
                self._break_off(TooLarge("the head did not end within header_bytes"))

    def check_head(self, now: float) -> None:
        """Refuses a head that is too long in coming, and closes a connection that never began one. `now`: loop time."""
        if self._head_since is not None:
            if now - self._head_since > self.limits.header_timeout:
                self._break_off(RequestTimeout("the head did not end within header_timeout"))
        elif self._silent_since is not None and now - self._silent_since > self.limits.header_timeout:
            self.force_close()

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

    def _make_error_handler(self, err_info: _ErrInfo) -> Any:
        refusal = parser_refusal(err_info.exc, limits_line=self.max_line_size)

        async def refuse(request: web.BaseRequest) -> web.StreamResponse:
            return await self.serve(request, refusal)

        return refuse

    async def _linger(self, content: StreamReader) -> None:
        """Ends our side only: closing while the client still sends would reset the connection, answer included."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write_eof()
            if self._spoiled or content.is_eof():
                self._spoiled = True
                await asyncio.sleep(LINGERING)
            # Else aiohttp reads on in the body, for as long.

    async def serve(self, request: web.BaseRequest, refusal: Refusal | None) -> web.StreamResponse:
        """One request, or what the parser made of one, through the gate."""
        exchange = ClientExchange(self, request, refusal)
        self._sent = False
        self._server.count_request(1)
        try:
            await self._server.service.handle(exchange)
        finally:
            self._server.count_request(-1)
        if exchange.lingers:
            await self._linger(request.content)
        return Written(keep_alive=exchange.keep_alive)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp calls when a handler raises: ours does not, so this is a bug. Never says what was read."""
        log.error("the server failed", exc_info=exc)
        if self._sent:
            self.abort()
        elif self.transport is not None:
            self.transport.write(refusal_bytes(InternalError(), realm=self.realm))
        return Written(keep_alive=False)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Says only what kind of error it was; aiohttp would quote the line it could not parse, token included."""
        error = kw.get("exc_info")
        # Lingering over what is left of a body finds its framing broken, or the connection closed by us.
        if self.transport is not None and not isinstance(error, RequestPayloadError):
            log.error("the server failed: %s", type(error).__name__)

    def log_debug(self, *args: Any, **kw: Any) -> None:
        """As above."""

    # What an exchange needs: relay.exchange.Wire

    @property
    def is_draining(self) -> bool:
        """Answers are to announce the end of the connection."""
        return self._server.draining

    @property
    def is_closed(self) -> bool:
        """No new request is to be served."""
        return self._server.closed

    async def send(self, data: bytes) -> None:
        """Writes, and waits while the client takes nothing. ClientDisconnected."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ClientDisconnected("the connection is closed")
        self._sent = True
        transport.write(data)
        if self._paused:
            try:
                await self._drain_helper()
            except ConnectionError:
                raise ClientDisconnected("the connection broke while it was written to") from None


class Written(web.StreamResponse):
    """Tells aiohttp that the answer is on the wire already."""

    def __init__(self, *, keep_alive: bool) -> None:
        self._keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing left to write."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing left to write."""
