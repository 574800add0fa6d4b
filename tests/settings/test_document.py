import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.words import ConfigProblem
from gateway.settings.document import Document, UnreadableDocument, parse_document

LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{one}: &{one} [{','.join([f'*{other}'] * 9)}]\n" for other, one in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize("text", ["", "\n", "---\n", "# nothing yet\n", "~"])
def test_an_empty_document_is_an_empty_mapping(text: str) -> None:
    assert parse_document(text) == Document({}, {}, ())


def test_values_are_those_of_yaml_1_2() -> None:
    text = "a: yes\nb: 1:30\nc: 2024-01-01\nd: =\ne: 010\nf: true\ng: null\nh: 1.5\ni: '5'\n404: x\nnull: y\n<<: z"
    assert parse_document(text).values == {
        "a": "yes", "b": "1:30", "c": "2024-01-01", "d": "=", "e": 10, "f": True, "g": None, "h": 1.5, "i": "5",
        "404": "x", "null": "y", "<<": "z",
    }  # fmt: skip


def test_every_key_and_element_knows_its_line() -> None:
    text = "%YAML 1.2\n---\nissuers:\n  - issuer: a\n    audience: [b,\n      c]\nidentity_headers: {X.Y: sub}\n"
    assert parse_document(text).lines == {
        "issuers": 3, "issuers[0]": 4, "issuers[0].issuer": 4, "issuers[0].audience": 5, "issuers[0].audience[0]": 5,
        "issuers[0].audience[1]": 6, "identity_headers": 7, "identity_headers['X.Y']": 7,
    }  # fmt: skip


def test_aliases_are_read_where_they_are_used() -> None:
    assert parse_document("a: &x [1]\nb: *x").values == {"a": [1], "b": [1]}


def test_a_key_that_is_given_twice_is_a_problem_with_both_places() -> None:
    document = parse_document("log:\n  level: info\n  level: debug\nvia: true\n'via': false\n")
    assert document.values == {"log": {"level": "info"}, "via": True}
    assert document.problems == (
        ConfigProblem("log.level", "is given twice: at line 2, column 3, and again at line 3, column 3"),
        ConfigProblem("via", "is given twice: at line 4, column 1, and again at line 5, column 1"),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a", "must be a mapping of keys to values at its top, not a list"),
        ("text", "must be a mapping of keys to values at its top, not a single value"),
        ("a: 1\n---\nb: 2\n", "must have one document only; a second one begins at line 2, column 1"),
        ("a: [\n", "is not valid YAML at line 2, column 1: "),
        ("\ta: 1", "is not valid YAML at line 1, column 1: "),
        ("a: {path: /users/{id}}", "is not valid YAML at line 1, column 18: "),
        ("a: *nobody", "is not valid YAML at line 1, column 4: "),
        ("b: 1\na: \x01", "is not valid YAML at line 2: a character that YAML does not allow"),
        ('a: "\\UFFFFFFFF"', "is not valid YAML (OverflowError)"),
        ("%YAML 1.3", "is not valid YAML (AssertionError)"),
        ("%YAML 1.1\n---\na: yes\n", "asks for another version than YAML 1.2; remove the %YAML line"),
        ("[" * 5000, "is nested more than 20 levels deep at line 1, column 21"),
        ("{a: " * 25 + "1" + "}" * 25, "is nested more than 20 levels deep at line 1, column "),
        ("a: &a [*a]", "is nested more than 20 levels deep at line 1, column 4"),
        ("a: &a {b: *a}", "is nested more than 20 levels deep at line 1, column 4"),
        (LAUGHS, "has more than 50000 values, aliases counted where they are used"),
        ("a: !foo 1", "has a tag that is not read here at line 1, column 4"),
        ("a: !!python/object/apply:os.system [x]", "has a tag that is not read here at line 1, column 4"),
        ("a: !!set {b}", "has a tag that is not read here at line 1, column 4"),
        ("a: !!int x", "has a value that its tag does not fit at line 1, column 4"),
        ("a: !!bool x", "has a value that its tag does not fit at line 1, column 4"),
        (f"a: {'9' * 5000}", "has a number of more than 40 digits at line 1, column 4"),
        ("? [a]\n: b", "has a key that is not a name at line 1, column 3"),
    ],
)
def test_what_is_not_one_plain_mapping_has_a_sentence_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(UnreadableDocument) as raised:
        parse_document(text)
    assert str(raised.value).startswith(sentence)


def test_a_text_with_too_many_values_is_refused_at_the_first_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.settings.document.MAX_VALUES", 100)
    with pytest.raises(UnreadableDocument, match=r"has more than 50000 values, .* at line 1, column 197"):
        parse_document("a: [" + "1," * 101 + "]")


pieces = [*"abc:-[]{},&*!|>'\"%@`#?\n\t \\xuU0123<=.~_e+\x00\ud800é\ufeff\x85\r😀", "---", "!!int ", "!!str ", "&a ", "*a", "%YAML 1.", " : ", "- "]  # fmt: skip


@given(st.lists(st.sampled_from(pieces), max_size=30).map("".join))
def test_any_text_is_a_document_or_a_sentence(text: str) -> None:
    sentence = ""
    try:
        parse_document(text)
    except UnreadableDocument as error:
        sentence = str(error)
    assert "\n" not in sentence


def test_a_brace_that_needs_quotes_is_told() -> None:
    with pytest.raises(UnreadableDocument, match="a value with braces needs quotes, such as path"):
        parse_document("routes: [{path: /users/{id}}]")
    assert parse_document('routes: [{path: "/users/{id}"}]').values["routes"] == [{"path": "/users/{id}"}]
    assert parse_document("routes:\n  - path: /users/{id}").values["routes"] == [{"path": "/users/{id}"}]
