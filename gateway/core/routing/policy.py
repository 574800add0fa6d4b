"""Whether who is calling may do this: what a route asks of an identity. Monotone: more scopes never refuse.

Judges names and values only; the token was judged before. A claim that is still to be asked for is judged once it is
there.
"""

from typing import Final

from gateway.core.claims import ABSENT, ClaimName, keys_of, written
from gateway.core.errors import ClaimMismatch, ClientNotAllowed, InsufficientScope
from gateway.core.routing.route import Route
from gateway.core.routing.where import check_where
from gateway.core.shown import shown
from gateway.core.token.identity import Identity
from gateway.core.token.lacks import Lacks

#: characters of a token's scopes, and of names of issuers, that evidence shows
SHOWN: Final = 200


def check_policy(route: Route, identity: Identity, *, target: bytes = b"/") -> None:
    """ClaimMismatch, ClientNotAllowed, InsufficientScope, PathMismatch: what is asked for and the identity has not.

    `target`: of the request, which `where` compares with claims.
    """
    if route.issuers is not None and identity.issuer not in route.issuers:
        named = ascii(", ".join(sorted(route.issuers)))[1:-1]
        raise ClaimMismatch(f"route {route.name} is for tokens of {named[:SHOWN]}; this one is of {identity.issuer}")
    if route.clients is not None and identity.client not in route.clients:
        asked = f"route {route.name} is for {shown(sorted(route.clients))}"
        raise ClientNotAllowed(f"{asked}; the client is {shown(identity.client)}")
    if route.scopes or route.any_scope:
        check_scopes(route, identity)
    if route.claims:
        check_claims(route, identity)
    if route.where:
        check_where(route, identity, target)


def check_scopes(route: Route, identity: Identity) -> None:
    """InsufficientScope: one of those asked for is missing, or all of those of which one will do."""
    held = frozenset(identity.scopes)
    missing = [scope for scope in route.scopes if scope not in held]
    if not missing and route.any_scope and held.isdisjoint(route.any_scope):
        # RFC 6750 section 3.1: the scope necessary; any one will do, so the first is named.
        missing = [route.any_scope[0]]
    if missing:
        asked = f"route {route.name} asks for {' '.join(missing)}"
        raise InsufficientScope(f"{asked}; the token has {_held(identity)}", scope=tuple(missing))


def _held(identity: Identity) -> str:
    words = ascii(" ".join(identity.scopes))[1:-1]
    held = f"{words[:SHOWN]}..." if len(words) > SHOWN else words or "no scope"
    return f"{held}; {identity.unread}" if identity.unread else held


def check_claims(route: Route, identity: Identity) -> None:
    """ClaimMismatch: a claim is absent or has none of the values. An array has a value when it is a member.

    One that the identity lacks, and its issuer has not been asked for, is passed over.
    """
    lacks = identity.lacks
    for name, values in route.claims.items():
        found = identity.claims.get(name, ABSENT)
        if isinstance(found, dict) and isinstance(name, str):
            # Where the issuer is one that has names as keys there.
            found = identity.claims.get(keys_of(name), found)
        members = found if isinstance(found, list) else [found]
        if any(_is_same(member, value) for member in members for value in values) or _is_open(lacks, name):
            continue
        claim = written(name)
        if found is None:
            raise ClaimMismatch(f"route {route.name} asks for {claim}, which is null")
        if found is ABSENT:
            nobody = "the token does not have" if identity.bare is None else "neither the token nor userinfo has"
            raise ClaimMismatch(f"route {route.name} asks for {claim}, which {nobody}")
        raise ClaimMismatch(f"route {route.name} asks for another value of {claim}")


def _is_open(lacks: Lacks | None, name: ClaimName) -> bool:
    return lacks is not None and lacks.has(name)


def _is_same(member: object, value: object) -> bool:
    """Equal as JSON: true is not 1, 1 is 1.0."""
    return isinstance(member, bool) == isinstance(value, bool) and member == value
