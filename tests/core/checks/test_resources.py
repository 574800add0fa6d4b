"""Which `resources` make sense: identifiers that clients can find, routes within them, tokens that can be for them."""

from typing import Any

import pytest

from gateway.core.checks.problems import problems, warnings
from gateway.core.config.conversion import convert

TOOLS = "https://api.example.com/mcp"
LOGIN = "https://login.example"
IN_ROUTE = {"path": "/mcp"}


def document(*sections: Any, routes: list[Any] | None = None, audience: Any = TOOLS, **settings: Any) -> dict[str, Any]:
    names = ("tools", "orders", "third")
    return {
        "upstream": "http://127.0.0.1:3000",
        "issuers": [{"issuer": LOGIN, "audience": audience}],
        "resources": dict(zip(names, sections or ({"identifier": TOOLS},), strict=False)),
        "routes": [IN_ROUTE] if routes is None else routes,
        **settings,
    }


def told(made: dict[str, Any]) -> list[str]:
    conversion = convert(made)
    found = [problem for problem in problems(conversion.config) if conversion.is_readable(problem.path)]
    return [*map(str, conversion.problems), *map(str, found)]


def warned(made: dict[str, Any]) -> list[str]:
    return [str(warning) for warning in warnings(convert(made).config) if "resource" in str(warning)]


@pytest.mark.parametrize(
    "made",
    [
        document(),
        document(
            {
                "identifier": TOOLS,
                "name": "Tools",
                "documentation": "https://docs.example.com/x?y#z",
                "authorization_servers": [LOGIN, "http://localhost:9000/realm"],
                "publish_scopes": True,
            }
        ),
        document(routes=[{"path": "/mcp/*"}, {"path": "/orders"}, {"path": "/mcp", "access": "public"}]),
        document(routes=[{"path": "/mcp", "hosts": ["api.example.com"]}, {"path": "/mcp", "hosts": ["b.example"]}]),
        document(
            {"identifier": TOOLS},
            {"identifier": "https://orders.example.com/"},
            audience=[TOOLS, "https://orders.example.com/"],
            routes=[{"path": "/mcp", "resource": "tools"}, {"path": "/o/*", "resource": "orders"}],
            unmatched="refuse",
        ),
        document({"identifier": "http://127.0.0.1:8080/mcp"}, audience="http://127.0.0.1:8080/mcp"),
        document({"identifier": "https://[::1]/mcp"}, audience="https://[::1]/mcp"),
        document(external_url="https://api.example.com", hosts=["*.example.com"]),
        document({"identifier": TOOLS + "/v1"}, audience=TOOLS + "/v1", external_url=TOOLS, routes=[{"path": "/v1/*"}]),
        # Another issuer's tokens are for something else: those of one are enough.
        document(issuers=[{"issuer": LOGIN, "audience": TOOLS}, {"issuer": "https://b.example", "audience": "b"}]),
    ],
)
def test_a_sound_section_is_not_spoken_of(made: Any) -> None:
    assert told(made) == []
    assert warned(made) == []


HTTPS = "must be https, unless it is on loopback"


@pytest.mark.parametrize(
    ("section", "key", "sentence"),
    [
        ({}, ".identifier", "is required"),
        ({"identifier": ""}, ".identifier", "must not be empty"),
        ({"identifier": "api.example.com/mcp"}, ".identifier", "must be a URL that begins with https:// or http://"),
        ({"identifier": "urn:example:mcp"}, ".identifier", "must be a URL that begins with https:// or http://"),
        ({"identifier": "http://api.example.com/mcp"}, ".identifier", HTTPS),
        ({"identifier": "http://10.0.0.1/mcp"}, ".identifier", HTTPS),
        ({"identifier": TOOLS + "#x"}, ".identifier", "must not have a fragment (#) in its URL"),
        ({"identifier": TOOLS + "#"}, ".identifier", "must not have a fragment (#) in its URL"),
        ({"identifier": TOOLS + "?"}, ".identifier", "must not have a query (?) in its URL"),
        ({"identifier": TOOLS + "?x=1"}, ".identifier", "must not have a query (?) in its URL"),
        ({"identifier": "https://a:b@api.example.com/mcp"}, ".identifier", "must not have a user or a password in its URL"),
        ({"identifier": "https://api.example.com/\u00fc"}, ".identifier", "must be a URL without blanks"),
        ({"identifier": "https://api.example.com/a/../mcp"}, ".identifier", "has a path that no request can have: the path has a dot segment"),
        ({"identifier": "https://api.example.com//mcp"}, ".identifier", "has a path that no request can have: the path has an empty segment"),
        ({"identifier": "https://api.example.com/mcp;x"}, ".identifier", "has a path that no request can have"),
        ({"identifier": "https://api.example.com/.well-known/oauth-protected-resource/mcp"}, ".identifier", "looks like the address at which it is published"),
        ({"identifier": TOOLS, "name": " "}, ".name", "must have 1 to 128 characters"),
        ({"identifier": TOOLS, "name": "x" * 129}, ".name", "must have 1 to 128 characters"),
        ({"identifier": TOOLS, "documentation": "docs.example.com"}, ".documentation", "must be a URL that begins"),
        ({"identifier": TOOLS, "authorization_servers": ["login"]}, ".authorization_servers[0]", "must be a URL that begins"),
        ({"identifier": TOOLS, "authorization_servers": [LOGIN + "?x"]}, ".authorization_servers[0]", "must not have a query"),
        ({"identifier": TOOLS, "authorization_servers": [LOGIN, "http://login.example"]}, ".authorization_servers[1]", HTTPS),
        ({"identifier": TOOLS, "authorization_servers": [LOGIN, LOGIN]}, ".authorization_servers[1]", "is authorization_servers[0] again"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(section: Any, key: str, sentence: str) -> None:
    (problem,) = told(document(section, routes=[]))
    assert problem.startswith(f"resources.tools{key}: "), problem
    assert sentence in problem


@pytest.mark.parametrize("name", ["", "x" * 129, "a\nb"])
def test_a_name_can_be_told(name: str) -> None:
    made = document()
    made["resources"] = {name: made["resources"]["tools"]}
    (problem,) = told(made)
    assert problem.endswith("must be called by 1 to 128 printable characters")


@pytest.mark.parametrize(
    "second", [TOOLS, TOOLS + "/", "https://API.example.com/mcp", "https://api.example.com:8443/mcp"]
)
def test_two_that_would_be_published_at_one_place(second: str) -> None:
    (problem,) = told(document({"identifier": TOOLS}, {"identifier": second}, routes=[]))
    assert problem.startswith("resources.orders.identifier: must differ from that of resources.tools in host or path")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"external_url": "https://other.example.com"}, "must be at external_url: that is where clients call"),
        ({"external_url": ["https://a.example.com", "https://b.example.com/mcp"]}, "must be at external_url"),
        ({"hosts": ["other.example.com"]}, "must be at one of hosts: requests for it are refused (421)"),
        ({"hosts": ["*.api.example.com"]}, "must be at one of hosts"),
    ],
)
def test_an_identifier_is_at_a_host_that_is_served(settings: Any, sentence: str) -> None:
    (problem,) = told(document(**settings))
    assert problem.startswith(f"resources.tools.identifier: {sentence}")


@pytest.mark.parametrize(
    ("route", "key", "sentence"),
    [
        ({"path": "/mcp", "resource": "tool"}, "resource", "is not the name of a resource (did you mean tools?)"),
        ({"path": "/mcp", "resource": "tools", "access": "public"}, "resource", "has no effect on a public route"),
        ({"path": "/*", "resource": "tools"}, "path", "must lie under the path of its resource's identifier"),
        ({"path": "/mcpx", "resource": "tools"}, "path", "must lie under the path of its resource's identifier"),
        ({"path": "/mcp", "resource": "tools", "hosts": ["b.example"]}, "hosts[0]", "must be the host of its resource's identifier"),
        # Of a route that lies within the only one for some hosts it is asked as well.
        ({"path": "/mcp", "hosts": ["api.example.com", "b.example"]}, "hosts[1]", "must be the host of its resource's identifier"),
    ],
)  # fmt: skip
def test_a_route_lies_within_its_resource(route: Any, key: str, sentence: str) -> None:
    (problem,) = told(document(routes=[route]))
    assert problem.startswith(f"routes[0].{key}: {sentence}"), problem


def test_a_resource_that_cannot_be_read_says_nothing_of_routes() -> None:
    (problem,) = told(document({"identifier": "x"}, routes=[{"path": "/*", "resource": "tools"}]))
    assert problem.startswith("resources.tools.identifier: ")
    assert warned(document({"identifier": "x"}, routes=[{"path": "/*", "resource": "tools"}])) == []


@pytest.mark.parametrize(
    ("audience", "hint"),
    [
        ("mcp", ""),
        ([TOOLS + "/", "x"], "; it has one that differs by the slash at its end"),
    ],
)
def test_a_token_must_be_able_to_be_for_it(audience: Any, hint: str) -> None:
    assert told(document(audience=audience)) == [
        f"resources.tools.identifier: must be in the audience of an issuer whose tokens route /mcp takes{hint}"
    ]


def test_a_route_that_says_whom_its_tokens_are_for_is_not_asked_for_more() -> None:
    assert told(document(audience="mcp", routes=[{"path": "/mcp", "audience": "mcp"}])) == []


def test_only_the_issuers_of_a_route_count_for_it() -> None:
    issuers = [{"issuer": LOGIN, "audience": TOOLS}, {"issuer": "https://b.example", "audience": "b", "name": "b"}]
    (problem,) = told(document(routes=[{"path": "/mcp", "issuers": ["b"]}], issuers=issuers))
    assert "must be in the audience of an issuer whose tokens route /mcp takes" in problem


def test_without_issuers_nothing_is_said_of_audiences() -> None:
    assert told(document(issuers=[])) == ["issuers: must have at least one issuer"]


@pytest.mark.parametrize(
    ("made", "warning"),
    [
        (document(routes=[{"path": "/orders"}]), "resources.tools: has no route: nothing that is asked for at its identifier belongs to it"),
        (
            document(issuers=[{"issuer": "x", "audience": TOOLS, "jwks_file": "/jwks.json"}]),
            "resources.tools.authorization_servers: is empty, and no https issuer stands in: clients are not told where to get a token",
        ),
        (
            document({"identifier": TOOLS, "authorization_servers": [LOGIN + "/"]}),
            f"resources.tools.authorization_servers[0]: differs from the issuer {LOGIN} by the slash at its end: clients compare it to the letter",
        ),
        (
            document(routes=[IN_ROUTE, {"path": "/.well-known/*", "access": "public"}]),
            "resources.tools: is published at /.well-known/oauth-protected-resource/mcp, which routes[1] (/.well-known/*) names too: its requests for that never reach the API",
        ),
        (
            document(routes=[IN_ROUTE, {"path": "/.well-known/oauth-protected-resource/"}]),
            "resources.tools: is published at /.well-known/oauth-protected-resource, which routes[1] (/.well-known/oauth-protected-resource/) names too: its requests for that never reach the API",
        ),
    ],
)  # fmt: skip
def test_what_ought_to_be_known_is_told(made: Any, warning: str) -> None:
    assert warning in warned(made)


def test_a_route_for_everything_means_no_path_of_ours() -> None:
    assert warned(document(routes=[IN_ROUTE, {"path": "/*"}])) == []


def test_a_route_of_several_resources_names_its_own() -> None:
    other = "https://orders.example.com/v1"
    routes = [
        {"path": "/mcp"},
        {"path": "/v1", "resource": "orders"},
        {"path": "/mcp/x", "resource": "tools"},
        {"path": "/x"},
        {"path": "/mcp/public", "access": "public"},
    ]
    made = document({"identifier": TOOLS}, {"identifier": other}, routes=routes, audience=[TOOLS, other])
    told_of = [warning for warning in warned(made) if "routes" in warning.partition(":")[0] and ".resource" in warning]
    assert told_of == ["routes[0].resource: is not set: its challenges do not tell where resources.tools is published"]
