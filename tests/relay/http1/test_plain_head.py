"""Heads that are read without llhttp: which ones are, and that llhttp would have read each of them as it was read."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.relay.http1 import plain_head
from gateway.relay.http1.plain_head import MAX_HEADS, MAX_LINE, MAX_LINES, read_plain
from gateway.relay.http1.response_head import judge_head
from tests.relay.hearing import Head, hear

START = b"HTTP/1.1 200 OK"
LENGTH = b"Content-Length: 2"


def raw(*lines: bytes, start: bytes = START) -> bytes:
    return b"\r\n".join((start, *lines))


#: as servers write them
NGINX = raw(
    b"Server: nginx/1.22.1", b"Date: Fri, 27 Nov 2026 18:00:00 GMT", b"Content-Type: application/json", LENGTH,
    b"Connection: keep-alive", b'ETag: "6565-81"', b"Accept-Ranges: bytes",
)  # fmt: skip
SERVERS = {
    "nginx": NGINX,
    "uvicorn": raw(b"date: Fri, 27 Nov 2026 18:00:00 GMT", b"server: uvicorn", b"content-length: 2", b"content-type: text/plain"),
    "gunicorn": raw(b"Server: gunicorn", b"Connection: close", b"Content-Type: text/html; charset=utf-8", LENGTH),
    "Node": raw(b"X-Powered-By: Express", LENGTH, b"Connection: keep-alive", b"Keep-Alive: timeout=5"),
    "Go": raw(b"Date: Fri, 27 Nov 2026 18:00:00 GMT", LENGTH, b"Content-Type: text/plain; charset=utf-8"),
    "cookies": raw(b"Set-Cookie: a=b; Path=/", b"Set-Cookie: c=d", LENGTH, b"Vary: Origin", b"vary: Accept"),
    "a refusal": raw(b'WWW-Authenticate: Bearer realm="a", error="b"', LENGTH, start=b"HTTP/1.1 401 Unauthorized"),
    "empty": raw(b"Content-Length: 0", start=b"HTTP/1.1 500 Internal Server Error"),
    "204": raw(start=b"HTTP/1.1 204 No Content"),
    "304": raw(b'ETag: "a"', start=b"HTTP/1.1 304 Not Modified"),
    "no reason": raw(LENGTH, start=b"HTTP/1.1 299 "),
    "no ASCII": raw("X-Name: Jürgen\tä".encode("latin-1"), b"X-Empty: ", LENGTH, start=b"HTTP/1.1 404 f\xfcr"),
}  # fmt: skip


@pytest.mark.parametrize("head", SERVERS.values(), ids=SERVERS.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_heads_as_servers_write_them_are_plain(head: bytes, method: str) -> None:
    for _ in range(2):
        found = read_plain(method, head)
        assert found is not None
        assert Head.of(found) == hear([head + b"\r\n\r\n", b"ok"], method=method).head
        assert found.raw is not None
        assert found.raw.split(b"\r\n") == [
            head.split(b"\r\n")[0],
            *(name + b": " + value for name, value in found.lines),
        ]


def test_what_is_hop_by_hop_does_not_go_on() -> None:
    found = read_plain(
        "GET", raw(b"Connection: Close", b"keep-alive: 5", b"X: 1", b"Proxy-Connection: a", LENGTH, b"TE: b")
    )
    assert found is not None
    assert found.raw == raw(b"X: 1", LENGTH)
    assert (found.lines, found.reusable) == (((b"X", b"1"), (b"Content-Length", b"2")), False)


#: one thing about each that somebody might read in two ways, or that only other lines tell the meaning of
UNUSUAL = (
    raw(), raw(b"X: 1"), raw(LENGTH, LENGTH), raw(LENGTH, b"Transfer-Encoding: chunked"), raw(b"Transfer-Encoding: chunked"),
    raw(b"Content-Length: 02"), raw(b"Content-Length: +2"), raw(b"Content-Length: 2 "), raw(b"Content-Length:  2"),
    raw(b"Content-Length: "), raw(b"Content-Length:2"), raw(b"Content-Length: 1234567890123456789"), raw(b"Content-Length: \xb2"),
    raw(b"Content-Length : 2"), raw(b"Content-Length: 2, 2"), raw(b"Content-Length: 0x2"), raw(b"Content-Length: 1_2"),
    raw(LENGTH, b"Connection: x"), raw(LENGTH, b"Connection: "), raw(LENGTH, b"Connection: keep-alive, X-Hop"),
    raw(LENGTH, b"Content-Type: text/event-stream"), raw(LENGTH, b"content-type: Text/Event-Stream;a=b"),
    raw(LENGTH, b"WWW-Authenticate: Negotiate"), raw(LENGTH, b"Persistent-Auth: true"), raw(LENGTH, b"Proxy-Authenticate: NTLM"),
    raw(LENGTH, b"X:1"), raw(LENGTH, b"X:"), raw(LENGTH, b"X:  1"), raw(LENGTH, b"X: \t1"), raw(LENGTH, b"X : 1"), raw(LENGTH, b"X"),
    raw(LENGTH, b": 1"), raw(LENGTH, b" X: 1"), raw(LENGTH, b"X: 1", b" more"), raw(LENGTH, b"X: 1", b"\tmore: 2"), raw(LENGTH, b"X Y: 1"),
    raw(LENGTH, b"X: a\rb"), raw(LENGTH, b"X: a\nY: b"), raw(LENGTH, b"X: a\x00"), raw(LENGTH, b"X: a\x7f"), raw(LENGTH, b"X\xfc: a"),
    raw(LENGTH, b"X: a\r"), raw(LENGTH, b"\nX: a"), raw(LENGTH, b""), raw(b"", LENGTH), raw(LENGTH, b"a:b: c"),
    *(raw(LENGTH, start=start) for start in (
        b"HTTP/1.0 200 OK", b"HTTP/1.2 200 OK", b"HTTP/2.0 200 OK", b"http/1.1 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK", b"HTTP/1.1 200", b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 Switching", b"HTTP/1.1 103 Early", b"HTTP/1.1 199 a", b"HTTP/1.1 600 a",
        b"HTTP/1.1 099 a", b"HTTP/1.1 \xb2\xb2\xb2 a", b"HTTP/1.1 200 O\x1bK", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 200 O\nK", b"HTTP/1.1 ", b"",
        b"HTTP/1.1 200 OK\n", b"HTTP/1.1 200 OK\r", b"\nHTTP/1.1 200 OK",
    )),
)  # fmt: skip


@pytest.mark.parametrize("head", UNUSUAL)
def test_what_is_unusual_is_left_to_llhttp(head: bytes) -> None:
    # Also where every other line has been seen before.
    for method in ("GET", "POST"):
        assert read_plain(method, NGINX) is not None
        assert read_plain(method, head) is None
        hear([head + b"\r\n\r\nok"], method=method)


@pytest.mark.parametrize(
    "place", [b"HTTP/1.1 200 %bOK", b"X%bY: a", b"X: a%bb", b"X: a%b", b"X:%ba", b"%bX: a", b"X: a%b ", b"Date: %b"]
)
def test_every_byte_in_every_place_is_read_as_llhttp_reads_it(place: bytes) -> None:
    lines = [START, LENGTH, b"Server: a"]
    for byte in range(256):
        line = place % bytes([byte])
        whole = b"\r\n".join([line, *lines[1:]] if line.startswith(b"HTTP") else [*lines, line]) + b"\r\n\r\nok"
        for _ in range(2):
            hear([whole])


# Memory


def test_lines_that_repeat_are_remembered_up_to_a_bound() -> None:
    for number in range(2 * MAX_LINES):
        assert read_plain("GET", raw(LENGTH, b"Server: %d" % number, b"Vary: " + b"a" * MAX_LINE)) is not None
        assert len(plain_head._LINES) <= MAX_LINES
    assert b"Server: %d" % number in plain_head._LINES
    assert all(len(line) <= MAX_LINE for line in plain_head._LINES)


def test_nothing_is_remembered_that_is_for_one_client() -> None:
    secret = b"EVIL"
    names = (
        b"Set-Cookie",
        b"ETag",
        b"Location",
        b"X-Request-Id",
        b"WWW-Authenticate",
        b"X-Whatever",
        b"Link",
        b"Content-Location",
    )
    lines = [name + b": " + secret for name in names]
    for head in (
        raw(LENGTH, *lines),
        raw(LENGTH, b"Connection: EVIL"),
        raw(LENGTH, b"Server:EVIL"),
        raw(LENGTH, b"Date: \rEVIL"),
    ):
        read_plain("GET", head)
    read_plain("GET", raw(LENGTH, start=b"HTTP/1.1 200 EVIL"))
    assert not [line for memory in (plain_head._LINES, plain_head._HEADS) for line in memory if secret in line]


def test_heads_of_lines_that_repeat_are_remembered_up_to_a_bound() -> None:
    plain_head._HEADS.clear()
    server = b"Server: a"
    for number in range(MAX_HEADS + 2):
        head = raw(b"Content-Length: %d" % number, server)
        assert read_plain("GET", head) is read_plain("POST", head)
        assert len(plain_head._HEADS) <= MAX_HEADS
    for number in range(100):
        assert read_plain("GET", raw(b"Content-Length: 0", *[server] * number)) is not None
    assert all(len(head) <= plain_head.MAX_HEAD for head in plain_head._HEADS)


def test_a_head_to_head_is_not_that_of_another_method() -> None:
    head = raw(LENGTH, b"Server: a")
    for method, bodyless in (("HEAD", True), ("GET", False), ("HEAD", True), ("POST", False)):
        found = read_plain(method, head)
        assert found is not None
        assert found.bodyless is bodyless


# Whatever comes

NAMES = st.sampled_from([
    b"Server", b"server", b"Date", b"Content-Type", b"Connection", b"Keep-Alive", b"Content-Length", b"content-length", b"Vary", b"ETag",
    b"WWW-Authenticate", b"Proxy-Authenticate", b"Transfer-Encoding", b"Upgrade", b"Trailer", b"X", b"Set-Cookie", b"X Y", b"", b"Te",
])  # fmt: skip
VALUES = st.one_of(
    st.sampled_from([
        b"nginx", b"keep-alive", b"close", b"Close, keep-alive", b"upgrade", b"2", b"0", b"02", b"9", b"2 ", b"chunked", b"text/event-stream",
        b"application/json", b"Bearer a", b"Negotiate", b"websocket", b"", b"a\tb", b"X",
    ]),
    st.binary(max_size=6),
)  # fmt: skip
SEPARATORS = st.sampled_from([b": "] * 8 + [b":", b":  ", b" : ", b":\t", b""])
ENDS = st.sampled_from([b"\r\n"] * 20 + [b"\n", b"\r", b"\r\r\n", b"\r\n "])
STARTS = st.sampled_from(
    [START] * 5
    + [
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 N",
        b"HTTP/1.1 404 \xfc",
        b"HTTP/1.1 200",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 103 E",
    ]
)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Most of them plain, the others nearly so."""
    lines = draw(st.lists(st.tuples(NAMES, SEPARATORS, VALUES, ENDS), max_size=5))
    lines.insert(
        draw(st.integers(0, len(lines))),
        (b"Content-Length", b": ", draw(st.sampled_from([b"0", b"2", b"11"])), b"\r\n"),
    )
    return draw(STARTS) + draw(ENDS) + b"".join(itertools.chain.from_iterable(lines)) + b"\r\n"


@given(heads(), st.binary(max_size=12), st.sampled_from(["GET", "HEAD", "POST"]), st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_any_head_is_read_as_llhttp_reads_it(head: bytes, rest: bytes, method: str, place: int) -> None:
    whole = head + rest
    at = place % (len(whole) + 1)
    # Twice, since what was seen before is remembered.
    for pieces in ([whole], [whole[:at], whole[at:]] if 0 < at < len(whole) else [whole]):
        hear(pieces, method=method, ends=True)


@given(
    st.sampled_from(sorted(SERVERS.values())),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3),
    st.binary(max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_any_damaged_head_is_read_as_llhttp_reads_it(
    head: bytes, damages: list[tuple[int, int, bytes]], rest: bytes
) -> None:
    damaged = bytearray(head)
    for place, gone, instead in damages:
        at = place % (len(damaged) + 1)
        damaged[at : at + gone] = instead
    # What is plain is a part of what both take.
    hear([bytes(damaged) + b"\r\n\r\n" + rest])


def test_a_head_is_judged_as_its_lines_are() -> None:
    found = read_plain("GET", NGINX)
    assert found is not None
    lines = [(name, value) for name, _, value in (line.partition(b": ") for line in NGINX.split(b"\r\n")[1:])]
    assert Head.of(found) == Head.of(judge_head("GET", 200, b"OK", "1.1", lines))
