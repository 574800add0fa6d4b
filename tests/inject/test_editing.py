import pytest

from gateway.inject.editing import Edits
from gateway.inject.reading import Unfit
from tests.inject.manifests import editor


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a: 1  # one\nb: 2\n", 'a: "x"  # one\nb: 2\n'),
        ("a:\nb: 2\n", 'a: "x"\nb: 2\n'),
        ("a:   'one'\n", 'a: "x"\n'),
        ("a: |\n  one\n  two\nb: 2\n", 'a: "x"\nb: 2\n'),
        ('{"a":1,"b":2}', '{"a": "x","b":2}'),
        ("a: 1", 'a: "x"'),
    ],
)
def test_a_value_is_replaced_and_nothing_else(text: str, after: str) -> None:
    edits, one = editor(text)
    one.set(("a",), "x")
    assert edits.applied() == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("m:\n  a: 1   # one\n  # more\nz: 1\n", "m:\n  a: 1   # one\n  more: 2\n  # more\nz: 1\n"),
        ("m:\n    a:\n    - x\n\nz: 1\n", "m:\n    a:\n    - x\n    more: 2\n\nz: 1\n"),
        ("m: {a: 1, }\n", 'm: {a: 1, "more": 2, }\n'),
        ("m:\n  a: |+\n    x\n\nz: 1\n", "m:\n  a: |+\n    x\n\n  more: 2\nz: 1\n"),
        ("m:\n  a: 1", "m:\n  a: 1\n  more: 2"),
        ("m:\r\n  a: 1\r\nz: 1\r\n", "m:\r\n  a: 1\r\n  more: 2\r\nz: 1\r\n"),
        ("m:\n  a:\n  -\n", "m:\n  a:\n  -\n  more: 2\n"),
    ],
)
def test_a_member_comes_behind_the_last(text: str, after: str) -> None:
    edits, one = editor(text)
    one.add(("m",), {"more": 2})
    assert edits.applied() == after


@pytest.mark.parametrize(
    ("text", "more", "less"),
    [
        ("a:\n  - # one - two-\n    x: 1\n", 'a:\n  - # one - two-\n    x: 1\n  - "y"\n', "a:\n"),
        (
            "a:\n-  # one\n\n  # - two\n  x: 1\nb: 2\n",
            'a:\n-  # one\n\n  # - two\n  x: 1\n- "y"\nb: 2\n',
            "a:\nb: 2\n",
        ),
        ("a:\n- x # p-q\n# r-s\n-\n", 'a:\n- x # p-q\n# r-s\n-\n- "y"\n', "a:\n# r-s\n-\n"),
        ("a: &b-c\r\n  - # d\r\n    x\r\n", 'a: &b-c\r\n  - # d\r\n    x\r\n  - "y"\r\n', "a: &b-c\r\n"),
    ],
)
def test_a_hyphen_in_a_comment_is_no_dash(text: str, more: str, less: str) -> None:
    edits, one = editor(text)
    one.add(("a",), ["y"])
    assert edits.applied() == more
    edits, one = editor(text)
    one.remove(("a", "0"))
    assert edits.applied() == less


def test_a_list_goes_on_where_its_dashes_stand() -> None:
    edits, one = editor("a:\n- x: 1\n  y: 2\nb: [1]\n")
    one.add(("a",), [{"z": 3}])
    one.add(("b",), [{"z": 3}])
    assert edits.applied() == 'a:\n- x: 1\n  y: 2\n- z: 3\nb: [1, {"z": 3}]\n'


def test_of_several_insertions_at_one_place_the_deepest_comes_first() -> None:
    edits, one = editor("a:\n- x:\n  - 1\n")
    one.add((), {"b": 2})
    one.add(("a",), [3])
    one.add(("a", "0", "x"), [4])
    assert edits.applied() == "a:\n- x:\n  - 1\n  - 4\n- 3\nb: 2\n"


@pytest.mark.parametrize(
    ("text", "pointer", "after"),
    [
        ("a: 1\nb:\n  c: 2  # two\n# end\n", ("b",), "a: 1\n# end\n"),
        ("a: 1\nb: 2", ("b",), "a: 1"),
        ("a: 1\nb: 2\n", ("a",), "b: 2\n"),
        ("l:\n- a: 1\n  b: 2\n", ("l", "0", "a"), "l:\n- b: 2\n"),
        ("l:\n- a: 1\n", ("l", "0", "a"), "l:\n- {}\n"),
        ("l:\n- name: x\n  b: 1\n- name: y\n", ("l", "name=x"), "l:\n- name: y\n"),
        ("l: [1, 2, 3]\n", ("l", "1"), "l: [1, 3]\n"),
        ("l: [1, 2]\n", ("l", "0"), "l: [2]\n"),
        ("l: {a: 1}\n", ("l", "a"), "l: {}\n"),
        ("a: 1\r\nb: 2\r\nc: 3\r\n", ("b",), "a: 1\r\nc: 3\r\n"),
    ],
)
def test_a_member_goes_with_its_lines(text: str, pointer: tuple[str, ...], after: str) -> None:
    edits, one = editor(text)
    one.remove(pointer)
    assert edits.applied() == after


def test_a_key_is_replaced_with_its_value() -> None:
    edits, one = editor("p:\n  tcpSocket:\n    port: 1\n  x: 1\nq: {tcpSocket: {port: 1}}\n")
    assert one.entry_source(("p", "tcpSocket")) == (2, "tcpSocket:\n    port: 1")
    one.set_entry(("p", "tcpSocket"), "httpGet", {"port": 2})
    one.set_entry(("q", "tcpSocket"), "httpGet", {"port": 2})
    assert edits.applied() == 'p:\n  httpGet:\n    port: 2\n  x: 1\nq: {"httpGet": {"port": 2}}\n'


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("a: &x {b: 1}\nc: *x\n", ("a", "b")),
        ("a: &x {b: 1}\nc: *x\n", ("c", "b")),
        ("a: &x 1\nc: *x\n", ("a",)),
        ("a: &x {b: 1}\nc: {<<: *x}\n", ("c", "b")),
    ],
)
def test_what_stands_elsewhere_too_is_not_changed(text: str, pointer: tuple[str, ...]) -> None:
    edits, one = editor(text)
    with pytest.raises(Unfit, match="write it"):
        one.set(pointer, 2)
    assert edits.applied() == text


def test_what_ends_with_an_alias_is_not_added_to() -> None:
    _, one = editor("a: &x 1\nm:\n  c: *x\n")
    with pytest.raises(Unfit, match="alias"):
        one.add(("m",), {"more": 1})


def test_nothing_is_found_where_nothing_is() -> None:
    _, one = editor("a: {b: [1]}\n")
    assert one.find(("a", "c")) is None
    assert one.find(("a", "b", "1")) is None
    assert one.find(("a", "b", "0", "x")) is None
    assert one.find(()) is None


def test_two_changes_at_one_place_are_none() -> None:
    edits = Edits("abc")
    edits.replace(0, 2, "x")
    edits.replace(1, 3, "y")
    with pytest.raises(Unfit, match="two changes"):
        edits.applied()
