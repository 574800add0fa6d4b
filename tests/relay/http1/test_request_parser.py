"""The bytes of a client without sockets: however they are cut, the same requests come of them."""

import itertools
import random
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.section import Size
from gateway.core.errors import BadRequest, Refusal
from gateway.core.http.facts import HeaderLine
from gateway.relay.client.connection import Connection
from gateway.relay.http1.request_parser import RequestParser
from tests.relay.smuggling import CASES
from tests.wire import chunked, get, post

#: requests up to so many bytes are split at every position
SPLIT_EVERYWHERE = 400
H = b"Host: a\r\n"


class Heard(NamedTuple):
    """What came of one request."""

    line: tuple[str, bytes, tuple[int, int]]
    headers: tuple[HeaderLine, ...]
    closes: bool
    upgrades: bool
    #: None: there is none; not complete: with an ellipsis behind it
    body: bytes | None


def parser(limits: Limits | None = None) -> RequestParser:
    issuer = Issuer(issuer="https://a.test", audience="a")
    config = Config(upstream="http://a", issuers=(issuer,), limits=limits or Limits())
    return RequestParser(Connection(SimpleNamespace(config=config)))


def hear(pieces: Iterable[bytes]) -> tuple[list[Heard], str | None, bytes]:
    """The requests, the evidence of the refusal that ends them, and the bytes behind an upgrade."""
    reads = parser()
    problem, tail = None, b""
    try:
        for piece in pieces:
            if reads.is_upgraded:
                tail += piece
            else:
                reads.feed(piece)
                tail += reads.tail
    except Refusal as refusal:
        problem = refusal.evidence
    heard = []
    for head in reads.heads:
        body = None
        if head.body is not None:
            body = head.body.take() + (b"" if head.body.is_complete else b"...")
        line = (head.method, head.target, head.version)
        heard.append(Heard(line, head.headers, head.closes, head.upgrades, body))
    return heard, problem, tail


def ways_to_cut(raw: bytes) -> Iterator[list[bytes]]:
    yield [raw]
    yield [raw[at : at + 1] for at in range(len(raw))]
    for at in range(1, min(len(raw), SPLIT_EVERYWHERE)):
        yield [raw[:at], raw[at:]]
    rng = random.Random(len(raw))
    for _ in range(20):
        cuts = sorted(rng.sample(range(len(raw) + 1), min(5, len(raw))))
        yield [raw[a:b] for a, b in itertools.pairwise([0, *cuts, len(raw)])]


@pytest.mark.parametrize(
    "raw",
    [
        get(),
        get("/a%20b?c=d&e") + get("/2"),
        post(b"abc") + get("/2") + post(b"", target="/3"),
        get("/", "Transfer-Encoding: chunked", method="PUT") + chunked(b"abc", b"de") + get("/2"),
        b"PUT / HTTP/1.1\r\n"
        + H
        + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nHost: b\r\nT: 1\r\n\r\n"
        + get(),
        b"\r\n\r\nGET / HTTP/1.0\r\nX:  a b \t \r\nY:\r\nZ: \xff\xe4\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n",
        b"GET /ws HTTP/1.1\r\n" + H + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x85frames\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + H + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\n"
        + H
        + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunked(b"abc"),
        *(case.raw for case in CASES),
    ],
)
async def test_the_same_comes_of_it_however_it_is_cut(raw: bytes) -> None:
    expected = hear([raw])
    for pieces in ways_to_cut(raw):
        assert hear(pieces) == expected


async def test_a_request_is_what_was_sent() -> None:
    raw = b"PATCH /a?b HTTP/1.1\r\nHOST: a\r\nx-A: 1\r\nX-a:  2 \t\r\nContent-Length: 0003\r\n\r\nabc"
    lines = ((b"HOST", b"a"), (b"x-A", b"1"), (b"X-a", b"2"), (b"Content-Length", b"0003"))
    heard, problem, _ = hear([raw])
    assert heard == [Heard(("PATCH", b"/a?b", (1, 1)), lines, closes=False, upgrades=False, body=b"abc")]
    assert problem is None


async def test_a_body_is_there_when_the_head_announces_one() -> None:
    bodies = {
        b"": None,
        b"Content-Length: 0\r\n": None,
        b"Content-Length: 000\r\n": None,
        b"Content-Length: 5\r\n": b"...",
        b"Transfer-Encoding: chunked\r\n": b"...",
    }
    for line, body in bodies.items():
        (heard,), _, _ = hear([b"POST / HTTP/1.1\r\n" + H + line + b"\r\n"])
        assert heard.body == body


async def test_a_request_behind_which_the_connection_ends_says_so() -> None:
    ends = {
        b"HTTP/1.1\r\n": False,
        b"HTTP/1.1\r\nConnection: close\r\n": True,
        b"HTTP/1.1\r\nUpgrade: h2c\r\n": True,
        b"HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n": True,
        b"HTTP/1.0\r\n": True,
        b"HTTP/1.0\r\nConnection: keep-alive\r\n": False,
    }
    for rest, closes in ends.items():
        (heard,), _, _ = hear([b"GET / " + rest + H + b"\r\n"])
        assert heard.closes == closes


async def test_what_follows_an_upgrade_is_no_request() -> None:
    heard, problem, tail = hear([get("/", "Connection: Upgrade", "Upgrade: h2c") + get("/hidden")])
    assert (len(heard), problem, tail) == (1, None, get("/hidden"))


async def test_what_follows_the_body_of_an_upgrade_is_no_request() -> None:
    lines = ("Connection: Upgrade", "Upgrade: h2c")
    for raw in (
        post(b"abc", *lines),
        get("/", "Transfer-Encoding: chunked", *lines, method="POST") + chunked(b"abc"),
    ):
        for pieces in ([raw + get("/hidden")], [raw, get("/hidden")]):
            heard, problem, _ = hear(pieces)
            assert [one.body for one in heard] == [b"abc"]
            assert problem is not None


async def test_a_target_is_bounded_before_its_line_ends() -> None:
    reads = parser(Limits(uri_bytes=Size(10)))
    reads.feed(b"GET /23456789")
    reads.feed(b"0")
    with pytest.raises(Refusal) as raised:
        reads.feed(b"x")
    assert raised.value.reason == "uri_too_long"


async def test_no_more_lines_are_kept_than_there_may_be() -> None:
    reads = parser(Limits(header_count=3))
    reads.feed(b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n")
    with pytest.raises(Refusal) as raised:
        reads.feed(b"GET / HTTP/1.1\r\n" + b"A:\r\n" * 50_000 + b"\r\n")
    assert raised.value.reason == "headers_too_large"
    assert len(reads.heads) == 1
    assert len(reads._lines) == 3


async def test_requests_before_an_error_in_the_same_piece_are_kept() -> None:
    reads = parser()
    with pytest.raises(BadRequest):
        reads.feed(get("/1") + get("/2") + b"GET / HTTP/1.1\r\nx y\r\n\r\n")
    assert [head.target for head in reads.heads] == [b"/1", b"/2"]
