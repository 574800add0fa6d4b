"""The listener that Envoy asks over gRPC: one method, the health check, and bounds on both.

The library binds the address itself and shares it with nobody.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

import grpc
import grpc.aio

from gateway.core.addresses import Address
from gateway.decisions.calls import MAX_CONNECTIONS, Call
from gateway.decisions.grpc_messages import Unreadable, parse_check, write_verdict

#: calls at a time, over all connections; one more is refused (RESOURCE_EXHAUSTED)
MAX_CALLS: Final = 1024
#: bytes of a message
MAX_MESSAGE: Final = 64 << 10
#: bytes of the metadata of a call
_MAX_METADATA: Final = 16 << 10
SERVICE: Final = "envoy.service.auth.v3.Authorization"
_HEALTH: Final = "grpc.health.v1.Health"
#: HealthCheckResponse with its one field, the status: 1 is SERVING, 2 NOT_SERVING
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"
#: 1 << 3 | 2: field 1 is text
_NAMED: Final = 0x0A

#: Seconds that a connection has to begin, and that it may be open without a call. The library lets no newcomer take the
#: place of one that does nothing, so those end soon; Envoy opens another when it has something to ask.
BEGINS_WITHIN: Final = 3.0
IDLE: Final = 30.0

_OPTIONS: Final = (
    # Another process must not be able to listen beside this one, and be asked in its place.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_metadata_size", _MAX_METADATA),
    ("grpc.absolute_max_metadata_size", _MAX_METADATA),
    ("grpc.max_concurrent_streams", MAX_CALLS),
    ("grpc.max_allowed_incoming_connections", MAX_CONNECTIONS),
    # A proxy that is gone without a word is heard of within a minute and a half.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # One that asks whether we are still here more often than that is sent away.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)

log = logging.getLogger("gateway")


class CannotListen(Exception):
    """The address cannot be bound. The sentence says which."""


class CheckServer:
    """Serves calls. After `start` you must call `stop`."""

    def __init__(
        self,
        serve: Callable[[Call], Awaitable[None]],
        *,
        is_ready: Callable[[], bool],
        begins_within: float = BEGINS_WITHIN,
        idle: float = IDLE,
    ) -> None:
        """`serve`: decides about a call; it has its verdict then. `is_ready`: what the health check says.

        Seconds: `begins_within`, that a connection has to begin; `idle`, that it may be open without a call.
        """
        self._serve = serve
        self._is_ready = is_ready
        self._options = (
            *_OPTIONS,
            ("grpc.server_handshake_timeout_ms", round(begins_within * 1000)),
            ("grpc.max_connection_idle_ms", round(idle * 1000)),
        )
        self._server: Any = None
        #: where it listens, once it does
        self.address = ""

    def __repr__(self) -> str:
        return f"<CheckServer {self.address or 'not started'}>"

    async def start(self, address: Address, *, credentials: Any = None) -> None:
        """Listens. CannotListen. `credentials`: TLS, as the library has it; None: none."""
        self._server = server = grpc.aio.server(maximum_concurrent_rpcs=MAX_CALLS, options=self._options)
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    SERVICE, {"Check": grpc.unary_unary_rpc_method_handler(self._check)}
                ),
                grpc.method_handlers_generic_handler(
                    _HEALTH, {"Check": grpc.unary_unary_rpc_method_handler(self._health)}
                ),
            )
        )
        host = f"[{address.host}]" if ":" in address.host else address.host or "[::]"
        where = f"{host}:{address.port}"
        try:
            if credentials is None:
                port = server.add_insecure_port(where)
            else:
                port = server.add_secure_port(where, credentials)
        except RuntimeError:
            port = 0
        if not port:
            await server.stop(0)
            raise CannotListen(f"cannot listen on {where} (decisions_grpc): it is in use, or not of this machine")
        await server.start()
        self.address = f"{host}:{port}"

    async def stop(self, *, seconds: float) -> None:
        """Takes no new calls, and gives those under way so long. May be called twice."""
        if self._server is not None:
            await self._server.stop(seconds)

    async def _check(self, request: bytes, context: Any) -> bytes:
        try:
            told = parse_check(request)
        except Unreadable as error:
            told = None
            why = str(error)
        if told is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, why)
        assert told is not None  # abort has raised
        call = Call(told, peername=parse_peer(context.peer()))
        await self._serve(call)
        verdict = call.found()
        if verdict is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "nobody decided")
        assert verdict is not None  # as above
        return write_verdict(verdict)

    async def _health(self, request: bytes, context: Any) -> bytes:
        if _service_of(request) not in {b"", SERVICE.encode()}:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _SERVING if self._is_ready() else _NOT_SERVING


def parse_peer(peer: str) -> tuple[str, int] | None:
    """Address and port as a socket names them: `ipv4:192.0.2.1:5`, `ipv6:%5B::1%5D:5`. None: of no such kind."""
    kind, _, rest = peer.partition(":")
    host, colon, port = unquote(rest).rpartition(":")
    if kind not in {"ipv4", "ipv6"} or not colon or not port.isdecimal():
        return None
    return host.removeprefix("[").removesuffix("]").partition("%")[0], int(port)


def _service_of(request: bytes) -> bytes:
    """The service that a health check names (HealthCheckRequest has that one field); empty: the server as a whole."""
    if len(request) < 2 or request[0] != _NAMED or request[1] != len(request) - 2:
        return b"" if not request else b"?"
    return request[2:]
