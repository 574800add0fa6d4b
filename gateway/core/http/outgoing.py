"""The header lines that an upstream gets, in order: a client's own ones as they were read, and then ours."""

from typing import Final

from gateway.core.http.facts import HeaderLine
from gateway.core.http.field_line import FieldLine


class Outgoing:
    """The header lines of one request to an upstream; framing is not among them."""

    __slots__ = ("_headers", "kept", "ours")

    def __init__(self, kept: list[FieldLine], ours: list[HeaderLine]) -> None:
        """Neither list is changed any more."""
        self.kept: Final = kept
        #: behind them
        self.ours: Final = ours
        self._headers: tuple[HeaderLine, ...] | None = None

    def __repr__(self) -> str:
        return f"<Outgoing {len(self.kept)} of the client, {len(self.ours)} of ours>"

    @property
    def headers(self) -> tuple[HeaderLine, ...]:
        """All of them as names and values."""
        headers = self._headers
        if headers is None:
            headers = self._headers = (*[line.pair for line in self.kept], *self.ours)
        return headers
