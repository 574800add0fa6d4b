"""Plain heads of requests: what is read of them is what llhttp reads, with lines remembered or not."""

import gc
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.config.limits import Limits
from gateway.core.config.section import Size
from gateway.relay.http1.plain_request import (
    MAX_CREDENTIAL,
    MAX_CREDENTIALS,
    MAX_KEPT,
    MAX_LINE,
    MAX_LINES,
    REPEATED,
    LineMemory,
    PlainReader,
)
from gateway.relay.http1.request_head import RequestHead
from gateway.relay.http1.request_parser import RequestParser
from tests.relay.http1.test_request_parser import Heard, hear
from tests.relay.smuggling import CASES
from tests.wire import get, post

H = b"Host: a\r\n"
BROWSER = (
    b"GET /orders?page=2 HTTP/1.1\r\nHost: api.test\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11)\r\n"
    b"Authorization: Bearer abc\r\nCookie: session=1\r\nX-Api-Key: k\r\nAccept: */*\r\nReferer: https://a.test/x\r\n\r\n"
)


def lines(rest: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\n" + H + rest + b"\r\n"


def read(raw: bytes, memory: LineMemory | None = None) -> RequestHead | None:
    return PlainReader(memory or LineMemory()).read(raw)


def test_a_plain_head_is_what_was_sent() -> None:
    head = read(BROWSER)
    assert head is not None
    assert (head.method, head.target, head.version) == ("GET", b"/orders?page=2", (1, 1))
    assert head.headers[:2] == ((b"Host", b"api.test"), (b"Connection", b"keep-alive"))
    assert b"".join(line.wire for line in head.lines) == BROWSER.partition(b"\r\n")[2][:-2]
    assert not head.has_body
    assert not head.closes
    assert "abc" not in repr(head.lines)
    posted = read(lines(b"Content-Length: 12\r\nX:1\r\ny: \t\r\nZ:  2  \r\nE:\r\n").replace(b"\t", b""))
    assert posted is not None
    assert posted.length == 12
    assert posted.headers[2:] == ((b"X", b"1"), (b"y", b""), (b"Z", b"2"), (b"E", b""))
    assert b"".join(line.wire for line in posted.lines[2:]) == b"X: 1\r\ny: \r\nZ: 2\r\nE: \r\n"


@pytest.mark.parametrize(
    "raw",
    [
        *(b"%b\r\n" % line + H + b"\r\n" for line in (b"GET /", b"GET / HTTP/1.0", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1")),
        *(b"%b HTTP/1.1\r\n" % start + H + b"\r\n" for start in (b"get /", b"QUERY /", b"GET *", b"GET http://a/", b"GET /#a")),
        *(b"%b HTTP/1.1\r\n" % start + H + b"\r\n" for start in (b"GET /\xff", b"GET /\x7f", b"GET /\x00", b"GET /a\tb")),
        *(lines(b"Connection: %b\r\n" % value) for value in (b"close", b"upgrade", b"keep-alive, x", b"KEEP-ALIVE")),
        *(lines(line) for line in (b"Connection:keep-alive\r\n", b"Connection: keep-alive \r\n", b"connection:\r\n")),
        *(lines(b"%b: a\r\n" % name) for name in (b"Transfer-Encoding", b"Upgrade", b"proxy-connection", b"UPGRADE")),
        *(lines(b"Content-Length: %b\r\n" % value) for value in (b"", b"+1", b"1,1", b"0x1", b"1 ", b" 1", b"1_0", b"\xb2")),
        *(lines(b"Content-Length:%b\r\n" % value) for value in (b"1", b" 9999999999999999999")),
        lines(b"Content-Length: 1\r\nContent-Length: 1\r\n"),
        *(lines(line) for line in (b"X\r\n", b": a\r\n", b"X : a\r\n", b" X: a\r\n", b"X: a\r\n b\r\n", b"X: a\n", b"X: a\r\r\n")),
        *(lines(b"X: a%bb\r\n" % bytes([byte])) for byte in (*range(0x20), *range(0x7F, 0x100))),
        *(lines(b"X%b: a\r\n" % bytes([byte])) for byte in b"\x00 \t()/;<=>?@[]{}\x7f\xff"),
        lines(b"") + lines(b""),
        H + b"\r\n",
        b"\r\n" + lines(b""),
        b"GET / HTTP/1.1\n" + H + b"\r\n",
        lines(b"")[:-2],
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_llhttp(raw: bytes) -> None:
    memory = LineMemory()
    reader = PlainReader(memory)
    assert reader.read(lines(b"Connection: keep-alive\r\nContent-Length: 1\r\nX: a\r\n")) is not None
    assert reader.read(raw) is None
    assert reader.read(raw) is None


# The same as llhttp: a head that comes byte by byte is read by that


def apart(raws: Iterable[bytes]) -> list[bytes]:
    return [bytes([byte]) for raw in raws for byte in raw]


def three_ways(raws: list[bytes]) -> tuple[list[Heard], str | None, bytes]:
    """What is heard of requests that come one at a time: by llhttp, without the memory, and with a warm one."""
    expected = hear(apart(raws))
    warm = LineMemory()
    for memory in (LineMemory(is_on=False), LineMemory(), warm, warm, warm):
        assert hear(raws, memory) == expected
    assert hear([b"".join(raws)], warm) == expected
    return expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_may_be_smuggled_is_the_same_the_second_and_third_time(case: object) -> None:
    raw = case.raw  # type: ignore[attr-defined]
    for raws in ([raw, raw, raw], [BROWSER, BROWSER, raw], [get(), raw, get(), raw]):
        three_ways(raws)


_NAMES = (
    b"Host",
    b"hOST",
    b"Accept",
    b"Connection",
    b"Content-Length",
    b"Authorization",
    b"X-A",
    b"Upgrade",
    b"Expect",
)
_VALUES = (
    b"",
    b"a",
    b"keep-alive",
    b"close",
    b"x-a",
    b"0",
    b"3",
    b"03",
    b"100-continue",
    b"a\tb",
    b"\xe4",
    b"\x01",
    b"a\rb",
)
_line = st.tuples(
    st.sampled_from((*_NAMES, b"Transfer-Encoding", b"X A", b"")),
    st.sampled_from((b": ", b":", b":  ", b" : ", b":\t", b"")),
    st.sampled_from((*_VALUES, b"chunked")) | st.binary(max_size=3),
    st.sampled_from((b"\r\n",) * 6 + (b" \r\n", b"\n", b"\r\n ")),
).map(b"".join)
_request = st.tuples(
    st.sampled_from((b"GET", b"POST", b"PUT", b"get", b"HEAD", b"PRI")),
    st.sampled_from((b" ", b" ", b" ", b"  ")),
    st.sampled_from((b"/", b"/a?b=c", b"*", b"http://b/", b"/%00#x", b"/\xff")) | st.binary(max_size=3),
    st.sampled_from((b" HTTP/1.1\r\n",) * 6 + (b" HTTP/1.0\r\n", b" HTTP/1.1\n", b"\r\n")),
    st.sampled_from((b"Host: a\r\n", b"Host: a\r\nUser-Agent: b\r\n")),
    st.lists(_line, max_size=4).map(b"".join),
    st.just(b"\r\n"),
    st.sampled_from((b"", b"", b"abc", b"GET / HTTP/1.1\r\n" + H + b"\r\n", b"\r\n")),
).map(b"".join)  # fmt: skip


@given(st.lists(_request, min_size=1, max_size=3), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_any_requests_are_read_as_llhttp_reads_them(raws: list[bytes], times: int) -> None:
    three_ways(raws * times)


# What is remembered


def test_a_line_is_remembered_where_it_tells_one_client_from_no_other() -> None:
    memory = LineMemory()
    first, second = read(BROWSER, memory), read(BROWSER, memory)
    assert first is not None
    assert second is not None
    shared = {line.name.lower() for line, again in zip(first.lines, second.lines, strict=True) if line is again}
    assert shared == {b"host", b"connection", b"user-agent", b"accept"} == set(map(bytes.lower, shared))
    assert set(memory.lines) == {line.wire for line in first.lines if line.is_shared}
    assert not any(line.name.lower() not in REPEATED for line in memory.lines.values())
    secrets = (
        b"authorization",
        b"cookie",
        b"dpop",
        b"proxy-authorization",
        b"x-api-key",
        b"referer",
        b"x-forwarded-for",
    )
    assert not REPEATED & {*secrets, b"x-request-id", b"traceparent", b"x-real-ip", b"forwarded", b"from"}


def test_a_connection_keeps_nothing_of_its_client_s_own() -> None:
    memory = LineMemory()
    reader = PlainReader(memory)
    for _ in range(2):
        assert reader.read(BROWSER) is not None
    kept = [line for line in reader._last if line is not None]
    assert all(memory.lines[line.wire] is line for line in kept)


#: what a browser of today says of itself and of what it asks for
LONG_BROWSER = (
    b"Connection: keep-alive\r\nCache-Control: max-age=0\r\nPragma: no-cache\r\nContent-Type: application/json\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\n'
    b'sec-ch-ua-platform: "Windows"\r\nUpgrade-Insecure-Requests: 1\r\n'
    b"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
    b"Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    b"*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\nOrigin: https://app.example.com\r\n"
    b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nPriority: u=0, i\r\n"
)


def test_an_idle_connection_keeps_few_lines_whatever_others_made_of_the_memory() -> None:
    readers = []
    tracemalloc.start()
    try:
        memory = LineMemory()
        for number in range(100):
            readers.append(PlainReader(memory))
            own = b"".join(b"Accept: %d %d %b\r\n" % (number, place, b"x" * 200) for place in range(80))
            assert readers[-1].read(lines(own)) is not None
        memory.lines.clear()
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 100 * (MAX_KEPT + 1000)
    # A browser's lines are fewer, and found where they were.
    reader = PlainReader(LineMemory())
    assert reader.read(lines(LONG_BROWSER)) is not None
    assert len(reader._last) == 1 + LONG_BROWSER.count(b"\r\n")


def bearer_of(token: bytes) -> bytes:
    return lines(b"Authorization: Bearer %b\r\n" % token)


def test_a_credential_is_known_again_on_its_connection_within_the_second_and_then_no_more() -> None:
    memory = LineMemory()
    one, other = PlainReader(memory), PlainReader(memory)
    tokens = {bearer_of(token): b"Bearer " + token for token in (b"a" * 300, b"a" * 299 + b"b")}
    a, b = tokens
    first, again, strange = one.read(a), one.read(a), other.read(a)
    assert first is not None
    assert again is not None
    assert strange is not None
    assert again.lines[1] is first.lines[1]
    for reader, raw in ((other, b), (one, a), (one, b), (other, a), (other, b), (one, b)):
        head = reader.read(raw)
        assert head is not None
        assert head.headers[1][1] == tokens[raw]
    assert first.lines[1] not in memory.lines.values()
    memory.forget()
    assert memory.credentials == []
    # What stands in its place now is another's.
    assert other.read(b) is not None
    later = one.read(a)
    assert later is not None
    assert later.headers[1] == first.headers[1]
    assert later.lines[1] is not first.lines[1]


def test_few_credentials_are_kept_and_no_other_long_line() -> None:
    memory = LineMemory()
    reader = PlainReader(memory)
    long = b"x" * MAX_LINE
    for rest in (
        b"Cookie: a=%b",
        b"DPoP: %b",
        b"X-Api-Key: %b",
        b"Accept: %b",
        b"Authorization:  %b",
        b"Proxy-Authorization: %b",
    ):
        assert reader.read(lines(rest % long + b"\r\n")) is not None
    assert reader.read(bearer_of(b"x" * MAX_CREDENTIAL)) is not None
    assert memory.credentials == []
    assert PlainReader(LineMemory(is_on=False)).read(bearer_of(long)) is not None
    for number in range(MAX_CREDENTIALS + 10):
        assert reader.read(bearer_of(b"%d" % number + long)) is not None
    assert len(memory.credentials) == MAX_CREDENTIALS


def test_the_memory_has_a_bound() -> None:
    memory = LineMemory()
    for number in range(MAX_LINES + 10):
        assert read(lines(b"User-Agent: %d\r\n" % number), memory) is not None
        assert len(memory.lines) <= MAX_LINES
    assert len(memory.lines) < 20
    long = b"User-Agent: " + b"a" * MAX_LINE + b"\r\n"
    assert read(lines(long), memory) is not None
    assert long not in memory.lines
    assert "lines" in repr(memory)


def test_a_memory_that_is_off_keeps_nothing() -> None:
    memory = LineMemory(is_on=False)
    for _ in range(2):
        assert read(BROWSER, memory) is not None
        assert read(bearer_of(b"a" * 300), memory) is not None
    assert len(memory.lines) == len(memory.credentials) == 0
    assert "off" in repr(memory)


def test_nothing_is_left_of_a_memory_that_was_emptied() -> None:
    memory = LineMemory()
    reader = PlainReader(memory)
    raw = BROWSER.replace(b"Bearer abc", b"Bearer " + b"a" * 300)
    heads = [reader.read(raw), reader.read(raw)]
    assert memory.credentials
    memory.empty()
    assert len(memory.lines) == len(memory.names) == len(memory.credentials) == 0
    heads.append(reader.read(raw))
    first, second, third = [head for head in heads if head is not None]
    assert first.headers == second.headers == third.headers
    assert any(one is other for one, other in zip(first.lines, second.lines, strict=True))
    assert not any(one is other for one, other in zip(second.lines, third.lines, strict=True))


def test_another_line_in_the_place_of_one_that_is_known_is_read_for_itself() -> None:
    reader = PlainReader(LineMemory())
    for value in (b"a", b"b", b"a", b"c", b"c", b"a\t", b"b"):
        head = reader.read(lines(b"Accept: %b\r\nX: %b\r\n" % (value, value)))
        if b"\t" in value:
            assert head is None
        else:
            assert head is not None
            assert head.headers == ((b"Host", b"a"), (b"Accept", value), (b"X", value))


@pytest.mark.parametrize("raw", [get() + get(), post(b"abc") + get(), post(b"abc"), post(b"a" * 5000) + post(b"b")])
def test_no_limit_is_passed_by_what_is_plain(raw: bytes) -> None:
    for limits in (Limits(header_count=1), Limits(uri_bytes=Size(0))):
        told = []
        for pieces in ([raw], [bytes([byte]) for byte in raw]):
            parser = RequestParser(limits, LineMemory())
            events = []
            for piece in pieces:
                parser.receive(piece)
                while (event := parser.next_event()) is not None:
                    events.append(event)
            told.append([repr(event) for event in events if "Data" not in repr(event)])
        assert told[0] == told[1]
