"""A response whose head is here: what it says, what is endless, and that its connection is let go of."""

import asyncio
from typing import Any

import pytest

from gateway.relay.upstream.connection import UpstreamConnection
from gateway.relay.upstream.response import UpstreamResponse
from tests.gate.test_gate import MemoryExchange
from tests.memory import facts

SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"


class Transport(asyncio.Transport):
    def write(self, data: Any) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture
def back() -> list[UpstreamConnection]:
    """Connections that were let go of."""
    return []


async def respond(back: list[UpstreamConnection], raw: bytes) -> tuple[UpstreamConnection, UpstreamResponse]:
    connection = UpstreamConnection(asyncio.get_running_loop(), lambda _: None)
    connection.connection_made(Transport())
    asked = facts(is_websocket=True)
    connection.ask(asked, b"", MemoryExchange(asked), timeout=1)
    connection.data_received(raw)
    head = connection.response()
    assert head is not None
    return connection, UpstreamResponse(connection, head, back.append)


async def test_a_response_that_is_here_is_whole(back: list[UpstreamConnection]) -> None:
    connection, response = await respond(back, b"HTTP/1.1 201 Made\r\nX: 1\r\nContent-Length: 2\r\n\r\nok")
    assert (response.status, response.reason, response.content_length) == (201, b"Made", 2)
    assert response.headers == ((b"X", b"1"), (b"Content-Length", b"2"))
    assert (response.whole, response.stream, response.is_endless) == (b"ok", None, False)
    assert not back
    response.close()
    assert back == [connection]


async def test_a_body_is_read_as_it_comes(back: list[UpstreamConnection]) -> None:
    connection, response = await respond(back, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    assert response.whole is None
    assert await response.read() == b"ab"
    connection.data_received(b"cd")
    assert (await response.read(), await response.read()) == (b"cd", b"")


async def test_an_event_stream_is_endless_and_an_upgrade_a_stream(back: list[UpstreamConnection]) -> None:
    _, events = await respond(back, EVENTS)
    assert (events.is_endless, events.stream, events.content_length) == (True, None, None)
    connection, upgrade = await respond(back, SWITCH + b"early")
    assert upgrade.is_endless
    assert upgrade.stream is not None
    assert upgrade.whole is None
    # Silence is no fault of either.
    connection.check(connection._loop.time() + 100)
    assert not connection.is_lost
