from typing import Any

import pytest

from gateway.core.token.payload import Extent, payload_of

CLAIMS: dict[str, Any] = {
    "sub": "alice",
    "n": 5,
    "flag": True,
    "none": None,
    "roles": ["admin", "clerk", 7],
    "nested": {"a": {"b": ["a rather long text"]}},
}


def test_only_what_is_named_is_kept() -> None:
    assert payload_of(CLAIMS, None).claims == CLAIMS
    assert payload_of(CLAIMS, frozenset({"sub", "other"})).claims == {"sub": "alice"}
    assert payload_of(CLAIMS, frozenset()).claims == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1 << 63) - 1, (1 << 63) - 1),
        (-(1 << 63), -(1 << 63)),
        (1 << 63, float(1 << 63)),
        (-(1 << 63) - 1, float(-(1 << 63) - 1)),
        (10**300, 1e300),
        ([{"a": 1 << 64}], [{"a": float(1 << 64)}]),
        (True, True),
        (1.5, 1.5),
    ],
)
def test_an_integer_beyond_64_bits_is_a_double(value: Any, expected: Any) -> None:
    found = payload_of({"x": value}, None).claims["x"]
    assert found == expected
    assert type(found) is type(expected)


def test_how_much_there_is_is_counted() -> None:
    payload = payload_of(CLAIMS, None)
    assert payload.extent == Extent(members=6 + 3 + 1 + 1 + 1, longest=18)
    assert payload_of({"a long name of a claim": []}, None).extent == Extent(1, 22)
    assert payload_of({}, None).extent == Extent(0, 0)
    assert Extent(1, 5).beside(Extent(2, 3)) == Extent(3, 5)


def test_what_it_takes_in_memory_is_not_less_than_its_text() -> None:
    small, large = payload_of({"a": "x"}, None), payload_of({"a": ["x" * 1000] * 10}, None)
    assert small.size >= 2
    assert large.size >= small.size + 9_999
    assert repr(large) == f"Payload(1 claims, {large.size} bytes)"
