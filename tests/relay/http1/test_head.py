"""Heads as they go on the wire."""

from gateway.relay.http1.head import written


def test_a_head_is_its_lines_and_an_empty_one() -> None:
    lines = ((b"Host", b"a"), (b"x-Empty", b""), (b"X", b"\xff \t y"))
    assert written(b"GET / HTTP/1.1", lines) == b"GET / HTTP/1.1\r\nHost: a\r\nx-Empty: \r\nX: \xff \t y\r\n\r\n"


def test_more_lines_and_a_body_stand_behind_them() -> None:
    assert written(b"A", (), more=b"\r\nB: c", body=b"body") == b"A\r\nB: c\r\n\r\nbody"
