"""Upstreams that misbehave in every way there is, clients that vanish at every stage, and what is left of it: nothing."""

import asyncio
import contextlib
import gc
import select
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.relay.client.connection import Connection
from gateway.relay.upstream.connection import UpstreamConnection
from tests.relay.garbage import EVIL, GARBAGE, Fate, Garbage
from tests.tables import about, parts_of
from tests.wire import (
    OK,
    PATIENCE,
    Behaviour,
    Conversation,
    Message,
    RawClient,
    RawUpstream,
    Running,
    Start,
    chunks,
    get,
    post,
    starting,
    until,
)

#: seconds
SHORT = 0.3
#: the program runs on uvloop; what asyncio does differently must not matter
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Run = Callable[[Coroutine[Any, Any, None]], None]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def target_of(request: Message) -> bytes:
    return request.start.split()[1]


async def response_by_target(upstream: Conversation) -> None:
    """Responses each request with its own target, for as long as there are requests."""
    while True:
        target = target_of(await upstream.request())
        await upstream.say(
            b"HTTP/1.1 200 OK\r\nX-Target: %b\r\nContent-Length: %d\r\n\r\n%b" % (target, len(target), target)
        )


def assert_responds(response: Message, target: str) -> None:
    """It is the response to a request for this target, and nothing stands in it that is not."""
    assert response.head == f"HTTP/1.1 200 OK\r\nX-Target: {target}\r\nContent-Length: {len(target)}".encode()
    assert response.body == target.encode()


@contextlib.asynccontextmanager
async def a_gateway(directory: Path, **settings: Any) -> AsyncIterator[Running]:
    async with starting(directory) as start:
        gateway = await start(**settings)
        try:
            yield gateway
        finally:
            # uvloop's sockets cannot be reset any more once they are closed.
            for client in gateway.clients:
                cut_off(client)
            gateway.clients.clear()
            cut_off_all(gateway.upstream)
            gateway.upstream.conversations.clear()


def cut_off(side: RawClient | Conversation) -> None:
    """By RST, unless it is closed."""
    if not side.writer.is_closing():
        side.reset()


def cut_off_all(upstream: RawUpstream) -> None:
    for conversation in upstream.conversations:
        cut_off(conversation)


# Responses that are malformed, too long, or two at once


def in_pieces(raw: bytes, pace: str) -> list[bytes]:
    if pace == "at once":
        return [raw]
    if pace == "head first":
        end = raw.find(b"\r\n\r\n") + 4
        return [raw[:end], raw[end:]] if 4 <= end < len(raw) else [raw]
    size = max(1, len(raw) // 100)
    return [raw[start : start + size] for start in range(0, len(raw), size)]


#: what comes behind a response when the next request is sent cannot be told from the response to that: see `say_too_early`
def paces_of(row: Garbage) -> tuple[str, ...]:
    return ("at once",) if row.fate is Fate.FIRST else ("at once", "head first", "in bits")


@pytest.mark.parametrize("rows", parts_of(GARBAGE, 16))
async def test_garbage_reaches_nobody_and_least_of_all_another_client(start: Start, rows: list[Garbage]) -> None:
    gateway = await start(max_connections=1)
    for row in rows:
        for pace in paces_of(row):
            with about(f"{row.name}, {pace}"):
                await garbage_reaches_nobody(gateway, row, pace)
            await gateway.forget()


async def garbage_reaches_nobody(gateway: Running, row: Garbage, pace: str) -> None:
    asked, say = asyncio.Event(), asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        if len(gateway.upstream.conversations) > 1:
            await response_by_target(upstream)
        await upstream.request()
        asked.set()
        await say.wait()
        for piece in in_pieces(row.raw, pace):
            upstream.writer.write(piece)
            for _ in range(0 if pace == "at once" else 3):
                await asyncio.sleep(0)
        await upstream.writer.drain()
        if row.ends:
            upstream.writer.write_eof()
        # Whoever is served on this connection now is served by a good upstream.
        await response_by_target(upstream)

    gateway.upstream.behaviour = behave
    first, other = await gateway.client(), await gateway.client()
    await first.send(get("/first", method=row.method))
    await asked.wait()
    # The other client waits for this very connection.
    await other.send(get("/other"))
    await until(lambda: gateway.places.waiting)
    say.set()
    got, was_cut = await what_arrives(first, row.method)
    assert_responds(await other.response(), "/other")
    assert_responds(await (await gateway.client()).ask(get("/third")), "/third")
    if row.fate is Fate.FIRST:
        assert not was_cut
        assert got is not None
        assert (got.status, got.body) == (row.status, row.body)
        assert EVIL not in got.head
    elif got is not None and got.status == 502:
        assert got.problem["reason"] == ("upstream_unreachable" if row.raw == b"" else "upstream_protocol_error")
    else:
        assert row.fate is Fate.BROKEN
        assert was_cut
    assert gateway.errors() == []
    served = [request.start.split()[1] for request in gateway.upstream.requests]
    assert served == [b"/first", b"/other", b"/third"]
    # Nobody else was let onto the connection that it came on.
    assert [target_of(request) for request in gateway.upstream.conversations[0].requests] == [b"/first"]


async def what_arrives(client: RawClient, method: str = "GET") -> tuple[Message | None, bool]:
    """The response, as far as it came, and whether the client was cut off within it."""
    head: Message | None = None
    try:
        head = await client.head()
        while head.status < 200:
            head = await client.head()
        bodyless = method == "HEAD" or head.status in {204, 304}
        async with asyncio.timeout(PATIENCE):
            head.body = await read_whole(client, head, bodyless=bodyless)
    except (ConnectionResetError, BrokenPipeError):
        return head, True
    except asyncio.IncompleteReadError:
        # Ended by FIN within a response with a known end: told from a whole one all the same.
        return head, True
    return head, False


async def read_whole(client: RawClient, head: Message, *, bodyless: bool) -> bytes:
    if bodyless:
        return b""
    if head.values(b"Transfer-Encoding") == [b"chunked"]:
        body = b""
        while size := int(await client.reader.readuntil(b"\r\n"), 16):
            body += await client.reader.readexactly(size)
            assert await client.reader.readexactly(2) == b"\r\n"
        assert await client.reader.readexactly(2) == b"\r\n"
        return body
    return await client.reader.readexactly(int(head.values(b"Content-Length")[0]))


# A response that comes before it is asked for


@LOOPS
@pytest.mark.parametrize("who", ["the same client", "one that waits"])
def test_what_was_said_before_a_request_was_made_is_never_its_response(tmp_path: Path, run: Run, who: str) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path, max_connections=1) as gateway:
            for turns in range(24):
                await say_too_early(gateway, turns, waits=who == "one that waits")

    run(main())


async def say_too_early(gateway: Running, turns: int, *, waits: bool) -> None:
    """The upstream says a second response some turns of the loop after the first one."""
    unasked = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
    too_early = False
    go, known = asyncio.Event(), len(gateway.upstream.conversations)

    async def behave(upstream: Conversation) -> None:
        nonlocal too_early
        if len(gateway.upstream.conversations) == known + 1:
            await upstream.request()
            await go.wait()
            upstream.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            for _ in range(turns):
                await asyncio.sleep(0)
            # From here to the write nothing else runs: what was not sent by now was sent later.
            too_early = not has_arrived(upstream)
            if too_early:
                upstream.writer.write(unasked)
        await response_by_target(upstream)

    gateway.upstream.behaviour = behave
    cut_off_all(gateway.upstream)
    await until(lambda: not gateway.places.idle)
    client = await gateway.client()
    other = await gateway.client() if waits else client
    await client.send(get("/first"))
    await gateway.upstream.connected(known + 1)
    await other.send(get("/second"))
    if waits:
        await until(lambda: gateway.places.waiting)
    go.set()
    assert (await client.response()).body == b"ok"
    response = await other.response()
    if too_early:
        assert response.body != b"EVIL", f"{turns} turns of the loop behind the first response"
    assert_responds(response, "/second")
    cut_off(client)
    cut_off(other)


def has_arrived(upstream: Conversation) -> bool:
    """Whether a byte of the next request is here, read or not."""
    if upstream.reader._buffer:  # type: ignore[attr-defined]
        return True
    return is_readable(upstream.writer.transport)


def is_readable(transport: asyncio.BaseTransport) -> bool:
    """Whether the kernel has something that nobody read, an end included."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


# Every byte position

LENGTH_RESPONSE = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 9\r\n\r\nabcdefghi"
CHUNKED_RESPONSE = CHUNKED + chunks(b"abc", b"defgh") + b"0\r\nX-T: u\r\n\r\n"
UNFRAMED_RESPONSE = b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nabcdefghi"


@LOOPS
@pytest.mark.parametrize("way", ["FIN", "RST"])
@pytest.mark.parametrize("pace", ["at once", "head first"])
@pytest.mark.parametrize(
    ("raw", "body"),
    [(LENGTH_RESPONSE, b"abcdefghi"), (CHUNKED_RESPONSE, b"abcdefgh"), (UNFRAMED_RESPONSE, b"abcdefghi")],
    ids=["length", "chunked", "unframed"],
)
def test_a_response_that_ends_at_any_byte_is_whole_only_when_it_is(
    tmp_path: Path, run: Run, raw: bytes, body: bytes, way: str, pace: str
) -> None:
    # Each byte and method on one of the loops.
    methods = ("GET", "POST") if run is asyncio.run else ("POST", "GET")

    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            for end in range(len(raw) + 1):
                await cut_response(gateway, raw, body, end=end, way=way, pace=pace, method=methods[end % 2])
            sent = [request.start.split()[0].decode() for request in gateway.upstream.requests]
            assert sent == [methods[end % 2] for end in range(len(raw) + 1)]
            assert gateway.errors() == []

    run(main())


async def cut_response(
    gateway: Running, raw: bytes, body: bytes, *, end: int, way: str, pace: str, method: str
) -> None:
    head = raw.index(b"\r\n\r\n") + 4
    unframed = raw is UNFRAMED_RESPONSE
    relayed = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        if pace == "head first" and end > head:
            await upstream.say(raw[:head])
            await relayed.wait()
            await upstream.say(raw[head:end])
        else:
            await upstream.say(raw[:end])
        if way == "RST":
            if pace == "head first" and end == len(raw):
                # What the reset overtakes would be lost; here everything arrives before it.
                await until(lambda: gateway.places.idle or unframed)
            upstream.reset()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(get() if method == "GET" else post(b"x"))
    got: Message | None = None
    was_cut = False
    try:
        got = await client.head()
        relayed.set()
        async with asyncio.timeout(PATIENCE):
            got.body = await read_whole(client, got, bodyless=False)
    except (ConnectionResetError, asyncio.IncompleteReadError):
        was_cut = True
    cut_off(client)
    whole = end == len(raw) or (unframed and end >= head)
    if got is not None and got.status == 200 and not was_cut:
        # A whole response: then it is one. The reset of an unframed one is no end.
        assert whole
        assert not (unframed and way == "RST")
        assert got.body == (raw[head:end] if unframed else body)
    elif got is not None and got.status == 502:
        reason = "upstream_unreachable" if end == 0 else "upstream_protocol_error"
        assert got.problem["reason"] == reason or way == "RST"
        assert not (whole and way == "FIN")
    else:
        assert was_cut
        assert not (whole and way == "FIN")


# Upstreams that take their time


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 2",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_upstream_that_hangs_before_or_in_its_head_is_a_timeout(
    start: Start, said: bytes, method: str
) -> None:
    gateway = await start(response_timeout=SHORT)

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(said)
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    started = asyncio.get_running_loop().time()
    await client.send(get() if method == "GET" else post(b"x"))
    got, was_cut = await what_arrives(client)
    assert got is not None
    assert (got.status, got.problem["reason"], was_cut) == (504, "upstream_timeout", False)
    assert SHORT <= asyncio.get_running_loop().time() - started < 3 * SHORT
    await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), PATIENCE)
    assert len(gateway.upstream.requests) == 1
    await client.send(get())
    got, _ = await what_arrives(client)
    assert got is not None
    assert got.status == 504


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd",
        CHUNKED,
        CHUNKED + b"5\r\nab",
        CHUNKED + chunks(b"ab"),
        CHUNKED + chunks(b"ab") + b"0\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nab",
    ],
)
async def test_an_upstream_that_hangs_within_its_body_cuts_the_client(start: Start, said: bytes) -> None:
    gateway = await start(response_timeout=SHORT)

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(said)
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(get())
    got, was_cut = await what_arrives(client)
    assert got is not None
    assert (got.status, was_cut) == (200, True)
    record = await gateway.ended()
    assert (record["reason"], record["outcome"]) == ("upstream_timeout", "failed")
    await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), PATIENCE)


async def test_a_response_that_comes_slowly_but_never_stops_is_no_timeout(start: Start) -> None:
    gateway = await start(response_timeout=0.2)

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde":
            await asyncio.sleep(0.015)  # this is what makes it slow
            await upstream.say(bytes((byte,)))

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    started = asyncio.get_running_loop().time()
    response = await client.ask(get())
    assert response.body == b"abcde"
    assert asyncio.get_running_loop().time() - started > 0.4


async def test_a_client_that_takes_its_time_is_no_fault_of_the_upstream(start: Start) -> None:
    gateway = await start(response_timeout=0.2)
    size = 30 << 20

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        await upstream.say(b"a" * size)

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(get())
    connection = await gateway.only_connection()
    await until(lambda: connection.wire.is_full)
    await asyncio.sleep(0.6)
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len((await client.response()).body) == size


# Upstreams that do not read


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_upstream_that_stops_reading_an_upload_is_a_timeout(start: Start, framing: str) -> None:
    gateway = await start(response_timeout=SHORT)
    stop = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        upstream.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stop.wait()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    size = 64 << 20
    lines = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
    await client.send(get("/", lines, method="POST"))
    body = b"a" * size if framing == "length" else chunks(b"a" * size)
    sending = asyncio.create_task(client.send(body))
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (504, "upstream_timeout")
    record = await gateway.ended()
    # What was taken from the client meanwhile is bounded.
    assert record["bytes_in"] < 20 << 20
    stop.set()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("way", ["FIN", "RST"])
@pytest.mark.parametrize("early", [b"", OK.replace(b"200 OK", b"413 Too Large")])
async def test_an_upstream_that_ends_within_an_upload_ends_it(start: Start, early: bytes, way: str) -> None:
    gateway = await start()

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.reader.readexactly(100_000)
        await upstream.say(early)
        if way == "RST":
            if early:
                await until(gateway.stdout.getvalue)
            upstream.reset()
        elif early:
            # A close with bytes unread would be a reset, which may overtake the response.
            upstream.writer.write_eof()
            await upstream.until_ended()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    size = 20 << 20
    sending = asyncio.create_task(client.send(get("/", f"Content-Length: {size}", method="PUT") + b"a" * size))
    response = await client.response()
    if early:
        assert (response.status, response.body) == (413, b"ok")
    else:
        assert (response.status, response.problem["reason"]) == (502, "upstream_unreachable")
    assert response.values(b"Connection") == [b"close"]
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert len(gateway.upstream.requests) == 1
    assert gateway.errors() == []


async def test_an_upstream_that_responds_before_the_body_serves_nobody_else_on_that_connection(
    gateway: Running, client: RawClient
) -> None:
    async def behave(upstream: Conversation) -> None:
        if len(gateway.upstream.conversations) > 1:
            await response_by_target(upstream)
        await upstream.head()
        await upstream.say(OK)
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    await client.send(get("/", "Content-Length: 10", method="POST") + b"abc")
    assert (await client.response()).body == b"ok"
    await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), PATIENCE)
    assert_responds(await (await gateway.client()).ask(get("/next")), "/next")
    assert len(gateway.upstream.conversations) == 2


# Clients that vanish


async def wait_forever(upstream: Conversation) -> None:
    await upstream.request()
    await upstream.until_ended()


async def take_upload_and_wait(upstream: Conversation) -> None:
    await upstream.head()
    await upstream.until_ended()


async def half_a_response(upstream: Conversation) -> None:
    await upstream.request()
    await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    await upstream.until_ended()


async def a_torrent(upstream: Conversation) -> None:
    await upstream.request()
    await upstream.say(CHUNKED)
    while True:
        await upstream.say(chunks(b"a" * 100_000))


async def events(upstream: Conversation) -> None:
    await upstream.request()
    await upstream.say(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n") + chunks(b"data: 1\n\n")
    )
    await upstream.until_ended()


async def a_response_to_an_unfinished_upload(upstream: Conversation) -> None:
    await upstream.head()
    await upstream.say(CHUNKED + chunks(b"abc"))
    await upstream.until_ended()


#: what the client sends, what it waits for, what the upstream does; None: there is no upstream request
Stage = tuple[bytes, bytes, Behaviour | None]
STAGES: dict[str, Stage] = {
    "before its head": (b"", b"", None),
    "in its head": (get()[:40], b"", None),
    "before its body": (get("/", "Content-Length: 100", method="POST"), b"", take_upload_and_wait),
    "before its chunks": (get("/", "Transfer-Encoding: chunked", method="POST"), b"", take_upload_and_wait),
    "in its body": (get("/", "Content-Length: 100", method="POST") + b"abc", b"", take_upload_and_wait),
    "in its chunks": (get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nab", b"", take_upload_and_wait),
    "when asked for its body": (
        get("/", "Expect: 100-continue", "Content-Length: 9", method="POST"),
        b"100 Continue",
        take_upload_and_wait,
    ),
    "while it waits": (get(), b"", wait_forever),
    "while it waits behind an upload": (post(b"abc"), b"", wait_forever),
    "in its response": (get(), b"abc", half_a_response),
    "in a response that comes fast": (get(), b"aaaa", a_torrent),
    "in an event stream": (get(), b"data: 1", events),
    "in a response that came early": (
        get("/", "Content-Length: 100", method="POST") + b"abc",
        b"abc",
        a_response_to_an_unfinished_upload,
    ),
    "with requests behind": (get() * 5, b"", wait_forever),
}


@pytest.fixture
def _none_but_ours() -> None:
    """What tests before this one left is not looked through: in a run of all of them that takes seconds each time."""
    gc.collect(1)
    gc.freeze()


def counted() -> dict[str, int]:
    """What there is of what is quickly counted."""
    return {"descriptors": len(list(Path("/proc/self/fd").iterdir())), "tasks": len(asyncio.all_tasks())}


def things() -> dict[str, int]:
    """What there is of everything that could be left behind. Looks at all that this process has: seldom, then."""
    gc.collect()
    kinds = [type(thing) for thing in gc.get_objects()]
    return {
        **counted(),
        "client connections": kinds.count(Connection),
        "upstream connections": kinds.count(UpstreamConnection),
    }


async def settle(before: dict[str, int]) -> None:
    """Waits until there is no more of anything than before."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE / 2):
            while not (counted().items() <= before.items() and things() == before):  # noqa: ASYNC110 -- no event
                await asyncio.sleep(0.02)
    assert things() == before


@LOOPS
@pytest.mark.usefixtures("_none_but_ours")
@pytest.mark.parametrize("way", ["FIN", "RST"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_client_that_vanishes_leaves_nothing_behind(tmp_path: Path, run: Run, stage: str, way: str) -> None:
    sent, awaited, behave = STAGES[stage]
    times = 3

    async def vanish(gateway: Running) -> None:
        known = len(gateway.upstream.conversations)
        client = await gateway.client()
        await client.send(sent)
        if behave is not None:
            upstream = await gateway.upstream.connected(known + 1)
            await until(lambda: upstream.requests)
        if awaited:
            async with asyncio.timeout(PATIENCE):
                await client.reader.readuntil(awaited)
        await until(lambda: len(gateway.server.open) == 1)
        if way == "RST":
            cut_off(client)
        else:
            client.writer.write_eof()
        await gateway.connections(0)
        if behave is not None:
            # Within a moment: while a client still sends there may be a second of lingering, and no more.
            await asyncio.wait_for(upstream.ended.wait(), 2)
            upstream.writer.transport.abort()
        cut_off(client)
        gateway.clients.remove(client)

    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            gateway.to_upstream.continue_after = 0.05
            gateway.upstream.behaviour = behave
            await vanish(gateway)
            forget(gateway)
            await asyncio.sleep(0.05)
            before = things()
            for _ in range(times):
                await vanish(gateway)
            forget(gateway)
            await settle(before)
            assert before["client connections"] == before["upstream connections"] == 0
            assert gateway.errors() == []
            if behave is not None:
                records = await gateway.stdout.records(times + 1)
                # Leaving an event stream is how it ends; whoever leaves anything else leaves it half done.
                reason = None if stage == "in an event stream" else "client_disconnected"
                assert {record.get("reason") for record in records} == {reason}
            assert gateway.places == (0, 0, 0, 0)

    run(main())


def forget(gateway: Running) -> None:
    """The test's own upstream holds nothing that would be counted."""
    gateway.upstream.conversations.clear()


@LOOPS
def test_a_connection_may_be_aborted_when_it_is_gone(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            client = await gateway.client()
            await client.ask(get())
            connection = await gateway.only_connection()
            connection.wire.abort()
            await gateway.connections(0)
            connection.wire.abort()
            cut_off(client)

    run(main())


@LOOPS
def test_a_client_that_vanishes_while_it_waits_for_a_connection_leaves_nothing_behind(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path, max_connections=1) as gateway:
            gateway.upstream.behaviour = wait_forever
            first = await gateway.client()
            await first.send(get())
            await gateway.upstream.connected()
            for way in ("RST", "FIN") * 5:
                client = await gateway.client()
                await client.send(get())
                await until(lambda: gateway.places.waiting)
                if way == "RST":
                    cut_off(client)
                else:
                    client.writer.write_eof()
                await until(lambda: not gateway.places.waiting)
                await gateway.connections(1)
                cut_off(client)
            gateway.upstream.behaviour = response_by_target
            cut_off(first)
            await gateway.connections(0)
            assert_responds(await (await gateway.client()).ask(get("/a")), "/a")
            assert gateway.places.taken == 1

    run(main())


@LOOPS
@pytest.mark.usefixtures("_none_but_ours")
def test_hundreds_of_faults_at_once_leave_nothing_behind(tmp_path: Path, run: Run) -> None:
    """Every kind of upstream fault and every kind of vanishing client, in one gateway at the same time."""

    async def behave(upstream: Conversation) -> None:
        request = await upstream.head()
        kind = target_of(request)
        if kind == b"/garbage":
            await upstream.say(b"HTTP/1.1 20x\r\n\r\n")
        elif kind == b"/reset":
            upstream.reset()
        elif kind == b"/short":
            await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        elif kind == b"/two":
            await upstream.say(OK * 2)
            await upstream.until_ended()
        elif kind == b"/hang":
            await upstream.until_ended()
        elif kind == b"/torrent":
            await upstream.say(CHUNKED)
            for _ in range(50):
                await upstream.say(chunks(b"a" * 100_000))
        elif kind == b"/close":
            pass
        else:
            await upstream.say(OK)

    kinds = ["/garbage", "/reset", "/short", "/two", "/hang", "/torrent", "/close", "/good"]

    async def one(gateway: Running, number: int) -> None:
        client = await gateway.client()
        kind = kinds[number % len(kinds)]
        await client.send(post(b"x" * 10, target=kind) if number % 3 == 0 else get(kind))
        if number % 5 == 0:
            cut_off(client)
        elif number % 5 == 1:
            client.writer.write_eof()
            await asyncio.gather(client.rest(), return_exceptions=True)
        else:
            await what_arrives(client)
        cut_off(client)
        gateway.clients.remove(client)

    async def round_of(gateway: Running, count: int) -> None:
        async with asyncio.timeout(30):
            await asyncio.gather(*(one(gateway, number) for number in range(count)))
        await gateway.connections(0)
        cut_off_all(gateway.upstream)
        await until(lambda: not gateway.places.taken)
        forget(gateway)

    async def main() -> None:
        async with a_gateway(tmp_path, response_timeout=SHORT, max_connections=20) as gateway:
            gateway.upstream.behaviour = behave
            await round_of(gateway, 40)
            await asyncio.sleep(0.05)
            before = things()
            await round_of(gateway, 120)
            await settle(before)
            assert gateway.places == (0, 0, 0, 0)
            assert gateway.errors() == [], gateway.errors()[0]

    run(main())
