"""A path that is not written as paths are written here is told how it is."""

import pytest

from gateway.core.checks.route_paths import path_problems
from gateway.core.config.routes import RouteSection


def told(path: str) -> list[str]:
    found = list(path_problems(RouteSection(path=path), ignore_case=False))
    assert {key for key, _ in found} <= {"path"}
    return [sentence for _, sentence in found]


@pytest.mark.parametrize(
    "path",
    ["/", "/*", "/{id}", "/{id}/*", "/a/{b}/c/{d}/", "/{_}", "/{A1_b}", "/a:b", "/v1/x:cancel", "/%7Bid%7D", "/%3Aid"],
)
def test_a_variable_is_a_segment_in_braces(path: str) -> None:
    assert told(path) == []


BRACES = "must have braces around a whole segment, with a name of letters, digits and _ in them, such as {id}; "


@pytest.mark.parametrize(
    "segment",
    ["a{id}", "{id}b", "a{id}b", "{id", "id}", "{}", "{{id}}", "{a}{b}", "{a-b}", "{1a}", "{a b}", "{\u00fc}", "{id:[0-9]+}", "}a{"],
)  # fmt: skip
@pytest.mark.parametrize("around", ["/%s", "/a/%s/b", "/%s/*"])
def test_braces_are_around_a_whole_segment(segment: str, around: str) -> None:
    (sentence,) = told(around % segment)
    assert sentence.startswith(BRACES)


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        (":id", "id"), (":id?", "id"), (":id(\\d+)", "id"), ("<id>", "id"), ("<int:user_id>", "user_id"), ("[slug]", "slug"),
        ("$id", "id"), ("{id:int}", "id"),
    ],
)  # fmt: skip
def test_a_variable_as_others_write_it_is_told_the_right_spelling(segment: str, name: str) -> None:
    for path in (f"/{segment}", f"/a/{segment}/b", f"/{segment}/*"):
        (sentence,) = told(path)
        assert sentence.startswith(f"has {segment}, which means nothing here")
        assert sentence.endswith(f"is written {{{name}}}")


@pytest.mark.parametrize(
    "segment",
    ["**", "<path:rest>", "[...rest]", "{rest...}", "{rest*}", "{*rest}", "{**rest}", "{rest:path}", "*rest", ":rest*"],
)
def test_everything_below_as_others_write_it_is_told_the_right_spelling(segment: str) -> None:
    end = "everything below a path is written /* at its end"
    assert told(f"/a/{segment}") == [f"has {segment}, which means nothing here: {end}"]
    (middle,) = told(f"/a/{segment}/b")
    assert middle.endswith(f"{end}, and {{name}} for one segment before that")


@pytest.mark.parametrize(
    ("path", "sentences"),
    [
        ("/{a}/{a}", ["has the variable {a} twice: each needs a name of its own"]),
        ("/{b}/{a}/{b}/{a}", ["has the variable {a} twice: each needs a name of its own"]),
        ("/a?b", ["must not have a query: routes are matched on paths"]),
        ("/:id?x=1", ["must not have a query: routes are matched on paths"]),
        ("/{a}?b", ["must not have a query: routes are matched on paths"]),
        ("/*/*/b", ["may have a * as its last segment only: one segment in the middle is written {name}"]),
        ("/a*/**", ["may have a * as its last segment only: /orders/* is /orders and all below it", "has **, which means nothing here: everything below a path is written /* at its end"]),
        ("/{a}//b", ["could never match, since such requests are refused: the path has an empty segment"]),
        ("/" + ":x" * 40, []),
    ],
)  # fmt: skip
def test_every_mistake_is_told_once(path: str, sentences: list[str]) -> None:
    assert told(path) == sentences


def test_a_prefix_may_have_variables_too() -> None:
    route = RouteSection(path="/{a}/b/*", strip_prefix="/{x}/b")
    assert list(path_problems(route, ignore_case=False)) == []
    wrong = RouteSection(path="/{a}/b/*", strip_prefix="/x")
    assert [key for key, _ in path_problems(wrong, ignore_case=False)] == ["strip_prefix"]
