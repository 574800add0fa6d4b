"""Where frames end, however they are cut: what is followed is what websockets, a library of others, wrote."""

import random

import pytest
from websockets.frames import Close, Frame, Opcode

from gateway.relay.frames import GOING_AWAY, MOST, Frames, close_frame


def frame(size: int, *, opcode: Opcode = Opcode.BINARY, mask: bool = False, fin: bool = True) -> bytes:
    return Frame(opcode, b"x" * size, fin=fin).serialize(mask=mask)


#: of every length that has a form of its own, and one that is only a part of a message
SIZES = (0, 1, 125, 126, 127, 65535, 65536, 70000)


def test_none_has_come() -> None:
    assert Frames().is_between
    assert repr(Frames()) == "<Frames between two>"


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_a_frame_ends_with_its_last_byte(size: int, *, mask: bool) -> None:
    whole = frame(size, mask=mask)
    for at in {1, 2, 3, 5, 9, len(whole) - 1} & set(range(1, len(whole))):
        frames = Frames()
        assert frames.follow(whole[:at]) == at
        assert not frames.is_between
        assert frames.follow(whole[at:]) == len(whole) - at
        assert frames.is_between


def test_frames_in_pieces_of_any_size_are_followed() -> None:
    chance = random.Random(7)
    for _ in range(50):
        written = [frame(chance.choice(SIZES[:5]), mask=chance.random() < 0.3) for _ in range(40)]
        ends = {sum(map(len, written[: count + 1])) for count in range(len(written))}
        stream, at, frames = b"".join(written), 0, Frames()
        while at < len(stream):
            piece = stream[at : at + chance.choice((1, 2, 3, 7, 130, 1000))]
            assert frames.follow(piece) == len(piece)
            at += len(piece)
            assert frames.is_between == (at in ends)


def test_the_first_end_in_a_piece_is_found() -> None:
    chance = random.Random(8)
    for _ in range(200):
        written = [frame(chance.choice(SIZES[:5])) for _ in range(4)]
        stream = b"".join(written)
        ends = [sum(map(len, written[: count + 1])) for count in range(len(written))]
        begun = chance.randrange(1, len(stream))
        if begun in ends:
            continue
        frames = Frames()
        frames.follow(stream[:begun])
        followed = frames.follow(stream[begun:], to_end=True)
        assert frames.is_between
        assert begun + followed == next(end for end in ends if end > begun)


def test_without_an_end_all_of_a_piece_is_followed() -> None:
    frames = Frames()
    whole = frame(1000)
    frames.follow(whole[:1])
    assert frames.follow(whole[1:500], to_end=True) == 499
    assert not frames.is_between
    assert frames.follow(whole[500:] + b"\x82", to_end=True) == len(whole) - 500
    assert frames.is_between


def test_behind_a_close_nobody_may_say_anything() -> None:
    frames = Frames()
    frames.follow(frame(3) + Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=False))
    assert not frames.is_between
    assert frames.follow(b"anything", to_end=True) == 8
    assert repr(frames) == "<Frames lost>"


def test_a_flood_of_empty_frames_is_not_counted_to_its_end() -> None:
    frames = Frames()
    frames.follow(frame(0) * MOST)
    assert frames.is_between
    assert frames.follow(frame(0) * (MOST + 1)) == 2 * (MOST + 1)
    assert frames.is_lost


def test_a_length_beyond_measure_is_no_end() -> None:
    frames = Frames()
    frames.follow(b"\x82\x7f" + b"\xff" * 8 + b"x" * 100)
    assert not frames.is_between


def test_what_a_client_is_told_is_a_close_that_others_read() -> None:
    close = Close.parse(GOING_AWAY[2:])
    assert (GOING_AWAY[0], GOING_AWAY[1]) == (0x88, len(GOING_AWAY) - 2)
    assert (close.code, close.reason) == (1001, "The gateway is stopping")


@pytest.mark.parametrize(("reason", "told"), [("token_revoked", "token_revoked"), ("", ""), ("x" * 200, "x" * 123)])
def test_a_reason_is_cut_where_a_control_frame_ends(reason: str, told: str) -> None:
    frame = close_frame(1008, reason)
    close = Close.parse(frame[2:])
    assert (close.code, close.reason, frame[0], frame[1]) == (1008, told, 0x88, len(frame) - 2)
    assert frame[1] <= 125
