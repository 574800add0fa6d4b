"""The bytes of a response without sockets: however they are cut, and whoever reads the head, the same comes of them."""

import itertools
import json
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.http.facts import HeaderLine
from gateway.relay.http1.head import response_bytes
from gateway.relay.http1.response_parser import MAX_HEAD, MAX_INTERIM
from gateway.relay.http1.response_reader import ResponseReader
from tests.relay.garbage import EVIL, GARBAGE, Fate, Garbage
from tests.relay.hearing import SPLIT_EVERYWHERE, hear, single, ways_to_cut
from tests.relay.transparency import ROWS
from tests.wire import OK, chunked, chunks

#: what real providers said
RESPONSES = Path(__file__).parents[2] / "data" / "responses"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"


@pytest.mark.parametrize("row", GARBAGE, ids=lambda row: row.name)
def test_garbage_meets_its_fate_however_it_is_cut(row: Garbage) -> None:
    for pieces in ways_to_cut(row.raw):
        heard = hear(pieces, method=row.method, ends=row.ends)
        if row.fate is Fate.FIRST:
            assert heard.problem is None
            assert (heard.body, heard.is_complete, heard.surplus) == (row.body, True, True)
            assert heard.head is not None
            assert heard.head.status == row.status
        else:
            assert heard.problem is not None
            # What is refused altogether has no head that anybody could have passed on.
            assert (heard.head is None) or row.fate is Fate.BROKEN or len(pieces) == 1
        if heard.problem is not None:
            assert EVIL.decode() not in heard.problem
            assert heard.problem.isprintable()


# What is sound


class Sound(NamedTuple):
    name: str
    raw: bytes
    body: bytes = b""
    method: str = "GET"
    ends: bool = False
    status: int = 200
    reusable: bool = True


SOUND = (
    Sound("with a length", OK, b"ok"),
    Sound("empty", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    Sound("without a reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Sound("with a blank for a reason", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Sound("behind an empty line", b"\r\n" + OK, b"ok"),
    Sound("in chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"a", b"bc" * 9), b"a" + b"bc" * 9),
    Sound("in no chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked()),
    Sound(
        "with chunk extensions and trailers",
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;a="b;c";d\r\nok\r\n0;x\r\nX: y\r\nSet-Cookie: a=b\r\n\r\n',
        b"ok",
    ),
    Sound("with zeros before sizes", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0002\r\nok\r\n000\r\n\r\n", b"ok"),
    Sound("until the end", b"HTTP/1.1 200 OK\r\n\r\nok", b"ok", ends=True, reusable=False),
    Sound("until the end at once", b"HTTP/1.1 200 OK\r\n\r\n", ends=True, reusable=False),
    Sound("until the end, like a response", b"HTTP/1.1 200 OK\r\n\r\n" + OK, OK, ends=True, reusable=False),
    Sound("like a response", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(OK) + OK, OK),
    Sound("chunks like a response", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(OK), OK),
    Sound("in HTTP/1.0", OK.replace(b"1.1", b"1.0"), b"ok", reusable=False),
    Sound("in HTTP/1.0 until the end", b"HTTP/1.0 200 OK\r\n\r\nok", b"ok", ends=True, reusable=False),
    Sound("in HTTP/1.0, kept", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Sound("the last", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok", reusable=False),
    Sound("to HEAD with a length", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", method="HEAD"),
    Sound("to HEAD in chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", method="HEAD"),
    Sound("to HEAD without framing", b"HTTP/1.1 200 OK\r\n\r\n", method="HEAD"),
    Sound("204", b"HTTP/1.1 204 No Content\r\n\r\n", status=204),
    Sound("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", status=304),
    Sound("behind interim responses", CONTINUE + INTERIM * (MAX_INTERIM - 1) + OK, b"ok"),
    Sound("with an Upgrade nobody asked for", OK.replace(b"Content", b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent"), b"ok"),
    Sound("with a status nobody knows", OK.replace(b"200", b"799"), b"ok", status=799),
)  # fmt: skip


@pytest.mark.parametrize("row", SOUND, ids=lambda row: row.name)
def test_a_sound_response_is_the_same_however_it_is_cut(row: Sound) -> None:
    for pieces in ways_to_cut(row.raw):
        heard = hear(pieces, method=row.method, ends=row.ends)
        assert heard == hear([row.raw], method=row.method, ends=row.ends)
        assert (heard.problem, heard.body, heard.is_complete, heard.surplus) == (None, row.body, True, False)
        assert heard.head is not None
        assert (heard.head.status, heard.head.reusable) == (row.status, row.reusable)


@pytest.mark.parametrize("row", SOUND, ids=lambda row: row.name)
def test_no_beginning_of_a_sound_response_is_whole(row: Sound) -> None:
    until_end = row.ends
    head = row.raw.index(b"\r\n\r\n", 4) + 4
    for end in range(len(row.raw)):
        heard = hear([row.raw[:end]], method=row.method, ends=True)
        if until_end and end >= head:
            assert (heard.problem, heard.body) == (None, row.raw[head:end])
        else:
            assert heard.problem == "the connection ended within the response"
            assert not heard.is_complete


def test_interim_responses_are_told_as_they_come() -> None:
    heard = hear([CONTINUE, INTERIM, OK])
    assert heard.interims == [(100, b"Continue", []), (103, b"Early Hints", [(b"Link", b"</a>")])]
    assert heard.head is not None
    assert heard.head.lines == ((b"Content-Length", b"2"),)


def test_nothing_at_all_is_no_response() -> None:
    heard = hear([], ends=True)
    assert heard.problem == "the connection ended within the response"


# Sizes


@pytest.mark.parametrize("size", [MAX_HEAD - 500, MAX_HEAD + 500])
def test_a_head_has_a_size_at_most_however_it_comes(size: int) -> None:
    lines = b"".join(b"X-%04d: %b\r\n" % (number, b"a" * 90) for number in range(size // 100))
    raw = b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\nok"
    for pieces in ([raw], [raw[at : at + 1000] for at in range(0, len(raw), 1000)], single(raw)):
        heard = hear(pieces)
        assert (heard.problem is None) is (size < MAX_HEAD)


def test_interim_responses_count_towards_the_size_of_a_head() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nX: " + b"a" * 8000 + b"\r\n\r\n"
    for count, problem in ((8, False), (9, True)):
        raw = interim * count + OK
        for pieces in ([raw], single(raw), [interim] * count + [OK]):
            assert (hear(pieces).problem is not None) is problem


def test_a_body_has_any_size_and_is_held_as_it_came() -> None:
    size = 10 * MAX_HEAD
    heard = hear([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size] + [b"a" * MAX_HEAD] * 10)
    assert (len(heard.body), heard.is_complete, heard.surplus) == (size, True, False)


def test_many_small_chunks_are_no_endless_framing() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*[b"a"] * 30_000)
    for pieces in ([raw], single(raw), [raw[at : at + 7] for at in range(0, len(raw), 7)]):
        heard = hear(pieces)
        assert (heard.problem, heard.body, heard.is_complete) == (None, b"a" * 30_000, True)


# After 101


def test_bytes_behind_101_are_in_the_new_protocol() -> None:
    heard = hear([SWITCH + b"\x81\x02hi", b"there"], upgrades=True)
    assert heard.head is not None
    assert (heard.head.status, heard.is_complete, heard.body) == (101, True, b"\x81\x02hithere")


def test_101_is_the_same_however_it_is_cut() -> None:
    for pieces in ways_to_cut(SWITCH):
        heard = hear(pieces, upgrades=True)
        assert (heard.problem, heard.is_complete, heard.surplus, heard.body) == (None, True, False, b"")


@pytest.mark.parametrize(
    "raw",
    [
        SWITCH.replace(b"WebSocket", b"h2c"),
        SWITCH.replace(b"Upgrade: WebSocket\r\n", b""),
        SWITCH.replace(b"Connection: Upgrade\r\n", b""),
        SWITCH.replace(b"Connection: Upgrade", b"Connection: close"),
        SWITCH.replace(b"Upgrade: WebSocket", b"Upgrade: websocket\r\nUpgrade: websocket"),
        SWITCH.replace(b"WebSocket", b"websocket, h2c"),
    ],
)
def test_101_to_anything_else_is_refused_although_websocket_was_asked_for(raw: bytes) -> None:
    for pieces in ways_to_cut(raw):
        assert hear(pieces, upgrades=True).problem is not None


# Whatever comes

NAMES = st.sampled_from([b"X-A", b"x-b", b"Set-Cookie", b"Server", b"Content-Type"])
TEXTS = st.binary(max_size=12).map(lambda raw: bytes(byte for byte in raw if byte > 0x20 and byte != 0x7F))


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, bytes, list[HeaderLine], bool]:
    """A sound response, its body, its own header lines, and whether the end of the connection ends it."""
    lines = draw(st.lists(st.tuples(NAMES, TEXTS), max_size=4))
    parts = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    body = b"".join(parts)
    framing = draw(st.sampled_from(["length", "chunked", "end"]))
    raw = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % line for line in lines)
    if framing == "length":
        raw += b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif framing == "chunked":
        raw += b"Transfer-Encoding: chunked\r\n\r\n" + chunks(*parts) + b"0\r\n\r\n"
    else:
        raw += b"\r\n" + body
    return raw, body, lines, framing == "end"


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(raw) + 1) for place in places} | {0, len(raw)})
    return [raw[start:end] for start, end in itertools.pairwise(at)]


PLACES = st.lists(st.integers(0, 10_000), max_size=8)


@given(responses(), PLACES)
@settings(max_examples=150, deadline=None)
def test_any_sound_response_arrives_however_it_is_cut(
    response: tuple[bytes, bytes, list[HeaderLine], bool], places: list[int]
) -> None:
    raw, body, lines, ends = response
    heard = hear(cut(raw, places), ends=ends)
    assert (heard.problem, heard.body, heard.is_complete, heard.surplus) == (None, body, True, False)
    assert heard.head is not None
    assert [line for line in heard.head.lines if line[0] != b"Content-Length"] == lines


@given(
    responses(),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3),
    PLACES,
)
@settings(max_examples=75, deadline=None)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_any_damaged_response_is_the_same_however_it_is_cut(
    method: str,
    response: tuple[bytes, bytes, list[HeaderLine], bool],
    damages: list[tuple[int, int, bytes]],
    places: list[int],
) -> None:
    damaged = bytearray(response[0])
    for place, gone, instead in damages:
        at = place % (len(damaged) + 1)
        damaged[at : at + gone] = instead
    raw = bytes(damaged)
    whole, bits, some = (hear(pieces, method=method, ends=True) for pieces in ([raw], single(raw), cut(raw, places)))
    assert (whole.problem is None) == (bits.problem is None) == (some.problem is None)
    if whole.problem is None:
        assert whole == bits == some


@given(st.lists(st.binary(max_size=40), max_size=6), st.sampled_from(["GET", "HEAD", "POST"]), st.booleans())
@settings(max_examples=250, deadline=None)
def test_any_bytes_are_a_response_or_refused(pieces: list[bytes], method: str, upgrades: bool) -> None:  # noqa: FBT001 -- hypothesis gives it
    heard = hear(pieces, method=method, ends=True, upgrades=upgrades)
    assert heard.problem is not None or heard.is_complete


# The cases of other tests


def test_what_an_api_says_that_is_passed_on_untouched_is_the_same_however_it_is_cut() -> None:
    heads = {}
    for row in ROWS:
        for request, reply in zip(row.requests, row.replies, strict=True):
            raw = reply.first + reply.data
            heads[request.method, raw[:SPLIT_EVERYWHERE], len(raw)] = (request.method, raw, reply.closes)
    assert len(heads) > 50
    for method, raw, closes in heads.values():
        for pieces in ways_to_cut(raw, most=100):
            heard = hear(pieces, method=method, ends=closes)
            assert (heard.problem, heard.is_complete, heard.surplus) == (None, True, False)


def test_what_providers_said_is_the_same_however_it_is_cut() -> None:
    files = sorted(RESPONSES.glob("*.json"))
    assert files
    for file in files:
        said = json.loads(file.read_text())
        if "headers" not in said:
            continue
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said["headers"]]
        lines = [line for line in lines if line[0].lower() not in (b"content-length", b"transfer-encoding")]
        for framing, body in ((b"Content-Length: 9", b"x" * 9), (b"Transfer-Encoding: chunked", chunked(b"x" * 9))):
            raw = response_bytes(said["status"], b"Said", [*lines, tuple(framing.split(b": "))], body)  # type: ignore[list-item]
            for method in ("GET", "HEAD"):
                for pieces in ways_to_cut(raw, most=100):
                    heard = hear(pieces, method=method)
                    assert (heard.problem, heard.is_complete, heard.surplus) == (None, True, method == "HEAD")


# What is held


def test_what_is_taken_is_held_no_longer() -> None:
    reader = ResponseReader("GET", accepts_upgrade=False)
    assert repr(reader) == "<ResponseReader reading, 0 bytes held>"
    reader.receive(OK)
    assert repr(reader) == f"<ResponseReader complete, status 200, {len(OK)} bytes held>"
    assert (reader.has_begun, reader.has_parts) == (True, True)
    assert reader.take() == b"ok"
    assert (reader.take(), reader.held, reader.has_parts) == (b"", 0, False)


def test_an_interim_response_is_told_with_the_piece_it_came_in_alone() -> None:
    reader = ResponseReader("GET", accepts_upgrade=False)
    reader.receive(INTERIM + OK[:-1])
    assert [one.status for one in reader.interims] == [103]
    reader.receive(b"k")
    assert reader.interims == ()
    assert reader.is_complete
