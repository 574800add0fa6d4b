"""A connection that left HTTP: what came before it was started, and what becomes of it afterwards."""

import asyncio
from typing import Any

from gateway.relay.upstream.connection import UpstreamConnection
from gateway.relay.upstream.stream import UpstreamStream
from tests.gate.test_gate import MemoryExchange
from tests.memory import facts

SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Transport(asyncio.Transport):
    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.told: list[str] = []

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.told.append(f"write {data!r}")

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def close(self) -> None:
        self.told.append("close")

    def abort(self) -> None:
        self.told.append("abort")


class Hearing:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def from_upstream(self, data: bytes) -> None:
        self.heard.append(data)

    def upstream_ready(self, *, ready: bool) -> None:
        self.heard.append(ready)

    def upstream_lost(self) -> None:
        self.heard.append("lost")


async def upgraded() -> tuple[UpstreamConnection, Transport, UpstreamStream]:
    connection = UpstreamConnection(asyncio.get_running_loop(), lambda _: None)
    transport = Transport(connection)
    connection.connection_made(transport)
    asked = facts(is_websocket=True)
    connection.ask(asked, b"", MemoryExchange(asked), timeout=1)
    transport.told.clear()
    connection.data_received(SWITCH + b"at ")
    return connection, transport, UpstreamStream(connection)


async def test_bytes_that_came_before_it_was_started_are_given_and_later_ones_told() -> None:
    connection, transport, stream = await upgraded()
    connection.data_received(b"once")
    receiver = Hearing()
    assert stream.start(receiver) == b"at once"
    assert transport.protocol is stream
    stream.data_received(b"later")
    stream.pause_writing()
    stream.resume_writing()
    assert receiver.heard == [b"later", False, True]


async def test_it_is_written_to_and_held_until_it_ended() -> None:
    connection, transport, stream = await upgraded()
    receiver = Hearing()
    stream.start(receiver)
    stream.write(b"x")
    stream.hold(held=True)
    stream.hold(held=False)
    stream.close()
    stream.abort()
    assert transport.told == ["write b'x'", "pause", "resume", "close", "abort"]
    stream.connection_lost(None)
    assert receiver.heard == ["lost"]
    assert connection.is_lost
    transport.told.clear()
    stream.write(b"x")
    stream.hold(held=True)
    assert transport.told == []


async def test_silence_is_no_fault_of_it() -> None:
    connection, _, stream = await upgraded()
    stream.start(Hearing())
    connection.check(asyncio.get_running_loop().time() + 100)
    assert not connection.is_lost
