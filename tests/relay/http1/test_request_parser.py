"""The bytes of a client without sockets: however they are cut, the same requests come of them."""

import itertools
import random
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from gateway.core.config.limits import Limits
from gateway.core.config.section import Size
from gateway.core.errors import Refusal
from gateway.core.http.facts import HeaderLine
from gateway.relay.http1.events import Broken, Data, Upgrade
from gateway.relay.http1.plain_request import LineMemory
from gateway.relay.http1.request_head import RequestHead
from gateway.relay.http1.request_parser import Event, RequestParser
from tests.relay.smuggling import CASES
from tests.wire import chunked, chunks, get, post

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
    return RequestParser(limits or Limits(), LineMemory())


def events(reads: RequestParser) -> Iterator[Event]:
    while (event := reads.next_event()) is not None:
        yield event


def hear(pieces: Iterable[bytes], memory: LineMemory | None = None) -> tuple[list[Heard], str | None, bytes]:
    """The requests, the evidence of the refusal that ends them, and the bytes behind an upgrade."""
    reads = RequestParser(Limits(), memory or LineMemory())
    problem = None
    heard: list[Heard] = []
    ended: list[bool] = []
    for piece in pieces:
        if problem is None:
            reads.receive(piece)
        for event in events(reads):
            match event:
                case RequestHead():
                    assert all(ended)
                    line = (event.method, event.target, event.version)
                    body = b"" if event.has_body else None
                    heard.append(Heard(line, event.headers, event.closes, event.upgrades, body))
                    ended.append(False)
                case Data(data=data):
                    last = heard[-1]
                    assert last.body is not None
                    heard[-1] = last._replace(body=last.body + data)
                case Broken(refusal=refusal):
                    problem = refusal.evidence
                case _:
                    assert not ended[-1]
                    ended[-1] = True
                    assert isinstance(event, Upgrade) == (heard[-1].upgrades and heard[-1].body is None)
    if ended and not ended[-1]:
        last = heard[-1]
        heard[-1] = last._replace(body=(last.body or b"") + b"...")
    return heard, problem, reads.rest()


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


def broken(reads: RequestParser) -> Refusal:
    *_, last = events(reads)
    assert isinstance(last, Broken)
    assert reads.next_event() is None
    return last.refusal


def test_a_target_is_bounded_before_its_line_ends() -> None:
    reads = parser(Limits(uri_bytes=Size(10)))
    for piece in (b"GET /23456789", b"0"):
        reads.receive(piece)
        assert reads.next_event() is None
    reads.receive(b"x")
    assert broken(reads).reason == "uri_too_long"


def test_no_more_lines_are_kept_than_there_may_be() -> None:
    reads = parser(Limits(header_count=3))
    reads.receive(b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n")
    assert len(list(events(reads))) == 2
    reads.receive(b"GET / HTTP/1.1\r\n" + b"A:\r\n" * 50_000)
    assert broken(reads).reason == "headers_too_large"
    assert reads._lines is None or len(reads._lines) == 3


def test_a_head_is_bounded_while_it_has_not_ended() -> None:
    reads = parser(Limits(header_bytes=Size(100)))
    reads.receive(b"GET / HTTP/1.1\r\nX: " + b"a" * 81)
    assert reads.next_event() is None
    reads.receive(b"a")
    assert broken(reads).reason == "headers_too_large"


def test_what_frames_a_body_is_bounded() -> None:
    reads = parser(Limits(header_bytes=Size(100)))
    reads.receive(get("/", "Transfer-Encoding: chunked", method="POST"))
    assert len(list(events(reads))) == 1
    for piece in (chunks(b"a"), b"1;" + b"x" * 90, b"y\r\nb\r\n"):
        reads.receive(piece)
        assert not any(isinstance(event, Broken) for event in events(reads))
    reads.receive(b"1;" + b"x" * 99)
    assert broken(reads).evidence == "the framing of the body is longer than a head may be"


def test_nothing_is_read_that_nobody_asks_for() -> None:
    reads = parser()
    reads.receive(get("/1") + get("/2") + b"GET / HTTP/1.1\r\nx y\r\n\r\n")
    assert isinstance(reads.next_event(), RequestHead)
    assert reads.unread > len(get("/2"))
    assert [repr(event) for event in events(reads)] == [
        "<End>", "<RequestHead GET, 2 lines>", "<End>", "<Broken: bad_request>"
    ]  # fmt: skip


def test_pieces_of_chunks_come_together() -> None:
    reads = parser()
    reads.receive(get("/", "Transfer-Encoding: chunked", method="POST") + chunks(*[b"xy"] * 5000))
    sizes = [len(event.data) for event in events(reads) if isinstance(event, Data)]
    assert sum(sizes) == 10_000
    assert len(sizes) <= 3


def test_what_was_read_is_not_kept() -> None:
    reads = parser()
    reads.receive(get("/", "X: " + "a" * 5000))
    assert repr(reads) == f"<RequestParser between, {len(get('/', 'X: ' + 'a' * 5000))} bytes unread>"
    list(events(reads))
    assert repr(reads) == "<RequestParser between, 0 bytes unread>"
    assert sum(sys.getsizeof(getattr(reads, name)) for name in ("_data", "_target", "_lines", "_length")) < 200


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "between, 0 bytes unread"),
        (b"G", "in a head, 0 bytes unread"),
        (post(b"abc")[:-1], "in a body, 0 bytes unread"),
        (get("/", "Connection: Upgrade", "Upgrade: x") + b"abc", "over, 3 bytes unread"),
        (b"\x00", "over, 0 bytes unread"),
    ],
)
def test_it_says_where_it_is(raw: bytes, said: str) -> None:
    reads = parser()
    reads.receive(raw)
    list(events(reads))
    assert repr(reads) == f"<RequestParser {said}>"


@pytest.mark.parametrize("count", [16, 17])
@pytest.mark.parametrize("pace", ["at once", "one by one"])
def test_a_few_empty_lines_are_passed_over(count: int, pace: str) -> None:
    raw = b"\n" * count + get()
    heard, problem, _ = hear([raw] if pace == "at once" else [raw[at : at + 1] for at in range(len(raw))])
    assert (len(heard), problem) == ((1, None) if count == 16 else (0, "empty lines where a request was due"))
