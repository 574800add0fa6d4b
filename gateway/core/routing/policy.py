"""Whether who is calling may do this: what a route asks of an identity. Monotone: more scopes never refuse.

Judges names and values only; the token was judged before.
"""

from collections.abc import Mapping
from typing import Any

from gateway.core.claims import ABSENT, ClaimName
from gateway.core.errors import ClaimMismatch, ClientNotAllowed, InsufficientScope
from gateway.core.routing.route import Route
from gateway.core.token.identity import Identity


def check_policy(route: Route, identity: Identity) -> None:
    """ClaimMismatch, ClientNotAllowed, InsufficientScope: what the route asks for and the identity has not."""
    if route.issuers is not None and identity.issuer not in route.issuers:
        raise ClaimMismatch(f"route {route.name} is not for tokens of {identity.issuer}")
    if route.clients is not None and identity.client not in route.clients:
        raise ClientNotAllowed(f"route {route.name} is not for client {ascii(identity.client)[:80]}")
    if route.scopes or route.any_scope:
        check_scopes(route, frozenset(identity.scopes))
    if route.claims:
        check_claims(route.claims, identity.claims, route=route.name)


def check_scopes(route: Route, held: frozenset[str]) -> None:
    """InsufficientScope: one of those asked for is missing, or all of those of which one will do."""
    missing = [scope for scope in route.scopes if scope not in held]
    if not missing and route.any_scope and held.isdisjoint(route.any_scope):
        # RFC 6750 section 3.1: the scope necessary; any one will do, so the first is named.
        missing = [route.any_scope[0]]
    if missing:
        raise InsufficientScope(f"route {route.name} asks for {' '.join(missing)}", scope=tuple(missing))


def check_claims(asked: Mapping[ClaimName, tuple[Any, ...]], claims: Mapping[ClaimName, Any], *, route: str) -> None:
    """ClaimMismatch: a claim is absent or has none of the values. An array has a value when it is a member."""
    for name, values in asked.items():
        found = claims.get(name, ABSENT)
        members = found if isinstance(found, list) else [found]
        if not any(_is_same(member, value) for member in members for value in values):
            raise ClaimMismatch(
                f"route {route} asks for another value of {name if isinstance(name, str) else list(name)}"
            )


def _is_same(member: object, value: object) -> bool:
    """Equal as JSON: true is not 1, 1 is 1.0."""
    return isinstance(member, bool) == isinstance(value, bool) and member == value
