"""What comes of the bytes of a response, however they are cut, and whichever of the two ways of reading reads its head."""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.core.errors import Refusal
from gateway.core.http.facts import HeaderLine
from gateway.relay.http1.head import head_bytes
from gateway.relay.http1.response_head import ResponseHead
from gateway.relay.http1.response_parser import ResponseParser
from gateway.relay.http1.response_reader import ResponseReader

#: responses up to so many bytes are split at every position
SPLIT_EVERYWHERE = 400


class Head(NamedTuple):
    """An `ResponseHead` that can be compared."""

    status: int
    reason: bytes
    lines: tuple[HeaderLine, ...]
    bodyless: bool
    length: int | None
    chunked: bool
    reusable: bool
    is_event_stream: bool

    @classmethod
    def of(cls, head: ResponseHead) -> "Head":
        return cls(*(getattr(head, name) for name in cls._fields))


class Heard(NamedTuple):
    """What came of a response."""

    head: Head | None
    body: bytes
    is_complete: bool
    surplus: bool
    interims: list[tuple[int, bytes, list[HeaderLine]]]
    #: of the error, by which the response is refused
    problem: str | None


class Listener:
    """A response as it is read."""

    def __init__(self, reader: ResponseReader) -> None:
        self.reader = reader
        self.head: Head | None = None
        self.bodies: list[bytes] = []
        self.interims: list[tuple[int, bytes, list[HeaderLine]]] = []
        self.refusal: Refusal | None = None

    def hear(self, piece: bytes) -> tuple[object, ...]:
        """What came of a piece; of what is broken, nothing."""
        reader = self.reader
        if self.refusal is not None:
            return ()
        self.refusal = reader.receive(piece)
        interims = [(one.status, one.reason, list(one.lines)) for one in reader.interims]
        # However one waits, no interim response comes behind the final one.
        assert not interims or self.head is None
        self.interims += interims
        assert self.head is None or reader.head is not None
        if self.head is None and reader.head is not None:
            self.head = head = Head.of(reader.head)
            assert reader.head.raw in (None, head_bytes(head.status, head.reason, head.lines))
        if body := reader.take():
            self.bodies.append(body)
        return self.head, body, reader.is_complete, reader.has_surplus, interims, self._problem()

    def end(self) -> Heard:
        """What is known of it."""
        reader = self.reader
        return Heard(
            self.head, b"".join(self.bodies), reader.is_complete, reader.has_surplus, self.interims, self._problem()
        )

    def _problem(self) -> str | None:
        return None if self.refusal is None else self.refusal.evidence


def hear(pieces: Sequence[bytes], *, method: str = "GET", ends: bool = False, upgrades: bool = False) -> Heard:
    """What comes of it, after it was read in both ways, which agree after each piece."""
    plain = Listener(ResponseReader(method, accepts_upgrade=upgrades))
    other = Listener(by_llhttp(method, upgrades=upgrades))
    for piece in pieces:
        assert plain.hear(piece) == other.hear(piece), (pieces, method)
    for one in (plain, other):
        if ends and one.refusal is None and not one.reader.is_complete:
            one.refusal = one.reader.end()
    assert plain.end() == other.end(), (pieces, method)
    return plain.end()


def by_llhttp(method: str, *, upgrades: bool = False) -> ResponseReader:
    """One that leaves every head to llhttp."""
    reader = ResponseReader(method, accepts_upgrade=upgrades)
    reader.has_begun = True
    reader._parser = ResponseParser(method, accepts_upgrade=upgrades)
    return reader


def single(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


def ways_to_cut(raw: bytes, *, most: int = SPLIT_EVERYWHERE) -> Iterator[list[bytes]]:
    """Whole, byte by byte, in two at every position, and in many at random; long ones, at some positions."""
    yield [raw]
    places: Sequence[int] = range(1, len(raw))
    chance = random.Random(raw)
    if len(raw) <= 100 * most:
        yield single(raw)
    if len(raw) > most:
        head = raw.find(b"\r\n\r\n")
        places = [*chance.sample(places, 30), *(at for at in range(head, head + 6) if 0 < at < len(raw))]
    for at in places:
        yield [raw[:at], raw[at:]]
    for _ in range(20):
        cuts = sorted(chance.sample(range(len(raw) + 1), min(len(raw), 5)))
        yield [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True) if start < end]
