"""What one connection makes the gateway hold is counted in what it costs: pieces of two bytes are no way around limits."""

import asyncio
import gc
import socket
import struct
import tracemalloc
from collections import Counter
from collections.abc import Iterator

import pytest

from gateway.core.config.section import Seconds
from gateway.relay.tunnel import LAST_WORDS
from tests.relay.leaps import leaping
from tests.relay.test_tunnel import ASKING, MIB, SWITCH, handshake
from tests.wire import OK, Conversation, Running, Start, chunked, chunks, get, until

#: docs/http.md: less than a megabyte a connection
MOST = 1_000_000
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def push(address: str, data: bytes) -> tuple[socket.socket, int]:
    """Sends until nothing more is taken for a while; how much was, the kernel's share included."""
    host, _, port = address.rpartition(":")
    wire = socket.create_connection((host, int(port)))
    wire.setblocking(False)
    view, sent, idle = memoryview(data), 0, 0
    while idle < 40:
        try:
            sent += wire.send(view[sent : sent + 65536]) if sent < len(data) else 0
            idle = idle if sent < len(data) else idle + 1
            await asyncio.sleep(0)
        except BlockingIOError:
            idle += 1
        if idle:
            await asyncio.sleep(0.005)
        else:
            await asyncio.sleep(0)
    return wire, sent


async def silence(upstream: Conversation) -> None:
    await upstream.head()
    upstream.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


async def held_for(gateway: Running, data: bytes) -> int:
    """Bytes of memory that it costs to be sent this and nobody takes it."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    wire, sent = await push(gateway.gateway.address, data)
    assert sent > MOST / 8
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    # By RST: the window is closed, and an end would stay behind what was sent.
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()
    await gateway.connections(0)
    return held


PIECES = {
    "chunks of a byte": b"1\r\nx\r\n",
    "chunks of two bytes": b"2\r\nxy\r\n",
    "chunks of three bytes": b"3\r\nxyz\r\n",
    "chunks of two line ends": b"2\r\n\r\n\r\n",
    "chunks with extensions": b"2;a=b\r\nxy\r\n",
    "chunks of a kilobyte": chunks(b"x" * 1000),
}


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("behind", ["a request that is not responded", "nothing"])
async def test_an_upload_that_nobody_takes_costs_less_than_a_megabyte(start: Start, behind: str, piece: bytes) -> None:
    gateway = await start(response_timeout=Seconds(600))
    gateway.upstream.behaviour = silence
    data = get("/", CHUNKED, method="POST") + piece * (2_000_000 // len(piece))
    assert await held_for(gateway, (get("/1") + data) if behind != "nothing" else data) < MOST


@pytest.mark.parametrize("size", [1, 2, 64])
async def test_many_uploads_in_a_pipeline_cost_less_than_a_megabyte_together(start: Start, size: int) -> None:
    """None of them is larger than what may be held of one."""
    gateway = await start(response_timeout=Seconds(600))
    gateway.upstream.behaviour = silence
    upload = get("/", CHUNKED, method="POST") + chunked(*[b"x" * size] * (100_000 // size))
    assert await held_for(gateway, get("/1") + upload * 40) < MOST


async def test_many_bodies_with_a_length_in_a_pipeline_cost_less_than_a_megabyte_together(start: Start) -> None:
    gateway = await start(response_timeout=Seconds(600))
    gateway.upstream.behaviour = silence
    upload = get("/", "Content-Length: 100000", method="POST") + b"x" * 100_000
    assert await held_for(gateway, get("/1") + upload * 40) < MOST


async def test_many_heads_in_a_pipeline_cost_less_than_a_megabyte_together(start: Start) -> None:
    gateway = await start(response_timeout=Seconds(600), limits={"header_count": 1000})
    gateway.upstream.behaviour = silence
    head = get("/", *(["a:"] * 900))
    assert await held_for(gateway, get("/1") + head * (2 * MIB // len(head))) < MOST


@pytest.mark.parametrize("piece", [b"1\r\nx\r\n", b"2\r\nxy\r\n"])
async def test_an_response_in_tiny_chunks_that_nobody_takes_costs_less_than_a_megabyte(
    gateway: Running, piece: bytes
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(OK.replace(b"Content-Length: 2\r\n\r\nok", CHUNKED.encode() + b"\r\n\r\n"))
        while True:
            await upstream.say(burst)
            said.append(len(burst))

    said: list[int] = []
    burst = piece * (100_000 // len(piece))
    gateway.upstream.behaviour = behave
    client = await gateway.client()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(get())
    await until(lambda: said)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    known = -1
    while known != len(said):
        known = len(said)
        await asyncio.sleep(0.1)
    gc.collect()
    # What the upstream of this test holds itself, before it is made to wait, is not the gateway's.
    ours = sum(c.writer.transport.get_write_buffer_size() for c in gateway.upstream.conversations)
    assert tracemalloc.get_traced_memory()[0] - before - ours < MOST


async def test_what_follows_a_handshake_costs_less_than_a_megabyte(start: Start) -> None:
    gateway = await start(response_timeout=Seconds(600))
    gateway.upstream.behaviour = silence
    assert await held_for(gateway, get("/", *ASKING) + b"xy" * MIB) < MOST


def left_behind() -> Counter[str]:
    """Of what there is one for each connection or stream, how many are in memory, used or not."""
    names = {"Connection", "ClientExchange", "Endless", "Tunnel", "UpstreamConnection", "UpstreamStream"}
    kinds = (type(thing) for thing in gc.get_objects())
    return Counter(kind.__name__ for kind in kinds if kind.__name__ in names and kind.__module__.startswith("gateway"))


@pytest.mark.parametrize(
    ("asked", "said"),
    [(handshake(), SWITCH), (get(), b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")],
    ids=["a tunnel", "an event stream"],
)
async def test_a_stream_that_ended_leaves_nothing_to_the_collector_of_cycles(
    start: Start, asked: bytes, said: bytes
) -> None:
    """It seldom looks, and 5,000 of them were 30 MB until then."""
    async with leaping() as clock:
        gateway = await start()

        async def behave(upstream: Conversation) -> None:
            await upstream.head()
            await upstream.say(said)
            await upstream.until_ended()

        gateway.upstream.behaviour = behave

        async def open_and_leave() -> None:
            client = await gateway.client()
            await client.send(asked)
            await client.head()
            await client.close()
            await gateway.connections(0)
            await gateway.upstream.conversations.pop().ended.wait()
            gateway.clients.clear()
            await clock.on(2 * LAST_WORDS)

        await open_and_leave()
        gc.collect()
        gc.disable()
        try:
            before = left_behind()
            for _ in range(3):
                await open_and_leave()
            assert left_behind() - before == {}
        finally:
            gc.enable()
