"""What one route does without that another one demands, in words. Whether it does is what `routing` says."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Final

from gateway.core.routing.route import Route
from gateway.core.routing.strictness import is_at_least_as_strict

#: fields of a route to the keys that a file has for them
_KEYS: Final[Mapping[str, str]] = {"demands": "audience, acr or max_age"}
_ACCESS: Final = frozenset({"public", "optional", "reports"})
#: how often somebody may call is no question of who gets in
_NEUTRAL: Final = _ACCESS | {"rates"}


def laxity(taker: Route, wanted: Route) -> str | None:
    """What `taker` does without that `wanted` demands; None: nothing."""
    if is_at_least_as_strict(replace(taker, rates=wanted.rates), wanted):
        return None
    if taker.public:
        return "public"
    if taker.optional and not wanted.optional:
        return "optional"
    if taker.reports and not wanted.reports:
        return "only reports"
    # One demand at a time: of each whether it alone would do.
    names = [field.name for field in fields(Route) if field.name not in _NEUTRAL]
    missing = [name for name in names if not is_at_least_as_strict(_with(wanted, taker, name), wanted)]
    return f"without its {', '.join(_KEYS.get(name, name) for name in missing)}"


def _with(route: Route, other: Route, name: str) -> Route:
    """A route with this one demand of another."""
    return replace(route, **{name: getattr(other, name)})
