"""A parsed request as facts: what the parser lets through and the gateway does not."""

import pytest

from gateway.core.config.limits import Limits
from gateway.core.config.section import Size
from gateway.core.errors import (
    BadRequest,
    MethodNotAllowed,
    MethodNotImplemented,
    Refusal,
    TooLarge,
    UriTooLong,
    VersionNotSupported,
)
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.field_line import FieldLine
from gateway.relay.client.facts import read_facts
from gateway.relay.client.peer import Peer

HOST = (b"Host", b"api.test")


def facts(
    *headers: HeaderLine,
    method: str = "GET",
    target: bytes = b"/",
    version: tuple[int, int] = (1, 1),
    limits: Limits | None = None,
) -> Facts:
    return read_facts(
        method=method,
        target=target,
        version=version,
        lines=tuple(FieldLine(name, value) for name, value in headers),
        peer=Peer("10.0.0.1", trusted=False),
        limits=limits or Limits(),
    )


def test_facts_are_what_the_request_says() -> None:
    lines = (
        HOST,
        (b"authorization", b"Bearer a"),
        (b"X", b"1"),
        (b"Authorization", b"Bearer b"),
        (b"X-Request-Id", b"id-1"),
    )
    found = facts(*lines, method="POST", target=b"/a?b#c")
    assert (found.method, found.target, found.version, found.headers) == ("POST", b"/a?b#c", (1, 1), lines)
    assert found.authorization == (b"Bearer a", b"Bearer b")
    assert (found.host, found.content_length, found.chunked) == (b"api.test", None, False)
    assert (found.scheme, found.peer, found.trusted, found.request_id) == ("http", "10.0.0.1", False, "id-1")
    assert "Bearer" not in repr(found)


def test_every_request_without_an_id_gets_one_of_its_own() -> None:
    first, second = facts(HOST).request_id, facts(HOST).request_id
    assert first != second
    assert len(first) == 32


@pytest.mark.parametrize(
    ("line", "length", "chunked"),
    [
        ((b"Content-Length", b"7"), 7, False),
        ((b"CONTENT-LENGTH", b"0"), 0, False),
        ((b"Transfer-Encoding", b"CHUNKED"), None, True),
        ((b"X", b"y"), None, False),
    ],
)
def test_the_length_of_a_body(line: HeaderLine, length: int | None, *, chunked: bool) -> None:
    found = facts(HOST, line)
    assert (found.content_length, found.chunked) == (length, chunked)


@pytest.mark.parametrize(
    ("method", "target", "version", "refusal"),
    [
        ("GET", b"/", (2, 0), VersionNotSupported),
        ("GET", b"/", (0, 9), VersionNotSupported),
        ("GET", b"/", (1, 2), VersionNotSupported),
        ("CONNECT", b"a:1", (1, 1), MethodNotImplemented),
        ("TRACE", b"/", (1, 1), MethodNotAllowed),
        ("GET", b"/" + b"a" * 16384, (1, 1), UriTooLong),
        ("GET", b"*", (1, 1), BadRequest),
        ("GET", b"a", (1, 1), BadRequest),
        ("GET", b"", (1, 1), BadRequest),
        ("GET", b"?a", (1, 1), BadRequest),
        ("GET", b"ftp://a/", (1, 1), BadRequest),
        ("GET", b"http:/a", (1, 1), BadRequest),
        ("GET", b"http:///a", (1, 1), BadRequest),
        ("GET", b"http://?a", (1, 1), BadRequest),
        ("GET", b"http://u@a/", (1, 1), BadRequest),
        ("GET", b"http://u:p@a/", (1, 1), BadRequest),
        ("GET", b"http://a b/", (1, 1), BadRequest),
        ("GET", b"http://a:b/", (1, 1), BadRequest),
        ("GET", b"http://a:1:2/", (1, 1), BadRequest),
        ("GET", b"http://[::1/", (1, 1), BadRequest),
        ("GET", b"http://a\\b/", (1, 1), BadRequest),
        ("GET", b"http://a\r\nX: y/", (1, 1), BadRequest),
        ("GET", b"http://:80/", (1, 1), BadRequest),
    ],
)
def test_a_request_line_that_is_refused(
    method: str, target: bytes, version: tuple[int, int], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal) as refused:
        facts(HOST, method=method, target=target, version=version)
    assert type(refused.value) is refusal


@pytest.mark.parametrize(
    ("target", "forwarded", "host"),
    [
        (b"/a//b/../%2F?x#y", b"/a//b/../%2F?x#y", b"api.test"),
        (b"http://b.test", b"/", b"b.test"),
        (b"hTTps://b.test:1?x", b"/?x", b"b.test:1"),
        (b"http://b.test#f", b"/#f", b"b.test"),
        (b"http://[2001:db8::1]:8/a", b"/a", b"[2001:db8::1]:8"),
        (b"http://b.test:/a", b"/a", b"b.test:"),
        (b"http://b.test/http://c@d/", b"/http://c@d/", b"b.test"),
    ],
)
def test_a_target_is_forwarded_in_origin_form(target: bytes, forwarded: bytes, host: bytes) -> None:
    found = facts(HOST, target=target)
    assert (found.target, found.host) == (forwarded, host)


def test_an_asterisk_needs_options() -> None:
    assert facts(HOST, method="OPTIONS", target=b"*").target == b"*"


@pytest.mark.parametrize(
    "host", [b"a/b", b"a,b c", b"a b", b"u@a", b"a:b", b"a?b", b"a#b", b"\xff", b"[::1", b"a\\b", b'a"b']
)
def test_a_host_that_is_no_authority_is_refused(host: bytes) -> None:
    with pytest.raises(BadRequest):
        facts((b"Host", host))


@pytest.mark.parametrize("host", [b"a", b"a_b.test:80", b"[::1]", b"[::ffff:1.2.3.4]:1", b"1.2.3.4", b"xn--a", b"a."])
def test_a_host_is_kept_as_it_is(host: bytes) -> None:
    assert facts((b"Host", host)).host == host


def test_an_empty_or_absent_host_is_none() -> None:
    assert facts((b"Host", b"")).host is None
    assert facts(version=(1, 0)).host is None


@pytest.mark.parametrize(
    "coding", [b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b"", b"chunked ", b"\x0bchunked"]
)
def test_a_coding_other_than_chunked_is_refused(coding: bytes) -> None:
    with pytest.raises(BadRequest):
        facts(HOST, (b"Transfer-Encoding", coding))


def test_a_coding_in_http_1_0_is_refused() -> None:
    with pytest.raises(BadRequest):
        facts(HOST, (b"Transfer-Encoding", b"chunked"), version=(1, 0))


def test_the_head_is_bounded_in_bytes_and_lines() -> None:
    limits = Limits(header_bytes=Size(100), uri_bytes=Size(50), header_count=3)
    head = len(b"GET / HTTP/1.1\r\nHost: api.test\r\nX: \r\n\r\n")
    assert facts(HOST, (b"X", b"a" * (100 - head)), limits=limits)
    with pytest.raises(TooLarge, match="101 bytes; 100"):
        facts(HOST, (b"X", b"a" * (101 - head)), limits=limits)
    assert facts(HOST, *[(b"X", b"")] * 2, limits=limits)
    with pytest.raises(TooLarge, match="4 header lines; 3"):
        facts(HOST, *[(b"X", b"")] * 3, limits=limits)


@pytest.mark.parametrize(
    "name",
    [
        *(b"content-length", b"content-location", b"content-range", b"content-type", b"etag"),
        *(b"host", b"max-forwards", b"server", b"transfer-encoding", b"user-agent"),
    ],
)
def test_what_may_stand_once_stands_once(name: bytes) -> None:
    value = HOST[1] if name == b"host" else b"chunked" if name == b"transfer-encoding" else b"1"
    lines = [(name, value)] if name == b"host" else [HOST, (name, value)]
    assert facts(*lines)
    with pytest.raises(BadRequest, match=f"more than one {name.decode()}"):
        facts(*lines, (name.title(), value))


def test_what_may_stand_often_may() -> None:
    assert facts(HOST, (b"Accept", b"a"), (b"Accept", b"b"), (b"Cookie", b"a=1"), (b"cookie", b"b=2"))


def test_http_1_1_has_a_host() -> None:
    with pytest.raises(BadRequest, match="no Host"):
        facts((b"X", b"y"))
    assert facts((b"X", b"y"), version=(1, 0)).host is None


def test_a_websocket_older_than_its_standard_is_refused() -> None:
    """Eight bytes follow its head, which nothing in it announces."""
    with pytest.raises(BadRequest, match="RFC 6455"):
        facts(HOST, (b"SEC-WebSocket-Key1", b"4 @1"))
