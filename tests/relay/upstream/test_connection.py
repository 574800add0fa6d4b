"""What goes to the API and what comes back from it, byte for byte; and what happens when the API misbehaves."""

import asyncio
import gzip
import socket
import time

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection
from gateway.relay.upstream.upstreams import HttpUpstreams
from tests.wire import OK, Conversation, RawClient, RawUpstream, Running, Start, chunked, chunks, get, post, until


def from_client(gateway: Running) -> list[tuple[bytes, bytes]]:
    """The lines of the last upstream request, those of the gateway left out."""
    ours = {
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-request-id",
        b"x-user-id",
        b"x-client-id",
    }
    return [
        line for line in gateway.upstream.last.lines if line[0].lower() not in ours | {b"x-token-scopes", b"connection"}
    ]


# Requests


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a?",
        "/a?b=1&b=2",
        "/a#b",
        "//a",
        "/%2F|%22",
        "/a%zz",
        "/a/../b",
        "/a;x=1",
        "/?q=/http://x",
        "/a?x#y?z",
        '/"<>\\^`{|}',
        "/~'()*!$&,:@",
        "/%C3%BC",
        "/+%20",
    ],
)
async def test_a_target_arrives_byte_for_byte(gateway: Running, client: RawClient, target: str) -> None:
    assert (await client.ask(get(target))).status == 200
    assert gateway.upstream.last.start == f"GET {target} HTTP/1.1".encode()


@pytest.mark.parametrize(
    ("target", "line", "host"),
    [
        ("http://other.test/a?b", b"GET /a?b HTTP/1.1", b"other.test"),
        ("HTTP://Other.Test:8080/a", b"GET /a HTTP/1.1", b"Other.Test:8080"),
        ("http://other.test", b"GET / HTTP/1.1", b"other.test"),
        ("http://other.test?a=1", b"GET /?a=1 HTTP/1.1", b"other.test"),
        ("https://[::1]:9/a", b"GET /a HTTP/1.1", b"[::1]:9"),
    ],
)
async def test_an_absolute_target_is_forwarded_in_origin_form(
    gateway: Running, client: RawClient, target: str, line: bytes, host: bytes
) -> None:
    assert (await client.ask(get(target))).status == 200
    assert gateway.upstream.last.start == line
    assert gateway.upstream.last.values(b"Host") == [host]
    assert gateway.upstream.last.values(b"X-Forwarded-Host") == [host]


async def test_an_asterisk_is_forwarded_with_options(gateway: Running, client: RawClient) -> None:
    await client.ask(get("*", method="OPTIONS"))
    assert gateway.upstream.last.start == b"OPTIONS * HTTP/1.1"


@pytest.mark.parametrize(
    "method",
    [
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "REPORT",
        "PURGE",
        "QUERY",
        "MKCOL",
        "M-SEARCH",
        "LOCK",
    ],
)
async def test_methods_are_forwarded(gateway: Running, client: RawClient, method: str) -> None:
    assert (await client.ask(get(method=method))).status == 200
    assert gateway.upstream.last.start == f"{method} / HTTP/1.1".encode()


async def test_header_lines_keep_order_case_and_repetition(gateway: Running, client: RawClient) -> None:
    lines = [
        "aCCept: a",
        "X-Odd_Name: 1",
        "X-Many: 1",
        "x-many: 2",
        "Cookie: a=1",
        "X-MANY: 3",
        "Cookie: b=2",
        "X-Empty:",
    ]
    await client.ask(get("/", *lines))
    expected = [
        (b"Host", b"api.test"),
        *((name.encode(), value.strip().encode()) for name, _, value in (line.partition(":") for line in lines)),
    ]
    assert from_client(gateway) == expected


async def test_header_values_are_bytes(gateway: Running, client: RawClient) -> None:
    await client.send(get("/").replace(b"\r\n\r\n", b"\r\nX-Latin: \xfc\xe4\r\nX-Utf: \xc3\xbc\r\nX-Tab: a\tb\r\n\r\n"))
    await client.response()
    assert gateway.upstream.last.values(b"X-Latin") == [b"\xfc\xe4"]
    assert gateway.upstream.last.values(b"X-Utf") == [b"\xc3\xbc"]
    assert gateway.upstream.last.values(b"X-Tab") == [b"a\tb"]


async def test_nothing_is_added_to_a_request_but_forwarding_and_identity(gateway: Running, client: RawClient) -> None:
    await client.ask(get())
    assert [name for name, _ in gateway.upstream.last.lines] == [
        b"Host",
        b"X-Forwarded-For",
        b"X-Forwarded-Proto",
        b"X-Forwarded-Host",
        b"X-Request-Id",
        b"X-User-Id",
        b"X-Client-Id",
        b"X-Token-Scopes",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "X-User-Id: mallory",
        "x_user_id: mallory",
        "X.User.Id: mallory",
        "X-Client_Id: mallory",
        "X-Token-Scopes: admin",
        "X-Gateway-Assertion: a",
        "X_Gateway_Anything: a",
        "Proxy: http://evil",
        "X-Forwarded-For: 1.2.3.4",
        "X_Forwarded_For: 1.2.3.4",
        "X-Forwarded-Anything: a",
        "Forwarded: for=1.2.3.4",
        "X-Real-IP: 1.2.3.4",
        "X_Real_Ip: 1.2.3.4",
        "Keep-Alive: timeout=1",
        "Proxy-Connection: close",
        "Proxy-Authorization: Basic eDp5",
        "TE: trailers",
        "Trailer: X-T",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
        "X~User~Id: mallory",
    ],
)
async def test_a_forged_or_hop_by_hop_line_does_not_arrive(gateway: Running, client: RawClient, line: str) -> None:
    assert (await client.ask(get("/", line))).status == 200
    value = line.partition(": ")[2]
    assert from_client(gateway) == [(b"Host", b"api.test")]
    assert value.encode() not in [value for _, value in gateway.upstream.last.lines]


async def test_what_connection_nominates_goes_but_nobody_nominates_identity_away(
    gateway: Running, client: RawClient
) -> None:
    await client.ask(
        get(
            "/",
            "Connection: X-Gone, x-user-id, Host, Content-Type, Cookie, X-Forwarded-For, x-request-id",
            "X-Gone: 1",
            "Cookie: c=1",
            "Content-Type: a/b",
        )
    )
    assert from_client(gateway) == [(b"Host", b"api.test"), (b"Cookie", b"c=1"), (b"Content-Type", b"a/b")]
    assert gateway.upstream.last.values(b"X-User-Id") == [b"alice"]
    assert gateway.upstream.last.values(b"X-Forwarded-For") == [b"127.0.0.1"]
    assert gateway.upstream.last.values(b"X-Request-Id")


async def test_a_trusted_peer_has_its_forwarding_headers_believed(start: Start) -> None:
    gateway = await start(trusted_proxies=("127.0.0.0/8",))
    client = await gateway.client()
    await client.ask(get("/", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.test"))
    assert gateway.upstream.last.values(b"X-Forwarded-For") == [b"1.2.3.4, 127.0.0.1"]
    assert gateway.upstream.last.values(b"X-Forwarded-Proto") == [b"https"]
    assert gateway.upstream.last.values(b"X-Forwarded-Host") == [b"a.test"]


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2_3", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("", False)]
)
async def test_a_request_id_is_kept_when_it_is_well_formed(
    gateway: Running, client: RawClient, sent: str, *, kept: bool
) -> None:
    await client.ask(get("/", f"X-Request-Id: {sent}"))
    (arrived,) = gateway.upstream.last.values(b"X-Request-Id")
    assert (arrived == sent.encode()) is kept
    assert (await gateway.ended())["request_id"] == arrived.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_a_body_with_a_length_arrives_with_that_length(gateway: Running, client: RawClient, method: str) -> None:
    body = gzip.compress(b"a" * 1000)
    await client.ask(post(body, "Content-Encoding: gzip", "Content-Type: x/y", method=method))
    assert gateway.upstream.last.body == body
    assert gateway.upstream.last.values(b"Content-Length") == [b"%d" % len(body)]
    assert gateway.upstream.last.values(b"Content-Encoding") == [b"gzip"]
    assert gateway.upstream.last.values(b"Transfer-Encoding") == []
    assert (await gateway.ended())["bytes_in"] == len(body)


async def test_a_chunked_body_arrives_chunked_without_trailers_and_extensions(
    gateway: Running, client: RawClient
) -> None:
    await client.ask(
        get("/", "transfer-ENCODING: Chunked", "Trailer: X-User-Id", method="POST")
        + b"3;x=y\r\nabc\r\n"
        + chunks(b"defg")
        + b"0\r\nX-User-Id: mallory\r\n\r\n"
    )
    assert gateway.upstream.last.body == b"abcdefg"
    assert gateway.upstream.last.values(b"Transfer-Encoding") == [b"chunked"]
    assert gateway.upstream.last.values(b"X-User-Id") == [b"alice"]
    assert (await client.ask(get("/next"))).status == 200
    assert gateway.upstream.last.start == b"GET /next HTTP/1.1"


async def test_an_empty_body_keeps_its_framing(gateway: Running, client: RawClient) -> None:
    await client.ask(post(b""))
    assert gateway.upstream.last.values(b"Content-Length") == [b"0"]
    await client.ask(get("/", "Transfer-Encoding: chunked", method="POST") + chunked())
    assert gateway.upstream.last.values(b"Transfer-Encoding") == [b"chunked"]
    assert gateway.upstream.last.body == b""
    await client.ask(get(method="POST"))
    assert gateway.upstream.last.values(b"Content-Length") == []


# Responses


async def test_a_response_arrives_as_the_upstream_sent_it(gateway: Running, client: RawClient) -> None:
    body = gzip.compress(b"b" * 999)
    lines = (
        b"server: mine\r\nsEt-Cookie: a=1\r\nX-Latin: \xfc\r\nSet-Cookie: b=2\r\nX-Utf: \xc3\xbc\r\nContent-Encoding: gzip\r\nX-Empty: \r\nContent-Length: %d"
        % len(body)
    )
    gateway.upstream.response = b"HTTP/1.1 299 Odd but  f\xfcne\r\n" + lines + b"\r\n\r\n" + body
    response = await client.ask(get())
    assert response.head == b"HTTP/1.1 299 Odd but  f\xfcne\r\n" + lines
    assert response.body == body


async def test_a_response_without_headers_gains_none(gateway: Running, client: RawClient) -> None:
    gateway.upstream.response = b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"
    response = await client.ask(get())
    assert response.head == b"HTTP/1.1 200 \r\nContent-Length: 0"
    assert (await client.ask(get())).status == 200


async def test_a_chunked_response_stays_chunked_without_trailers(gateway: Running, client: RawClient) -> None:
    gateway.upstream.response = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
        + chunks(b"ab", b"c" * 5000)
        + b"0\r\nX-T: 1\r\n\r\n"
    )
    response = await client.ask(get())
    assert response.head == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
    assert response.body == b"ab" + b"c" * 5000
    assert (await client.ask(get("/2"))).body == response.body
    assert len(gateway.upstream.conversations) == 1


async def test_hop_by_hop_lines_of_a_response_stay_behind(gateway: Running, client: RawClient) -> None:
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok"
    assert (await client.ask(get())).head == b"HTTP/1.1 200 OK\r\nX-Stays: 1\r\nContent-Length: 2"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_the_clients_to_follow(gateway: Running, client: RawClient, status: int) -> None:
    gateway.upstream.response = (
        f"HTTP/1.1 {status} Moved\r\nLocation: {gateway.upstream.url}/elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert (await client.ask(get())).status == status
    assert len(gateway.upstream.requests) == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n", b"Transfer-Encoding: chunked\r\n", b""])
async def test_a_response_to_head_has_no_body(gateway: Running, client: RawClient, framing: bytes) -> None:
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\n" + framing + b"X: 1\r\n\r\n"
    response = await client.ask(get(method="HEAD"), "HEAD")
    assert response.status == 200
    assert response.values(b"Content-Length") == ([b"1000"] if b"Length" in framing else [])
    gateway.upstream.response = OK
    assert (await client.ask(get("/next"))).body == b"ok"


@pytest.mark.parametrize(
    "head", [b"204 No Content\r\n", b'304 Not Modified\r\nETag: "x"\r\nContent-Length: 7\r\n', b"304 Not Modified\r\n"]
)
async def test_a_response_that_never_has_a_body_has_none(gateway: Running, client: RawClient, head: bytes) -> None:
    gateway.upstream.response = b"HTTP/1.1 " + head + b"\r\n"
    response = await client.ask(get())
    assert response.head + b"\r\n" == b"HTTP/1.1 " + head
    gateway.upstream.response = OK
    assert (await client.ask(get("/next"))).body == b"ok"


async def test_interim_responses_are_not_taken_for_the_response(gateway: Running, client: RawClient) -> None:
    gateway.upstream.response = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
    response = await client.ask(get())
    while response.status < 200:
        response = await client.response()
    assert response.body == b"ok"


async def test_a_close_delimited_response_gets_chunk_framing(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.0 200 OK\r\nX: 1\r\n\r\nab")
        await upstream.say(b"cd")

    gateway.upstream.behaviour = behave
    response = await client.ask(get())
    assert response.head == b"HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked"
    assert response.body == b"abcd"
    assert (await client.ask(get("/next"))).body == b"abcd"


async def test_an_http_1_0_client_gets_a_response_without_length_ended_by_close(
    gateway: Running, client: RawClient
) -> None:
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"cd")
    await client.send(
        get().replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
    )
    assert await client.rest() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcd"


async def test_an_event_stream_is_flushed_as_it_comes(gateway: Running, client: RawClient) -> None:
    more = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunks(b"data: 1\n\n")
        )
        await more.wait()
        await upstream.say(chunks(b"data: 2\n\n"))
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    await client.send(get())
    await client.head()
    assert await client.reader.readuntil(b"\n\n") == b"9\r\ndata: 1\n\n"
    more.set()
    assert await client.reader.readuntil(b"\n\n") == b"\r\n9\r\ndata: 2\n\n"
    client.reset()
    await gateway.upstream.conversations[0].ended.wait()


async def test_an_event_stream_may_be_silent_for_long(start: Start) -> None:
    gateway = await start(response_timeout=0.1)
    client = await gateway.client()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await asyncio.sleep(0.3)
        await upstream.say(b"data: 1\n\n")

    gateway.upstream.behaviour = behave
    assert (await client.ask(get())).body == b"data: 1\n\n"


# An API that misbehaves


async def test_an_upstream_that_refuses_connections_is_unreachable(start: Start) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gateway = await start(upstream=f"http://127.0.0.1:{unused.getsockname()[1]}")
        client = await gateway.client()
        for request, method in ((get(), "GET"), (post(b"x"), "POST")):
            response = await client.ask(request, method)
            assert (response.status, response.problem["reason"]) == (502, "upstream_unreachable")


async def test_a_unix_upstream_that_is_not_there_is_unreachable(start: Start) -> None:
    gateway = await start(upstream="unix:/nonexistent/socket")
    client = await gateway.client()
    assert (await client.ask(get())).problem["reason"] == "upstream_unreachable"


async def test_a_host_that_has_no_address_is_unreachable(start: Start) -> None:
    gateway = await start(upstream="http://nobody.invalid")
    client = await gateway.client()
    assert (await client.ask(get())).problem["reason"] == "upstream_unreachable"


async def test_an_upstream_may_be_a_unix_socket(start: Start, tmp_path_factory: pytest.TempPathFactory) -> None:
    gateway = await start(upstream_path=str(tmp_path_factory.mktemp("u") / "s"))
    client = await gateway.client()
    assert (await client.ask(get("/a"))).body == b"ok"
    assert gateway.upstream.last.start == b"GET /a HTTP/1.1"


async def test_an_upstream_that_hangs_is_a_timeout(start: Start) -> None:
    gateway = await start(response_timeout=0.05)
    gateway.upstream.response = b""
    client = await gateway.client()
    for request in (get(), post(b"x")):
        response = await client.ask(request)
        assert (response.status, response.problem["reason"]) == (504, "upstream_timeout")
    assert (await gateway.ended(2))["reason"] == "upstream_timeout"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "response",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x00\x01",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 099 Less\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 12_000 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_response_that_is_no_sound_http_is_a_protocol_error(
    gateway: Running, client: RawClient, response: bytes, method: str
) -> None:
    gateway.upstream.response = response
    got = await client.ask(get() if method == "GET" else post(b"x"))
    assert (got.status, got.problem["reason"]) == (502, "upstream_protocol_error")
    assert (await gateway.ended())["outcome"] == "failed"
    assert gateway.errors() == []
    assert len(gateway.upstream.requests) == 1


async def test_a_folded_line_of_a_response_is_unfolded_or_refused(gateway: Running, client: RawClient) -> None:
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nX: a\r\n folded: b\r\nContent-Length: 0\r\n\r\n"
    response = await client.ask(get())
    # RFC 9112 section 5.2 allows both; aiohttp's client does the latter in Python's development mode.
    assert response.status == 502 or response.head == b"HTTP/1.1 200 OK\r\nX: a folded: b\r\nContent-Length: 0"


@pytest.mark.parametrize(
    ("framing", "end"),
    [
        (b"Content-Length: 10\r\n\r\nabc", b""),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunks(b"abc"), b""),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunks(b"abc"), b"zz\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunks(b"abc"), b"0\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunks(b"abc"), b"5\r\nab"),
    ],
)
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_response_that_breaks_off_cuts_the_client(
    gateway: Running, client: RawClient, framing: bytes, end: bytes, version: bytes, method: str
) -> None:
    arrived = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\n" + framing)
        await arrived.wait()
        await upstream.say(end)

    gateway.upstream.behaviour = behave
    request = get() if method == "GET" else post(b"x")
    await client.send(request.replace(b"HTTP/1.1", version))
    await client.head()
    arrived.set()
    with pytest.raises(ConnectionResetError):
        await client.rest()
    assert (await gateway.ended())["reason"] == "upstream_protocol_error"


async def test_a_close_delimited_response_that_ends_in_a_reset_cuts_the_client(
    gateway: Running, client: RawClient
) -> None:
    arrived = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await arrived.wait()
        upstream.reset()

    gateway.upstream.behaviour = behave
    await client.send(get())
    await client.head()
    await client.reader.readuntil(b"abc\r\n")
    arrived.set()
    with pytest.raises(ConnectionResetError):
        await client.rest()


async def test_an_upstream_that_closes_without_a_response_is_unreachable(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()

    gateway.upstream.behaviour = behave
    for request in (post(b"x"), get()):
        response = await client.ask(request)
        assert (response.status, response.problem["reason"]) == (502, "upstream_unreachable")
        # It was reached, and on a new connection: people look elsewhere then.
        assert response.problem["detail"] == "The API behind this gateway closed the connection without a response."
    assert len(gateway.upstream.requests) == 2


async def test_a_post_is_never_sent_twice(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(OK)
        await upstream.request()  # and closes without a response

    gateway.upstream.behaviour = behave
    assert (await client.ask(get())).status == 200
    for body in (post(b"x"), post(b""), get(method="POST"), post(b"x", method="PUT"), get(method="PATCH")):
        gateway.upstream.conversations[-1].reset()
        before = len(gateway.upstream.requests)
        # Whether the gateway knew in time that the connection is gone or not: what was written may have been acted on.
        assert (await client.ask(body)).status in {200, 502}
        assert len(gateway.upstream.requests) <= before + 1


async def test_a_get_is_sent_again_when_a_reused_connection_turns_out_to_be_closed(
    gateway: Running, client: RawClient
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(OK)
        if len(gateway.upstream.conversations) == 1:
            await upstream.request()  # and closes without a response

    gateway.upstream.behaviour = behave
    assert (await client.ask(get("/1"))).status == 200
    assert (await client.ask(get("/2"))).status == 200
    assert [request.start for request in gateway.upstream.requests] == [
        b"GET /1 HTTP/1.1",
        b"GET /2 HTTP/1.1",
        b"GET /2 HTTP/1.1",
    ]


async def test_connections_are_reused(gateway: Running, client: RawClient) -> None:
    for _ in range(5):
        await client.ask(get())
    assert len(gateway.upstream.conversations) == 1


@pytest.mark.parametrize("late", [OK.replace(b"ok", b"NO"), b"garbage", b"HTTP/1.1 200 OK\r\nX: 1"])
async def test_what_an_upstream_says_unasked_is_nobodys_response(
    gateway: Running, client: RawClient, late: bytes
) -> None:
    said = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(OK)
        if len(gateway.upstream.conversations) == 1:
            await said.wait()
            await upstream.say(late)
        await upstream.request()
        await upstream.say(OK)

    gateway.upstream.behaviour = behave
    assert (await client.ask(get("/1"))).body == b"ok"
    (connection,) = gateway.to_upstream.pool.connections
    said.set()
    await until(lambda: connection.is_lost)
    assert (await client.ask(get("/2"))).body == b"ok"
    assert len(gateway.upstream.conversations) == 2


@pytest.mark.parametrize("late", [b"body of a response to HEAD", OK.replace(b"ok", b"NO")])
async def test_a_body_behind_a_response_to_head_is_nobodys_response(
    gateway: Running, client: RawClient, late: bytes
) -> None:
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(late) + late
    assert (await client.ask(get(method="HEAD"), "HEAD")).status in {200, 502}
    gateway.upstream.response = OK
    assert (await client.ask(get())).body == b"ok"


async def test_an_early_response_to_an_upload_reaches_the_client(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    await client.send(get("/", "Content-Length: 100000000", method="POST") + b"a" * 1000)
    response = await client.response()
    assert (response.status, response.body, response.values(b"Connection")) == (413, b"big", [b"close"])
    assert (await gateway.ended())["status"] == 413


async def test_an_early_response_reaches_the_client_that_sends_on(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        upstream.writer.write_eof()
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    size = 20_000_000
    sending = asyncio.create_task(client.send(get("/", f"Content-Length: {size}", method="POST") + b"a" * size))
    response = await client.response()
    assert (response.status, response.body) == (413, b"big")
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_response_that_begins_while_the_body_still_comes_is_relayed_at_once(
    gateway: Running, client: RawClient
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            await upstream.say(chunks((await upstream.reader.readexactly(4)).upper()))
        await upstream.say(b"0\r\n\r\n")

    gateway.upstream.behaviour = behave
    await client.send(get("/", "Content-Length: 12", method="POST"))
    await client.head()
    for part in (b"aaaa", b"bbbb", b"cccc"):
        await client.send(part)
        assert await client.reader.readuntil(part.upper() + b"\r\n") == chunks(part.upper())
    assert await client.rest() == b"0\r\n\r\n"


async def test_the_upstream_authority_stands_in_for_a_missing_host(gateway: Running, client: RawClient) -> None:
    await client.send(get().replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: api.test\r\n", b""))
    await client.response()
    assert gateway.upstream.last.values(b"Host") == [gateway.upstream.url.removeprefix("http://").encode()]
    assert gateway.upstream.last.values(b"X-Forwarded-Host") == []


async def test_requests_wait_for_a_place_and_then_are_told_it_is_busy(start: Start) -> None:
    gateway = await start(max_connections=2, pool_timeout=Seconds(0.05))
    gateway.upstream.response = b""
    clients = [await gateway.client() for _ in range(2)]
    for client in clients:
        await client.send(get())
    await gateway.upstream.connected(2)
    third = await gateway.client()
    response = await third.ask(get())
    assert (response.status, response.problem["reason"]) == (503, "upstream_busy")
    assert response.values(b"Retry-After")
    clients[0].reset()
    await gateway.ended(2)
    gateway.upstream.response = OK
    assert (await third.ask(get())).status == 200


async def test_closing_twice_and_without_a_request_is_fine() -> None:
    upstream = HttpUpstreams({"default": UpstreamSection(url="http://127.0.0.1:1")})
    await upstream.close()
    await upstream.close()


# What an attacker who controls a response, or only its Content-Type, can do


@pytest.mark.parametrize("length", [b"18446744073709551615", b"9223372036854775808", b"+2"])
async def test_a_length_that_parsers_disagree_on_is_refused(gateway: Running, client: RawClient, length: bytes) -> None:
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nab"
    response = await client.ask(get())
    assert (response.status, response.problem["reason"]) == (502, "upstream_protocol_error")


@pytest.mark.parametrize("content_type", [b"a/b" + b';"' * 14_000, b"a/b(" + b"(" * 2_000])
async def test_a_content_type_is_passed_on_and_not_parsed(
    gateway: Running, client: RawClient, content_type: bytes
) -> None:
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: " + content_type + b"\r\n\r\nab"
    started = time.process_time()
    assert (await client.ask(get())).status == 200
    assert time.process_time() - started < 1


async def test_a_get_is_sent_once_when_a_fresh_connection_closes_without_a_response(
    gateway: Running, client: RawClient
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()  # and closes without a response

    gateway.upstream.behaviour = behave
    for method in ("GET", "PUT", "DELETE"):
        assert (await client.ask(get(method=method))).status == 502
    assert [request.start.split()[0] for request in gateway.upstream.requests] == [b"GET", b"PUT", b"DELETE"]


# The long form, and several


async def test_an_upstream_may_get_its_own_host(start: Start) -> None:
    gateway = await start(host="upstream")
    client = await gateway.client()
    assert (await client.ask(get("/a", "Host2: x"))).status == 200
    assert gateway.upstream.last.values(b"Host") == [gateway.upstream.url.removeprefix("http://").encode()]
    assert gateway.upstream.last.values(b"X-Forwarded-Host") == [b"api.test"]


@pytest.mark.parametrize(("authorization", "count"), [("keep", 1), ("drop", 0)])
async def test_an_upstream_gets_the_token_only_when_it_is_to_keep_it(
    start: Start, authorization: str, count: int
) -> None:
    gateway = await start(authorization=authorization)
    client = await gateway.client()
    assert (await client.ask(get("/a"))).status == 200
    assert len(gateway.upstream.last.values(b"Authorization")) == count


async def test_a_route_chooses_the_upstream_and_what_it_sees_of_the_path(start: Start) -> None:
    shop = RawUpstream()
    await shop.start()
    shop.response = OK.replace(b"ok", b"it")
    gateway = await start(
        upstreams={"shop": UpstreamSection(url=shop.url)},
        routes=(RouteSection(path="/shop/*", upstream="shop", strip_prefix="/shop", name="shop"),),
    )
    client = await gateway.client()
    assert (await client.ask(get("/shop/a%2Bb?c"))).body == b"it"
    assert (await client.ask(get("/other"))).body == b"ok"
    assert [request.start for request in shop.requests] == [b"GET /a%2Bb?c HTTP/1.1"]
    assert shop.last.values(b"X-Forwarded-Prefix") == [b"/shop"]
    assert [request.start for request in gateway.upstream.requests] == [b"GET /other HTTP/1.1"]
    assert gateway.upstream.last.values(b"X-Forwarded-Prefix") == []
    metrics = (await gateway.admin("/metrics")).body.decode()
    assert 'gateway_upstream_duration_seconds_count{upstream="shop"} 1.0' in metrics
    assert 'gateway_upstream_duration_seconds_count{upstream="default"} 1.0' in metrics
    await shop.stop()


async def test_a_route_may_wait_shorter_than_its_upstream(start: Start) -> None:
    gateway = await start(routes=(RouteSection(path="/quick", timeout=Seconds(0.05)),))
    gateway.upstream.response = b""
    client = await gateway.client()
    assert (await client.ask(get("/quick"))).problem["reason"] == "upstream_timeout"
    assert (await gateway.ended())["route"] == "/quick"


async def test_a_route_may_wait_longer_than_its_upstream(start: Start) -> None:
    gateway = await start(response_timeout=0.05, routes=(RouteSection(path="/slow", timeout=Seconds(5)),))

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await asyncio.sleep(0.2)
        await upstream.say(OK)

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    assert (await client.ask(get("/slow"))).body == b"ok"
