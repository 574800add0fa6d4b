"""Identifiers of protected resources, and which routes are theirs."""

from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection
from gateway.core.errors import AmbiguousPath, Asked
from gateway.core.routing.demands import Demands
from gateway.core.routing.resource import Resources, needed_scopes, parse_resource, routes_of, told_of, with_implied
from gateway.core.routing.route import compile_route

TOOLS = "https://api.example.com/mcp"


def config(*routes: dict[str, Any], resources: dict[str, str] | None = None, **settings: Any) -> Config:
    return Config(
        **{
            "upstream": "http://127.0.0.1:3000",
            "issuers": (Issuer(issuer="https://login.example", audience=TOOLS),),
            "resources": {
                name: ResourceSection(identifier=identifier)
                for name, identifier in (resources or {"tools": TOOLS}).items()
            },
            "routes": tuple(RouteSection(**route) for route in routes),
            **settings,
        }
    )


@pytest.mark.parametrize(
    ("identifier", "host", "segments", "path", "url"),
    [
        (TOOLS, "api.example.com", ("mcp",), "/mcp", "https://api.example.com/.well-known/oauth-protected-resource/mcp"),
        # Section 3.1: the slash that is all of the path goes, another one stays.
        ("https://a.example", "a.example", (), "", "https://a.example/.well-known/oauth-protected-resource"),
        ("https://a.example/", "a.example", (), "", "https://a.example/.well-known/oauth-protected-resource"),
        ("https://a.example/x/", "a.example", ("x",), "/x/", "https://a.example/.well-known/oauth-protected-resource/x/"),
        ("https://a.example/x/y%20z", "a.example", ("x", "y z"), "/x/y%20z", "https://a.example/.well-known/oauth-protected-resource/x/y%20z"),
        # The URL is spelled as the identifier is; what requests are compared with is not.
        ("https://API.Example:8443/mcp", "api.example", ("mcp",), "/mcp", "https://API.Example:8443/.well-known/oauth-protected-resource/mcp"),
        ("http://127.0.0.1:8080/mcp", "127.0.0.1", ("mcp",), "/mcp", "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp"),
        ("http://[::1]:8080/mcp", "[::1]", ("mcp",), "/mcp", "http://[::1]:8080/.well-known/oauth-protected-resource/mcp"),
    ],
)  # fmt: skip
def test_an_identifier_is_taken_apart(
    identifier: str, host: str, segments: tuple[str, ...], path: str, url: str
) -> None:
    resource = parse_resource("tools", ResourceSection(identifier=identifier), config())
    assert (resource.name, resource.identifier) == ("tools", identifier)
    assert (resource.host, resource.segments) == (host, segments)
    assert (resource.path, resource.url) == (f"/.well-known/oauth-protected-resource{path}", url)


def test_a_path_that_no_request_can_have_is_none() -> None:
    with pytest.raises(AmbiguousPath):
        parse_resource("tools", ResourceSection(identifier="https://a.example/x/../y"), config())


@pytest.mark.parametrize(
    ("route", "belongs"),
    [
        ({"path": "/mcp"}, True),
        ({"path": "/mcp/*"}, True),
        ({"path": "/mcp/admin"}, True),
        ({"path": "/%6dcp/*"}, True),
        ({"path": "/mcp", "hosts": ("api.example.com",)}, True),
        ({"path": "/mcp", "hosts": ("API.Example.com.",)}, True),
        # Elsewhere is no part of it.
        ({"path": "/*"}, False),
        ({"path": "/mcps"}, False),
        ({"path": "/MCP"}, False),
        ({"path": "/orders/mcp"}, False),
        ({"path": "/mcp", "hosts": ("other.example.com",)}, False),
        ({"path": "/mcp", "hosts": ("*.example.com",)}, False),
        ({"path": "/mcp/{id}"}, True),
        ({"path": "/{any}"}, False),
        # Nobody is asked for a token there.
        ({"path": "/mcp", "access": "public"}, False),
        # A path that is told of as a problem.
        ({"path": "/mcp/../x"}, False),
    ],
)
def test_the_only_one_has_the_routes_within_it(route: dict[str, Any], belongs: Any) -> None:
    found = Resources(config()).find(RouteSection(**route))
    assert (found is not None) is belongs


@pytest.mark.parametrize(
    ("external", "identifier", "path", "belongs"),
    [
        # What a proxy takes away is part of the identifier, and of no route.
        ("https://api.example.com/base", "https://api.example.com/base/mcp", "/mcp", True),
        ("https://api.example.com/base", "https://api.example.com/base/mcp", "/base/mcp", False),
        ("https://api.example.com/base", "https://api.example.com/base", "/*", True),
        ("https://api.example.com/base/", "https://api.example.com/base/mcp", "/mcp/*", True),
        ("https://api.example.com/base", "https://api.example.com/based/mcp", "/based/mcp", True),
        ("https://other.example.com/base", "https://api.example.com/base/mcp", "/base/mcp", True),
        (("https://api.example.com/a", "https://api.example.com/a/b"), "https://api.example.com/a/b/mcp", "/mcp", True),
        ("https://api.example.com:8443/base", "https://api.example.com/base/mcp", "/mcp", True),
        ("https://api.example.com", "https://api.example.com/mcp", "/mcp", True),
        ("no-url", "https://api.example.com/mcp", "/mcp", True),
    ],
)
def test_routes_are_seen_behind_what_a_proxy_takes_away(
    external: Any, identifier: str, path: str, belongs: Any
) -> None:
    made = config(external_url=external, resources={"tools": identifier})
    found = Resources(made).find(RouteSection(path=path))
    assert (found is not None) is belongs
    # Clients look for it under the identifier as it is.
    assert Resources(made).by_name["tools"].path.endswith(identifier.removeprefix("https://api.example.com"))


def test_case_is_ignored_where_the_api_ignores_it() -> None:
    resources = Resources(config(path_case="insensitive", resources={"tools": "https://api.example.com/Mcp"}))
    assert resources.find(RouteSection(path="/mCP/*")) is not None


def test_a_route_that_names_one_belongs_to_it() -> None:
    resources = Resources(config(resources={"tools": TOOLS, "orders": "https://api.example.com/orders"}))
    assert resources.find(RouteSection(path="/mcp")) is None
    assert resources.find(RouteSection(path="/mcp", resource="tools")) == resources.by_name["tools"]
    assert resources.find(RouteSection(path="/mcp", resource="nobody")) is None


def test_without_resources_no_route_has_one() -> None:
    assert Resources(Config(upstream="http://127.0.0.1:3000", issuers=())).find(RouteSection(path="/mcp")) is None


@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        ({}, ["/mcp", "/*"]),
        ({"unmatched": "refuse"}, ["/mcp"]),
        ({"unmatched": "refuse", "unmatched_methods": "token"}, ["/mcp", "/*"]),
    ],
)
def test_what_no_route_names_belongs_to_a_resource_that_is_all_of_a_host(settings: Any, paths: list[str]) -> None:
    made = config(
        {"path": "/mcp"}, {"path": "/x", "access": "public"}, resources={"all": "https://api.example.com"}, **settings
    )
    found = routes_of(made, Resources(made).by_name["all"])
    assert [route.path for route in found] == paths


@pytest.mark.parametrize(
    ("scopes", "any_scope", "held", "needed"),
    [
        ((), (), (), ()),
        (("a", "b"), (), ("a",), ("a", "b")),
        (("a",), ("b", "c"), (), ("a", "b")),
        # Of those of which one will do, the one that is there already.
        (("a",), ("b", "c"), ("c",), ("a", "c")),
        (("a",), ("c", "a"), ("c",), ("a",)),
        ((), ("b", "c"), ("x",), ("b",)),
    ],
)
def test_the_scopes_that_a_request_needs(scopes: Any, any_scope: Any, held: Any, needed: Any) -> None:
    assert needed_scopes(scopes, any_scope, held) == needed


def test_a_route_tells_where_its_resource_is_published_and_what_it_takes() -> None:
    resource = Resources(config()).by_name["tools"]
    route = RouteSection(path="/mcp", scopes=("a",), any_scope=("b", "c"))
    assert told_of(route, resource) == Asked(("a", "b"), resource.url)


def test_a_route_of_a_resource_is_for_tokens_that_name_it() -> None:
    resource = Resources(config()).by_name["tools"]
    assert with_implied(RouteSection(path="/mcp"), resource) == RouteSection(path="/mcp", audience=TOOLS)
    for audience in ("other", ("one", "two")):
        assert with_implied(RouteSection(path="/mcp", audience=audience), resource).audience == audience
    compiled = compile_route(RouteSection(path="/mcp"), resource=resource)
    assert (compiled.resource, compiled.demands) == (TOOLS, Demands("/mcp", (TOOLS,)))
    assert compiled.asked == Asked((), resource.url)
