"""Whether what a path names is the caller's: variables of a route's path that must equal claims of the token.

Exactly: the decoded segment and a claim that is text. Judged after everything else that a route asks of a token.
"""

from gateway.core.claims import ABSENT
from gateway.core.errors import PathMismatch
from gateway.core.routing.route import Route
from gateway.core.token.identity import Identity


def check_where(route: Route, identity: Identity, target: bytes) -> None:
    """PathMismatch: a segment is another than the claim, or that is missing, or no text.

    One that the identity lacks, and its issuer has not been asked for, is passed over.
    """
    values = route.variables_of(target)
    for variable, claim in route.where.items():
        found = _find(identity, claim)
        if isinstance(found, str) and found == values[variable]:
            continue
        if found is ABSENT and identity.lacks is not None and identity.lacks.has(claim):
            continue
        asks = f"route {route.name} asks that {{{variable}}} be {claim}"
        if isinstance(found, str):
            raise PathMismatch(f"{asks}; it is another one")
        raise PathMismatch(
            f"{asks}, which the token {'does not have' if found in (ABSENT, None) else 'has not as text'}"
        )


def _find(identity: Identity, claim: str) -> object:
    """The value that a variable must equal. `subject` and `client` are what they are called in identity headers too."""
    if claim == "subject":
        return identity.subject
    if claim == "client":
        return identity.client
    return identity.claims.get(claim, ABSENT)
