"""What strangers write: JSON values, and text with the characters that have a meaning somewhere."""

from typing import Any

from hypothesis import strategies as st

#: characters that end lines, separate, escape or nest somewhere, among all others
TEXT = st.text(
    st.one_of(st.sampled_from(' ,%\r\n\t\x00\x7f\\"{}[]/~.:=é€😀\u2028'), st.characters(codec="utf-8")), max_size=30
)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(0, 4_000_000_000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([10**300, -(10**300), 253_402_300_799, 253_402_300_800, 1e300, -0.0, 5e-324]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


def objects(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any values under these names, and under others."""
    return st.dictionaries(st.one_of(st.sampled_from(names), TEXT), VALUES, max_size=8)
