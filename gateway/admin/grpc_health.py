"""The health check of gRPC (grpc.health.v1.Health/Check) as a client without TLS: one call on one connection.

Needs h2, which the extra `grpc` brings. The two messages are a field each and are read and written here.
"""

import asyncio
import struct
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

#: bytes that are read of a response in all, its frames included
MAX_RESPONSE: Final = 64 * 1024

#: grpc/PROTOCOL-HTTP2: compressed or not, and the length of the message
_PREFIX: Final = struct.Struct("!BI")
_SERVING: Final = 1
_STATES: Final = {0: "UNKNOWN", _SERVING: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_NOT_FOUND, _UNIMPLEMENTED = 5, 12
#: 1 << 3 | 2: field 1 is text, and 1 << 3: it is a number
_SERVICE, _STATUS = 0x0A, 0x08
#: of the bytes of a varint each but the last
_MORE: Final = 0x80


async def check_health(host: str, port: int, *, service: str, user_agent: str) -> str | None:
    """Asks how `service` is, empty for the server as a whole. Why it does not serve, or None. OSError.

    Waits for as long as the server likes: after calling this you must set it a time.
    """
    reader, writer = await asyncio.open_connection(host, port)
    call = _Call(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", service, user_agent)
    left = MAX_RESPONSE
    try:
        while True:
            writer.write(call.to_send())
            if call.is_ended:
                return call.outcome()
            data = await reader.read(left)
            left -= len(data)
            if not data:
                return "the response broke off" if left else "the response is too long"
            call.receive(data)
    except H2Error:
        return "the response is not well-formed HTTP/2"
    finally:
        writer.close()


class _Call:
    """One call and its response: bytes in, bytes out."""

    def __init__(self, authority: str, service: str, user_agent: str) -> None:
        self._connection = H2Connection(H2Configuration(client_side=True))
        self._connection.initiate_connection()
        self._stream = self._connection.get_next_available_stream_id()
        self._connection.send_headers(
            self._stream,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", "/grpc.health.v1.Health/Check"),
                (":authority", authority),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                ("user-agent", user_agent),
            ],
        )
        name = service.encode("utf-8")
        message = bytes((_SERVICE,)) + _varint(len(name)) + name if name else b""
        self._connection.send_data(self._stream, _PREFIX.pack(0, len(message)) + message, end_stream=True)
        #: fields of the head and of the trailers; a pseudo-field is one
        self._fields: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._broken = False
        #: nothing more is to come
        self.is_ended = False

    def to_send(self) -> bytes:
        """What goes out now."""
        return bytes(self._connection.data_to_send())

    def receive(self, data: bytes) -> None:
        """What came in. H2Error."""
        for event in self._connection.receive_data(data):
            self._hear(event)
        if self.is_ended:
            self._connection.close_connection()

    def _hear(self, event: Event) -> None:
        match event:
            case ResponseReceived() | TrailersReceived():
                self._fields.update((bytes(name), bytes(value)) for name, value in event.headers)
            case DataReceived():
                self._body += event.data
                self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self.is_ended = True
            case StreamReset() | ConnectionTerminated():
                self._broken = not self.is_ended
                self.is_ended = True
            case _:
                pass

    def outcome(self) -> str | None:
        """Why it does not serve, or None."""
        if self._broken:
            return "the response broke off"
        status = self._fields.get(b":status", b"")
        if status != b"200":
            return f"the response has status {_shown(status)}"
        code = self._fields.get(b"grpc-status", b"")
        if code != b"0":
            return {
                b"%d" % _NOT_FOUND: "the server knows no service of that name",
                b"%d" % _UNIMPLEMENTED: "the server has no grpc.health.v1.Health",
            }.get(code, f"the response has gRPC status {_shown(code)}")
        try:
            state = _parse_state(bytes(self._body))
        except (ValueError, IndexError, struct.error):
            return "the response is no HealthCheckResponse"
        return None if state == _SERVING else f"it is {_STATES.get(state, 'in a state without a name')}"


def _shown(digits: bytes) -> str:
    return digits.decode() if digits.isdigit() and len(digits) <= 3 else "of no number"


def _parse_state(body: bytes) -> int:
    """The status in a HealthCheckResponse; 0 when it has none. ValueError, IndexError, struct.error: it is none."""
    compressed, length = _PREFIX.unpack_from(body)
    if compressed or length != len(body) - _PREFIX.size:
        raise ValueError
    if not length:
        return 0
    if body[_PREFIX.size] != _STATUS:
        raise ValueError
    state, shift, at = 0, 0, _PREFIX.size + 1
    while body[at] & _MORE:
        state |= (body[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return state | body[at] << shift


def _varint(number: int) -> bytes:
    """protobuf.dev/programming-guides/encoding."""
    written = bytearray()
    while number >= _MORE:
        written.append(number & 0x7F | _MORE)
        number >>= 7
    return bytes((*written, number))
