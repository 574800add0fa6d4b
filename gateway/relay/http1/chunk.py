"""Chunks as they go on the wire (RFC 9112 section 7.1), to either side. Read they are by llhttp."""

from typing import Final

#: behind the last chunk that has something in it, where there are no trailers
LAST: Final = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk. `data` is not empty: an empty chunk would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(body: bytes) -> bytes:
    """All of a body in one chunk, and the last one behind it."""
    return chunk(body) + LAST if body else LAST
