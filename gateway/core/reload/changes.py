"""Which keys of two configurations differ, by path, and no value of them: routes and issuers go by their names."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer, issuer_name
from gateway.core.config.routes import RouteSection, route_name
from gateway.core.config.section import Section
from gateway.core.config.walk import fields_of
from gateway.core.config.words import ConfigProblem, joined, named

#: what a member of a list is known by, wherever it stands
_NAMES: Final[Mapping[type[Section], Callable[[Any], str]]] = {Issuer: issuer_name, RouteSection: route_name}


def changes(before: Config, after: Config) -> list[ConfigProblem]:
    """Every key that differs, in the order of the reference; the path is that of `after`, where it has one."""
    return list(_in_sections(before, after, ""))


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of a configuration mean the same: true is not 1."""
    return not list(_in_values(one, other, ""))


def _in_sections(before: Section, after: Section, path: str) -> Iterator[ConfigProblem]:
    for field in fields_of(type(after)):
        yield from _in_values(getattr(before, field.name), getattr(after, field.name), joined(path, field.encode_name))


def _in_values(before: Any, after: Any, path: str) -> Iterator[ConfigProblem]:
    if type(before) is not type(after):
        yield ConfigProblem(path, "has changed")
    elif isinstance(after, Section):
        yield from _in_sections(before, after, path)
    elif isinstance(after, tuple):
        yield from _in_lists(before, after, path)
    elif isinstance(after, dict):
        yield from _in_mappings(before, after, path)
    elif before != after:
        yield ConfigProblem(path, "has changed")


def _in_lists(before: tuple[Any, ...], after: tuple[Any, ...], path: str) -> Iterator[ConfigProblem]:
    kind = type(after[0]) if after else type(before[0]) if before else None
    name_of = None if kind is None else _NAMES.get(kind)
    if name_of is not None:
        yield from _in_named(_numbered(before, name_of), _numbered(after, name_of), path)
        return
    if len(before) != len(after):
        yield ConfigProblem(path, f"has {len(after)} members, before {len(before)}")
        return
    for index, (one, other) in enumerate(zip(before, after, strict=True)):
        yield from _in_values(one, other, joined(path, index))


def _numbered(members: tuple[Any, ...], name_of: Callable[[Any], str]) -> dict[tuple[str, int], Any]:
    """By name; of those that have the same, the first, the second and so on."""
    counts: dict[str, int] = {}
    found: dict[tuple[str, int], Any] = {}
    for member in members:
        name = name_of(member)
        counts[name] = counts.get(name, 0) + 1
        found[name, counts[name]] = member
    return found


def _in_named(
    before: Mapping[tuple[str, int], Any], after: Mapping[tuple[str, int], Any], path: str
) -> Iterator[ConfigProblem]:
    for name in before:
        if name not in after:
            yield ConfigProblem(path, f"{name[0]} is gone")
    for index, (name, member) in enumerate(after.items()):
        place = joined(path, index)
        if name not in before:
            yield ConfigProblem(place, f"is new ({name[0]})")
            continue
        for change in _in_sections(before[name], member, place):
            yield ConfigProblem(change.path, f"{change.sentence} ({name[0]})")
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield ConfigProblem(path, "has another order")


def _in_mappings(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[ConfigProblem]:
    paths = named(path, dict.fromkeys([*after, *before]))
    for name, member in after.items():
        if name in before:
            yield from _in_values(before[name], member, paths[name])
        else:
            yield ConfigProblem(paths[name], "is new")
    for name in before:
        if name not in after:
            yield ConfigProblem(paths[name], "is gone")
    if [name for name in before if name in after] != [name for name in after if name in before]:
        # Of identity headers and upstreams it is the order in which they are told.
        yield ConfigProblem(path, "has another order")
