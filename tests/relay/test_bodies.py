"""Bodies of any length: limits and timeouts on them, events one by one, and streams that end with their token."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds
from tests.relay.test_faults import CHUNKED, LOOPS, Run, a_gateway, assert_responds, cut_off_all, response_by_target
from tests.wire import (
    OK,
    PATIENCE,
    Conversation,
    RawClient,
    Running,
    Start,
    bearer,
    chunked,
    chunks,
    demo_issuer,
    get,
    keys_file,
    post,
    until,
)

LIMIT = 1000


# body_bytes


@pytest.mark.parametrize("size", [LIMIT + 1, 10**15])
async def test_a_body_that_announces_too_much_is_refused_before_the_upstream_hears_of_it(
    start: Start, size: int
) -> None:
    gateway = await start(limits={"body_bytes": LIMIT})
    client = await gateway.client()
    await client.send(get("/", f"Content-Length: {size}", method="POST") + b"a" * 500)
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (413, "body_too_large")
    assert response.values(b"Connection") == [b"close"]
    assert await client.is_closed()
    assert gateway.upstream.conversations == []
    assert (await gateway.ended())["reason"] == "body_too_large"


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_of_exactly_the_limit_passes(start: Start, framing: str) -> None:
    gateway = await start(limits={"body_bytes": LIMIT})
    client = await gateway.client()
    body = b"a" * LIMIT
    raw = post(body) if framing == "length" else get("/", "Transfer-Encoding: chunked", method="POST") + chunked(body)
    assert (await client.ask(raw)).status == 200
    assert gateway.upstream.last.body == body
    assert (await client.ask(get("/next"))).status == 200


@pytest.mark.parametrize("pace", ["at once", "in two", "slowly"])
async def test_a_chunked_body_that_grows_too_large_is_refused_and_the_upstream_request_cut(
    start: Start, pace: str
) -> None:
    gateway = await start(limits={"body_bytes": LIMIT})

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(OK)

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    head = get("/", "Transfer-Encoding: chunked", method="POST")
    if pace == "at once":
        await client.send(head + chunked(b"a" * (LIMIT + 1)))
    else:
        await client.send(head)
        upstream = await gateway.upstream.connected()
        for part in [b"a" * LIMIT, b"a"] if pace == "in two" else [b"a" * 11] * 91:
            await client.send(chunks(part))
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (413, "body_too_large")
    if pace != "at once":
        assert response.values(b"Connection") == [b"close"]
        assert await client.is_closed()
        await asyncio.wait_for(upstream.ended.wait(), PATIENCE)
    # Of a body that is too large no upstream ever saw the end.
    assert all(not request.body for request in gateway.upstream.requests)
    assert gateway.errors() == []


async def test_a_body_that_grows_too_large_when_the_response_has_begun_cuts_the_client(start: Start) -> None:
    gateway = await start(limits={"body_bytes": LIMIT})

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(CHUNKED + chunks(b"abc"))
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(get("/", "Transfer-Encoding: chunked", method="POST") + chunks(b"a"))
    await client.head()
    await client.send(chunks(b"a" * LIMIT))
    with pytest.raises(ConnectionResetError):
        await client.rest()
    assert (await gateway.ended())["reason"] == "body_too_large"
    await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), PATIENCE)


# body_timeout


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", [b"", b"5\r\nabcde\r\n"])
async def test_a_client_that_owes_a_body_for_too_long_gets_408_and_the_upstream_request_is_cut(
    start: Start, framing: str, sent: bytes
) -> None:
    gateway = await start(limits={"body_timeout": Seconds(0.3)})
    client = await gateway.client()
    started = asyncio.get_running_loop().time()
    await client.send(get("/", framing, method="POST") + sent)
    upstream = await gateway.upstream.connected()
    response = await client.response()
    assert 0.3 <= asyncio.get_running_loop().time() - started < 1
    assert (response.status, response.problem["reason"]) == (408, "request_timeout")
    assert response.values(b"Connection") == [b"close"]
    await asyncio.wait_for(upstream.ended.wait(), PATIENCE)
    assert upstream.requests[0].body == b""
    record = await gateway.ended()
    assert (record["reason"], "body_timeout" in record["evidence"]) == ("request_timeout", True)


async def test_a_body_that_comes_slowly_but_never_stops_is_served(start: Start) -> None:
    gateway = await start(limits={"body_timeout": Seconds(0.6)})
    client = await gateway.client()
    await client.send(get("/", "Content-Length: 10", method="POST"))
    for _ in range(10):
        await asyncio.sleep(0.1)  # this is what makes it slow; all of it longer than body_timeout
        await client.send(b"a")
    assert (await client.response()).status == 200
    assert gateway.upstream.last.body == b"a" * 10


async def test_a_body_held_back_by_the_gateway_is_no_fault_of_the_client(start: Start) -> None:
    gateway = await start(limits={"body_timeout": Seconds(0.6)}, response_timeout=Seconds(30))
    more = asyncio.Event()
    size = 32 << 20

    async def behave(upstream: Conversation) -> None:
        upstream.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await more.wait()
        upstream.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await upstream.head()
        assert len(await upstream.reader.readexactly(size)) == size
        await upstream.say(OK)

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    sending = asyncio.create_task(client.send(get("/", f"Content-Length: {size}", method="POST") + b"x" * size))
    connection = await gateway.only_connection()
    await until(lambda: connection.wire.is_held)
    await asyncio.sleep(0.8)  # longer than body_timeout
    more.set()
    await sending
    assert (await client.response()).body == b"ok"


# send_timeout


@LOOPS
@pytest.mark.parametrize("kind", ["length", "chunked", "many small ones"])
def test_a_client_that_takes_nothing_is_cut_off_and_the_log_says_why(tmp_path: Path, run: Run, kind: str) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        if kind == "length":
            await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 << 20))
            for _ in range(100):
                await upstream.say(b"a" * (1 << 20))
        elif kind == "chunked":
            await upstream.say(CHUNKED)
            while True:
                await upstream.say(chunks(b"a" * (1 << 20)))
        else:
            big = b"a" * 200_000
            await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big)
            await behave(upstream)

    async def main() -> None:
        async with a_gateway(tmp_path, limits={"send_timeout": Seconds(0.4)}) as gateway:
            gateway.upstream.behaviour = behave
            client = await gateway.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.writer.write(get() * (100 if kind == "many small ones" else 1))
            await gateway.connections(1)
            await gateway.connections(0)
            await until(lambda: "send_timeout" in gateway.stdout.getvalue())
            record = (await gateway.stdout.records(1))[-1]
            assert (record["status"], record["reason"]) == (499, "client_disconnected")
            assert record["evidence"] == "it took nothing of the response within send_timeout"
            if kind != "many small ones":
                # A response that is whole leaves its connection to the next request; others are cut off.
                await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), PATIENCE)
            assert gateway.errors() == []
            cut_off_all(gateway.upstream)
            gateway.upstream.behaviour = None
            assert (await (await gateway.client()).ask(get())).status == 200

    run(main())


# Events


async def test_each_event_arrives_before_the_next_is_sent(gateway: Running, client: RawClient) -> None:
    count = 200
    seen = asyncio.Semaphore(0)

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n"))
        for number in range(count):
            await upstream.say(chunks(b"id: %d\n\n" % number))
            # Nothing more is sent until the client has this one.
            async with asyncio.timeout(PATIENCE):
                await seen.acquire()
        await upstream.say(b"0\r\n\r\n")

    gateway.upstream.behaviour = behave
    await client.send(get())
    await client.head()
    for number in range(count):
        event = b"id: %d\n\n" % number
        async with asyncio.timeout(PATIENCE):
            assert await client.reader.readexactly(len(chunks(event))) == chunks(event)
        seen.release()
    assert await client.reader.readexactly(5) == b"0\r\n\r\n"


# Streams and the token


def short_lived(directory: Path) -> dict[str, Any]:
    """Settings under which a token ends when it says so."""
    jwks = keys_file(directory)
    issuer = Issuer(issuer="https://issuer.test", audience=demo_issuer().audience, jwks_file=jwks, leeway=Seconds(0))
    return {"issuers": (issuer,)}


def with_token(raw: bytes, seconds: float) -> tuple[bytes, float]:
    """The request with a token that lives for so long, and when it ends."""
    ends = int(time.time() + seconds) + 1
    token = demo_issuer().access_token(alg="ES256", exp=ends)
    return raw.replace(bearer(), b"Authorization: Bearer " + token.encode() + b"\r\n"), ends


@LOOPS
@pytest.mark.parametrize("silent", [True, False])
def test_an_event_stream_ends_when_its_token_does(tmp_path: Path, run: Run, *, silent: bool) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n"))
        await upstream.say(chunks(b"data: 1\n\n"))
        while not silent:
            await asyncio.sleep(0.01)
            await upstream.say(chunks(b"data: 2\n\n"))
        await upstream.until_ended()

    async def main() -> None:
        async with a_gateway(tmp_path, **short_lived(tmp_path)) as gateway:
            gateway.upstream.behaviour = behave
            client = await gateway.client()
            raw, ends = with_token(get(), 1)
            await client.send(raw)
            assert (await client.head()).status == 200
            rest = await client.rest()
            assert ends - 0.05 <= time.time() < ends + 1
            # Every event that came is whole, and no end of the stream is pretended.
            assert rest.startswith(chunks(b"data: 1\n\n"))
            assert not rest.endswith(b"0\r\n\r\n")
            assert (await gateway.ended())["reason"] == "token_expired"
            await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), PATIENCE)
            assert gateway.errors() == []

    run(main())


@pytest.mark.parametrize("framing", ["length", "chunked", "unframed"])
async def test_a_download_outlives_its_token(start: Start, tmp_path: Path, framing: str) -> None:
    gateway = await start(**short_lived(tmp_path))
    over = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        heads = {"length": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "chunked": CHUNKED}
        await upstream.say(heads.get(framing, b"HTTP/1.1 200 OK\r\n\r\n"))
        await upstream.say(chunks(b"abc") if framing == "chunked" else b"abc")
        await over.wait()
        await upstream.say(chunked(b"def") if framing == "chunked" else b"def")

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    raw, ends = with_token(get(), 0.2)
    responding = asyncio.create_task(client.ask(raw))
    await asyncio.sleep(ends - time.time() + 0.3)
    assert not responding.done()
    over.set()
    assert (await responding).body == b"abcdef"
    gateway.upstream.behaviour = response_by_target
    assert_responds(await (await gateway.client()).ask(get("/next")), "/next")
