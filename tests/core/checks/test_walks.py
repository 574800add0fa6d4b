"""Each request that is told gets around a route in truth, and what the file plainly says is not told."""

from typing import Any

import pytest

from gateway.core.checks.walks import MOST, Walker, walks
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import Refusal
from gateway.core.routing.table import RouteTable
from tests.signer import issuer

ADMIN: dict[str, Any] = {"path": "/admin/*", "scopes": ("admin",)}
OPEN: dict[str, Any] = {"path": "/*", "access": "public"}


def config(*routes: dict[str, Any], **settings: Any) -> Config:
    made = tuple(RouteSection(**route) for route in routes)
    return Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), routes=made, **settings)


def told(*routes: dict[str, Any], **settings: Any) -> list[str]:
    return [str(problem) for problem in walks(config(*routes, **settings))]


def test_the_request_itself_is_told_and_who_takes_it() -> None:
    assert "routes[0] /admin/*: GET /admin.json  is taken by routes[1] /* (public)" in told(ADMIN, OPEN)
    assert "routes[0] /admin/*: GET /admin.json  is taken by unmatched (without its scopes)" in told(ADMIN)


#: routes, settings, a request that must be told with who takes it
AROUND: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "a suffix": ([ADMIN, OPEN], {}, "GET /admin.json  is taken by routes[1] /* (public)"),
    "a suffix beside a variable": (
        [{"path": "/users/me", "scopes": ("a",)}, {"path": "/users/{id}"}],
        *({}, "GET /users/me.json  is taken by routes[1] /users/{id} (without its scopes)"),
    ),
    "a suffix behind a literal below": (
        [{"path": "/api/admin", "scopes": ("a",)}, {"path": "/api/*", "access": "optional"}],
        *({}, "GET /api/admin.json  is taken by routes[1] /api/* (optional)"),
    ),
    "a method that the same path leaves open": (
        [{**ADMIN, "methods": ("GET",)}, {"path": "/admin/*", "access": "public"}],
        *({}, "POST /admin  is taken by routes[1] /admin/* (public)"),
    ),
    "a method that needs only a token": (
        [{**ADMIN, "methods": ("GET",)}],
        *({"unmatched_methods": "token"}, "POST /admin  is taken by unmatched (without its scopes)"),
    ),
    "another host": (
        [{**ADMIN, "hosts": ("admin.example",)}, OPEN],
        *({}, "GET http://other.invalid/admin  is taken by routes[1] /* (public)"),
    ),
    "another host, and no route": (
        [{**ADMIN, "hosts": ("admin.example",)}],
        *({}, "GET http://other.invalid/admin  is taken by unmatched (without its scopes)"),
    ),
    "a host below": (
        [{**ADMIN, "hosts": ("admin.example",)}, {**OPEN, "hosts": ("*.example",)}],
        *({}, "GET http://x.example/admin  is taken by routes[1] /* (public)"),
    ),
    "two variables crosswise": (
        [{"path": "/{any}/b", "access": "public"}, {"path": "/a/{any}", "scopes": ("a",)}],
        *({}, "GET /a/b  is taken by routes[0] /{any}/b (public)"),
    ),
    "a variable and what is below": (
        [{"path": "/{any}/b/c", "access": "public"}, {"path": "/a/*", "scopes": ("a",)}],
        *({}, "GET /a/b/c  is taken by routes[0] /{any}/b/c (public)"),
    ),
    "a route that only reports": (
        [{**ADMIN, "methods": ("GET",)}, {"path": "/admin/*", "mode": "report", "scopes": ("admin",)}],
        *({}, "POST /admin  is taken by routes[1] /admin/* (only reports)"),
    ),
    "one slash more, where that may be": (
        [ADMIN, OPEN],
        *({"ambiguous_paths": "allow"}, "GET //admin  is taken by routes[1] /* (public)"),
    ),
    "a host that a route in front has to itself": (
        [{"path": "/*", "hosts": ("a.example",)}, ADMIN],
        *(
            {"hosts": ("a.example", "b.example")},
            "GET http://a.example/admin  is taken by routes[0] /* (without its scopes)",
        ),
    ),
    "a host that a route in front names": (
        [{"path": "/*", "hosts": ("a.example",)}, ADMIN],
        *({}, "GET http://a.example/admin  is taken by routes[0] /* (without its scopes)"),
    ),
    "a method that a route in front has to itself": (
        [{"path": "/*", "methods": ("GET",)}, ADMIN],
        *({"unmatched": "refuse"}, "GET /admin  is taken by routes[0] /* (without its scopes)"),
    ),
    "a slash that is encoded": (
        [ADMIN, {**OPEN, "encoded_slashes": "allow"}],
        *({}, "GET /admin%2F1  is taken by routes[1] /* (public)"),
    ),
    "a slash that is encoded, in the middle": (
        [{"path": "/groups/{id}/keys", "scopes": ("a",)}, {"path": "/groups/{id}", "encoded_slashes": "allow"}],
        *({}, "GET /groups/1%2Fkeys  is taken by routes[1] /groups/{id} (without its scopes)"),
    ),
    "a prefix that the API does not see": (
        [ADMIN, {"path": "/api/*", "strip_prefix": "/api"}],
        *({"unmatched": "refuse"}, "GET /api/admin  is taken by routes[1] /api/* (without its scopes)"),
    ),
    "a prefix with a variable": (
        [ADMIN, {"path": "/t/{tenant}/*", "strip_prefix": "/t/{tenant}", "access": "optional"}],
        *({"unmatched": "refuse"}, "GET /t/1/admin  is taken by routes[1] /t/{tenant}/* (optional)"),
    ),
    "the path without the prefix": (
        [{"path": "/api/admin/*", "strip_prefix": "/api", "scopes": ("admin",)}],
        *({}, "GET /admin  is taken by unmatched (without its scopes)"),
    ),
    "another case, where nothing else is asked for": (
        [ADMIN, OPEN],
        *({"ambiguous_paths": "allow"}, "GET /Admin  is taken by routes[1] /* (public)"),
    ),
}


@pytest.mark.parametrize("name", AROUND)
def test_what_gets_around_is_told(name: str) -> None:
    routes, settings, sentence = AROUND[name]
    assert any(line.endswith(f": {sentence}") for line in told(*routes, **settings)), told(*routes, **settings)


@pytest.mark.parametrize(
    ("routes", "settings"),
    [
        ([], {}),
        ([ADMIN], {"unmatched": "refuse"}),
        ([OPEN], {}),
        ([{"path": "/admin/*"}], {}),
        ([{**ADMIN, "mode": "report"}], {}),
        ([{**ADMIN, "access": "optional"}], {}),
        # An exception that the file names, in front of what it is one from.
        ([{"path": "/admin/login", "access": "public"}, ADMIN], {"unmatched": "refuse"}),
        ([{"path": "/{any}/login", "access": "public"}, {"path": "/*", "scopes": ("a",)}], {}),
        # Another method, or host, of the same path by name.
        ([{**ADMIN, "methods": ("GET",)}, {"path": "/admin/*", "methods": ("POST",)}], {"unmatched": "refuse"}),
        ([{**ADMIN, "hosts": ("a.example",)}, {"path": "/admin/*", "hosts": ("b.example",)}], {"unmatched": "refuse"}),
        (
            [
                {"path": "/a", "methods": ("GET",), "scopes": ("r",)},
                {"path": "/a", "methods": ("PUT",), "any_scope": ("w", "x")},
            ],
            {"unmatched": "refuse"},
        ),
        (
            [{"path": "/a", "methods": ("PUT",), "scopes": ("w",)}, {"path": "/a", "methods": ("HEAD",)}],
            {"unmatched": "refuse"},
        ),
        # Named as it stands: a format of its own.
        ([ADMIN, {"path": "/admin.json", "access": "public"}], {"unmatched": "refuse"}),
        ([{"path": "/{any}/b", "access": "public"}, {"path": "/a/{any}/c", "scopes": ("a",)}], {"unmatched": "refuse"}),
        # The wider route asks for as much.
        ([ADMIN, {"path": "/*", "scopes": ("admin", "more")}], {}),
        # Each reads an encoded slash as a character of its segment, or nobody has one.
        (
            [
                {"path": "/groups/{id}/keys", "scopes": ("a",), "encoded_slashes": "allow"},
                {"path": "/groups/{id}", "encoded_slashes": "allow"},
            ],
            {"unmatched": "refuse"},
        ),
        # The same path of the API, as well protected; and a route for other paths of it.
        (
            [{"path": "/a/{id}", "scopes": ("a",)}, {"path": "/v1/*", "strip_prefix": "/v1", "scopes": ("a",)}],
            {"unmatched": "refuse"},
        ),
        ([{"path": "/a/{id}", "scopes": ("a",)}, {"path": "/v1/b", "strip_prefix": "/v1"}], {}),
        # Never reached: that is told elsewhere, and protects nothing.
        ([{"path": "/*", "scopes": ("a",)}, ADMIN], {}),
    ],
)
def test_what_the_file_plainly_says_is_not_told(routes: list[dict[str, Any]], settings: dict[str, Any]) -> None:
    assert told(*routes, **settings) == []


@pytest.mark.parametrize("name", AROUND)
def test_each_request_that_is_told_is_taken_as_it_is_told(name: str) -> None:
    routes, settings, _ = AROUND[name]
    made = config(*routes, **settings)
    table = RouteTable(made)
    walker = Walker(made)
    for index in range(len(routes)):
        for request, taker, _ in walker.around(index):
            route = table.match(request.facts())
            assert (route.name == "default") is (taker is None)
            assert taker is None or route.name == (routes[taker].get("name") or _name(routes[taker]))


def _name(route: dict[str, Any]) -> str:
    return f"{','.join(route['methods'])} {route['path']}" if "methods" in route else str(route["path"])


def test_a_request_that_is_refused_gets_nobody_around() -> None:
    made = config(ADMIN, OPEN)
    for line in walks(made):
        assert not any(text in line.sentence for text in ("//admin", ";x", "%3F", "%23"))
    table = RouteTable(made)
    walker = Walker(made)
    taken = []
    for request, _, _ in walker.around(0):
        try:
            taken.append(table.match(request.facts()))
        except Refusal as refusal:
            raise AssertionError(str(request)) from refusal
    assert taken


def test_a_prefix_of_another_api_gets_nobody_around() -> None:
    other = {"path": "/api/*", "strip_prefix": "/api", "upstream": "other"}
    upstreams = {"other": UpstreamSection(url="http://127.0.0.1:2")}
    assert told({"path": "/a/{id}", "scopes": ("a",)}, other, unmatched="refuse", upstreams=upstreams) == []


def test_a_route_is_asked_for_at_a_host_that_is_served() -> None:
    lines = told({"path": "/admin", "scopes": ("a",)}, OPEN, hosts=("*.api.example",))
    assert "routes[0] /admin: GET http://x.api.example/admin.json  is taken by routes[1] /* (public)" in lines


def test_of_many_routes_the_first_are_told_and_how_many_more_there_are() -> None:
    many = [{"path": f"/r{number}", "scopes": (f"s{number}",)} for number in range(60)]
    lines = told(*many, unmatched="token")
    assert MOST <= len(lines) <= MOST + 7
    assert lines[-1].startswith("routes: ")
    assert lines[-1].endswith(" more routes are gotten around; these come first")
    one_more = told(*many[: MOST + 1], ambiguous_paths="allow")
    assert len(one_more) > MOST


def test_there_is_an_end_to_trying_and_that_is_told() -> None:
    many = [{"path": f"/a/b/c{number}", "scopes": ("s",)} for number in range(50)]
    made = config(*many, unmatched="refuse")
    assert list(map(str, walks(made, most_tried=100))) == [
        "routes: 46 of them were not tried: 100 requests are, in all"
    ]
    walker = Walker(made, most_tried=100)
    for index in range(len(many)):
        list(walker.around(index))
    assert -2 * len(many) <= walker.left <= 0
