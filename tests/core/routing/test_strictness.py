"""One route demands as much as another when whoever gets past it gets past the other."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.rates import Rate
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.routing.demands import Demands
from gateway.core.routing.route import Route, compile_route
from gateway.core.routing.strictness import is_at_least_as_strict
from gateway.core.token.places import RoutePlaces

SLOW = Rate(name="slow", per="subject", limit=1, window=Seconds(60))
FAST = Rate(name="slow", per="subject", limit=2, window=Seconds(60))


def route(**settings: Any) -> Route:
    return compile_route(RouteSection(**{"path": "/*", **settings}))


@pytest.mark.parametrize(
    ("one", "other", "back"),
    [
        ({}, {}, True),
        # What is stricter, what it is stricter than, and whether they are alike.
        ({}, {"access": "public"}, False),
        ({}, {"access": "optional"}, False),
        ({"access": "optional"}, {"access": "public"}, False),
        ({"access": "optional"}, {"access": "optional"}, True),
        ({"access": "public"}, {"access": "public"}, True),
        ({"scopes": ("a",)}, {}, False),
        ({"scopes": ("a", "b")}, {"scopes": ("b",)}, False),
        ({"scopes": ("a", "b")}, {"scopes": ("b", "a")}, True),
        ({"any_scope": ("a", "b")}, {}, False),
        ({"any_scope": ("a",)}, {"any_scope": ("a", "b")}, False),
        ({"scopes": ("a",)}, {"any_scope": ("a", "b")}, False),
        ({"scopes": ("a",), "any_scope": ("c", "d")}, {"any_scope": ("a", "b")}, False),
        ({"claims": {"x": 1}}, {}, False),
        ({"claims": {"x": 1, "y": 2}}, {"claims": {"y": 2}}, False),
        ({"claims": {"x": 1}}, {"claims": {"x": (1, 2)}}, False),
        ({"claims": {"x": (1, 2)}}, {"claims": {"x": (2, 1.0)}}, True),
        ({"clients": ("a",)}, {}, False),
        ({"clients": ("a",)}, {"clients": ("a", "b")}, False),
        ({"issuers": ("a",)}, {}, False),
        ({"issuers": ("a",)}, {"issuers": ("a", "b")}, False),
        ({"audience": "a"}, {}, False),
        ({"audience": "a"}, {"audience": ("a", "b")}, False),
        ({"acr": ("a",)}, {}, False),
        ({"acr": ("a",)}, {"acr": ("a", "b")}, False),
        ({"max_age": Seconds(5)}, {}, False),
        ({"max_age": Seconds(5)}, {"max_age": Seconds(6)}, False),
        ({"max_age": Seconds(5), "acr": ("a",)}, {"acr": ("a",)}, False),
        ({"path": "/a/{x}", "where": {"x": "sub"}}, {}, False),
        ({"path": "/a/{x}", "where": {"x": "sub"}}, {"path": "/{a}/{y}", "where": {"y": "sub"}}, True),
        ({"path": "/{a}/{x}", "where": {"x": "sub", "a": "t"}}, {"path": "/{a}/{y}", "where": {"y": "sub"}}, False),
        ({"condition": "request.method == 'GET'"}, {}, False),
        ({"condition": "request.method == 'GET'"}, {"condition": "request.method == 'GET'"}, True),
        ({"credentials": ("authorization",)}, {}, True),
        ({}, {"mode": "report"}, False),
        ({"mode": "report"}, {"mode": "report"}, True),
        ({"rates": (SLOW,)}, {}, False),
        ({"rates": (SLOW, Rate(name="more", per="route", limit=9, window=Seconds(60)))}, {"rates": (SLOW,)}, False),
        ({"rates": (SLOW,)}, {"rates": (SLOW,)}, True),
        # What says nothing of who gets in.
        ({"name": "x", "methods": ("GET",), "hosts": ("a",), "path": "/a/{b}", "upstream": "u"}, {}, True),
        ({"path": "/a/*", "strip_prefix": "/a", "timeout": Seconds(1), "log": "none", "cors": None}, {}, True),
    ],
)  # fmt: skip
def test_what_demands_as_much(one: dict[str, Any], other: dict[str, Any], *, back: bool) -> None:
    assert is_at_least_as_strict(route(**one), route(**other))
    assert is_at_least_as_strict(route(**other), route(**one)) == back


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"scopes": ("a",)}, {"scopes": ("b",)}),
        ({"any_scope": ("a", "c")}, {"any_scope": ("a", "b")}),
        ({"scopes": ("c",)}, {"any_scope": ("a", "b")}),
        ({"claims": {"x": 1}}, {"claims": {"x": True}}),
        ({"claims": {"x": 1}}, {"claims": {"y": 1}}),
        ({"claims": {"x": (1, 2)}}, {"claims": {"x": (1, 3)}}),
        ({"clients": ("a",)}, {"clients": ("b",)}),
        ({"audience": ("a", "b")}, {"audience": ("a", "c")}),
        ({"acr": ("a",)}, {"acr": ("b",)}),
        ({"acr": ("a",)}, {"max_age": Seconds(5)}),
        ({"rates": (SLOW,)}, {"rates": (FAST,)}),
        ({"access": "optional", "scopes": ("a",)}, {"mode": "report"}),
        ({"path": "/{a}/{x}", "where": {"x": "sub"}}, {"path": "/{x}/{a}", "where": {"x": "sub"}}),
        ({"path": "/{x}", "where": {"x": "sub"}}, {"path": "/{x}", "where": {"x": "tenant"}}),
        ({"condition": "request.method == 'GET'"}, {"condition": "request.method == 'PUT'"}),
    ],
)
def test_what_cannot_be_compared_is_not_as_strict(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not is_at_least_as_strict(route(**one), route(**other))
    assert not is_at_least_as_strict(route(**other), route(**one))


def test_fewer_places_of_a_token_are_stricter() -> None:
    header, cookie = CredentialPlace(header="X-Token"), CredentialPlace(cookie="__Host-t")
    usual, one, two = (
        route(),
        *(placed(*places) for places in (("authorization", header), ("authorization", header, cookie))),
    )
    assert is_at_least_as_strict(usual, one)
    assert is_at_least_as_strict(one, two)
    assert not is_at_least_as_strict(one, usual)
    assert not is_at_least_as_strict(two, one)
    assert not is_at_least_as_strict(usual, placed(header))
    assert is_at_least_as_strict(two, route(access="public"))


def placed(*places: Any) -> Route:
    return replace(route(), places=RoutePlaces(places, token_bytes=100))


def test_a_resource_is_a_demand() -> None:
    of_one, of_other = (replace(route(), resource=f"https://{name}.test") for name in ("one", "other"))
    assert is_at_least_as_strict(of_one, route())
    assert is_at_least_as_strict(of_one, of_one)
    assert not is_at_least_as_strict(route(), of_one)
    assert not is_at_least_as_strict(of_one, of_other)


def test_what_is_not_known_here_must_be_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is added and told to nobody here makes routes less alike, never more."""
    from gateway.core.routing import strictness  # noqa: PLC0415 -- as below

    known = {name: compare for name, compare in strictness._COMPARED.items() if name != "clients"}
    monkeypatch.setattr(strictness, "_COMPARED", known)
    assert is_at_least_as_strict(route(clients=("a",)), route(clients=("a",)))
    assert not is_at_least_as_strict(route(clients=("a",)), route())


def test_what_demands_do_not_have_yet_must_be_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.core.routing import strictness  # noqa: PLC0415 -- the module, to change it

    monkeypatch.setattr(strictness, "_NAMED_DEMANDS", frozenset({"audience"}))
    one, other = (replace(route(), demands=Demands("r", acr=(acr,))) for acr in ("a", "b"))
    assert is_at_least_as_strict(one, one)
    assert not is_at_least_as_strict(one, other)
