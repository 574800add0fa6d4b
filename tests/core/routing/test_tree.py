"""The tree of patterns finds for a path what looking at each pattern finds, and costs no more for many of them."""

import itertools
import random
import time

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.routing import tree
from gateway.core.routing.pattern import Pattern, parse_pattern
from gateway.core.routing.place import Named, Place
from gateway.core.routing.route import compile_route
from gateway.core.routing.tree import Tree


def tree_of(*paths: str) -> Tree:
    named = [Named(compile_route(RouteSection(path=path)), parse_pattern(path)) for path in paths]
    return Tree([one.pattern for one in named], place_of=lambda found: Place([named[index] for index in found], {}))


def walked(made: Tree, *segments: str) -> list[str]:
    return [one.route.name for one in made.walk(segments)[0].named]


def fits(pattern: Pattern, path: tuple[str, ...]) -> bool:
    if len(path) < len(pattern.segments) if pattern.below else len(path) != len(pattern.segments):
        return False
    return all(own == is_ if own is not None else is_ != "" for own, is_ in zip(pattern.segments, path, strict=False))


def test_a_variable_is_any_segment_that_is_not_empty() -> None:
    made = tree_of("/users/{id}", "/users/me", "/users/{id}/orders/*", "/{any}/me")
    assert walked(made, "users", "7") == ["/users/{id}"]
    assert walked(made, "users", "me") == ["/users/{id}", "/users/me", "/{any}/me"]
    assert walked(made, "x", "me") == ["/{any}/me"]
    assert walked(made, "users", "7", "orders", "1", "2") == ["/users/{id}/orders/*"]
    assert walked(made, "users", "7", "orders") == ["/users/{id}/orders/*"]
    assert walked(made, "users", "") == walked(made, "users") == walked(made, "users", "7", "x") == []
    assert walked(made) == []


def test_it_finds_what_looking_at_each_pattern_finds() -> None:
    chance = random.Random(7)
    pieces = ["a", "b", "{v}", "{w}"]
    for _ in range(25):
        paths = sorted(
            {
                "/" + "/".join(chance.choice(pieces) for _ in range(chance.randrange(4))) + chance.choice(["", "/*"])
                for _ in range(chance.randrange(1, 9))
            }
        )
        paths = [path.replace("//", "/") for path in paths]
        made = tree_of(*paths)
        for length in range(5):
            for path in itertools.product(("a", "b", "c", ""), repeat=length):
                expected = [own for own in paths if fits(parse_pattern(own), path)]
                assert walked(made, *path) == expected


def costly(count: int) -> list[str]:
    """Patterns each with one literal in another place: a path may be on any of 2 ** count ways."""
    return ["/" + "/".join("a" if place == own else f"{{v{place}}}" for place in range(count)) for own in range(count)]


def seconds_for(made: Tree, paths: list[tuple[str, ...]]) -> float:
    started = time.process_time()
    for path in paths:
        made.walk(path)
    return (time.process_time() - started) / len(paths)


def test_patterns_and_paths_made_to_cost_much_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    made = tree_of(*costly(20))
    made._most = 200
    paths = [tuple(chance.choice("ab") for _ in range(20)) for _ in range(40)]
    assert seconds_for(made, paths) < 0.05
    assert len(made._states) <= 200
    for path in paths:
        assert walked(made, *path) == [own for own in costly(20) if fits(parse_pattern(own), path)]
    assert tree.MAX_STATES == 10_000


def test_all_ways_of_ten_literals_and_variables_are_bounded_too() -> None:
    made = tree_of(*("/" + "/".join(way) for way in itertools.product(("a", "{v}"), repeat=9)))
    hostile = [tuple("a" * 9), tuple("b" * 9), tuple("ab" * 4 + "a"), ("a",) * 8 + ("b",), ("a",) * 256]
    for path in hostile:
        made.walk(path)
    assert len(made.walk(("a",) * 9)[0].named) == 512
    assert seconds_for(made, hostile * 20) < 0.005
