"""Whether one route lets somebody in whom another one refuses: what of the other's demands it does without.

Knows nothing of requests and paths: it compares what two routes of the file ask for.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.core.config.routes import RouteSection

_ACCESS: Final[Mapping[str, int]] = {"public": 0, "optional": 1, "token": 2}
#: what a route may ask of a token by a list of which any one will do
_ANY_OF: Final = ("clients", "issuers", "audience", "acr")
#: what it may ask that can only be the same
_SAME: Final = ("resource", "where", "condition")


def laxity(taker: RouteSection | None, wanted: RouteSection) -> str | None:
    """What `taker` does without that `wanted` demands, in a word or the names of its keys; None: nothing.

    `taker`: None where no route is taken and any valid token will do.
    """
    if taker is None:
        missing = [key for key in _asked(wanted) if key]
        return f"any token: no {', '.join(missing)}" if missing else None
    if _ACCESS[taker.access] < _ACCESS[wanted.access]:
        return taker.access
    if taker.mode == "report":
        return "only reports"
    missing = [key for key in _asked(wanted) if not _meets(taker, wanted, key)]
    return f"without its {', '.join(missing)}" if missing else None


def _asked(route: RouteSection) -> list[str]:
    keys = ("scopes", "any_scope", "claims", "max_age", *_ANY_OF, *_SAME)
    return [key for key in keys if getattr(route, key, None) not in (None, (), {})]


def _meets(taker: RouteSection, wanted: RouteSection, key: str) -> bool:
    """Whether whoever meets the demands of `taker` meets this one of `wanted` as well."""
    mine, theirs = getattr(taker, key), getattr(wanted, key)
    if key == "scopes":
        return set(theirs) <= set(mine)
    if key == "any_scope":
        return bool(set(theirs) & set(taker.scopes)) or (bool(mine) and set(mine) <= set(theirs))
    if key == "claims":
        return all(name in mine and _values(mine[name]) <= _values(values) for name, values in theirs.items())
    if key == "max_age":
        return mine is not None and mine <= theirs
    if key in _ANY_OF:
        return bool(mine) and _values(mine) <= _values(theirs)
    return bool(mine == theirs)


def _values(value: Any) -> set[tuple[str, Any]]:
    """The values of which one will do; true is not 1."""
    members = value if isinstance(value, tuple) else (value,)
    return {(type(member).__name__ if isinstance(member, bool) else "", member) for member in members}
