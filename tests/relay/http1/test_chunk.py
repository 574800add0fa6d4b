"""Chunks as they go on the wire."""

from gateway.relay.http1 import chunk


def test_a_chunk_is_its_size_and_its_bytes() -> None:
    assert chunk.chunk(b"x" * 31) == b"1f\r\n" + b"x" * 31 + b"\r\n"


def test_a_whole_body_ends() -> None:
    assert chunk.whole(b"abc") == b"3\r\nabc\r\n0\r\n\r\n"
    assert chunk.whole(b"") == chunk.LAST == b"0\r\n\r\n"
