"""Heads as they go on the wire."""

from gateway.relay.http1.head import head_bytes, response_bytes, written


def test_a_head_is_its_lines_and_an_empty_one() -> None:
    lines = ((b"Host", b"a"), (b"x-Empty", b""), (b"X", b"\xff \t y"))
    assert written(b"GET / HTTP/1.1", lines) == b"GET / HTTP/1.1\r\nHost: a\r\nx-Empty: \r\nX: \xff \t y\r\n\r\n"


def test_more_lines_and_a_body_stand_behind_them() -> None:
    assert written(b"A", (), more=b"\r\nB: c", body=b"body") == b"A\r\nB: c\r\n\r\nbody"


def test_a_response_has_its_status_line() -> None:
    assert response_bytes(200, b"OK", (), b"ok") == b"HTTP/1.1 200 OK\r\n\r\nok"
    assert response_bytes(200, b"Fine", ((b"A", b"b"),)) == b"HTTP/1.1 200 Fine\r\nA: b\r\n\r\n"
    assert response_bytes(299, b"", ()) == b"HTTP/1.1 299 \r\n\r\n"


def test_to_a_head_of_a_response_lines_may_be_added() -> None:
    assert head_bytes(200, b"OK", ((b"A", b"b"), (b"C", b""))) == b"HTTP/1.1 200 OK\r\nA: b\r\nC: "
    assert head_bytes(404, b"", ()) == b"HTTP/1.1 404 "
