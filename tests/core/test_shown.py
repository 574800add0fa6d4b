import pytest

from gateway.core.shown import near_miss, shown


def test_evidence_shows_a_value_short_and_escaped() -> None:
    assert shown("a\r\nü") == r"'a\r\n\xfc'"
    assert shown("x" * 78) == "'" + "x" * 78 + "'"
    assert shown("x" * 79) == "'" + "x" * 79 + "..."
    assert len(shown(["x" * 100_000])) == 83


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        ("https://a.example/b/", "the slash at the end"),
        ("https://A.example/b", "capital letters"),
        ("http://a.example/b", "http and https"),
        ("https://a.example:443/b", "a port that is the usual one"),
        ("https://a.example:80/b", None),
        ("https://a.example/c", None),
        ("xhttps://a.example/b", None),
        ("b", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_what_alone_keeps_a_text_from_being_the_wanted_one_is_said(found: object, difference: str | None) -> None:
    said = "" if difference is None else f"; they differ by {difference}"
    assert near_miss(["x", found], ["y", "https://a.example/b"]) == said


def test_the_usual_port_of_plain_http_is_none_either() -> None:
    assert near_miss(["http://a.example"], ["http://a.example:80"]) == "; they differ by a port that is the usual one"


def test_a_stranger_has_no_more_than_twenty_texts_compared() -> None:
    assert near_miss(["x"] * 20 + ["A"], ["a"]) == ""
    assert near_miss(["x"] * 19 + ["A"], ["a"]) == "; they differ by capital letters"


def test_a_text_that_is_much_longer_than_what_is_wanted_is_compared_with_nothing() -> None:
    assert near_miss(["https://a.example" + "/" * 16], ["https://a.example"]) != ""
    assert near_miss(["https://a.example" + "/" * 17], ["https://a.example"]) == ""
    assert near_miss(["x"], []) == ""
