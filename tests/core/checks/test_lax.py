"""Whether a route lets somebody in whom another one refuses."""

from typing import Any

import pytest

from gateway.core.checks.lax import laxity
from gateway.core.config.rates import Rate
from gateway.core.config.routes import RouteSection
from gateway.core.routing.route import Route, compile_route


def route(**settings: Any) -> Route:
    return compile_route(RouteSection(path="/a", **settings))


@pytest.mark.parametrize(
    ("taker", "wanted", "lax"),
    [
        ({}, {}, None),
        ({"access": "public"}, {}, "public"),
        ({"access": "optional", "scopes": ("a",)}, {"scopes": ("a",)}, "optional"),
        ({"access": "public"}, {"access": "public"}, None),
        ({"mode": "report", "scopes": ("a",)}, {"scopes": ("a",)}, "only reports"),
        ({}, {"scopes": ("a",)}, "without its scopes"),
        ({"scopes": ("a", "b")}, {"scopes": ("a",)}, None),
        ({"scopes": ("a",)}, {"scopes": ("a", "b")}, "without its scopes"),
        ({"any_scope": ("a",)}, {"scopes": ("a",)}, "without its scopes"),
        ({"any_scope": ("a",)}, {"any_scope": ("a", "b")}, None),
        ({"any_scope": ("a", "c")}, {"any_scope": ("a", "b")}, "without its any_scope"),
        ({"scopes": ("b", "c")}, {"any_scope": ("a", "b")}, None),
        ({}, {"any_scope": ("a",)}, "without its any_scope"),
        ({"claims": {"role": "admin"}}, {"claims": {"role": ("admin", "root")}}, None),
        ({"claims": {"role": ("admin", "user")}}, {"claims": {"role": "admin"}}, "without its claims"),
        ({"claims": {"role": "admin", "x": 1}}, {"claims": {"role": "admin"}}, None),
        ({"claims": {"x": 1}}, {"claims": {"role": "admin"}}, "without its claims"),
        ({"claims": {"x": True}}, {"claims": {"x": 1}}, "without its claims"),
        ({"clients": ("app",)}, {"clients": ("app", "web")}, None),
        ({"clients": ("app", "other")}, {"clients": ("app",)}, "without its clients"),
        ({"clients": ("app",)}, {"issuers": ("one",)}, "without its issuers"),
        ({"acr": ("gold",)}, {"acr": ("gold", "silver")}, None),
        ({"audience": "a"}, {"audience": ("a", "b")}, None),
        ({}, {"audience": "a", "acr": ("gold",)}, "without its audience, acr or max_age"),
        ({"max_age": 60.0}, {"max_age": 60.0}, None),
        ({"max_age": 30.0}, {"max_age": 60.0}, None),
        ({"max_age": 90.0}, {"max_age": 60.0}, "without its audience, acr or max_age"),
        ({}, {"max_age": 60.0}, "without its audience, acr or max_age"),
        ({"methods": ("GET",), "hosts": ("a.example",), "upstream": "other"}, {}, None),
        ({}, {"rates": (Rate(name="r", per="route", limit=1),)}, None),
        ({"clients": ("app",)}, {"scopes": ("a",), "claims": {"x": 1}}, "without its scopes, claims"),
    ],
)
def test_a_route_is_lax_where_it_does_without_something(
    taker: dict[str, Any], wanted: dict[str, Any], lax: str | None
) -> None:
    assert laxity(route(**taker), route(**wanted)) == lax
