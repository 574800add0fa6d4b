"""What an API makes of a connection: a body it does not read, a login that sticks to it, a length it reads otherwise."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.relay.upstream.upstreams import logs_in
from tests.memory import facts
from tests.wire import OK, PATIENCE, Conversation, Message, RawClient, Running, Start, bearer, chunked, get, until

OPEN = (RouteSection(path="/health", access="public"), RouteSection(path="/*"))
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: api.test\r\nX-User-Id: alice\r\nX-Client-Id: root\r\nContent-Length: 0\r\n\r\n"
#: methods whose body many servers leave where it is
BODYLESS = ("GET", "HEAD", "DELETE", "OPTIONS")


def anonymous(raw: bytes) -> bytes:
    return raw.replace(bearer(), b"")


def with_body(method: str, framing: str, body: bytes, target: str = "/health") -> bytes:
    if framing == "length":
        return get(target, f"Content-Length: {len(body)}", method=method) + body
    return get(target, "Transfer-Encoding: chunked", method=method) + (chunked(body) if body else b"0\r\n\r\n")


def response_to(method: str) -> bytes:
    return OK.removesuffix(b"ok") if method == "HEAD" else OK


# A body that is no body


class Careless(BaseHTTPRequestHandler):
    """Python's own server, which reads no body unless it is told to."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str, str | None]]] = []

    def respond(self) -> None:
        self.seen.append((self.command, self.path, self.headers["X-User-Id"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    do_GET = do_HEAD = do_DELETE = do_OPTIONS = respond  # noqa: N815 -- http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as above
        pass


@contextlib.contextmanager
def careless() -> Iterator[str]:
    Careless.seen.clear()
    server: HTTPServer = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("method", BODYLESS)
async def test_a_body_that_reads_like_a_request_is_never_one(start: Start, method: str) -> None:
    with careless() as url:
        gateway = await start(upstream=url, routes=OPEN)
        client = await gateway.client()
        first = await client.ask(anonymous(with_body(method, "length", HIDDEN)), method)
        assert first.status == 200
        # Whoever comes next gets a response to what they asked.
        for _ in range(3):
            client = await gateway.client()
            assert (await client.ask(anonymous(get("/health")))).status == 200
        await asyncio.sleep(0.05)
        assert {path for _, path, _ in Careless.seen} == {"/health"}
        assert {user for _, _, user in Careless.seen} == {None}
        # The server closes its side by itself, in a thread that waits.
        await gateway.stop(hurry=asyncio.Event())


@pytest.mark.parametrize("body", [HIDDEN, b""], ids=["body", "empty"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("method", [*BODYLESS, "PROPFIND", "REPORT", "SEARCH", "PURGE"])
@pytest.mark.parametrize("access", ["public", "token"])
async def test_a_connection_ends_with_a_body_that_the_api_may_not_read(
    start: Start, access: str, method: str, framing: str, body: bytes
) -> None:
    gateway = await start(routes=OPEN)
    raw = with_body(method, framing, body, target="/health" if access == "public" else "/mine")
    gateway.upstream.response = response_to(method)
    client = await gateway.client()
    response = await client.ask(anonymous(raw) if access == "public" else raw, method)
    assert response.status == 200
    # `0` is no body, and nothing follows the head; the end of chunks is something that is not read.
    ends = bool(body) or framing == "chunked"
    assert gateway.upstream.last.values(b"Connection") == ([b"close"] if ends else [])
    assert gateway.upstream.last.body == body
    gateway.upstream.response = OK
    assert (await client.ask(get("/mine"))).status == 200
    assert len(gateway.upstream.conversations) == (2 if ends else 1)
    if ends:
        async with asyncio.timeout(PATIENCE):
            await gateway.upstream.conversations[0].ended.wait()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_where_one_is_due_leaves_the_connection_open(
    gateway: Running, client: RawClient, method: str, framing: str
) -> None:
    for _ in range(3):
        assert (await client.ask(with_body(method, framing, b"abc"))).status == 200
        assert gateway.upstream.last.values(b"Connection") == []
    assert len(gateway.upstream.conversations) == 1


@pytest.mark.parametrize("method", BODYLESS)
async def test_the_room_of_a_connection_that_ends_so_is_given_on(start: Start, method: str) -> None:
    gateway = await start(max_connections=1, pool_timeout=Seconds(1))
    gateway.upstream.response = response_to(method)
    for _ in range(4):
        client = await gateway.client()
        assert (await client.ask(with_body(method, "length", HIDDEN), method)).status == 200
    assert len(gateway.upstream.conversations) == 4


# A login that sticks to a connection


class Windows:
    """Knows who a connection belongs to, once it has seen a login on it (RFC 4559, and NTLM likewise)."""

    def __init__(self, gateway: Running, scheme: bytes) -> None:
        self.scheme = scheme
        #: whom each request was taken for, and on which connection
        self.served: list[tuple[str, int]] = []
        self._gateway = gateway
        gateway.upstream.behaviour = self.behave

    async def behave(self, upstream: Conversation) -> None:
        user = "nobody"
        number = len(self._gateway.upstream.conversations)
        while True:
            request = await upstream.request()
            shown = request.values(b"Authorization")
            if shown and shown[0].split()[0].lower() == self.scheme.lower():
                user = "alice"
            self.served.append((user, number))
            body = user.encode()
            status, more = b"200 OK", b""
            if user == "nobody":
                status, more = b"401 Unauthorized", b"WWW-Authenticate: " + self.scheme + b"\r\n"
            await upstream.say(b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, more, len(body), body))


@pytest.mark.parametrize("scheme", [b"NTLM", b"Negotiate", b"negotiate", b"ntlm"])
async def test_nobody_is_taken_for_who_logged_in_on_a_connection_before(start: Start, scheme: bytes) -> None:
    gateway = await start(max_connections=1, routes=OPEN)
    windows = Windows(gateway, scheme)
    login = await (await gateway.client()).ask(
        anonymous(get("/health", f"Authorization: {scheme.decode()} TlRMTVNTUAADAAAA"))
    )
    assert login.body == b"alice"
    for _ in range(3):
        other = await (await gateway.client()).ask(anonymous(get("/health")))
        assert (other.status, other.body) == (401, b"nobody")
    assert len({number for _, number in windows.served}) == 4


async def test_a_token_of_ours_does_not_make_somebody_else_of_its_owner(start: Start) -> None:
    gateway = await start(max_connections=1, routes=OPEN)
    Windows(gateway, b"NTLM")
    await (await gateway.client()).ask(anonymous(get("/health", "Authorization: NTLM TlRMTVNTUAADAAAA")))
    assert (await (await gateway.client()).ask(get("/mine"))).body == b"nobody"


#: header lines of a response, and whether its connection is trusted with another request
SAID = {
    "NTLM asked for": (b"WWW-Authenticate: NTLM\r\n", False),
    "Negotiate asked for": (b"WWW-Authenticate: Negotiate\r\n", False),
    "in another case": (b"www-authenticate: nEgOtIaTe\r\n", False),
    "a challenge of NTLM": (b"WWW-Authenticate: NTLM TlRMTVNTUAACAAAA\r\n", False),
    "a last word of Negotiate": (b"WWW-Authenticate: Negotiate oYG2MIGzoAMKAQA=\r\n", False),
    "behind others": (b'WWW-Authenticate: Basic realm="a"\r\nWWW-Authenticate: NTLM\r\n', False),
    "behind others in one line": (b'WWW-Authenticate: Basic realm="a", Negotiate, NTLM\r\n', False),
    "before others in one line": (b'WWW-Authenticate: Negotiate,Basic realm="a"\r\n', False),
    "behind a tab": (b"WWW-Authenticate:\tNTLM\t\r\n", False),
    "Basic": (b'WWW-Authenticate: Basic realm="a"\r\n', True),
    "Bearer": (b'WWW-Authenticate: Bearer realm="a", error="invalid_token"\r\n', True),
    "asked for by a proxy in front of the API": (b"Proxy-Authenticate: NTLM\r\n", False),
    "Basic asked for by a proxy": (b'Proxy-Authenticate: Basic realm="a"\r\n', True),
    "what IIS says of one": (b"Persistent-Auth: true\r\n", False),
    "what IIS says of none": (b"Persistent-Auth: false\r\n", True),
    "nothing": (b"", True),
}


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized", b"404 Not Found"])
@pytest.mark.parametrize("name", SAID)
async def test_a_connection_whose_response_spoke_of_such_a_login_is_not_used_again(
    gateway: Running, client: RawClient, name: str, status: bytes
) -> None:
    lines, trusted = SAID[name]
    gateway.upstream.response = b"HTTP/1.1 %b\r\n%bContent-Length: 2\r\n\r\nok" % (status, lines)
    for _ in range(2):
        response = await client.ask(get())
        assert (response.status, response.body) == (int(status[:3]), b"ok")
    assert len(gateway.upstream.conversations) == (1 if trusted else 2)
    if not trusted:
        async with asyncio.timeout(PATIENCE):
            await gateway.upstream.conversations[0].ended.wait()


@pytest.mark.parametrize(
    ("shown", "trusted"),
    [
        ("NTLM TlRMTVNTUAABAAAA", False),
        ("Negotiate YIIJ", False),
        ("negotiate YIIJ", False),
        ("NTLM", False),
        ("Negotiate", False),
        ("nEgO2 abc", False),
        ("Kerberos abc", False),
        ("Basic YTpi, NTLM TlRMTVNTUAABAAAA", False),
        ("NTLMv2 abc", True),
        ("NegotiateX abc", True),
        ("Basic YTpi", True),
        ("Digest username=NTLM", True),
    ],
)
async def test_a_connection_whose_request_carried_such_a_login_is_not_used_again(
    start: Start, shown: str, *, trusted: bool
) -> None:
    gateway = await start(routes=OPEN)
    client = await gateway.client()
    for _ in range(2):
        assert (await client.ask(anonymous(get("/health", f"Authorization: {shown}")))).status == 200
    assert gateway.upstream.last.values(b"Authorization") == [shown.encode()]
    assert len(gateway.upstream.conversations) == (1 if trusted else 2)


@pytest.mark.parametrize(
    ("lines", "logs"),
    [
        ((b"Bearer abc",), False),
        ((b"bearer abc",), False),
        ((), False),
        ((b"Bearer NTLM",), False),
        ((b"NTLM TlRMTVNTUAADAAAA",), True),
        ((b"Bearer abc", b"Negotiate YIIJ"), True),
        ((b"Basic YTpi",), False),
    ],
)
def test_whoever_was_admitted_by_a_token_elsewhere_may_still_log_a_connection_in(
    lines: tuple[bytes, ...], *, logs: bool
) -> None:
    request = facts(None, authorization=lines)
    assert logs_in(request, is_known=True) is logs
    assert logs_in(request, is_known=False) is logs


async def test_a_login_of_a_client_that_left_is_forgotten_too(start: Start) -> None:
    """Its response came, and nobody took it."""
    gateway = await start(max_connections=1, routes=OPEN)
    windows = Windows(gateway, b"NTLM")
    client = await gateway.client()
    await client.send(anonymous(get("/health", "Authorization: NTLM TlRMTVNTUAADAAAA")))
    await until(lambda: windows.served)
    client.reset()
    await gateway.connections(0)
    assert (await (await gateway.client()).ask(anonymous(get("/health")))).body == b"nobody"


# Lengths


LENGTHS = {
    "plain": b"7",
    "a zero before": b"07",
    "19 digits": b"0000000000000000007",
    "20 digits": b"0" * 19 + b"7",
    "26 digits": b"0" * 25 + b"7",
    "100 digits": b"0" * 99 + b"7",
    "5000 digits": b"0" * 4999 + b"7",
    "zeros": b"0" * 26,
    "the largest": b"%d" % (2**63 - 1),
    "the largest, zeros before": b"0" * 7 + b"%d" % (2**63 - 1),
    "one more": b"%d" % 2**63,
    "2^64": b"%d" % 2**64,
    "2^64 + 7": b"%d" % (2**64 + 7),
    "signed": b"+7",
    "negative": b"-7",
    "hex": b"0x7",
    "a list": b"7,7",
    "a list with a blank": b"7, 7",
    "a blank within": b"0 7",
    "underscore": b"0_7",
    "other digits": "\N{SUPERSCRIPT TWO}".encode("latin-1"),
    "empty": b"",
}


async def as_request(gateway: Running, digits: bytes) -> str:
    """What the upstream is told that follows, or that it heard nothing."""
    client = await gateway.client()
    known = len(gateway.upstream.conversations)
    await client.send(get("/", "Content-Length: " + digits.decode("latin-1"), method="POST") + b"seven b")
    await until(lambda: client.reader._buffer or len(gateway.upstream.conversations) > known)  # type: ignore[attr-defined]
    if len(gateway.upstream.conversations) == known:
        assert (await client.response()).status in {400, 413}
        return "refused"
    await until(lambda: gateway.upstream.conversations[known].requests)
    told: Message = gateway.upstream.conversations[known].requests[0]
    return str(int(told.values(b"Content-Length")[0]))


async def as_response(gateway: Running, digits: bytes) -> str:
    """What the client is told that follows, or that the response is none."""

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: " + digits + b"\r\n\r\nseven b")
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(get())
    head = await client.head()
    if head.status == 502:
        return "refused"
    told = head.values(b"Content-Length")
    return str(int(told[0])) if told else "none"


@pytest.mark.parametrize("digits", LENGTHS.values(), ids=LENGTHS)
async def test_a_length_means_the_same_whoever_sent_it(gateway: Running, digits: bytes) -> None:
    async def take(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.until_ended()

    gateway.upstream.behaviour = take
    asked = await as_request(gateway, digits)
    gateway.upstream.behaviour = None
    assert asked == await as_response(gateway, digits)
