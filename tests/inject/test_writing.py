import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inject.reading import compose, plain
from gateway.inject.writing import block, document, entry, flow, item, key_text

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x85\ufeff", exclude_categories=["Cs"]), max_size=12)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9999, 9999) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,8}|on|y|1\.5|~", fullmatch=True), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def test_text_is_quoted_and_numbers_are_not() -> None:
    written = ["a:", '  b: "on"', "  c: 8080", "  d: true", "e:", '  - "x"', "  - f: {}", '    g: "1"']  # fmt: skip
    assert block({"a": {"b": "on", "c": 8080, "d": True}, "e": ["x", {"f": {}, "g": "1"}]}, 0) == written


def test_members_stand_behind_their_dash() -> None:
    assert item({"a": 1, "b": [2]}, 4) == ["    - a: 1", "      b:", "        - 2"]
    assert item([1, [2]], 0) == ["- - 1", "  - - 2"]
    assert entry("a", [], 2) == ["  a: []"]


@pytest.mark.parametrize(
    ("name", "text"), [("name", "name"), ("a.b/c", "a.b/c"), ("on", '"on"'), ("1", '"1"'), ("", '""')]
)
def test_keys_that_mean_something_else_are_quoted(name: str, text: str) -> None:
    assert key_text(name) == text


def test_a_file_stands_in_a_document_as_it_is() -> None:
    text = document({"kind": "ConfigMap", "data": {"gateway.yaml": "a:\n  - b\n\nc: 1\n", "odd": " x\n"}})
    assert text == 'kind: "ConfigMap"\ndata:\n  gateway.yaml: |\n    a:\n      - b\n\n    c: 1\n  odd: " x\\n"'


@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_what_is_written_in_block_style_is_read_again(value: Any) -> None:
    (root,) = compose("\n".join(entry("top", value, 0)))
    assert plain(root) == {"top": value}


@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_what_is_written_in_brackets_is_json(value: Any) -> None:
    assert json.loads(flow(value)) == value
    (root,) = compose(f"top: {flow(value)}")
    assert plain(root) == {"top": value}


@settings(max_examples=30, deadline=None)
@given(TEXT.map(lambda text: text + "\n"))
def test_a_file_is_read_again_whatever_it_holds(text: str) -> None:
    (root,) = compose(document({"data": {"file": text}}) + "\n")
    assert plain(root) == {"data": {"file": text}}
