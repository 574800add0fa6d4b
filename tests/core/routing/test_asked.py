"""What the challenge of a refusal tells of the route's resource."""

from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection
from gateway.core.errors import (
    Asked,
    ClaimMismatch,
    InsufficientScope,
    MalformedCredential,
    MissingCredential,
    Refusal,
    TokenExpired,
    WrongAudience,
)
from gateway.core.routing.asked import asked_of
from gateway.core.routing.resource import parse_resource
from gateway.core.routing.route import compile_route
from tests.core.routing.test_policy import identity

RESOURCE = parse_resource(
    "tools",
    ResourceSection(identifier="https://api.example.com/mcp"),
    Config(upstream="http://127.0.0.1:1", issuers=()),
)
ROUTE = compile_route(RouteSection(path="/mcp", scopes=("a",), any_scope=("b", "c")), resource=RESOURCE)


@pytest.mark.parametrize(
    ("refusal", "held", "asked"),
    [
        (MissingCredential(), None, Asked(("a", "b"), RESOURCE.url)),
        (TokenExpired(), None, Asked(("a", "b"), RESOURCE.url)),
        (WrongAudience(), ("c",), Asked(("a", "b"), RESOURCE.url)),
        # RFC 6750 section 3.1 has a scope for a token that is missing or lacks one; a request that is broken needs none.
        (MalformedCredential(), None, Asked((), RESOURCE.url)),
        # All that the request needs, not what is missing.
        (InsufficientScope(scope=("a",)), ("c",), Asked(("a", "c"), RESOURCE.url)),
        (InsufficientScope(scope=("b",)), ("a",), Asked(("a", "b"), RESOURCE.url)),
        (InsufficientScope(scope=("b",)), None, Asked(("a", "b"), RESOURCE.url)),
        # No challenge, nothing to tell in it.
        (ClaimMismatch(), ("a",), None),
    ],
)
def test_a_challenge_tells_where_to_look_and_what_is_needed(refusal: Refusal, held: Any, asked: Asked | None) -> None:
    assert asked_of(ROUTE, refusal, None if held is None else identity(scopes=held)) == asked


def test_a_route_without_a_resource_tells_nothing() -> None:
    route = compile_route(RouteSection(path="/mcp", scopes=("a",)))
    assert asked_of(route, MissingCredential(), None) is None
