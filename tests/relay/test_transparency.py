"""The gateway is not there, except where it must be: every row of tests/relay/transparency.py, direct and through it.

`expected_request` and `expected_response` hold all that may differ, each with the sentence that allows it; whatever else
differs, order and case of header names included, is a failure.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import uvloop

from tests import wire
from tests.relay.transparency import ROWS, Reply, Row
from tests.tables import about, parts_of
from tests.wire import OK, PATIENCE, Behaviour, Conversation, RawClient, Running, get, starting

#: RFC 9110 section 7.6.1, less what is handed on by a rule of its own
HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
}  # fmt: skip
#: what no Connection header nominates away
PROTECTED = re.compile(
    rb"host|content-.*|cookie|authorization|x-forwarded-.*|forwarded|x-real-ip|x-user-id|x-request-id"
)
#: what the gateway writes toward the API, wherever it puts it
OURS = {
    b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id", b"x-user-id", b"x-client-id",
    b"x-token-scopes", b"content-length", b"transfer-encoding",
}  # fmt: skip
#: compared as CGI would: every identity header, what is the gateway's, and the forwarding of a peer nobody trusts
STRIPPED = re.compile(
    rb"x-user-id|x-client-id|x-token-scopes|x-gateway-.*|proxy|x-forwarded-.*|forwarded|x-real-ip|authorization|x-request-id"
)
IDENTITY = (b"X-User-Id: alice", b"X-Client-Id: demo-client", b"X-Token-Scopes: read:orders")
#: bytes: a message beyond it is cut into pieces of this size instead of single bytes
PIECE = 1000
#: seconds for which a client that is impatient waits for the 100 of an API that sends none
IMPATIENCE = 0.02


@dataclass(frozen=True)
class Wired:
    """A message as it stood on the wire, its body apart from its framing."""

    start: bytes
    lines: tuple[bytes, ...]
    #: none, length, chunked, close, or chunked with extras: extensions or trailers
    framing: str = "none"
    body: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        return [value for other, value in map(parted, self.lines) if other.lower() == name]

    @property
    def options(self) -> set[bytes]:
        """What Connection says."""
        return {option.strip(b" \t").lower() for value in self.values(b"connection") for option in value.split(b",")}

    @property
    def status(self) -> int:
        return int(self.start[9:12])

    @property
    def is_old(self) -> bool:
        return self.start.endswith(b"HTTP/1.0")


def parted(line: bytes) -> tuple[bytes, bytes]:
    """Name and value. Blanks around a value are no part of it (RFC 9110 section 5.5)."""
    name, _, value = line.partition(b":")
    return name, value.strip(b" \t")


async def read_head(reader: asyncio.StreamReader) -> Wired:
    start, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
    return Wired(start, tuple(lines))


async def read_chunks(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    body, framing = [], "chunked"
    while True:
        size, *extensions = (await reader.readuntil(b"\r\n"))[:-2].split(b";", 1)
        framing = "chunked with extras" if extensions else framing
        if not int(size, 16):
            break
        body.append(await reader.readexactly(int(size, 16)))
        assert await reader.readexactly(2) == b"\r\n"
    while await reader.readuntil(b"\r\n") != b"\r\n":
        framing = "chunked with extras"
    return framing, b"".join(body)


async def read_body(reader: asyncio.StreamReader, head: Wired, *, until_end: bool) -> Wired:
    """The whole message that begins with `head`, where that has a body."""
    if [value.lower() for value in head.values(b"transfer-encoding")] == [b"chunked"]:
        framing, body = await read_chunks(reader)
        return replace(head, framing=framing, body=body)
    if lengths := head.values(b"content-length"):
        assert len(lengths) == 1
        return replace(head, framing="length", body=await reader.readexactly(int(lengths[0])))
    return replace(head, framing="close", body=await reader.read()) if until_end else head


# What may differ


def nominated(message: Wired) -> set[bytes]:
    """Nominations of Host, Content-*, Cookie, Authorization, forwarding or identity headers are ignored."""
    return {name for name in message.options if not PROTECTED.fullmatch(name)}


def end_to_end(message: Wired) -> Iterator[tuple[bytes, bytes]]:
    """Hop-by-hop headers are removed: the fixed set and those nominated by Connection."""
    gone = HOP_BY_HOP | nominated(message)
    return (line for line in map(parted, message.lines) if line[0].lower() not in gone)


def written(lines: Iterator[tuple[bytes, bytes]] | list[tuple[bytes, bytes]]) -> list[bytes]:
    return [b"%b: %b" % line for line in lines]


def folded(name: bytes) -> bytes:
    return re.sub(rb"[^a-z0-9]", b"-", name.lower())


@dataclass
class Expected:
    """What has to arrive, for what was there on a direct connection."""

    start: bytes
    #: those of the sender, in order
    lines: list[bytes]
    #: those of the gateway, in any order; None stands for a request id of its own
    ours: list[bytes] = field(default_factory=list)
    framing: str = "none"
    body: bytes = b""


def expected_request(direct: Wired, *, authority: bytes) -> Expected:
    """`authority`: of the API."""
    method, target, _ = direct.start.split(b" ", 2)
    host = direct.values(b"host")
    # Absolute-form is forwarded in origin-form with Host from the target.
    if absolute := re.fullmatch(rb"https?://([^/?#]*)(.*)", target, re.IGNORECASE):
        host = [absolute[1]]
        target = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
    expected = Expected(b"%b %b HTTP/1.1" % (method, target), [])
    for name, value in end_to_end(direct):
        if name.lower() == b"host":
            expected.lines.append(b"%b: %b" % (name, host[0]))
        # Content-Length toward the upstream is written from the parsed message, never copied.
        elif name.lower() != b"content-length" and not STRIPPED.fullmatch(folded(name)):
            expected.lines.append(b"%b: %b" % (name, value))
    # HTTP/1.0 without Host gets the upstream's authority.
    expected.ours = [b"X-Forwarded-Host: " + host[0]] if host else [b"Host: " + authority]
    request_id = direct.values(b"x-request-id")
    expected.ours += [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", *IDENTITY]
    expected.ours += [b"X-Request-Id: " + (request_id[0] if request_id else b"(made)")]
    # Upgrade: WebSocket only.
    if direct.values(b"upgrade") == [b"websocket"]:
        expected.ours += [b"Connection: upgrade", b"Upgrade: websocket"]
    if direct.framing.startswith("chunked"):
        # Chunk boundaries are the sender's of the moment; trailers and extensions end here.
        expected.ours.append(b"Transfer-Encoding: chunked")
        expected.framing = "chunked"
    elif lengths := direct.values(b"content-length"):
        expected.ours.append(b"Content-Length: %d" % int(lengths[0]))
        expected.framing = direct.framing
    expected.body = direct.body
    return expected


def arrived_request(message: Wired, *, direct: Wired) -> Expected:
    """What arrived, in the shape of what is expected."""
    ours = OURS | ({b"host"} if not direct.values(b"host") else set())
    arrived = Expected(message.start, [], framing=message.framing, body=message.body)
    for line in message.lines:
        name, value = parted(line)
        if name == b"X-Request-Id" and not direct.values(b"x-request-id"):
            assert re.fullmatch(rb"[A-Za-z0-9._-]{1,128}", value)
            arrived.ours.append(b"X-Request-Id: (made)")
        elif name.lower() in ours:
            arrived.ours.append(line)
        elif name.lower() == b"connection":
            # How long its own connection lasts is between the gateway and the API.
            options = {option.strip().lower() for option in value.split(b",")} - {b"close", b"keep-alive"}
            arrived.ours += [b"Connection: " + option for option in options]
        elif name.lower() == b"upgrade":
            arrived.ours.append(b"Upgrade: " + value)
        else:
            arrived.lines.append(line)
    return arrived


def expected_response(direct: Wired, *, to: Wired, unread: bool = False) -> Expected | None:
    """`to`: the request as the client sent it. `unread`: of its body. None: nothing arrives."""
    version, status, reason = (*direct.start.split(b" ", 2), b"")[:3]
    assert version in {b"HTTP/1.0", b"HTTP/1.1"}
    # A client of HTTP/1.0 knows no interim responses (RFC 9110 section 15.2).
    if direct.status < 200 and to.is_old:
        return None
    # The version is that of the connection, and the blank behind the status stays (RFC 9112 section 4).
    expected = Expected(b"HTTP/1.1 %b %b" % (status, reason), written(end_to_end(direct)))
    if direct.status < 200:
        return expected
    # RFC 9110 section 8.6: no Content-Length in a 204.
    if direct.status == 204:
        expected.lines = [line for line in expected.lines if not line.lower().startswith(b"content-length:")]
    expected.body = direct.body
    if direct.framing == "length":
        expected.framing = "length"
    elif direct.framing != "none":
        # HTTP/1.0 clients get a response without a length with its chunk framing removed, ended by close.
        expected.framing = "close" if to.is_old else "chunked"
        expected.ours += [] if to.is_old else [b"Transfer-Encoding: chunked"]
    # Any other upgrade is served without it and the connection closed after the response.
    stays = b"keep-alive" in to.options if to.is_old else b"close" not in to.options
    if not stays or unread or expected.framing == "close" or to.values(b"upgrade"):
        expected.ours.append(b"Connection: close")
    elif to.is_old:
        expected.ours.append(b"Connection: keep-alive")
    return expected


def arrived_response(message: Wired) -> Expected:
    """What arrived, in the shape of what is expected."""
    framing = {b"connection", b"transfer-encoding"}
    arrived = Expected(message.start, [], framing=message.framing, body=message.body)
    for line in message.lines:
        (arrived.ours if parted(line)[0].lower() in framing else arrived.lines).append(line)
    return arrived


def same(arrived: Expected, expected: Expected) -> None:
    assert arrived.start == expected.start
    assert arrived.lines == expected.lines
    assert sorted(arrived.ours) == sorted(expected.ours)
    assert arrived.framing == expected.framing
    assert arrived.body == expected.body


# Both ways


@dataclass
class Heard:
    """What went over the wire in one run of a row."""

    requests: list[Wired] = field(default_factory=list)
    #: of each request the interim responses, then the response
    responses: list[list[Wired]] = field(default_factory=list)


async def pour(send: Callable[[bytes], object], data: bytes, *, at_once: bool) -> None:
    """Everything in one piece, or in as many as can be told apart; never cuts the credential, which is long."""
    if at_once:
        send(data)
        return
    parts = re.split(rb"(?<=\r\n)(Authorization: [^\r]+)", data) if len(data) < 2 * PIECE else [data]
    for part in parts:
        size = 1 if len(data) < 2 * PIECE and not part.startswith(b"Authorization") else PIECE
        for at in range(0, len(part), size):
            send(part[at : at + size])
            await asyncio.sleep(0)


def api(replies: tuple[Reply, ...], heard: Heard, *, at_once: bool) -> Behaviour:
    """An API that keeps to the row, and responses whatever comes behind it with OK."""

    async def behave(upstream: Conversation) -> None:
        while True:
            head = await read_head(upstream.reader)
            number = len(heard.requests)
            heard.requests.append(head)
            reply = replies[number] if number < len(replies) else Reply(OK)
            await pour(upstream.writer.write, reply.first, at_once=at_once)
            if reply.reads_body:
                heard.requests[number] = await read_body(upstream.reader, head, until_end=False)
            await pour(upstream.writer.write, reply.data, at_once=at_once)
            await upstream.writer.drain()
            if reply.closes:
                return

    return behave


async def read_response(client: RawClient, method: str, responses: list[Wired]) -> None:
    """Up to the final response; what was read so far stands in `responses`."""
    while True:
        head = await read_head(client.reader)
        responses.append(head)
        if head.status >= 200:
            break
    if method != "HEAD" and head.status not in {204, 304}:
        responses[-1] = await read_body(client.reader, head, until_end=True)


async def converse(client: RawClient, row: Row, heard: Heard, *, at_once: bool, patience: float) -> None:
    """The client's side of a row."""
    heard.responses += [[] for _ in row.requests]
    kept_back = [request for request in row.requests if request.waits_for != "nothing"]
    assert not kept_back or len(row.requests) == 1
    data = b"".join(request.head + (b"" if kept_back else request.body) for request in row.requests)
    await pour(client.writer.write, data, at_once=at_once)
    for request in kept_back:
        responses = heard.responses[0]
        with suppress(TimeoutError):
            async with asyncio.timeout(patience if request.waits_for == "impatient" else PATIENCE):
                while not responses or (responses[-1].status < 200 and responses[-1].status != 100):
                    responses.append(await read_head(client.reader))
        if responses and responses[-1].status >= 200:
            responses[-1] = await read_body(client.reader, responses[-1], until_end=True)
            return
        await pour(client.writer.write, request.body, at_once=at_once)
    for request, responses in zip(row.requests, heard.responses, strict=True):
        await read_response(client, request.method, responses)


async def run(gateway: Running, row: Row, address: str, *, at_once: bool, patience: float) -> tuple[Heard, RawClient]:
    heard = Heard()
    gateway.upstream.behaviour = api(row.replies, heard, at_once=at_once)
    client = await gateway.client(address)
    async with asyncio.timeout(PATIENCE):
        await converse(client, row, heard, at_once=at_once, patience=patience)
    return heard, client


def compare(direct: Heard, through: Heard, row: Row, *, authority: bytes) -> list[Expected]:
    """Everything that arrived against everything that should have; gives the last responses expected."""
    assert len(through.requests) == len(direct.requests) == len(row.requests)
    for sent, arrived in zip(direct.requests, through.requests, strict=True):
        same(arrived_request(arrived, direct=sent), expected_request(sent, authority=authority))
    finals = []
    exchanges = zip(direct.requests, direct.responses, through.responses, row.requests, row.replies, strict=True)
    for sent, said, got, request, reply in exchanges:
        wanted = [expected_response(response, to=sent, unread=not reply.reads_body) for response in said]
        if request.waits_for == "impatient":
            # After a second without a 100 the gateway sends it.
            wanted.insert(0, Expected(b"HTTP/1.1 100 Continue", []))
        due = [response for response in wanted if response is not None]
        assert [response.start for response in got] == [response.start for response in due]
        for response, expected in zip(got, due, strict=True):
            same(arrived_response(response), expected)
        finals.append(due[-1])
    return finals


async def nothing_differs(gateway: Running, row: Row, *, at_once: bool) -> None:
    authority = gateway.upstream.url.removeprefix("http://")
    direct, _ = await run(gateway, row, authority, at_once=at_once, patience=IMPATIENCE)
    gateway.upstream.reset()
    through, client = await run(gateway, row, gateway.gateway.address, at_once=at_once, patience=PATIENCE)
    finals = compare(direct, through, row, authority=authority.encode())
    if b"Connection: close" in finals[-1].ours:
        assert await client.is_closed()
    else:
        # Whoever lost count of bytes, or said more than was due, fails here.
        again = await client.ask(get("/again"))
        assert (again.status, again.body) == (200, b"ok")
        assert through.requests[-1].start == b"GET /again HTTP/1.1"
    # That forwarding headers of a peer nobody trusts were dropped is told once.
    assert [record for record in gateway.errors() if "trusted_proxies" not in record["message"]] == []


#: in which all rows are run on the other loop: one would take too long
PARTS = 4


@pytest.mark.parametrize("pace", ["at once", "byte by byte"])
@pytest.mark.parametrize("rows", parts_of(ROWS, 12))
async def test_nothing_differs_but_what_has_to(gateway: Running, rows: list[Row], pace: str) -> None:
    for row in rows:
        with about(row.name):
            await nothing_differs(gateway, row, at_once=pace == "at once")
        await gateway.forget()


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_differs_on_the_loop_that_the_program_runs_on(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop's transports are not asyncio's: every row once more."""
    # They do not show the socket of a connection that is closed.
    monkeypatch.setattr(wire, "reset", lambda writer: writer.transport.abort())

    async def all_rows() -> None:
        async with starting(tmp_path) as start:
            gateway = await start()
            for row in ROWS[part::PARTS]:
                with about(row.name):
                    await nothing_differs(gateway, row, at_once=True)
                await gateway.forget()

    uvloop.run(all_rows())


# The judge is judged


async def parsed(raw: bytes) -> Wired:
    reader = asyncio.StreamReader()
    reader.feed_data(raw)
    reader.feed_eof()
    return await read_body(reader, await read_head(reader), until_end=False)


SENT = (
    b"POST /a%2fb HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer x\r\nX-Two:  2\r\nx-one: \xfc\r\nX-Foo: f\r\n"
    b"Connection: X-Foo\r\nx_user_id: root\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
)
ARRIVED = (
    b"POST /a%2fb HTTP/1.1\r\nHost: api.test\r\nX-Two: 2\r\nx-one: \xfc\r\nX-Forwarded-For: 127.0.0.1\r\n"
    b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: api.test\r\nX-Request-Id: abc\r\nX-User-Id: alice\r\n"
    b"X-Client-Id: demo-client\r\nX-Token-Scopes: read:orders\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
)
SAID = (
    b"HTTP/1.0 200 Fine\r\nserver: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nKeep-Alive: 5\r\nX-Foo: f\r\n"
    b"Connection: X-Foo\r\nContent-Length: 3\r\n\r\nabc"
)
GOT = b"HTTP/1.1 200 Fine\r\nserver: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"%2f", b"%2F"),
        (b"POST", b"PUT"),
        (b"/1.1", b"/1.0"),
        (b"X-Two: 2\r\nx-one: \xfc", b"x-one: \xfc\r\nX-Two: 2"),
        (b"x-one", b"X-One"),
        (b"\xfc", b"\xc3\xbc"),
        (b"X-Two: 2", b"X-Two:2"),
        (b"X-Two: 2", b"X-Two: 2\r\nX-Foo: f"),
        (b"X-Two: 2", b"X-Two: 2\r\nx_user_id: root"),
        (b"X-Two: 2", b"X-Two: 2\r\nAccept: */*"),
        (b"X-Two: 2", b"X-Two: 2\r\nAuthorization: Bearer x"),
        (b"X-Two: 2\r\n", b""),
        (b"alice", b"bob"),
        (b"X-User-Id: alice", b"X-User-Id: alice\r\nX-User-Id: alice"),
        (b"X-Client-Id: demo-client\r\n", b""),
        (b"X-Request-Id: abc", b"X-Request-Id: a b"),
        (b"Host: a", b"host: a"),
        (b"bc\r\n0", b"bd\r\n0"),
        (b"\r\n0\r\n", b"\r\n0\r\nX-T: 1\r\n"),
        (b"\r\n1\r\n", b"\r\n1;x\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"Content-Length: 3\r\n\r\nabc"),
    ],
)
async def test_a_difference_in_a_request_is_noticed(old: bytes, new: bytes) -> None:
    direct = await parsed(SENT)
    expected = expected_request(direct, authority=b"api")
    same(arrived_request(await parsed(ARRIVED), direct=direct), expected)
    assert ARRIVED.count(old) >= 1
    with pytest.raises(AssertionError):
        same(arrived_request(await parsed(ARRIVED.replace(old, new)), direct=direct), expected)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Fine", b"OK"),
        (b"200", b"203"),
        (b"/1.1", b"/1.0"),
        (b"server", b"Server"),
        (b"server: x\r\n", b""),
        (b"server: x", b"server: x\r\nDate: now"),
        (b"server: x", b"server: x\r\nX-Foo: f"),
        (b"server: x", b"server: x\r\nConnection: keep-alive"),
        (b"server: x", b"server: x\r\nKeep-Alive: 5"),
        (b"Set-Cookie: a\r\nSet-Cookie: b", b"Set-Cookie: b\r\nSet-Cookie: a"),
        (b"Set-Cookie: a\r\nSet-Cookie: b", b"Set-Cookie: a, b"),
        (b"Set-Cookie: b\r\nContent-Length: 3", b"Content-Length: 3\r\nSet-Cookie: b"),
        (b"Content-Length: 3\r\n\r\nabc", b"Content-Length: 2\r\n\r\nab"),
        (b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        (b"abc", b"ABC"),
    ],
)
async def test_a_difference_in_a_response_is_noticed(old: bytes, new: bytes) -> None:
    expected = expected_response(await parsed(SAID), to=await parsed(SENT))
    assert expected is not None
    same(arrived_response(await parsed(GOT)), expected)
    assert GOT.count(old) >= 1
    with pytest.raises(AssertionError):
        same(arrived_response(await parsed(GOT.replace(old, new))), expected)


def test_there_are_enough_rows() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 80
