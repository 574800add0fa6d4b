"""The console's listener: aiohttp's server, with bounds that it lacks, and with errors that quote nothing.

aiohttp quotes the line that it cannot parse: it may be the key. It also knows no limit of connections.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from socket import socket
from typing import Any, Final, cast

from gateway.console.handshakes import Handshakes
from gateway.console.page import HEADERS
from gateway.libraries.serving import web

#: connections at a time, and event streams among them
CONNECTIONS: Final = 16
STREAMS: Final = 4
#: bytes of a body
MAX_BODY: Final = 64 * 1024
#: seconds that a connection may be silent between two requests, and that it has for its first with a good credential
KEEPALIVE: Final = 30.0
PROVE_WITHIN: Final = 10.0
#: seconds that requests under way have at the end
SHUTDOWN: Final = 1.0

log = logging.getLogger("gateway")
#: of aiohttp: what it would log may have a line of a request in it
_quiet: Final = logging.getLogger("gateway.console.http")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def plain(status: int, body: bytes = b"", content_type: str = "application/json") -> web.Response:
    """A small response of ours."""
    return web.Response(status=status, body=body, content_type=content_type, headers=HEADERS)


class Request(web.BaseRequest):
    """A request, whose response does not say by which server it was made."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)


class Handler(web.RequestHandler):
    """One connection."""

    __slots__ = ("is_proven", "made_at")

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.made_at = time.monotonic()
        #: a request on it had a good credential
        self.is_proven = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A status, and nothing of what was sent. Of a bug the log says where it was, and not with what."""
        if status == HTTPStatus.INTERNAL_SERVER_ERROR and exc is not None:
            at = exc.__traceback__
            while at is not None and at.tb_next is not None:
                at = at.tb_next
            where = "" if at is None else f", {at.tb_frame.f_code.co_qualname} line {at.tb_lineno}"
            log.error("the console failed: %s%s", type(exc).__name__, where)
        response = plain(status, b'{"error":"%b"}\n' % HTTPStatus(status).phrase.encode())
        response.force_close()
        return response

    def log_exception(self, *given: Any, **more: Any) -> None:
        """Nothing: what is to be said is said in `handle_error`."""


class _Full(asyncio.Protocol):
    """A connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ends it."""
        transport.close()


class Crowd(web.Server):
    """All connections. When there are too many, the oldest that has proven nothing gives way."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(cast("Any", handle), request_factory=self._request)

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Request:
        return Request(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY)

    def __call__(self) -> Handler:
        """One more."""
        if len(self.connections) >= CONNECTIONS:
            self._make_room()
        if len(self.connections) >= CONNECTIONS:
            return cast("Handler", _Full())
        return Handler(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE,
            lingering_time=1.0,
            logger=_quiet,
            access_log=None,
            max_line_size=8190,
            max_headers=64,
        )

    def _make_room(self) -> None:
        strangers = [one for one in self.connections if isinstance(one, Handler) and not one.is_proven]
        if strangers:
            self._end(min(strangers, key=lambda one: one.made_at))

    def look(self) -> None:
        """Ends those that were given time enough to prove something."""
        now = time.monotonic()
        for one in self.connections:
            if isinstance(one, Handler) and not one.is_proven and now - one.made_at > PROVE_WITHIN:
                self._end(one)

    def _end(self, one: web.RequestHandler) -> None:
        transport = self._connections.pop(one, None)
        if transport is not None:
            transport.abort()


class ConsoleServer:
    """Listens from `start` to `stop`."""

    def __init__(self, handle: Handle, sockets: tuple[socket, ...], *, tls: ssl.SSLContext | None = None) -> None:
        """`sockets`: bound. `tls`: None: without."""
        self._crowd = Crowd(handle)
        self._sockets = sockets
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        #: where there is TLS, in place of those
        self._handshakes: list[Handshakes] = []
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens."""
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            if self._tls is None:
                self._servers.append(await loop.create_server(self._crowd, sock=one, backlog=CONNECTIONS))
            else:
                one.listen(CONNECTIONS)
                self._handshakes.append(Handshakes(one, self._tls, self._crowd))
        self._looking = asyncio.create_task(self._look(), name="connections of the console")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._crowd.look()

    async def stop(self) -> None:
        """Listens no more, and ends what is open: requests under way have a second."""
        if self._looking is not None:
            self._looking.cancel()
        for server in self._servers:
            server.close()
        for handshakes in self._handshakes:
            await handshakes.stop()
        self._crowd.pre_shutdown()
        await self._crowd.shutdown(SHUTDOWN)
