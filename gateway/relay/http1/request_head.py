"""A head of a request as it was sent, whoever read it."""

from typing import Final

from gateway.core.http.facts import HeaderLine
from gateway.core.http.field_line import FieldLine


class RequestHead:
    """A request as it was sent, its body apart. Behind it: Data, as often as some comes, and End or Upgrade."""

    __slots__ = ("closes", "length", "lines", "method", "target", "upgrades", "version")

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        version: tuple[int, int],
        lines: tuple[FieldLine, ...],
        length: int,
        closes: bool = False,
        upgrades: bool = False,
    ) -> None:
        self.method: Final = method
        self.target: Final = target
        self.version: Final = version
        self.lines: Final = lines
        #: bytes of its body; -1: it comes in chunks
        self.length: Final = length
        #: the connection is to end behind it
        self.closes: Final = closes
        #: it asks for another protocol, in Connection and Upgrade together
        self.upgrades: Final = upgrades

    def __repr__(self) -> str:
        body = ", body" if self.has_body else ""
        return f"<RequestHead {self.method}, {len(self.lines)} lines{body}{', closes' if self.closes else ''}>"

    @property
    def has_body(self) -> bool:
        """It announces one that is not empty, or comes in chunks."""
        return self.length != 0

    @property
    def headers(self) -> tuple[HeaderLine, ...]:
        """Its lines as names and values."""
        return tuple([line.pair for line in self.lines])
