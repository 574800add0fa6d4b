"""How a client's connection ends: by a reset that nobody takes for an end, or on our side only while the other sends."""

import asyncio

import pytest

from gateway.core.config.section import Seconds
from gateway.relay.client import closing
from gateway.relay.client.phase import LINGERS, LINGERS_AT_MOST
from tests.wire import Conversation, RawClient, Running, Start, get, until


async def test_a_connection_that_is_gone_already_can_be_reset(gateway: Running, client: RawClient) -> None:
    assert (await client.ask(get())).status == 200
    transport = (await gateway.only_connection()).wire.transport
    client.reset()
    await gateway.connections(0)
    closing.reset(transport)


async def test_a_reset_is_no_end(gateway: Running, client: RawClient) -> None:
    assert (await client.ask(get())).status == 200
    (await gateway.only_connection()).wire.abort()
    with pytest.raises(ConnectionResetError):
        await client.rest()


UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


async def test_a_refused_upload_has_its_response_and_lingers_no_longer_than_the_client(
    gateway: Running, client: RawClient
) -> None:
    await client.send(UPLOAD + b"x" * 1000)
    connection = await gateway.only_connection()
    assert (await client.response()).status == 401
    assert await client.is_closed()
    await until(lambda: "DEAF FREE" in repr(connection))
    assert not connection.is_busy
    connection.phase.deadline = float("inf")
    await client.close()
    await gateway.connections(0)


async def test_a_client_that_goes_on_sending_is_closed_in_the_end(gateway: Running, client: RawClient) -> None:
    await client.send(UPLOAD)
    connection = await gateway.only_connection()
    assert (await client.response()).status == 401
    await until(lambda: "DEAF FREE" in repr(connection))
    now = asyncio.get_running_loop().time()
    assert now < connection.phase.deadline < now + 2 * LINGERS
    connection.check(now + LINGERS / 2)
    await client.send(b"x")
    assert len(gateway.server.open) == 1
    connection.check(connection.phase.deadline + 0.001)
    await gateway.connections(0)


@pytest.mark.parametrize("pause", [LINGERS / 2, LINGERS * 1.5])
async def test_who_goes_on_sending_is_listened_to_for_half_a_minute(
    gateway: Running, client: RawClient, pause: float
) -> None:
    """An upload that was refused at its beginning, over a slow line: whoever is reset within it loses the response."""
    await client.send(UPLOAD)
    connection = await gateway.only_connection()
    assert (await client.response()).status == 401
    await until(lambda: "DEAF FREE" in repr(connection))
    began = now = asyncio.get_running_loop().time()
    while connection.wire.is_open and now < began + 2 * LINGERS_AT_MOST:
        now += pause
        connection.check(now)
        connection.data_received(b"x")
        connection.phase.hear(now)
    assert connection.phase.deadline == float("inf")
    assert now - began >= LINGERS_AT_MOST if pause < LINGERS else now - began == pytest.approx(pause)
    assert now - began < LINGERS_AT_MOST + 2 * LINGERS
    await gateway.connections(0)


@pytest.mark.parametrize(
    "more",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 400_000,
        b"186a0\r\n" + b"x" * 100_000 + b"XX" + b"y" * 12_000_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + b"y" * 12_000_000,
    ],
    ids=["requests", "a body that breaks", "what follows an upgrade"],
)
async def test_whatever_is_sent_behind_a_refusal_is_taken(gateway: Running, client: RawClient, more: bytes) -> None:
    """A client that writes all it has before it reads is not reset within."""
    chunked = b"Transfer-Encoding: chunked\r\n" if more.startswith(b"186a0") else b""
    refused = b"POST / HTTP/1.1\r\nHost: a\r\n" + chunked + b"\r\n" if chunked else b"GET / HTTP/1.1\r\n\r\n"
    sending = asyncio.create_task(client.send(refused + more))
    connection = await gateway.only_connection()
    await until(lambda: "DEAF FREE" in repr(connection))
    connection.phase.deadline = float("inf")
    await sending
    assert (await client.response()).status == (401 if chunked else 400)
    assert gateway.upstream.conversations == []


class _Transport:
    """What `end_writing` asks of a transport, over TLS or not."""

    def __init__(self, *, tls: bool) -> None:
        self._tls = tls
        self.ended = False

    def can_write_eof(self) -> bool:
        return not self._tls

    def write_eof(self) -> None:
        if self._tls:
            raise NotImplementedError
        self.ended = True


@pytest.mark.parametrize("tls", [False, True])
def test_our_side_ends_where_that_can_be_said_without_closing(*, tls: bool) -> None:
    transport = _Transport(tls=tls)
    closing.end_writing(transport)  # type: ignore[arg-type]
    assert transport.ended != tls


@pytest.mark.parametrize("leave", ["close", "reset"])
async def test_a_client_that_leaves_while_nobody_reads_from_it_is_noticed(start: Start, leave: str) -> None:
    """A hundred times more requests than are read ahead, behind one whose response never ends."""
    gateway = await start(limits={"send_timeout": Seconds(0.2)})

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(get() + get() * 300)
    assert (await client.head()).status == 200
    connection = await gateway.only_connection()
    await until(lambda: "held" in repr(connection))
    client.reset() if leave == "reset" else client.writer.close()
    await gateway.connections(0)
    await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), 5)
