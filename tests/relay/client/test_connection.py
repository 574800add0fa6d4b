"""The server half: what it refuses before anybody is asked, what it bounds, and what it never says."""

import asyncio
from typing import Any

import pytest

from gateway.ports import Exchange
from gateway.relay.client.connection import AHEAD
from tests.relay.smuggling import CASES, HIDDEN, Case
from tests.tables import about, parts_of
from tests.wire import (
    OK,
    PATIENCE,
    Conversation,
    RawClient,
    Running,
    Start,
    bearer,
    chunks,
    get,
    good_token,
    post,
    until,
)

SECRET = "c2VjcmV0LXRva2VuLXRoYXQtbXVzdC1ub3QtYmUtcXVvdGVk"


def limits(**changed: Any) -> dict[str, Any]:
    return {"limits": changed}


# Smuggling


@pytest.mark.parametrize("pace", ["at once", "byte by byte"])
@pytest.mark.parametrize("cases", parts_of(CASES, 20))
async def test_no_request_is_smuggled(gateway: Running, cases: list[Case], pace: str) -> None:
    for case in cases:
        with about(case.name):
            await is_not_smuggled(gateway, await gateway.client(), case, pace)
        await gateway.forget()


async def is_not_smuggled(gateway: Running, client: RawClient, case: Case, pace: str) -> None:
    await (client.send if pace == "at once" else client.drip)(case.raw)
    response = await client.response()
    assert response.status == case.status
    assert response.values(b"Server") == []
    if case.status != 200:
        assert response.values(b"Connection") == [b"close"]
        assert "GET" not in str(response.problem)
        assert await client.is_closed()
    await gateway.ended()
    if case.meant is None:
        # Of a body that breaks midway the upstream may have seen the beginning, and never an end.
        assert all(b"hidden" not in request.head and not request.body for request in gateway.upstream.requests)
        assert len(gateway.upstream.requests) <= 1
    else:
        assert [(request.start, request.body) for request in gateway.upstream.requests] == [(case.meant, case.body)]
    assert gateway.errors() == []
    gateway.silent_about(good_token())


@pytest.mark.parametrize("cases", parts_of([case for case in CASES if case.meant is None], 20))
async def test_what_is_refused_is_refused_behind_a_good_request_too(gateway: Running, cases: list[Case]) -> None:
    for case in cases:
        with about(case.name):
            client = await gateway.client()
            await client.send(get("/good") + case.raw)
            assert (await client.response()).body == b"ok"
            assert (await client.response()).status == case.status
            assert await client.is_closed()
            assert gateway.upstream.requests[0].start == b"GET /good HTTP/1.1"
            assert all(b"hidden" not in request.head for request in gateway.upstream.requests)
        await gateway.forget()


# What the parser refuses


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        (b"G@T / HTTP/1.1\r\n\r\n", 501, "method_not_implemented"),
        (b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method_not_implemented"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 501, "method_not_implemented"),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "version_not_supported"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version_not_supported"),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "version_not_supported"),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, "version_not_supported"),
        (b"GET /\r\n\r\n", 505, "version_not_supported"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"),
        (b"CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method_not_implemented"),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET \xff HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key1: x\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "bad_request"),
    ],
)
async def test_a_parser_error_has_a_sound_response(
    gateway: Running, client: RawClient, raw: bytes, status: int, reason: str
) -> None:
    response = await client.ask(raw)
    assert response.start.startswith(b"HTTP/1.1 %d " % status)
    assert response.problem["reason"] == reason
    assert response.values(b"Content-Type") == [b"application/problem+json"]
    assert response.values(b"Connection") == [b"close"]
    assert [name for name, _ in response.lines] == [
        b"Content-Type",
        b"Content-Length",
        *([b"Allow"] if status == 405 else []),
        b"Connection",
    ]
    assert await client.is_closed()
    record = await gateway.ended()
    assert (record["status"], record["reason"], record["outcome"]) == (
        status,
        reason,
        "failed" if status > 499 else "refused",
    )
    assert gateway.upstream.conversations == []
    assert gateway.errors() == []


async def test_trace_says_what_is_allowed(client: RawClient) -> None:
    response = await client.ask(get(method="TRACE"))
    assert response.values(b"Allow") == [b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization : Bearer {SECRET}",
        f" Authorization: Bearer {SECRET}",
        f"Authorization Bearer {SECRET}",
        f"Authorization: Bearer {SECRET}\x00",
        f"Authorization: Bearer\r\n {SECRET}",
        f"Authorization: Bearer {SECRET}\rX: y",
        f"Authorization: Bearer {SECRET}\nX: y",
        f"Authoriz\xfftion: Bearer {SECRET}",
        f"Authorization: Bearer {SECRET * 1000}",
        f"{SECRET * 1000}: Bearer",
        f"X: {SECRET}\r\nContent-Length: {SECRET}",
        f"Authorization: Bearer {SECRET} {SECRET}",
        f"Authorization: Bearer {SECRET}\r\nAuthorization: Bearer {SECRET}",
        f"Authorization: Bearer {SECRET}.{SECRET}.{SECRET}",
        f"Authorization: Basic {SECRET}",
    ],
)
@pytest.mark.parametrize("pace", ["at once", "byte by byte"])
async def test_a_refused_token_is_quoted_nowhere(
    gateway: Running, client: RawClient, capfd: pytest.CaptureFixture[str], line: str, pace: str
) -> None:
    raw = b"GET /path?token=" + SECRET.encode() + b" HTTP/1.1\r\nHost: a\r\n" + line.encode("latin-1") + b"\r\n\r\n"
    await (client.send if pace == "at once" or len(raw) > 5000 else client.drip)(raw)
    response = await client.response()
    assert response.status in {400, 401, 431}
    assert SECRET[:16].encode() not in response.head + response.body
    await gateway.ended()
    gateway.silent_about(SECRET)
    assert gateway.errors() == []
    assert SECRET[:16] not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "raw",
    [
        f"GET /{SECRET} HTTP/1.1 x\r\n\r\n",
        f"{SECRET} / HTTP/1.1\r\n\r\n",
        f"GET / {SECRET}\r\n\r\n",
        f"GET {SECRET} HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_a_refused_request_line_is_quoted_nowhere(gateway: Running, client: RawClient, raw: str) -> None:
    response = await client.ask(raw.encode())
    assert SECRET[:16].encode() not in response.head + response.body
    await gateway.ended()
    gateway.silent_about(SECRET)


# Limits on the head


async def test_a_target_has_its_own_limit_and_response(start: Start) -> None:
    gateway = await start(**limits(uri_bytes=1000, header_bytes=4000, token_bytes=3000))
    for extra, status in ((0, 200), (1, 414), (1500, 414), (100_000, 414)):
        client = await gateway.client()
        response = await client.ask(get("/" + "a" * (999 + extra)))
        assert response.status == status
        assert extra == 0 or response.problem["reason"] == "uri_too_long"


async def test_a_long_target_is_told_from_a_long_header_when_both_limits_are_one(start: Start) -> None:
    gateway = await start(**limits(uri_bytes=2000, header_bytes=2000, token_bytes=1500))
    for raw, status in (
        (get("/" + "a" * 3000), 414),
        (get("/", "X: " + "a" * 3000), 431),
        (get("/" + "a" * 1900), 431),
    ):
        client = await gateway.client()
        assert (await client.ask(raw)).status == status


async def test_one_header_line_beyond_the_limit_is_answered(start: Start) -> None:
    gateway = await start(**limits(header_bytes=4000, uri_bytes=2000, token_bytes=3000))
    for raw in (get("/", "X: " + "a" * 4001), get("/", "a" * 4001 + ": x"), get("/", "X: " + "a" * 100_000)):
        client = await gateway.client()
        response = await client.ask(raw)
        assert (response.status, response.problem["reason"]) == (431, "headers_too_large")
    assert gateway.upstream.requests == []


async def test_the_head_as_a_whole_is_bounded_in_one_read(start: Start) -> None:
    gateway = await start(**limits(header_bytes=4000, uri_bytes=2000, token_bytes=3000))
    exact = get("/", "X: ")
    exact = get("/", "X: " + "a" * (4000 - len(exact)))
    client = await gateway.client()
    assert (await client.ask(exact)).status == 200
    for lines in (["X: " + "a" * (4001 - len(get("/", "X: ")))], [f"X-{number}: {'a' * 500}" for number in range(10)]):
        client = await gateway.client()
        response = await client.ask(get("/", *lines))
        assert (response.status, response.problem["reason"]) == (431, "headers_too_large")
        assert await client.is_closed()
    assert len(gateway.upstream.requests) == 1


async def test_the_head_as_a_whole_is_bounded_while_it_drips(start: Start) -> None:
    gateway = await start(**limits(header_bytes=4000, uri_bytes=2000, token_bytes=3000))
    client = await gateway.client()
    await client.send(get()[:-2])
    sent = len(get()) - 2
    while not client.reader._buffer:  # type: ignore[attr-defined]
        assert sent < 4100
        await client.drip(b"X: " + b"a" * 20 + b"\r\n")
        sent += 25
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (431, "headers_too_large")
    assert await client.is_closed()
    assert (await gateway.ended())["reason"] == "headers_too_large"


async def test_a_head_of_megabytes_gets_a_response_and_not_a_reset(gateway: Running, client: RawClient) -> None:
    sending = asyncio.create_task(
        client.send(get()[:-2] + b"".join(b"X-%d: %b\r\n" % (n, b"a" * 8000) for n in range(90)) * 5)
    )
    response = await client.response()
    assert response.status == 431
    assert await client.is_closed()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_header_lines_are_counted(start: Start) -> None:
    gateway = await start(**limits(header_count=10))
    client = await gateway.client()
    assert (await client.ask(get("/", *(f"X-{n}: 1" for n in range(8))))).status == 200
    response = await client.ask(get("/", *(f"X-{n}: 1" for n in range(9))))
    assert (response.status, response.problem["reason"]) == (431, "headers_too_large")


async def test_a_token_of_16_kib_passes_the_server(gateway: Running, client: RawClient) -> None:
    response = await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + b"a" * 16384 + b"\r\n\r\n")
    assert response.problem["reason"] == "token_malformed"
    response = await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + b"a" * 16385 + b"\r\n\r\n")
    assert (response.status, response.problem["reason"]) == (431, "token_too_large")


async def test_a_slow_head_is_timed_out(start: Start) -> None:
    gateway = await start(**limits(header_timeout=0.1))
    for beginning in (b"G", get()[:-1], b"POST / HTTP/1.1\r\n"):
        client = await gateway.client()
        response = await client.ask(beginning)
        assert (response.status, response.problem["reason"]) == (408, "request_timeout")
        assert await client.is_closed()


async def test_a_slow_head_behind_a_good_request_is_timed_out(start: Start) -> None:
    gateway = await start(**limits(header_timeout=0.1))
    client = await gateway.client()
    await client.send(get() + b"GET / HT")
    assert (await client.response()).status == 200
    assert (await client.response()).status == 408


async def test_empty_lines_before_a_request_are_no_request(start: Start) -> None:
    gateway = await start(**limits(header_timeout=0.05, keepalive=5.0))
    client = await gateway.client()
    await client.ask(post(b"x") + b"\r\n")
    await client.send(b"\r\n\r\n")
    await asyncio.sleep(0.2)
    assert (await client.ask(b"\r\n" + get())).body == b"ok"


async def test_a_slow_body_is_not_a_slow_head(start: Start) -> None:
    gateway = await start(**limits(header_timeout=0.05))
    client = await gateway.client()
    await client.send(post(b"abc")[:-2])
    await asyncio.sleep(0.2)
    assert (await client.ask(b"bc")).status == 200
    assert gateway.upstream.last.body == b"abc"


# Connections


async def test_an_idle_connection_is_closed_after_keepalive(start: Start) -> None:
    gateway = await start(**limits(keepalive=0.1, header_timeout=0.1))
    client, silent = await gateway.client(), await gateway.client()
    assert (await client.ask(get())).status == 200
    assert await client.is_closed()
    assert await silent.is_closed()


async def test_a_head_that_arrives_when_keepalive_ends_is_served(start: Start) -> None:
    gateway = await start(**limits(keepalive=0.1, header_timeout=10.0))
    client = await gateway.client()
    for _ in range(2):
        await client.send(get()[:-2])
        await asyncio.sleep(0.25)
        assert (await client.ask(b"\r\n")).body == b"ok"
    assert await client.is_closed()


async def test_pipelined_requests_are_answered_in_order(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        while True:
            target = (await upstream.request()).start.split()[1]
            await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(target) + target)

    gateway.upstream.behaviour = behave
    count = 100
    await client.send(
        b"".join(
            get(f"/{number}") if number % 2 else post(b"x" * number, target=f"/{number}") for number in range(count)
        )
    )
    assert [(await client.response()).body for _ in range(count)] == [f"/{number}".encode() for number in range(count)]


async def test_pipelined_requests_wait_outside_when_there_are_many(gateway: Running, client: RawClient) -> None:
    released = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await released.wait()
        while True:
            await upstream.request()
            await upstream.say(OK)

    gateway.upstream.behaviour = behave
    count = 2000
    sending = asyncio.create_task(client.send(get() * count))
    await gateway.upstream.connected()
    connection = await gateway.only_connection()
    await until(lambda: connection.wire.is_held)
    assert AHEAD < connection._parser.unread < 8 * AHEAD
    released.set()
    for _ in range(count):
        assert (await client.response()).body == b"ok"
    await sending


BEHIND_CHUNKS = get("/1", "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n"


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("target", ["/2", "/2?0"])
async def test_a_body_behind_chunks_is_no_head(start: Start, cut: int, target: str) -> None:
    """All of it in one piece, or cut within the end of the chunks: the connection is idle behind it."""
    gateway = await start(limits={"header_timeout": 0.5, "header_bytes": 4000, "uri_bytes": 2000, "token_bytes": 3000})
    client = await gateway.client()
    raw = BEHIND_CHUNKS + post(b"x" * 6000, target=target)
    await client.send(raw[: len(BEHIND_CHUNKS) - cut])
    connection = await gateway.only_connection()
    if cut:
        await until(lambda: "BODY" in repr(connection))
    await client.send(raw[len(BEHIND_CHUNKS) - cut :])
    for _ in range(2):
        assert (await client.response()).status == 200
    await until(lambda: not connection.has_request)
    connection.check(asyncio.get_running_loop().time() + 1)
    assert (await client.ask(get("/3"))).status == 200
    assert [request.body for request in gateway.upstream.requests] == [b"", b"x" * 6000, b""]


async def test_a_head_that_begins_behind_chunks_and_a_body_has_its_time(start: Start) -> None:
    gateway = await start(limits={"header_timeout": 0.1, "keepalive": 60})
    client = await gateway.client()
    await client.send(BEHIND_CHUNKS + post(b"hello") + b"GET / HT")
    assert [(await client.response()).status for _ in range(3)] == [200, 200, 408]


@pytest.mark.parametrize("value", ["chunked\t", "chunked ,", "gzip", "chunked, chunked"])
async def test_a_coding_that_the_parser_refuses_is_not_begun(gateway: Running, client: RawClient, value: str) -> None:
    await client.send(get("/", f"Transfer-Encoding: {value}", method="POST") + chunks(b"abc") + b"0\r\n\r\n")
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (400, "bad_request")
    assert await client.is_closed()
    assert gateway.upstream.conversations == []


async def test_garbage_behind_a_good_body_does_not_spoil_the_body(gateway: Running, client: RawClient) -> None:
    await client.send(post(b"abc") + b"garbage\r\n\r\n" + HIDDEN)
    assert (await client.response()).body == b"ok"
    assert (await client.response()).status == 501
    assert await client.is_closed()
    assert [request.body for request in gateway.upstream.requests] == [b"abc"]


async def test_a_body_whose_framing_breaks_midway_ends_in_400(gateway: Running, client: RawClient) -> None:
    gateway.upstream.response = b""
    await client.send(get("/", "Transfer-Encoding: chunked", method="POST") + chunks(b"abc"))
    upstream = await gateway.upstream.connected()
    await client.send(b"zz\r\n" + HIDDEN)
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (400, "bad_request")
    assert await client.is_closed()
    await asyncio.wait_for(upstream.ended.wait(), PATIENCE)
    assert len(gateway.upstream.requests) == 1
    record = await gateway.ended()
    assert (record["reason"], record["bytes_in"]) == ("bad_request", 3)
    assert gateway.errors() == []


async def test_a_body_whose_framing_breaks_when_the_response_has_begun_cuts_the_client(
    gateway: Running, client: RawClient
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"abc"))
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    await client.send(get("/", "Transfer-Encoding: chunked", method="POST") + chunks(b"abc"))
    await client.head()
    await client.send(b"zz\r\n" + HIDDEN)
    with pytest.raises(ConnectionResetError):
        await client.rest()
    await asyncio.wait_for((await gateway.upstream.connected()).ended.wait(), PATIENCE)
    assert gateway.errors() == []


async def test_what_follows_an_error_is_never_a_request(gateway: Running, client: RawClient) -> None:
    await client.send(b"nonsense\r\n\r\n")
    await client.response()
    await client.drip(HIDDEN)
    await gateway.connections(0)
    assert gateway.upstream.requests == []


# A client that vanishes


async def test_a_client_that_vanishes_in_its_head_is_no_request(gateway: Running, client: RawClient) -> None:
    await client.send(get()[:40])
    await gateway.only_connection()
    client.reset()
    await gateway.connections(0)
    assert gateway.stdout.getvalue() == ""
    assert gateway.errors() == []


@pytest.mark.parametrize("way", ["reset", "half-close"])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
async def test_a_client_that_vanishes_in_its_body_ends_the_upstream_request(
    gateway: Running, client: RawClient, framing: str, way: str
) -> None:
    await client.send(get("/", framing, method="POST") + (chunks(b"abc") if "chunked" in framing else b"abc"))
    upstream = await gateway.upstream.connected()
    if way == "reset":
        client.reset()
    else:
        client.writer.write_eof()
    await asyncio.wait_for(upstream.ended.wait(), PATIENCE)
    record = await gateway.ended()
    assert (record["status"], record["reason"], record["outcome"]) == (499, "client_disconnected", "failed")
    await gateway.connections(0)
    assert upstream.requests[0].body == b""
    assert gateway.errors() == []


@pytest.mark.parametrize("way", ["reset", "half-close"])
async def test_a_client_that_vanishes_while_it_waits_ends_the_upstream_request(
    gateway: Running, client: RawClient, way: str
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    await client.send(get())
    upstream = await gateway.upstream.connected()
    if way == "reset":
        client.reset()
    else:
        client.writer.write_eof()
    await asyncio.wait_for(upstream.ended.wait(), PATIENCE)
    assert (await gateway.ended())["status"] == 499
    assert gateway.errors() == []


@pytest.mark.parametrize("way", ["reset", "half-close"])
async def test_a_client_that_vanishes_while_the_response_streams_ends_the_upstream_request(
    gateway: Running, client: RawClient, way: str
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await upstream.say(chunks(b"a" * 100_000))

    gateway.upstream.behaviour = behave
    await client.send(get())
    await client.head()
    await client.reader.readexactly(200_000)
    if way == "reset":
        client.reset()
    else:
        client.writer.write_eof()
    await asyncio.wait_for((await gateway.upstream.connected()).ended.wait(), PATIENCE)
    record = await gateway.ended()
    assert (record["status"], record["reason"]) == (499, "client_disconnected")
    assert record["bytes_out"] >= 200_000
    await gateway.connections(0)
    assert gateway.errors() == []


class _Buggy:
    """A service with a bug, before its response or in it."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    async def handle(self, exchange: Exchange) -> None:
        exchange.read_facts()
        if self._said:
            exchange._wire.write(self._said)  # type: ignore[attr-defined]
        raise ZeroDivisionError(SECRET)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
async def test_a_bug_is_500_or_cuts_the_response_that_has_begun(
    gateway: Running, client: RawClient, said: bytes
) -> None:
    gateway.server.listener.service = _Buggy(said)
    await client.send(get())
    if said:
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.response()
    else:
        response = await client.response()
        assert (response.status, response.problem["reason"]) == (500, "internal_error")
        assert await client.is_closed()
    (record,) = gateway.errors()
    assert "ZeroDivisionError" in record["traceback"]
    gateway.silent_about(SECRET)


async def test_every_response_of_ours_is_without_server_and_date(gateway: Running) -> None:
    for raw in (
        b"x\r\n\r\n",
        get(method="TRACE"),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        get("/", "Transfer-Encoding: x", method="POST"),
    ):
        response = await (await gateway.client()).ask(raw)
        assert {name.lower() for name, _ in response.lines}.isdisjoint({b"server", b"date"})


async def test_a_refusal_without_a_body_to_read_keeps_the_connection(gateway: Running, client: RawClient) -> None:
    for _ in range(3):
        response = await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (response.status, response.values(b"Connection")) == (401, [])
    assert (await client.ask(get())).status == 200


# Connections that say nothing


async def test_a_stream_of_empty_lines_is_no_client(gateway: Running, client: RawClient) -> None:
    await client.send(b"\r\n" * 100_000)
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (400, "bad_request")
    assert await client.is_closed()


async def test_a_connection_that_never_begins_a_request_is_closed_after_header_timeout(start: Start) -> None:
    gateway = await start(limits={"header_timeout": 0.1, "keepalive": 60})
    silent = await gateway.client()
    assert await silent.is_closed()


async def test_a_head_that_begins_late_has_its_own_time(gateway: Running, client: RawClient) -> None:
    connection = await gateway.only_connection()
    silent_until = connection.phase.deadline
    await asyncio.sleep(0.01)
    await client.send(b"GET / HTTP/1.1\r\n")
    await until(lambda: "HEAD FREE" in repr(connection))
    assert connection.phase.deadline > silent_until
    connection.check((silent_until + connection.phase.deadline) / 2)
    assert (await client.ask(b"Host: api.test\r\n" + bearer() + b"\r\n")).status == 200
