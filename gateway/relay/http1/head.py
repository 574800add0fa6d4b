"""A head of HTTP/1.1 as it goes on the wire (RFC 9112 sections 3 to 5)."""

from collections.abc import Iterable

from gateway.core.http.facts import HeaderLine


def written(first: bytes, lines: Iterable[HeaderLine], *, more: bytes = b"", body: bytes = b"") -> bytes:
    """Request or status line, header lines, `more` of them as they stand, the empty line, and what follows it."""
    parts = _parts(first, lines)
    parts.append(more)
    parts.append(b"\r\n\r\n")
    parts.append(body)
    return b"".join(parts)


def response_bytes(status: int, reason: bytes, lines: Iterable[HeaderLine], body: bytes = b"") -> bytes:
    """A response as it goes on the wire, or as much of it as there is."""
    return written(_status_line(status, reason), lines, body=body)


def head_bytes(status: int, reason: bytes, lines: Iterable[HeaderLine]) -> bytes:
    """The head of a response, to which lines may be added: its last line has no end."""
    return b"".join(_parts(_status_line(status, reason), lines))


def _parts(first: bytes, lines: Iterable[HeaderLine]) -> list[bytes]:
    parts = [first]
    for name, value in lines:
        # One by one: compiled, an append costs a tenth of what a tuple and its unpacking do.
        parts.append(b"\r\n")
        parts.append(name)
        parts.append(b": ")
        parts.append(value)
    return parts


def _status_line(status: int, reason: bytes) -> bytes:
    return b"HTTP/1.1 200 OK" if status == 200 and reason == b"OK" else b"HTTP/1.1 %d %b" % (status, reason)
