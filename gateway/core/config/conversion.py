"""Plain values (mappings, lists, text, numbers) to Config, every field on its own, so that every problem is told.

Decides types, units and names of keys. Rules that span fields are `problems`; where values come from is `settings`.
"""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from msgspec import inspect

from gateway.core.config.file import Config
from gateway.core.config.section import Seconds, Section, Size, known_of
from gateway.core.config.units import parse_seconds, parse_size
from gateway.core.config.walk import forms_of, type_of
from gateway.core.config.words import (
    REQUIRED,
    ConfigProblem,
    did_you_mean,
    joined,
    may_be_shown,
    named,
    nearest,
    numbered,
)

#: A number of more digits says nothing in a sentence.
MAX_SHOWN = 10**15

#: What YAML 1.1 reads where these words stand. Helm writes so what it was given: `off` arrives as false.
YAML_1_1: Final = {"off": False, "no": False, "on": True, "yes": True}

#: What is said of a key that is not shown.
_UNSHOWN = ", and not shown, for it may be a secret: behind a key stand a colon and a blank"
_NO_VALUE = "has no value; the key is not shown, for it may be a secret: behind a key stand a colon and a blank"
#: Lone surrogates are what Python makes of undecodable bytes in a variable.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of it: a Config in any case, and what is wrong with it."""

    #: with stand-ins at the paths in `unreadable`
    config: Config
    problems: tuple[ConfigProblem, ...]
    #: paths whose values could not be read
    unreadable: frozenset[str]
    #: paths of keys that may be secrets, which nothing may show
    hidden: frozenset[str] = frozenset()

    def is_hidden(self, path: str) -> bool:
        """Whether a path must not be shown: it, or what it stands in, is no key, but may be a secret."""
        below = any(path.startswith((f"{other}.", f"{other}[")) for other in (*self.hidden, *self.unreadable))
        return below or path in self.hidden

    def is_readable(self, path: str) -> bool:
        """Whether neither `path` nor anything it stands in was unreadable."""
        return not any(path == other or path.startswith((f"{other}.", f"{other}[")) for other in self.unreadable)


def convert(values: Mapping[str, Any], kind: type[Config] = Config) -> Conversion:
    """The whole file as plain values. Never raises for what is in it. `kind`: one with more sections."""
    reader = _Reader()
    if "identity_headers" in values and values["identity_headers"] is None:
        values = {**values, "identity_headers": {}}
        reader.note("identity_headers", "must be {} for no headers, or left out for the default ones; null is neither")
    config: Config = reader.read(type_of(kind), values, "")
    return Conversion(config, tuple(reader.problems), frozenset(reader.unreadable), frozenset(reader.hidden))


class _Unreadable(Exception):
    """The sentence that says what a value must be."""


class _Reader:
    def __init__(self) -> None:
        self.problems: list[ConfigProblem] = []
        self.unreadable: set[str] = set()
        self.hidden: set[str] = set()

    def note(self, path: str, sentence: str) -> None:
        self.problems.append(ConfigProblem(path, sentence))
        self.unreadable.add(path)

    def read(self, kind: inspect.Type, value: Any, path: str) -> Any:
        """The value as `kind`, its members read one by one; _Unreadable when it is not even of that form."""
        value = _meant(kind, value)
        kind = _fitting(kind, value)
        if isinstance(kind, inspect.StructType):
            return self._read_struct(kind, value, path)
        if isinstance(kind, inspect.VarTupleType):
            return tuple(self._read_member(kind.item_type, item, joined(path, i)) for i, item in enumerate(value))
        if isinstance(kind, inspect.DictType):
            return self._read_mapping(kind.value_type, value, path)
        if isinstance(kind, inspect.CustomType):
            try:
                return _PARSERS[kind.cls](value)
            except ValueError as error:
                raise _Unreadable(str(error)) from None
        if isinstance(value, str) and _CONTROL.search(value):
            raise _Unreadable("must not have control characters")
        return value

    def _read_mapping(self, kind: inspect.Type, values: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The members of a mapping with names of the user's own."""
        paths = named(path, values)
        holds_secrets = any(isinstance(form, inspect.StructType) and _unquoted(form.cls) for form in forms_of(kind))
        read: dict[str, Any] = {}
        for number, (key, item) in enumerate(values.items(), start=1):
            if item is None and (holds_secrets or not may_be_shown(key)):
                # `{X-Key sk_live_abc}` and `{sk_live_abc}` are keys to YAML.
                self.note(numbered(path, number), _NO_VALUE)
                self.unreadable.add(paths[key])
                self.hidden.add(paths[key])
                read[key] = self._stand_in(kind, paths[key])
            else:
                read[key] = self._read_member(kind, item, paths[key])
        return read

    def _read_member(self, kind: inspect.Type, value: Any, path: str) -> Any:
        try:
            return self.read(kind, value, path)
        except _Unreadable as problem:
            self.note(path, str(problem))
            return self._stand_in(kind, path)

    def _stand_in(self, kind: inspect.Type, path: str) -> Any:
        """Keeps the place of a member in its list or mapping, so that the paths of the others are right."""
        return self._read_struct(kind, None, path) if isinstance(kind, inspect.StructType) else "unreadable"

    def _read_struct(self, kind: inspect.StructType, values: Mapping[str, Any] | None, path: str) -> Any:
        """The struct of these members; of None, one of stand-ins alone, of which no problem is told."""
        fields = {field.encode_name: field for field in kind.fields}
        given = values or {}
        misspelt = self._note_unknown(kind.cls, fields.keys(), given, path)
        read: dict[str, Any] = {}
        for name, field in fields.items():
            member = joined(path, name)
            if name in given:
                try:
                    read[field.name] = self.read(field.type, given[name], member)
                    continue
                except _Unreadable as problem:
                    self.note(member, str(problem))
            elif name not in misspelt and not field.required:
                continue
            elif name not in misspelt and values is not None:
                self.note(member, REQUIRED)
            self.unreadable.add(member)
            extra = field.type.extra if isinstance(field.type, inspect.Metadata) else None
            if (stand_in := known_of(extra).stands_in(path)) is not None:
                read[field.name] = stand_in
        return kind.cls(**read)

    def _note_unknown(
        self, section: type, known: AbstractSet[str], given: Mapping[str, Any], path: str
    ) -> set[str | None]:
        """Notes each unknown key; the known keys that were probably meant."""
        meant: set[str | None] = set()
        paths = named(path, given)
        for key in given:
            if key not in known:
                others = known - given.keys()
                near = nearest(key, others)
                meant.add(near)
                if near is None and (words := _unquoted(section)) is not None:
                    self.hidden.add(paths[key])
                    if path not in self.unreadable:
                        self.note(path, f"must be {words}; what stands there is not shown")
                else:
                    hint = did_you_mean(key, others) if may_be_shown(key) else _UNSHOWN
                    self.note(paths[key], f"is not a key here{hint}")
        return meant


def _unquoted(section: type) -> str | None:
    """What belongs into a section in which nothing is quoted; None: it is quoted."""
    return section.unquoted if issubclass(section, Section) else None


_PARSERS: dict[type, Callable[[object], Any]] = {Seconds: parse_seconds, Size: parse_size}
#: Kinds by the forms of plain values that they take, and their names in sentences.
_FORMS: dict[type[inspect.Type], tuple[tuple[type, ...], str]] = {
    inspect.NoneType: ((type(None),), ""),
    inspect.StrType: ((str,), "text"),
    inspect.BoolType: ((bool,), "true or false"),
    inspect.IntType: ((int,), "a whole number"),
    inspect.FloatType: ((float, int), "a number"),
    inspect.LiteralType: ((str,), "one of"),
    inspect.CustomType: ((str, int, float, bool), ""),
    inspect.VarTupleType: ((list,), "a list"),
    inspect.DictType: ((dict,), "a mapping of names to values"),
    inspect.StructType: ((dict,), "a mapping of keys to values"),
}


def _meant(kind: inspect.Type, value: Any) -> Any:
    """The value before somebody read it as YAML 1.1, or wrote a whole number as 1e+06: Helm does both."""
    forms = forms_of(kind)
    if isinstance(value, bool) and not any(isinstance(form, inspect.BoolType) for form in forms):
        words = (word for form in forms if isinstance(form, inspect.LiteralType) for word in form.values)
        return next((word for word in words if YAML_1_1.get(str(word)) is value), value)
    if isinstance(value, float) and value.is_integer() and any(map(_takes_whole, forms)):
        return int(value)
    return value


def _takes_whole(form: inspect.Type) -> bool:
    """Whether it takes a whole number. Where a fraction would do as well, both are the same value (RFC 8259)."""
    return isinstance(form, inspect.IntType) or (isinstance(form, inspect.CustomType) and form.cls is Size)


def _fitting(kind: inspect.Type, value: Any) -> inspect.Type:
    """The kind, of a union the member, that takes a value of this form. _Unreadable: there is none."""
    forms = forms_of(kind)
    for form in forms:
        if type(value) in _FORMS[type(form)][0] and (not isinstance(form, inspect.LiteralType) or value in form.values):
            return form
    hint = ""
    is_quoted = True
    expected = []
    for form in forms:
        name = _FORMS[type(form)][1]
        if isinstance(form, inspect.LiteralType):
            words = [str(word) for word in form.values]
            name = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
            hint = did_you_mean(value.lower(), words) if isinstance(value, str) else ""
        elif isinstance(form, inspect.CustomType):
            name = "a duration such as 30s" if form.cls is Seconds else "a size such as 16KiB"
        elif isinstance(form, inspect.StructType):
            unquoted = _unquoted(form.cls)
            name = unquoted or name
            is_quoted = is_quoted and unquoted is None
        elif isinstance(form, inspect.StrType) and isinstance(value, bool | int | float):
            hint = " (put quotes around it)"
        expected.append(name)
    found = f", not {_shown(value)}{hint}" if is_quoted else "; what stands there is not shown"
    raise _Unreadable(f"must be {' or '.join(filter(None, expected))}{found}")


def _shown(value: Any) -> str:
    """A value as a sentence may quote it. Text never is: it may be a secret, in a place where it does not belong."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value) if abs(value) < MAX_SHOWN else "such a large number"
    if isinstance(value, str):
        return "this text"
    return "a list" if isinstance(value, list) else "a mapping"
