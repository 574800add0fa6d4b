"""Lengths of bodies, as both sides read them."""

import pytest

from gateway.relay.http1.framing import MAX_LENGTH, parse_length


@pytest.mark.parametrize(
    ("digits", "length"),
    [
        (b"0", 0),
        (b"000", 0),
        (b"7", 7),
        (b"0" * 25 + b"7", 7),
        (b"0" * 10_000 + b"7", 7),
        (b"%d" % MAX_LENGTH, MAX_LENGTH),
        (b"00%d" % MAX_LENGTH, MAX_LENGTH),
    ],
)
def test_a_length_is_a_number_with_or_without_zeros_in_front(digits: bytes, length: int) -> None:
    assert parse_length(digits) == length


@pytest.mark.parametrize(
    "digits",
    [
        *(
            b"",
            b" ",
            b"+7",
            b"-7",
            b"7 ",
            b" 7",
            b"7,7",
            b"0x7",
            b"7.0",
            b"1_0",
            b"\xb2",
            "\u0667".encode(),
            b"1" * 5000,
        ),
        b"%d" % (MAX_LENGTH + 1),
        b"%d" % (1 << 64),
    ],
)
def test_what_readers_disagree_on_is_no_length(digits: bytes) -> None:
    with pytest.raises(ValueError, match="no number up to 2"):
        parse_length(digits)
