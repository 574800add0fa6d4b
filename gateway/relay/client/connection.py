"""One client connection: bytes to requests, one request after another through the service, and the limits on heads.

What an exchange needs of it is `wire`; how a head is read, `request_parser`.
"""

import asyncio
import logging
from typing import Final

from gateway.core.errors import BadRequest, ClientDisconnected, InternalError, Refusal, RequestTimeout, TooLarge
from gateway.relay.client.body import IncomingBody
from gateway.relay.client.closing import linger
from gateway.relay.client.exchange import ClientExchange, refusal_bytes
from gateway.relay.client.wire import Listener, Wire
from gateway.relay.http1.request_parser import RequestParser, no_request
from gateway.relay.tunnel import Tunnel

#: bytes of empty lines between two requests
MAX_EMPTY: Final = 16
#: requests read ahead of the one that is served; when as few are left as half of them, more are read
MAX_AHEAD: Final = 16
#: bytes of chunks that are read at a time
_CHUNKS: Final = 16 * 1024
#: bytes kept of what follows an upgrade before there is a tunnel
MAX_EARLY: Final = 64 * 1024
_HEAD_END: Final = b"\r\n\r\n"

log = logging.getLogger("gateway.relay")


class Connection(Wire):
    """One client connection."""

    __slots__ = (
        "_empty_bytes",
        "_head_bytes",
        "_head_since",
        "_idle_since",
        "_is_ending",
        "_is_serving",
        "_parser",
        "_silent_since",
        "_spoiled",
        "_task",
        "_unread",
        "_waiter",
    )

    def __init__(self, server: Listener) -> None:
        """Needs a running loop."""
        super().__init__(server)
        self._parser = RequestParser(self)
        #: bytes that are parsed once there is room for more requests
        self._unread = b""
        #: serves requests; None before the first
        self._task: asyncio.Task[None] | None = None
        #: while that has nothing to do
        self._waiter: asyncio.Future[None] | None = None
        self._is_serving = False
        #: no request is served after the one under way
        self._is_ending = False
        #: of a head that is not complete
        self._head_bytes = 0
        self._head_since: float | None = None
        #: since when, while no request has come at all
        self._silent_since: float | None = self.loop.time()
        #: since when, between two requests
        self._idle_since: float | None = None
        self._empty_bytes = 0
        #: nothing that still comes makes sense
        self._spoiled = False

    # Life of a connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts it, or sends it away when there are too many."""
        super().connection_made(transport)
        refusal = self._server.opened(self)
        if refusal is not None:
            self.write(refusal_bytes(refusal, realm=self.realm))
            self.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forgets it; a request under way is cancelled."""
        super().connection_lost(exc)
        if self._parser.body is not None:
            self._parser.body.fail(ClientDisconnected("the client went away within its body"))
        self._parser.close()
        self._is_ending = True
        if self._task is not None:
            self._task.cancel()
        self._server.lost(self)

    def close(self) -> None:
        """Ends it once what was written is sent. Not while a request is under way."""
        self._is_ending = True
        if self.transport is not None:
            self.transport.close()

    @property
    def has_request(self) -> bool:
        """Whether a request is under way, waits, or has begun to arrive."""
        return self._is_serving or bool(self._parser.heads) or self._head_since is not None

    @property
    def is_busy(self) -> bool:
        """The same, or the client has not taken all of its last response."""
        return self.has_request or (self.transport is not None and self.transport.get_write_buffer_size() > 0)

    def check(self, now: float) -> None:
        """Ends what takes too long: a head, a body, a response to be taken, idleness. `now`: loop time."""
        limits = self.limits
        if self._head_since is not None:
            if now - self._head_since > limits.header_timeout:
                self._break_off(RequestTimeout("the head did not end within header_timeout"))
        elif self._silent_since is not None:
            if now - self._silent_since > limits.header_timeout:
                self.close()
        elif self._idle_since is not None and now - self._idle_since > limits.keepalive:
            self.close()
        self.check_flow(now)

    # Bytes to requests

    def data_received(self, data: bytes) -> None:
        """What the client sent."""
        if self._tunnel is not None:
            self._tunnel.from_client(data)
        elif self._unread:
            self._unread += data
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """Feeds the parser head by head, and no more of them than may wait."""
        parser = self._parser
        start, size = 0, len(data)
        while start < size and not self._spoiled:
            body = parser.body
            if parser.is_upgraded:
                parser.tail += data[start:]
                break
            if body is not None and body.missing > 0:
                end = min(size, start + body.missing)
            elif body is not None:
                # Chunks, whose end looks like that of a head: what follows it is read as heads are.
                end = _behind(_HEAD_END, data, start, min(size, start + _CHUNKS))
            elif len(parser.heads) >= MAX_AHEAD:
                self._unread = data[start:]
                break
            else:
                begin = start if self._head_since is not None else self._count_empty_lines(data, start)
                if begin == size:
                    self._feed(data[start:], is_empty=True)
                    break
                end = _behind(_HEAD_END, data, begin, size)
            self._feed(data if end - start == size else data[start:end])
            start = end
        self.pace()

    def _count_empty_lines(self, data: bytes, start: int) -> int:
        """Where they end. RFC 9112 section 2.2: the parser passes over them; a stream of them is no client."""
        while start < len(data) and (data[start] == 0x0D or data[start] == 0x0A):
            start += 1
            self._empty_bytes += 1
            if self._empty_bytes > MAX_EMPTY:
                self._break_off(BadRequest("empty lines where a request was due"))
                return len(data)
        return start

    def _feed(self, data: bytes, *, is_empty: bool = False) -> None:
        """Counts the bytes of a head that is not complete, and of what frames a body. `is_empty`: line ends only."""
        if self._spoiled:
            return
        parser = self._parser
        body = parser.body
        before = 0 if body is None else body.received
        waiting = len(parser.heads)
        try:
            parser.feed(data)
        except Refusal as refusal:
            if len(parser.heads) > waiting and parser.body is not None and not parser.body.received:
                # What is wrong came with the head itself.
                parser.heads.pop()
                parser.body = None
            self._spoil(refusal)
            return
        if len(parser.heads) > waiting:
            self._head_bytes, self._head_since = 0, None
            self._empty_bytes, self._silent_since = 0, None
            if parser.body is None:
                self._note_rest(data, parser.heads[-1].body)
            self._wake()
        elif body is None:
            if not is_empty:
                self._note_head(len(data))
        elif body.missing < 0:
            self._note_framing(body, data, body.received - before)

    def _note_head(self, size: int) -> None:
        """`size` bytes belong to a head that is not complete."""
        if size:
            self._head_bytes += size
            if self._head_since is None:
                self._head_since = self.loop.time()
            if self._head_bytes > self.limits.header_bytes:
                self._break_off(TooLarge("the head did not end within header_bytes"))

    def _note_rest(self, data: bytes, body: IncomingBody | None) -> None:
        """What came behind the end of a head, or of chunks: first that request's `body`, then maybe the next head."""
        counted = body.received if body is not None and body.missing >= 0 else 0
        self._note_head(max(0, len(data.rpartition(_HEAD_END)[2].lstrip(b"\r\n")) - counted))

    def _note_framing(self, body: IncomingBody, data: bytes, taken: int) -> None:
        """Of `data`, `taken` bytes were body in chunks: the rest framed it, or began the next head."""
        if body.is_complete:
            self._head_bytes = 0
            self._note_rest(data, body)
        else:
            # Chunk extensions and trailers: they have no limit of their own.
            self._head_bytes = 0 if taken else self._head_bytes + len(data)
            if self._head_bytes > self.limits.header_bytes:
                self._spoil(BadRequest("the framing of the body is longer than a head may be"))

    def _spoil(self, refusal: Refusal) -> None:
        """The stream makes no sense any more: whoever reads a body from it is told, else the client."""
        body = self._parser.body
        if body is None:
            self._break_off(refusal)
        else:
            self._spoiled = True
            self._head_bytes, self._head_since, self._silent_since = 0, None, None
            body.fail(BadRequest("the framing of the body broke"))
            # Its head may have come with what is wrong.
            self._wake()

    def _break_off(self, refusal: Refusal) -> None:
        """Our own refusal is the last response."""
        self._spoiled = True
        self._head_bytes, self._head_since, self._silent_since = 0, None, None
        self._parser.heads.append(no_request(refusal))
        self._wake()

    def pace(self) -> None:
        """Reads from the client while there is room."""
        parser = self._parser
        body = parser.body
        full = (body is not None and body.is_full) or (parser.is_upgraded and len(parser.tail) > MAX_EARLY)
        self.hold(held=not self._spoiled and (full or bool(self._unread)))

    # Requests

    def _wake(self) -> None:
        """There is a request."""
        if self._task is None:
            self._task = self.loop.create_task(self._serve())
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _serve(self) -> None:
        """One request after another, until the connection ends."""
        heads, service = self._parser.heads, self._server.service
        try:
            while not self._is_ending:
                if not heads:
                    if self._silent_since is None:
                        self._idle_since = self.loop.time()
                    self._waiter = self.loop.create_future()
                    await self._waiter
                    self._idle_since = None
                    continue
                head = heads.popleft()
                if self._unread and len(heads) <= MAX_AHEAD // 2:
                    self._read_on()
                exchange = ClientExchange(self, head)
                self._is_serving = True
                self._server.count_request(1)
                written = self._written
                try:
                    await service.handle(exchange)
                except Exception:
                    log.exception("the server failed")
                    self._fail(has_begun=self._written > written)
                finally:
                    self._is_serving = False
                    self._server.count_request(-1)
                if head.body is not None and head.body.is_complete:
                    # What nobody wanted of it makes room.
                    head.body.take()
                if self._is_ending or not (exchange.keep_alive and exchange.is_read):
                    self._is_ending = True
                    await self._end_behind(exchange, head.body)
        except Exception as error:  # noqa: BLE001 -- see below
            # Ours raise nothing, so this is a bug. The error is not shown: it may quote what was read.
            log.error("the server failed: %s", type(error).__name__)  # noqa: TRY400 -- see above
            self.abort()
        finally:
            self.close()

    def _read_on(self) -> None:
        """There is room for more of what was read."""
        unread, self._unread = self._unread, b""
        self._read(unread)

    def _fail(self, *, has_begun: bool) -> None:
        """A bug in the service: the client is told, or cut off; and nothing more is served."""
        self._is_ending = True
        if has_begun or self.is_gone:
            self.abort()
        else:
            self.write(refusal_bytes(InternalError(), realm=self.realm))

    async def _end_behind(self, exchange: ClientExchange, body: IncomingBody | None) -> None:
        """The last response of this connection is written."""
        transport = self.transport
        if transport is None or self.is_gone or transport.is_closing() or self._tunnel is not None:
            return
        if exchange.lingers or not exchange.is_read:
            await linger(transport, None if self._spoiled else body, deafen=self._deafen)

    def _deafen(self) -> None:
        """Whatever still comes is taken, and dropped."""
        self._spoiled = True
        self._unread = self._parser.tail = b""
        self.pace()

    # After 101

    async def run_tunnel(self, tunnel: Tunnel) -> None:
        """Bytes both ways until one side ends."""
        self._tunnel = tunnel
        early, self._parser.tail = self._parser.tail, b""
        self.pace()
        self._server.count_tunnel(1)
        try:
            await tunnel.run(early)
        finally:
            self._server.count_tunnel(-1)


def _behind(mark: bytes, data: bytes, start: int, end: int) -> int:
    """Where the next mark ends; else `end`."""
    found = data.find(mark, start, end)
    return end if found < 0 else found + len(mark)
