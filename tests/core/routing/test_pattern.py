"""What the path of a route names: segments, variables, and perhaps everything below."""

import itertools

import pytest

from gateway.core.routing.pattern import Covering, Pattern, is_within, parse_pattern, variables_of


@pytest.mark.parametrize(
    ("path", "segments", "below"),
    [
        ("/", (), False),
        ("/*", (), True),
        ("/{id}", (None,), False),
        ("/{id}/", (None,), False),
        ("/{id}/*", (None,), True),
        ("/a/{b}/c%20d/{e}", ("a", None, "c d", None), False),
        ("/%7Bid%7D", ("{id}",), False),
        ("/x", ("x",), False),
    ],
)
def test_a_variable_is_a_segment_that_may_be_anything(
    path: str, segments: tuple[str | None, ...], *, below: bool
) -> None:
    assert parse_pattern(path) == (segments, below)


def test_variables_are_found_by_name_where_they_stand() -> None:
    assert variables_of("/a/{b}/c/{d_1}/*") == {"b": 1, "d_1": 3}
    assert variables_of("/a/%7Bb%7D/{c}d") == {}
    assert parse_pattern("/A/{B}", ignore_case=True) == (("a", None), False)


PATHS = [
    "/",
    "/*",
    "/a",
    "/a/*",
    "/{x}",
    "/{x}/*",
    "/a/b",
    "/a/{x}",
    "/{x}/b",
    "/{x}/{y}",
    "/a/b/*",
    "/{x}/b/*",
    "/a/{x}/*",
]


def named(pattern: Pattern) -> set[tuple[str, ...]]:
    """The paths of up to four segments that it names, of segments that matter."""
    own = pattern.segments
    return {
        path
        for length in range(5)
        for path in itertools.product("abz", repeat=length)
        if length == len(own) or (pattern.below and length > len(own))
        if all(named is None or named == is_ for named, is_ in zip(own, path, strict=False))
    }


@pytest.mark.parametrize("one", PATHS)
def test_a_pattern_is_within_another_when_that_names_all_it_names(one: str) -> None:
    covering = Covering()
    for number, path in enumerate(PATHS):
        covering.add(number, parse_pattern(path))
    inside = [path for path in PATHS if is_within(parse_pattern(one), parse_pattern(path))]
    assert inside == [path for path in PATHS if named(parse_pattern(one)) <= named(parse_pattern(path))]
    assert [PATHS[number] for number, _ in covering.find(parse_pattern(one))] == inside
