"""The keys of sections and the values in them, wherever they stand."""

from typing import Annotated

from msgspec import inspect

from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.section import Known, Section, default
from gateway.core.config.section import described as _doc
from gateway.core.config.walk import Value, keys_of, sections_of, type_of, values_of


class Inner(Section, frozen=True, kw_only=True):
    """In a list, in a mapping and by itself."""

    word: Annotated[str, _doc("a word", stand_in="unread", variable="GATEWAY_WORD")] = "w"


class Outer(Section, frozen=True, kw_only=True, rename={"source": "from"}):
    """Holds them."""

    source: Annotated[str | None, _doc("renamed")] = None
    several: Annotated[tuple[Inner, ...], _doc("a list")] = ()
    named: Annotated[dict[str, str | Secret], _doc("a mapping", holds="header")] = default({})
    one: Annotated[Inner | None, _doc("a section")] = None
    plain: int = 1


def test_every_key_has_a_path() -> None:
    assert [key.path for key in keys_of(Outer)] == [
        "from", "several", "several[].word", "named", "named.NAME.file", "named.NAME.env",
        "one", "one.word", "plain",
    ]  # fmt: skip


def test_a_key_says_what_it_takes_and_what_is_known_of_it() -> None:
    keys = {key.path: key for key in keys_of(Outer)}
    assert keys["one.word"].known == Known(stand_in="unread", variable="GATEWAY_WORD")
    assert keys["plain"].known == Known()
    assert [keys[path].takes(inspect.StrType) for path in ("from", "one.word", "plain")] == [True, True, False]
    assert keys["named"].takes(inspect.DictType)


def test_types_are_worked_out_once_for_a_section_and_all_below_it() -> None:
    outer = type_of(Outer)
    assert [key.path for key in keys_of(Outer)]
    (several,) = (field.type for field in outer.fields if field.name == "several")
    assert isinstance(several, inspect.Metadata)
    assert isinstance(several.type, inspect.VarTupleType)
    assert type_of(Inner) is several.type.item_type
    assert inspect.type_info(Inner) == type_of(Inner)


def test_a_section_is_known_by_the_shortest_of_its_paths() -> None:
    assert sections_of(Outer) == {Outer: "", Inner: "one", Secret: "named.NAME"}
    assert sections_of(Inner, "a.b") == {Inner: "a.b"}


def test_every_value_is_found_with_its_section_and_its_key() -> None:
    inner, secret = Inner(word="x"), Secret(env="E")
    outer = Outer(several=(inner,), named={"a.b": secret, "c": "text", "a b": "text"})
    found = {value.path: value for value in values_of(outer)}
    assert found["several[0].word"] == Value(
        "several[0].word", "x", Known(stand_in="unread", variable="GATEWAY_WORD"), inner
    )
    assert found["named['a.b']"] == Value("named['a.b']", secret, Known(holds="header"), outer)
    assert found["named.c"].value == "text"
    assert found["named['a.b'].env"].section is secret
    assert found["named[key 3]"].value == "text"
    assert found["one"].value is None
    assert "one.word" not in found
    assert list(found)[:2] == ["from", "several"]


def test_of_the_whole_configuration_no_variable_is_given_twice() -> None:
    variables = [key.known.variable for key in keys_of(Config) if key.known.variable is not None]
    assert len(variables) == len(set(variables)) > 10


def test_a_key_that_must_be_given_has_something_to_stand_in_for_it() -> None:
    required = {
        (section.__name__, field.encode_name)
        for section in sections_of(Config)
        for field in inspect.type_info(section).fields  # type: ignore[attr-defined]
        if field.required
    }
    without = {
        (section.__name__, field.encode_name)
        for section in sections_of(Config)
        for field in inspect.type_info(section).fields  # type: ignore[attr-defined]
        if field.required and field.type.extra["known"].stand_in is None
    }
    assert len(required) > 8
    assert without == set()
