"""`bearer-gateway explain --table`: for each route of a configuration who gets in, in words and for machines."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from gateway.core.config.file import Config
from gateway.core.config.keys_of import AskedKeys
from gateway.core.config.routes import RouteSection, route_name
from gateway.core.config.words import joined
from gateway.core.errors import MethodNotAllowed, NoRoute, UnknownHost
from gateway.core.routing.resource import Resources, with_implied

ANYBODY: Final = "anybody"
ADMITTED: Final = "a token"


@dataclass(frozen=True, slots=True)
class Entry:
    """One route, or what becomes of a request that takes none."""

    #: key path of the route; None: what becomes of other requests
    place: str | None
    name: str
    methods: tuple[str, ...]
    hosts: tuple[str, ...]
    path: str
    access: str
    mode: str
    #: key of the route to what it asks of a token, what its resource implies included
    asks: dict[str, Any]
    #: name of the upstream, or None: nobody gets there
    upstream: str | None
    #: who gets in, in words
    who: str


def _or(words: Iterable[Any]) -> str:
    return " or ".join(str(word) for word in words)


def _and(words: Iterable[Any]) -> str:
    return " and ".join(str(word) for word in words)


def _claims(claims: Mapping[str, Any]) -> str:
    return f"with {_and(_claim(name, values) for name, values in claims.items())}"


def _claim(name: str, values: Any) -> str:
    if isinstance(values, AskedKeys):
        return f"{_or(map(json.dumps, _all(values.one_of)))} among the keys of {values.keys_of}"
    return f"{name} {_or(map(json.dumps, _all(values)))}"


def _all(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


#: key of a route to what it says of the token that gets in, in the order in which it is judged
_WORDS: Final[Mapping[str, Callable[[Any], str]]] = {
    "audience": lambda value: f"for {_or(_all(value))}",
    "resource": lambda value: f"for the resource {value}",
    "acr": lambda value: f"of a login by {_or(value)}",
    "max_age": lambda value: f"of a login at most {float(value):g} s ago",
    "issuers": lambda value: f"of issuer {_or(value)}",
    "clients": lambda value: f"of client {_or(value)}",
    "scopes": lambda value: f"with scope {_and(value)}",
    "any_scope": lambda value: f"with scope {_or(value)}",
    "claims": _claims,
    "where": lambda value: f"where {_and(f'{{{name}}} is its {claim}' for name, claim in value.items())}",
    "condition": lambda _: "for which the condition holds",
}


def entries_of(config: Config) -> list[Entry]:
    """Every route in the order of the file, then what becomes of requests that take none."""
    resources = Resources(config)
    routes = [_entry(index, _effective(route, resources)) for index, route in enumerate(config.routes)]
    return [*routes, *_otherwise(config, _asked(_effective(RouteSection(path="/*"), resources)))]


def _effective(route: RouteSection, resources: Resources) -> RouteSection:
    """A route with the resource that it belongs to, and what that implies."""
    resource = resources.find(route)
    if resource is None:
        return route
    return msgspec.structs.replace(with_implied(route, resource), resource=resource.name)


def _asked(route: RouteSection) -> dict[str, Any]:
    return {key: found for key in _WORDS if (found := getattr(route, key, None)) not in (None, (), {})}


def _token(asks: Mapping[str, Any]) -> str:
    return ", ".join([ADMITTED, *(_WORDS[key](value) for key, value in asks.items())])


def _entry(index: int, route: RouteSection) -> Entry:
    asks = _asked(route)
    token = _token(asks)
    who = {"public": ANYBODY, "optional": f"{ANYBODY} without a credential, or {token}", "token": token}[route.access]
    if route.mode == "report":
        who = f"{ANYBODY}, since it only reports; else {who}"
    return Entry(
        place=joined("routes", index),
        name=route_name(route),
        methods=route.methods,
        hosts=route.hosts,
        path=route.path,
        access=route.access,
        mode=route.mode,
        asks=asks,
        upstream=route.upstream,
        who=who,
    )


def _otherwise(config: Config, asks: dict[str, Any]) -> Iterator[Entry]:
    """In the order in which it is decided. `asks`: of a token, where one gets in."""

    def other(name: str, *, refused: type[NoRoute | MethodNotAllowed | UnknownHost] | None) -> Entry:
        who = _token(asks) if refused is None else f"nobody: {refused.status} {refused.reason}"
        passes = refused is None
        mode, upstream = "enforce", "default" if passes else None
        access, asked = ("token", asks) if passes else ("none", {})
        return Entry(None, name, (), (), "", access, mode, asked, upstream, who)

    if config.hosts:
        yield other("any other host", refused=UnknownHost)
    if config.routes and any(route.methods for route in config.routes):
        refuses = config.unmatched_methods != "token"
        yield other("a method that no route of the path has", refused=MethodNotAllowed if refuses else None)
    yield other(
        "any other path" if config.routes else "any path", refused=NoRoute if config.unmatched == "refuse" else None
    )


def as_table(entries: Iterable[Entry]) -> str:
    """For people: a line a route."""
    head = ("ROUTE", "METHODS", "HOSTS", "PATH", "UPSTREAM", "WHO GETS IN")
    lines = [head, *(_cells(entry) for entry in entries)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    )


def _cells(entry: Entry) -> tuple[str, ...]:
    if entry.place is None:
        return entry.name, "", "", "", entry.upstream or "", entry.who
    name = entry.place if entry.name.endswith(entry.path) else f"{entry.place} {entry.name}"
    methods, hosts = ",".join(entry.methods) or "any", ",".join(entry.hosts) or "any"
    return name, methods, hosts, entry.path, entry.upstream or "", entry.who


def as_json(entries: Iterable[Entry]) -> str:
    """For machines: a list, a dictionary a route; `place` is null where no route is taken."""
    return json.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False, default=msgspec.to_builtins)
