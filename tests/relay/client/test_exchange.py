"""The client's side of a request: persistence, versions, expectations, and bodies of any size."""

import asyncio
from pathlib import Path

import pytest

from tests.wire import OK, Conversation, RawClient, Running, chunked, get, post, until

MIB = 1 << 20


def resident() -> int:
    """Bytes of memory this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def old(raw: bytes, *, keep_alive: bool = False) -> bytes:
    """The same request in HTTP/1.0."""
    raw = raw.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
    return raw.replace(b"\r\nHost:", b"\r\nConnection: keep-alive\r\nHost:", 1) if keep_alive else raw


# Persistence (RFC 9112 section 9.3)


async def test_an_http_1_1_connection_is_kept(client: RawClient) -> None:
    for _ in range(3):
        assert (await client.ask(get())).values(b"Connection") == []


async def test_a_client_that_says_close_gets_close(client: RawClient) -> None:
    assert (await client.ask(get("/", "Connection: close") + get("/2"))).values(b"Connection") == [b"close"]
    assert await client.is_closed()


async def test_an_http_1_0_connection_is_closed(gateway: Running, client: RawClient) -> None:
    response = await client.ask(old(get()))
    assert response.head == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close"
    assert await client.is_closed()
    assert gateway.upstream.last.start == b"GET / HTTP/1.1"


async def test_an_http_1_0_connection_is_kept_when_asked_for(client: RawClient) -> None:
    for raw in (old(get(), keep_alive=True), old(post(b"abc"), keep_alive=True)):
        assert (await client.ask(raw)).values(b"Connection") == [b"keep-alive"]
    response = await client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (response.status, response.values(b"Connection")) == (401, [b"keep-alive"])


async def test_a_refusal_of_head_has_no_body(client: RawClient) -> None:
    response = await client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD")
    assert (response.status, response.values(b"Content-Length") != [b"0"]) == (401, True)
    assert (await client.ask(get())).body == b"ok"


async def test_a_refusal_with_its_body_read_keeps_the_connection(client: RawClient) -> None:
    assert (await client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")).values(b"Connection") == []
    assert (await client.ask(get())).body == b"ok"


async def test_a_refused_upload_is_answered_before_its_body_and_closed(gateway: Running, client: RawClient) -> None:
    response = await client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
    assert (response.status, response.values(b"Connection")) == (401, [b"close"])
    assert await client.is_closed()
    assert gateway.upstream.conversations == []


async def test_the_rest_of_a_refused_upload_is_no_request(gateway: Running, client: RawClient) -> None:
    body = get("/hidden")
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
    assert (await client.response()).status == 401
    await client.send(body)
    assert await client.is_closed()
    await gateway.connections(0)
    assert gateway.upstream.conversations == []


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0", "websocket, h2c"])
async def test_an_upgrade_is_served_without_it_and_the_connection_closed(
    gateway: Running, client: RawClient, upgrade: str
) -> None:
    await client.send(get("/", "Connection: Upgrade", f"Upgrade: {upgrade}") + get("/hidden"))
    response = await client.response()
    assert (response.status, response.body, response.values(b"Connection")) == (200, b"ok", [b"close"])
    assert await client.is_closed()
    assert [request.start for request in gateway.upstream.requests] == [b"GET / HTTP/1.1"]
    # Of all protocols the upstream is asked for WebSocket only; this one does not speak it.
    asked = [b"websocket"] if upgrade == "websocket" else []
    assert gateway.upstream.last.values(b"Upgrade") == asked
    assert len(gateway.upstream.last.values(b"Connection")) == len(asked)


# Expect (RFC 9110 section 10.1.1)


async def test_an_expecting_upload_is_refused_without_its_body(gateway: Running, client: RawClient) -> None:
    response = await client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
    assert (response.status, response.values(b"Connection")) == (401, [b"close"])
    assert await client.is_closed()
    assert gateway.upstream.conversations == []


@pytest.mark.parametrize("framing", ["Content-Length: 3", "Transfer-Encoding: chunked"])
async def test_an_expecting_upload_is_invited_once_admitted(gateway: Running, client: RawClient, framing: str) -> None:
    await client.send(get("/", "Expect: 100-Continue", framing, method="PUT"))
    assert (await client.response()).head == b"HTTP/1.1 100 Continue"
    response = await client.ask(b"abc" if "Length" in framing else chunked(b"abc"))
    assert (response.status, response.values(b"Connection")) == (200, [])
    assert gateway.upstream.last.body == b"abc"
    assert (await client.ask(get())).status == 200


async def test_an_expectation_without_a_body_or_in_http_1_0_is_ignored(client: RawClient) -> None:
    assert (await client.ask(get("/", "Expect: 100-continue"))).status == 200
    assert (await client.ask(old(post(b"abc", "Expect: 100-continue")))).status == 200


async def test_an_expecting_upload_may_be_answered_early(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    await client.send(get("/", "Expect: 100-continue", "Content-Length: 100", method="POST"))
    response = await client.response()
    if response.status == 100:
        response = await client.response()
    assert (response.status, response.values(b"Connection")) == (413, [b"close"])


# Sizes


async def test_100_mb_up_and_down_stay_in_flat_memory(gateway: Running, client: RawClient) -> None:
    total, piece = 100 * MIB, b"x" * MIB
    received = 0

    async def behave(upstream: Conversation) -> None:
        nonlocal received
        await upstream.head()
        await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while received < total:
            part = await upstream.reader.read(MIB)
            received += len(part)
            await upstream.say(part)

    async def upload() -> None:
        for _ in range(total // len(piece)):
            await client.send(piece)

    gateway.upstream.behaviour = behave
    await client.send(get("/", f"Content-Length: {total}", method="POST"))
    uploading = asyncio.create_task(upload())
    await client.head()
    before, most, left = resident(), 0, total
    async with asyncio.timeout(60):
        while left:
            left -= len(await client.reader.read(MIB))
            most = max(most, resident())
    await uploading
    assert received == total
    assert most - before < 50 * MIB  # buffers of all three sides included
    record = await gateway.ended()
    assert (record["bytes_in"], record["bytes_out"]) == (total, total)


async def test_an_upload_waits_for_an_upstream_that_does_not_read(gateway: Running, client: RawClient) -> None:
    more = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await more.wait()
        assert len(await upstream.reader.readexactly(total)) == total
        await upstream.say(OK)

    gateway.upstream.behaviour = behave
    total = 32 * MIB
    sending = asyncio.create_task(client.send(get("/", f"Content-Length: {total}", method="POST") + b"x" * total))
    await gateway.upstream.connected()
    connection = await gateway.only_connection()
    await until(lambda: connection.wire.is_held)
    assert not sending.done()
    assert connection._body is not None
    assert connection._body.bytes_in < 16 * MIB
    more.set()
    await sending
    assert (await client.response()).body == b"ok"


async def test_a_download_waits_for_a_client_that_does_not_read(gateway: Running, client: RawClient) -> None:
    said = 0

    async def behave(upstream: Conversation) -> None:
        nonlocal said
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(total // MIB):
            await upstream.say(b"x" * MIB)
            said += MIB

    gateway.upstream.behaviour = behave
    total = 100 * MIB
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(get())
    connection = await gateway.only_connection()
    await until(lambda: connection.wire.is_full)
    assert said < 60 * MIB
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(60):
        head = await client.head()
        assert head.status == 200
        left = total
        while left:
            left -= len(await client.reader.read(MIB))


async def test_ten_thousand_small_chunks_arrive(gateway: Running, client: RawClient) -> None:
    await client.send(get("/", "Transfer-Encoding: chunked", method="POST") + chunked(*[b"ab"] * 10_000))
    assert (await client.response()).status == 200
    assert gateway.upstream.last.body == b"ab" * 10_000
