"""The header lines that an upstream gets, in order: a client's own ones as they were read, then ours, as written."""

from collections.abc import Iterable
from typing import Final

from gateway.core.http.facts import HeaderLine
from gateway.core.http.field_line import FieldLine


def written(lines: Iterable[HeaderLine]) -> bytes:
    """Lines as they go on the wire, their ends included (RFC 9112 section 5). No value has a line end in it."""
    parts: list[bytes] = []
    for name, value in lines:
        # One by one: compiled, an append costs a tenth of what a tuple and its unpacking do.
        parts.append(name)
        parts.append(b": ")
        parts.append(value)
        parts.append(b"\r\n")
    return b"".join(parts)


def parted(wire: bytes) -> tuple[HeaderLine, ...]:
    """Names and values of what was `written`."""
    lines = [line.partition(b": ") for line in wire.split(b"\r\n")[:-1]]
    return tuple([(name, value) for name, _, value in lines])


class Outgoing:
    """The header lines of one request to an upstream; framing is not among them."""

    __slots__ = ("_headers", "kept", "ours")

    def __init__(self, kept: list[FieldLine], ours: list[bytes]) -> None:
        """Neither list is changed any more."""
        self.kept: Final = kept
        #: behind them, as they are written, in pieces: many are the same from request to request
        self.ours: Final = ours
        self._headers: tuple[HeaderLine, ...] | None = None

    def __repr__(self) -> str:
        return f"<Outgoing {len(self.kept)} of the client, {len(self.ours)} pieces of ours>"

    @property
    def headers(self) -> tuple[HeaderLine, ...]:
        """All of them as names and values."""
        headers = self._headers
        if headers is None:
            headers = self._headers = (*[line.pair for line in self.kept], *parted(b"".join(self.ours)))
        return headers
