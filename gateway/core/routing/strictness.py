"""Whether one route demands at least as much of a request as another one: what it may take in its place.

Conservative: what is not known here and differs is not as strict. Path, host and method are not asked about, nor where
a request goes: those are questions of whoever asks this one.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from gateway.core.routing.demands import Demands
from gateway.core.routing.route import Route

#: what decides nothing about who gets in: what is taken, where it goes, and what is told of it
_NEUTRAL: Final = frozenset(
    {
        "name",
        "methods",
        "hosts",
        "upstream",
        "stripped",
        "timeout",
        "cors",
        "log",
        "asked",
        "variables",
        "keeps_slashes",
    }
)


#: where a token stands unless something else is said
_USUAL: Final = frozenset({"Authorization"})
#: of what is asked of a login and an audience, that of which any one will do
_NAMED_DEMANDS: Final = frozenset({"audience", "acr"})


def is_at_least_as_strict(one: Route, other: Route) -> bool:
    """Whether whoever gets past `one` would get past `other`, in every demand by itself."""
    for field in fields(Route):
        name = field.name
        if name in _NEUTRAL:
            continue
        compare = _COMPARED.get(name)
        if compare is None:
            if getattr(one, name) != getattr(other, name):
                return False
        elif not compare(one, other):
            return False
    return True


def _asks_for_tokens(one: Route, other: Route) -> bool:
    return not (one.public or one.optional) or other.public or (one.optional and other.optional)


def _is_enforced(one: Route, other: Route) -> bool:
    return other.reports or not one.reports


def _has_scopes(one: Route, other: Route) -> bool:
    return set(one.scopes) >= set(other.scopes)


def _has_any_scope(one: Route, other: Route) -> bool:
    if not other.any_scope:
        return True
    narrower = bool(one.any_scope) and set(one.any_scope) <= set(other.any_scope)
    return narrower or not set(one.scopes).isdisjoint(other.any_scope)


def _has_claims(one: Route, other: Route) -> bool:
    return all(name in one.claims and _are_among(one.claims[name], values) for name, values in other.claims.items())


def _are_among(values: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    """Whether each value is one of the others, as JSON: true is not 1."""
    return all(any(_kind(value) == _kind(other) and value == other for other in others) for value in values)


def _kind(value: object) -> bool:
    return isinstance(value, bool)


def _has_where(one: Route, other: Route) -> bool:
    return _where_of(one) >= _where_of(other)


def _where_of(route: Route) -> set[tuple[int, str]]:
    """Segments by their places: what variables are called says nothing."""
    return {(route.variables[name], claim) for name, claim in route.where.items()}


def _is_for(named: frozenset[str] | None, others: frozenset[str] | None) -> bool:
    return others is None or (named is not None and named <= others)


def _has_rates(one: Route, other: Route) -> bool:
    return _rates_of(one) >= _rates_of(other)


def _rates_of(route: Route) -> set[tuple[object, ...]]:
    return {(rate.name, rate.per, rate.limit, rate.window, rate.pace) for rate in route.rates}


def _has_demands(one: Route, other: Route) -> bool:
    return other.demands is None or (one.demands is not None and _demands_as_much(one.demands, other.demands))


def _has_places(one: Route, other: Route) -> bool:
    """Whether a token may stand in no more places."""
    return other.public or _places_of(one) <= _places_of(other)


def _places_of(route: Route) -> frozenset[str]:
    return _USUAL if route.places is None else route.places.names


def _demands_as_much(one: Demands, other: Demands) -> bool:
    for field in fields(Demands):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name in _NAMED_DEMANDS:
            # Any one of them will do.
            if theirs and not (ours and set(ours) <= set(theirs)):
                return False
        elif field.name == "max_age":
            if theirs is not None and (ours is None or ours > theirs):
                return False
        elif field.name != "route" and ours != theirs:
            return False
    return True


#: field of a route to whether one of two has as much of it
_COMPARED: Final[Mapping[str, Callable[[Route, Route], bool]]] = {
    "public": _asks_for_tokens,
    "optional": _asks_for_tokens,
    "reports": _is_enforced,
    "scopes": _has_scopes,
    "any_scope": _has_any_scope,
    "claims": _has_claims,
    "clients": lambda one, other: _is_for(one.clients, other.clients),
    "issuers": lambda one, other: _is_for(one.issuers, other.issuers),
    "where": _has_where,
    "rates": _has_rates,
    "places": _has_places,
    "condition": lambda one, other: other.condition is None or one.condition == other.condition,
    "demands": _has_demands,
    "resource": lambda one, other: other.resource is None or one.resource == other.resource,
}
