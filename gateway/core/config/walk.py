"""The keys of a section and of all sections in it, by their types or with their values. Knows no section by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from msgspec import inspect

from gateway.core.config.section import Known, Section, known_of
from gateway.core.config.words import joined, named


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the configuration file."""

    #: such as `issuers[].issuer`, `upstreams.NAME.url`
    path: str
    #: the forms of value that it takes
    forms: tuple[inspect.Type, ...]
    known: Known

    def takes(self, form: type[inspect.Type]) -> bool:
        """Whether a value may be of this form."""
        return any(isinstance(one, form) for one in self.forms)


@dataclass(frozen=True, slots=True)
class Value:
    """What stands at one place of a configuration: a value, a section, or a member of a list or a mapping."""

    #: such as `issuers[0].issuer`
    path: str
    value: Any
    #: of the key that it belongs to
    known: Known
    #: the section that has the key
    section: Section


def forms_of(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """The members of a union, or the one that it is."""
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def keys_of(section: type[Section], path: str = "") -> Iterator[Key]:
    """Every key below, each behind the one that it stands in."""
    for field in fields_of(section):
        inner = joined(path, field.encode_name)
        yield Key(inner, forms_of(field.type), _known(field.type))
        for kind, where in _sections_in(field.type, inner):
            yield from keys_of(kind, where)


def sections_of(section: type[Section], path: str = "") -> dict[type[Section], str]:
    """This section and every one below, and the shortest of the paths where it stands."""
    found = {section: path}
    for field in fields_of(section):
        for kind, where in _sections_in(field.type, joined(path, field.encode_name)):
            for inner, place in sections_of(kind, where).items():
                if inner not in found or len(place) < len(found[inner]):
                    found[inner] = place
    return found


def values_of(section: Section, path: str = "") -> Iterator[Value]:
    """Every value below, in the order of the reference, each behind the one that it stands in."""
    found: list[Value] = []
    _add_values_of(section, path, found)
    return iter(found)


def _add_values_of(section: Section, path: str, found: list[Value]) -> None:
    for name, encode_name, known in _members_of(type(section)):
        _add_value(getattr(section, name), joined(path, encode_name), known, section, found)


def _add_value(value: Any, path: str, known: Known, section: Section, found: list[Value]) -> None:
    found.append(Value(path, value, known, section))
    if isinstance(value, Section):
        _add_values_of(value, path, found)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            _add_value(item, joined(path, index), known, section, found)
    elif isinstance(value, dict):
        paths = named(path, value)
        for key, item in value.items():
            _add_value(item, paths[key], known, section, found)


@cache
def _members_of(section: type[Section]) -> tuple[tuple[str, str, Known], ...]:
    """Name, key and what is known of each field."""
    return tuple((field.name, field.encode_name, _known(field.type)) for field in fields_of(section))


def _sections_in(kind: inspect.Type, path: str) -> Iterator[tuple[type[Section], str]]:
    """The sections that a value may be or hold, and the path of each."""
    for form in forms_of(kind):
        if isinstance(form, inspect.StructType) and issubclass(form.cls, Section):
            _TYPES.setdefault(form.cls, form)
            yield form.cls, path
        elif isinstance(form, inspect.VarTupleType):
            yield from _sections_in(form.item_type, f"{path}[]")
        elif isinstance(form, inspect.DictType):
            yield from _sections_in(form.value_type, f"{path}.NAME")


def _known(kind: inspect.Type) -> Known:
    return known_of(kind.extra if isinstance(kind, inspect.Metadata) else None)


def fields_of(section: type[Section]) -> tuple[inspect.Field, ...]:
    """The fields of a section, with their types as msgspec understands them."""
    return type_of(section).fields


#: what msgspec understands of each section that was asked for, and of those that were found in one
_TYPES: Final[dict[type[Section], inspect.StructType]] = {}


def type_of(section: type[Section]) -> inspect.StructType:
    """The same, and what else it understands of it: once, since that takes longer than to read a file."""
    if section not in _TYPES:
        kind = inspect.type_info(section)
        assert isinstance(kind, inspect.StructType)
        _TYPES[section] = kind
    return _TYPES[section]
