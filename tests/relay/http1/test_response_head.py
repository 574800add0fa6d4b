"""The head of a response: where its body ends, what goes on to the client, and whether the connection is kept."""

import pytest

from gateway.core.errors import UpstreamProtocolError
from gateway.core.http.facts import HeaderLine
from gateway.core.memory import NameMemo
from gateway.relay.http1 import response_head
from gateway.relay.http1.framing import MAX_LENGTH
from gateway.relay.http1.response_head import ResponseHead, judge_head


def judge(*headers: HeaderLine, method: str = "GET", status: int = 200, version: str = "1.1") -> ResponseHead:
    return judge_head(method, status, b"OK", version, headers)


LENGTH = (b"Content-Length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")
CLOSE = (b"Connection", b"close")
KEEP = (b"Connection", b"keep-alive")


# Where the body ends (RFC 9112 section 6.3)


@pytest.mark.parametrize(
    ("method", "status", "headers", "bodyless", "length", "chunked"),
    [
        ("GET", 200, [LENGTH], False, 5, False),
        ("GET", 200, [(b"content-LENGTH", b"0")], False, 0, False),
        ("GET", 200, [(b"Content-Length", b"005")], False, 5, False),
        ("GET", 200, [(b"Content-Length", b"0" * 25 + b"7")], False, 7, False),
        ("GET", 200, [(b"Content-Length", b"%d" % MAX_LENGTH)], False, MAX_LENGTH, False),
        ("GET", 200, [CHUNKED], False, None, True),
        ("GET", 200, [(b"transfer-encoding", b"CHUNKED")], False, None, True),
        ("GET", 200, [], False, None, False),
        ("POST", 205, [], False, None, False),
        ("HEAD", 200, [LENGTH], True, 5, False),
        ("HEAD", 200, [CHUNKED], True, None, False),
        ("HEAD", 200, [], True, None, False),
        ("HEAD", 404, [LENGTH], True, 5, False),
        ("GET", 204, [], True, None, False),
        ("GET", 204, [LENGTH], True, 5, False),
        ("GET", 204, [CHUNKED], True, None, False),
        ("GET", 304, [LENGTH], True, 5, False),
        ("GET", 304, [CHUNKED], True, None, False),
    ],
)
def test_a_body_ends_where_method_status_and_lines_say(
    method: str, status: int, headers: list[HeaderLine], length: int | None, *, bodyless: bool, chunked: bool
) -> None:
    head = judge(*headers, method=method, status=status)
    assert (head.bodyless, head.length, head.chunked) == (bodyless, length, chunked)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"-1",
        b"+1",
        b" 1",
        b"0x1",
        b"1_0",
        b"1.0",
        b"1,1",
        b"one",
        b"\xb2",
        b"1\x00",
        b"\xd9\xa1",
        b"%d" % (MAX_LENGTH + 1),
        b"9" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_length_that_readers_disagree_on_is_refused(value: bytes, method: str) -> None:
    with pytest.raises(UpstreamProtocolError, match="a length that is no number"):
        judge((b"Content-Length", value), method=method)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize(
    "headers",
    [
        [LENGTH, LENGTH],
        [LENGTH, (b"content-length", b"6")],
        [LENGTH, CHUNKED],
        [CHUNKED, LENGTH],
    ],
)
def test_two_lengths_are_refused_even_where_there_is_no_body(
    headers: list[HeaderLine], status: int, method: str
) -> None:
    with pytest.raises(UpstreamProtocolError, match="more than one length"):
        judge(*headers, status=status, method=method)


@pytest.mark.parametrize(
    "value",
    [b"", b"gzip", b"identity", b"gzip, chunked", b"chunked, gzip", b"chunked,", b"chunked;q=1", b'"chunked"', b"xchunked", b"\x0bchunked", b"chunked, chunked"],
)  # fmt: skip
def test_a_coding_other_than_chunked_is_refused(value: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="Transfer-Encoding"):
        judge((b"Transfer-Encoding", value))


def test_chunked_twice_or_in_http_1_0_is_refused() -> None:
    for headers, version in (([CHUNKED, CHUNKED], "1.1"), ([CHUNKED], "1.0"), ([CHUNKED, KEEP], "1.0")):
        with pytest.raises(UpstreamProtocolError, match="Transfer-Encoding"):
            judge(*headers, version=version)


# Whether the connection is kept (RFC 9112 section 9.3)


@pytest.mark.parametrize(
    ("version", "headers", "kept"),
    [
        ("1.1", [LENGTH], True),
        ("1.1", [CHUNKED], True),
        ("1.1", [], False),
        ("1.1", [LENGTH, CLOSE], False),
        ("1.1", [LENGTH, (b"connection", b"Close")], False),
        ("1.1", [LENGTH, (b"Connection", b"X-A, close")], False),
        ("1.1", [LENGTH, (b"Connection", b"X-A ,\tCLOSE , X-B")], False),
        ("1.1", [LENGTH, KEEP], True),
        ("1.1", [LENGTH, KEEP, CLOSE], False),
        ("1.1", [LENGTH, CLOSE, KEEP], False),
        ("1.1", [LENGTH, (b"Connection", b"keep-alive, close")], False),
        ("1.1", [LENGTH, (b"Connection", b"closed")], True),
        ("1.1", [LENGTH, (b"Connection", b"")], True),
        ("1.1", [LENGTH, CLOSE, (b"Connection", b"X-A, keep-alive")], False),
        ("1.1", [LENGTH, CLOSE, (b"Connection", b"X-A")], False),
        ("1.1", [CHUNKED, CLOSE], False),
        ("1.0", [LENGTH], False),
        ("1.0", [LENGTH, KEEP], True),
        ("1.0", [LENGTH, (b"Connection", b"Keep-Alive")], True),
        ("1.0", [LENGTH, KEEP, CLOSE], False),
        ("1.0", [LENGTH, CLOSE, KEEP], False),
        ("1.0", [KEEP], False),
    ],
)
def test_a_connection_is_kept_when_both_sides_know_where_the_response_ends(
    version: str, headers: list[HeaderLine], *, kept: bool
) -> None:
    assert judge(*headers, version=version).reusable is kept


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_connection_is_kept_after_a_response_without_a_body(method: str, status: int) -> None:
    assert judge(method=method, status=status).reusable
    assert not judge(CLOSE, method=method, status=status).reusable
    assert not judge(method=method, status=status, version="1.0").reusable


# What goes on


def test_lines_keep_their_order_case_and_repetition() -> None:
    lines = [(b"sEt-Cookie", b"a=1"), LENGTH, (b"X-Odd_Name", b"\xfc"), (b"Set-Cookie", b"b"), (b"x-odd_name", b"")]
    assert judge(*lines).lines == tuple(lines)


@pytest.mark.parametrize(
    "name",
    [b"Connection", b"KEEP-ALIVE", b"Proxy-Authenticate", b"proxy-connection", b"TE", b"Trailer", b"Transfer-Encoding", b"Upgrade"],
)  # fmt: skip
def test_lines_that_are_about_the_connection_stay_behind(name: bytes) -> None:
    value = b"chunked" if name == b"Transfer-Encoding" else b"x"
    assert judge((b"A", b"1"), (name, value), (b"B", b"2")).lines == ((b"A", b"1"), (b"B", b"2"))


def test_what_connection_nominates_stays_behind() -> None:
    head = judge((b"X-Hop", b"1"), (b"Connection", b"x-hop, X-Other"), (b"x-other", b"2"), (b"X-Stays", b"3"))
    assert head.lines == ((b"X-Stays", b"3"),)


def test_nobody_nominates_framing_or_a_cookie_away() -> None:
    lines = ((b"Content-Length", b"0"), (b"Content-Type", b"a/b"), (b"Set-Cookie", b"a"))
    head = judge(*lines, (b"Connection", b"Content-Length, content-type"))
    assert head.lines == lines
    assert head.length == 0


@pytest.mark.parametrize(
    ("value", "endless"),
    [
        (b"text/event-stream", True),
        (b"text/event-stream; charset=utf-8", True),
        (b"Text/Event-Stream;charset=utf-8", True),
        (b"text/event-stream ;charset=utf-8", True),
        (b"text/html", False),
        (b"", False),
        (b"x; text/event-stream", False),
        (b"text/event-streams", False),
        (b"text/event-stream+json", False),
    ],
)
def test_an_event_stream_is_known_by_its_media_type(value: bytes, *, endless: bool) -> None:
    assert judge((b"content-TYPE", value)).is_event_stream is endless


def test_status_and_reason_are_as_sent() -> None:
    head = judge_head("GET", 299, b"Odd but  f\xfcne", "1.1", [])
    assert (head.status, head.reason) == (299, b"Odd but  f\xfcne")


def test_names_of_strangers_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_head, "_MEANINGS", NameMemo(response_head._meaning))
    for number in range(5000):
        judge((b"X-%d" % number, b"a"), (b"X" * 100 + b"%d" % number, b"b"))
    assert len(response_head._MEANINGS) <= 1024
    assert all(len(name) <= 64 for name in response_head._MEANINGS)
    # Beyond the bound lines are read as before.
    assert judge((b"cOnTeNt-LeNgTh", b"5"), (b"CoNnEcTiOn", b"close")).length == 5
