"""How a client's connection ends: by a reset that nobody takes for an end, or on our side only while the other sends."""

import asyncio
import time

import pytest

from gateway.core.config.section import Seconds
from gateway.relay.client import closing
from tests.wire import Conversation, RawClient, Running, Start, get, until


async def test_a_connection_that_is_gone_already_can_be_reset(gateway: Running, client: RawClient) -> None:
    assert (await client.ask(get())).status == 200
    connection = await gateway.only_connection()
    transport = connection.transport
    assert transport is not None
    client.reset()
    await gateway.connections(0)
    closing.reset(transport)


async def test_a_reset_is_no_end(gateway: Running, client: RawClient) -> None:
    assert (await client.ask(get())).status == 200
    (await gateway.only_connection()).abort()
    with pytest.raises(ConnectionResetError):
        await client.rest()


async def test_a_refused_upload_has_its_response_and_lingers_no_longer_than_the_client(
    gateway: Running, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "LINGERING", 60)
    started = time.monotonic()
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
    assert (await client.response()).status == 401
    assert await client.is_closed()
    await client.close()
    await gateway.connections(0)
    assert time.monotonic() - started < 30


async def test_a_client_that_goes_on_sending_is_closed_in_the_end(
    gateway: Running, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "LINGERING", 0.05)
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    assert (await client.response()).status == 401
    await asyncio.wait_for(gateway.connections(0), 5)


@pytest.mark.parametrize(
    "more",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 400_000,
        b"186a0\r\n" + b"x" * 100_000 + b"XX" + b"y" * 12_000_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + b"y" * 12_000_000,
    ],
    ids=["requests", "a body that breaks", "what follows an upgrade"],
)
async def test_whatever_is_sent_behind_a_refusal_is_taken(
    gateway: Running, client: RawClient, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    """A client that writes all it has before it reads is not reset within."""
    monkeypatch.setattr(closing, "LINGERING", 10)
    chunked = b"Transfer-Encoding: chunked\r\n" if more.startswith(b"186a0") else b""
    refused = b"POST / HTTP/1.1\r\nHost: a\r\n" + chunked + b"\r\n" if chunked else b"GET / HTTP/1.1\r\n\r\n"
    await client.send(refused + more)
    assert (await client.response()).status == (401 if chunked else 400)
    assert gateway.upstream.conversations == []


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
    assert connection.transport is not None
    await until(lambda: not connection.transport.is_reading())  # type: ignore[union-attr]
    client.reset() if leave == "reset" else client.writer.close()
    await gateway.connections(0)
    await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), 5)
