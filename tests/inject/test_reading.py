import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inject.reading import Unfit, compose, plain, render_first, shared


def read(text: str) -> object:
    (root,) = compose(text)
    return plain(root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes\nb: Off\nc: n\n", {"a": True, "b": False, "c": False}),
        ("a: 010\nb: 0x1F90\nc: 8_080\nd: -7\ne: 0b11\n", {"a": 8, "b": 8080, "c": 8080, "d": -7, "e": 3}),
        (
            "a: ~\nb:\nc: 1.5\nd: 2001-01-01\ne: '010'\n",
            {"a": None, "b": None, "c": 1.5, "d": "2001-01-01", "e": "010"},
        ),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("on: 1\nyes: 2\n404: 3\n", {"on": 1, "yes": 2, "404": 3}),
        ('{\n\t"a": [1,\t"x\\ty"]\n}', {"a": [1, "x\ty"]}),
    ],
)
def test_values_are_read_as_kubectl_reads_them(text: str, value: object) -> None:
    assert read(text) == value


def test_documents_that_are_empty_are_none() -> None:
    assert compose("---\n# nothing\n---\n---\na: 1\n")[0].value
    assert len(compose("---\n---\na: 1\n...\nb: 2\n")) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is not valid YAML at line 11"),
        ("{{- if .Values.x }}\na: 1\n{{- end }}\n", "it is a template, render it first"),
        ("a: b: c", "is not valid YAML at line 11"),
        ("[" * 2000, "is nested too deep"),
        ("{a: " * 2000, "is nested too deep"),
        ("- " * 2000, "is nested too deep"),
        ("a: \x00", "is not valid YAML"),
    ],
)
def test_what_is_no_yaml_is_said_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        compose(text, line=10)


def test_brackets_are_read_as_deep_as_anybody_writes_them() -> None:
    assert read("[" * 250 + "]" * 250)
    assert read(f"a: {'[' * 100}{']' * 100}\nb: '{'[' * 2000}'\n")


def test_a_text_that_is_read_again_is_what_it_was() -> None:
    text = "a: {b: [1, 2]}\n---\nc: d\n"
    first = [plain(root) for root in compose(text)]
    first[0]["a"]["b"].append(3)
    compose(text).pop()
    assert [plain(root) for root in compose(text)] == [{"a": {"b": [1, 2]}}, {"c": "d"}]
    for line in (0, 10):
        with pytest.raises(Unfit, match=f"at line {line + 1}"):
            compose("a: [", line=line)


def test_a_key_that_is_no_name_may_come_from_a_template() -> None:
    with pytest.raises(Unfit, match="render it first"):
        read("a: {{ .Values.x }}\n")


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 1\n", '{"a": 1, "b": 2,\n\n"\\u0061": 3}', "x:\n- c: 1\n  c: 2\n"])
def test_a_key_twice_is_refused_with_its_line(text: str) -> None:
    (root,) = compose(text)
    with pytest.raises(Unfit, match=r"has a key twice at line 13: '[ac]'"):
        plain(root, line=10)


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(Unfit, match="more than"):
        read("\n".join(lines))


def test_what_stands_in_several_places_is_known() -> None:
    (root,) = compose("a: &x {b: 1}\nc: *x\nd: {b: 1}\n")
    assert len(shared(root)) == 1


def test_a_template_is_told_by_its_braces() -> None:
    assert "helm template" in render_first("{{ x }}")
    assert render_first("{ x }") == ""


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=80))
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    try:
        for root in compose(text):
            plain(root)
    except Unfit:
        pass
