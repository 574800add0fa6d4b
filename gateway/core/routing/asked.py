"""What the challenge of a refusal tells of the route's resource (RFC 9728 section 5.1).

Writes nothing: that is `core.http.challenge`.
"""

from gateway.core.errors import Asked, InsufficientScope, Refusal
from gateway.core.routing.resource import needed_scopes
from gateway.core.routing.route import Route
from gateway.core.token.identity import Identity


def asked_of(route: Route, refusal: Refusal, identity: Identity | None) -> Asked | None:
    """What the challenge of this refusal tells; None: the route has no resource, or the refusal no challenge.

    Whose token lacks a scope is told of all that the request needs: a token with the missing ones alone would not do.
    """
    asked = route.asked
    if asked is None or not refusal.challenge:
        return None
    if isinstance(refusal, InsufficientScope):
        held = () if identity is None else identity.scopes
        return Asked(needed_scopes(route.scopes, route.any_scope, held), asked.resource_metadata)
    return asked if refusal.status == 401 else Asked((), asked.resource_metadata)
