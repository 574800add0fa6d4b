import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.section import Seconds, Size
from gateway.core.config.units import MAX_SECONDS, MAX_SIZE, parse_seconds, parse_size

NO_NUMBERS: tuple[object, ...] = (True, False, None, [], {}, b"30s")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("250ms", 0.25), ("30s", 30), ("5m", 300), ("24h", 86400), ("1.5m", 90), ("0.1s", 0.1), ("30", 30), ("0s", 0),
        (30, 30), (0, 0), (0.5, 0.5), (MAX_SECONDS, MAX_SECONDS), ("87600h", MAX_SECONDS),
    ],
)  # fmt: skip
def test_a_duration_is_one_number_and_a_unit_or_plain_seconds(value: object, seconds: float) -> None:
    parsed = parse_seconds(value)
    assert type(parsed) is Seconds
    assert parsed == pytest.approx(seconds, abs=0)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        *((text, "must be a duration") for text in ("", "s", "30 s", "1h30m", "30S", "30sec", "1e3", "+1s", "٣s", ".5s", "1.s", "inf", "nan", "30\n", " 30s", "9" * 16)),
        *((value, "must be a duration") for value in NO_NUMBERS),
        *((value, "finite") for value in (math.nan, math.inf, -math.inf)),
        *((value, "negative") for value in ("-1s", "-", -1, -0.001)),
        *((value, "ten years") for value in (MAX_SECONDS + 1, 10**400, 1e300, "87601h")),
    ],
)  # fmt: skip
def test_anything_else_is_no_duration(value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_seconds(value)


@pytest.mark.parametrize(
    ("value", "size"),
    [("512B", 512), ("16KiB", 16384), ("1MiB", 1 << 20), ("1GiB", 1 << 30), ("1.5KiB", 1536), ("7", 7), (7, 7), (0, 0), ("1024GiB", MAX_SIZE)],
)  # fmt: skip
def test_a_size_is_one_number_and_a_unit_or_plain_bytes(value: object, size: int) -> None:
    parsed = parse_size(value)
    assert type(parsed) is Size
    assert parsed == size


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        *((text, "must be a size") for text in ("", "KiB", "16 KiB", "16KB", "16kib", "16K", "16k", "1KiB1B", "1e3")),
        *((value, "must be a size") for value in (*NO_NUMBERS, 1.0, math.nan)),
        *((value, "negative") for value in ("-1B", -1)),
        *((value, "1024GiB") for value in (MAX_SIZE + 1, 10**400, "1025GiB")),
        *((value, "whole number of bytes") for value in ("0.5B", "1.0001KiB")),
    ],
)  # fmt: skip
def test_anything_else_is_no_size(value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_size(value)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans())
def test_whatever_is_parsed_is_within_bounds_or_refused(value: object) -> None:
    for parse, most in ((parse_seconds, MAX_SECONDS), (parse_size, MAX_SIZE)):
        try:
            parsed = parse(value)
        except ValueError:
            continue
        assert 0 <= parsed <= most
