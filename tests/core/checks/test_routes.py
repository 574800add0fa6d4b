"""Routes that make no sense are problems, and routes that are unsafe or without effect are told."""

import time
from typing import Any

import pytest

from gateway.core.checks.problems import problems
from gateway.core.checks.routes import route_problems, route_warnings
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection


def config(*routes: dict[str, Any] | RouteSection, **settings: Any) -> Config:
    return Config(
        **{
            "upstream": "http://127.0.0.1:3000",
            "issuers": (Issuer(issuer="https://one.example", audience="a"), Issuer(issuer="i", audience="a", name="two")),
            "routes": tuple(route if isinstance(route, RouteSection) else RouteSection(**{"path": "/a", **route}) for route in routes),
            **settings,
        }
    )  # fmt: skip


def told(*routes: dict[str, Any], **settings: Any) -> list[str]:
    return [str(problem) for problem in route_problems(config(*routes, **settings))]


def warned(*routes: dict[str, Any], **settings: Any) -> list[str]:
    return [str(problem) for problem in route_warnings(config(*routes, **settings))]


@pytest.mark.parametrize(
    "route",
    [
        {},
        {"path": "/"},
        {"path": "/*"},
        {"path": "/a%20b/\u00fc/*"},
        {"path": "/.well-known/x"},
        {
            "path": "/api/orders/*",
            "methods": ("GET", "M-SEARCH"),
            "hosts": ("api.example", "[::1]", "127.0.0.1"),
            "scopes": ("read:orders", "https://a/b"),
            "any_scope": ("a", "b"),
            "claims": {"a": "x", "/b/c": (1, True), "https://a/~b": 1.5, "a/b~": False},
            "clients": ("app",),
            "issuers": ("one.example", "two"),
            "name": "orders",
            "strip_prefix": "/api",
            "timeout": Seconds(0.5),
            "mode": "report",
        },
        {"path": "/api/*", "strip_prefix": "/api"},
        {"path": "/%61pi/v1/*", "strip_prefix": "/api/v1/"},
        {"path": "/{tenant}/orders/{Order_2}/*", "strip_prefix": "/{tenant}/orders"},
        {"path": "/v1/things:batch/%7Bid%7D/%3Aid"},
        {"path": "/{id}"},
        {"path": "/{id}/{b}/*", "where": {"id": "https://example.com/id", "b": "/a/b"}},
        {"path": "/{id}", "where": {"id": "subject"}},
        {"path": "/{id}/"},
        {"access": "public", "methods": ("GET",), "hosts": ("a",), "timeout": Seconds(1), "upstream": "default"},
    ],
)
def test_a_sound_route_has_no_problem(route: dict[str, Any]) -> None:
    assert told(route) == []


SCOPE = (
    "must be one scope: printable ASCII, not empty, without blanks, quotes and backslashes (RFC 6749 section 3.3); "
    "claims can ask for a role of any spelling"
)
NO_HOST = "must be a host name without port, or *.example.com for every name below that one"
NEVER = "could never match, since such requests are refused: the path"
WHOLE = "must be whole segments that path begins with, such as /api for /api/orders/*"


@pytest.mark.parametrize(
    ("route", "sentence"),
    [
        ({"path": ""}, "path: must begin with a slash"),
        ({"path": "orders"}, "path: must begin with a slash"),
        ({"path": "*"}, "path: must begin with a slash"),
        ({"path": "/a*"}, "path: may have a * as its last segment only: /orders/* is /orders and all below it"),
        ({"path": "/*/a"}, "path: may have a * as its last segment only: one segment in the middle is written {name}"),
        ({"path": "/*/*"}, "path: may have a * as its last segment only: /orders/* is /orders and all below it"),
        ({"path": "/a/*/"}, "path: may have a * as its last segment only: /orders/* is /orders and all below it"),
        ({"path": "/a?x=1"}, "path: must not have a query: routes are matched on paths"),
        ({"path": "/a//b"}, f"path: {NEVER} has an empty segment"),
        ({"path": "//"}, f"path: {NEVER} has an empty segment"),
        ({"path": "/a/../b"}, f"path: {NEVER} has a dot segment"),
        ({"path": "/a%2fb"}, f"path: {NEVER} has an encoded separator or control character"),
        ({"path": "/a;b"}, f"path: {NEVER} has a backslash, a semicolon or a number sign"),
        ({"path": "/a%"}, f"path: {NEVER} has a malformed percent escape"),
        ({"path": "/%252e"}, f"path: {NEVER} is percent-encoded twice"),
        ({"strip_prefix": "/b"}, f"strip_prefix: {WHOLE}"),
        ({"strip_prefix": "a"}, f"strip_prefix: {WHOLE}"),
        ({"strip_prefix": ""}, f"strip_prefix: {WHOLE}"),
        ({"strip_prefix": "/"}, f"strip_prefix: {WHOLE}"),
        ({"strip_prefix": "/a/*"}, f"strip_prefix: {WHOLE}"),
        ({"strip_prefix": "/a//"}, f"strip_prefix: {WHOLE}"),
        ({"path": "/api/*", "strip_prefix": "/ap"}, f"strip_prefix: {WHOLE}"),
        ({"path": "/api/*", "strip_prefix": "/api/v1"}, f"strip_prefix: {WHOLE}"),
        ({"methods": ("GET", "CONNECT")}, "methods[1]: cannot have CONNECT: the gateway refuses it everywhere"),
        ({"methods": ("TRACE",)}, "methods[0]: cannot have TRACE: the gateway refuses it everywhere"),
        ({"methods": ("get",)}, "methods[0]: must be a method in capital letters, such as GET"),
        ({"methods": ("",)}, "methods[0]: must be a method in capital letters, such as GET"),
        ({"methods": ("*",)}, "methods[0]: must be a method in capital letters, such as GET"),
        ({"methods": ("GET", "PUT", "GET")}, "methods[2]: is methods[0] again"),
        ({"hosts": ("a", "a:80")}, f"hosts[1]: {NO_HOST}"),
        ({"hosts": ("https://a",)}, f"hosts[0]: {NO_HOST}"),
        ({"hosts": ("",)}, f"hosts[0]: {NO_HOST}"),
        ({"hosts": ("*.a", "*")}, f"hosts[1]: {NO_HOST}"),
        ({"hosts": ("a.*.b",)}, f"hosts[0]: {NO_HOST}"),
        ({"hosts": ("*a.b",)}, f"hosts[0]: {NO_HOST}"),
        ({"hosts": ("*.*.b",)}, f"hosts[0]: {NO_HOST}"),
        ({"hosts": ("a..b",)}, f"hosts[0]: {NO_HOST}"),
        ({"hosts": ("a.b", "A.b.")}, "hosts[1]: is hosts[0] again"),
        ({"hosts": ("\u00fc.example",)}, f"hosts[0]: {NO_HOST}"),
        ({"scopes": ("",)}, f"scopes[0]: {SCOPE}"),
        ({"scopes": ("a", "a b")}, f"scopes[1]: {SCOPE}"),
        ({"scopes": ("b\u00fcro",)}, f"scopes[0]: {SCOPE}"),
        ({"any_scope": ('"',)}, f"any_scope[0]: {SCOPE}"),
        ({"any_scope": ("\\",)}, f"any_scope[0]: {SCOPE}"),
        ({"scopes": ("a", "a")}, "scopes[1]: is scopes[0] again"),
        ({"clients": ("a", "b", "a")}, "clients[2]: is clients[0] again"),
        ({"where": {"id": "sub"}}, "where.id: is no variable of path: write {id} as a segment of path"),
        ({"path": "/{user_id}", "where": {"userid": "sub"}}, "where.userid: is no variable of path (did you mean user_id?)"),
        ({"path": "/{id}", "where": {"id": ""}}, "where.id: must be the name of a claim, a JSON Pointer, subject or client"),
        ({"path": "/{id}", "where": {"id": "/a~b"}}, "where.id: must be the name of a claim, a JSON Pointer, subject or client"),
        ({"path": "/{id}", "where": {"id": "sub"}, "access": "public"}, "where: has no effect on a public route: remove it, or access: public"),
        ({"claims": {"": 1}}, "claims['']: is not the name of a claim, and no valid JSON Pointer"),
        ({"claims": {"/a~b": 1}}, "claims['/a~b']: is not the name of a claim, and no valid JSON Pointer"),
        ({"claims": {"roles": ()}}, "claims.roles: must have at least one value"),
        ({"issuers": ("two", "won.example")}, "issuers[1]: is not the name of an issuer (did you mean one.example?)"),
        ({"upstream": "defualt"}, "upstream: is not one of the upstreams (did you mean default?)"),
        ({"upstream": "shop"}, "upstream: is not one of the upstreams"),
        ({"name": ""}, "name: must have 1 to 128 printable characters"),
        ({"name": "a\tb"}, "name: must have 1 to 128 printable characters"),
        ({"name": "n" * 129}, "name: must have 1 to 128 printable characters"),
        ({"name": "default"}, "name: is taken: metrics use it for requests without a route"),
        ({"name": "-"}, "name: is taken: metrics use it for requests without a route"),
        ({"timeout": Seconds(0)}, "timeout: must be more than 0"),
        *(
            ({"access": "public", key: value}, f"{key}: has no effect on a public route: remove it, or access: public")
            for key, value in (("scopes", ("a",)), ("any_scope", ("a",)), ("claims", {"a": 1}), ("clients", ("a",)), ("issuers", ("two",)))
        ),
    ],
)  # fmt: skip
def test_each_mistake_in_a_route_has_one_sentence(route: dict[str, Any], sentence: str) -> None:
    assert told(route) == [f"routes[0].{sentence}"]


def test_names_differ_and_paths_need_not() -> None:
    assert told({"name": "x"}, {"name": "x"}) == ["routes[1].name: must differ: routes[0] is called so as well"]
    assert told({"path": "/b"}, {"name": "/b"}) == ["routes[1].name: must differ: routes[0] is called so as well"]
    assert told({"hosts": ("a",)}, {"hosts": ("b",)}, {"methods": ("GET",)}) == []


def test_an_upstream_of_the_long_form_may_be_named() -> None:
    assert told({"upstream": "shop"}, upstreams={"shop": UpstreamSection(url="http://shop")}) == []


ORDERS = {"path": "/orders/*"}
PUBLIC = {"access": "public"}
IS_PUBLIC = "routes[0].access: is public: anybody may call it"


@pytest.mark.parametrize(
    ("first", "later", "sentence"),
    [
        ({}, {}, "is never reached: routes[0] (/a) comes first and takes all of it"),
        ({"path": "/*"}, ORDERS, "is never reached: routes[0] (/*) comes first and takes all of it"),
        ({"path": "/*"}, {"path": "/"}, "is never reached: routes[0] (/*) comes first and takes all of it"),
        (ORDERS, {"path": "/orders"}, "is never reached: routes[0] (/orders/*) comes first and takes all of it"),
        (ORDERS, {"path": "/%6frders/1/*"}, "is never reached: routes[0] (/orders/*) comes first and takes all of it"),
        (ORDERS, {"path": "/ordersx"}, None),
        (ORDERS, {"path": "/*"}, None),
        ({"path": "/orders"}, ORDERS, None),
        ({"path": "/orders"}, {"path": "/orders/"}, "is never reached: routes[0] (/orders) comes first and takes all of it"),
        ({"path": "/Orders"}, {"path": "/orders"}, None),
        ({"methods": ("GET",)}, {"methods": ("HEAD",)}, "is never reached: routes[0] (GET /a) comes first and takes all of it"),
        ({"methods": ("GET", "PUT")}, {"methods": ("PUT",)}, "is never reached: routes[0] (GET,PUT /a) comes first and takes all of it"),
        ({"methods": ("GET",)}, {"methods": ("GET", "PUT")}, None),
        ({"methods": ("HEAD",)}, {"methods": ("GET",)}, None),
        ({"methods": ("GET",)}, {}, None),
        ({"hosts": ("A.example", "b")}, {"hosts": ("a.example.",)}, "is never reached: routes[0] (/a) comes first and takes all of it"),
        ({"hosts": ("a",)}, {"hosts": ("b",)}, None),
        ({"hosts": ("a",)}, {}, None),
        ({"hosts": ("*.a.b",)}, {"hosts": ("x.a.b", "*.y.a.b")}, "is never reached: routes[0] (/a) comes first and takes all of it"),
        ({"hosts": ("*.a.b",)}, {"hosts": ("x.a.b", "a.b")}, None),
        ({}, {"hosts": ("a",), "methods": ("GET",)}, "is never reached: routes[0] (/a) comes first and takes all of it"),
        ({"path": "/a//b"}, {"path": "/a//b"}, None),
        ({"path": "/{a}/x"}, {"path": "/b/x"}, "is never reached: routes[0] (/{a}/x) comes first and takes all of it"),
        ({"path": "/{a}/x"}, {"path": "/{b}/x"}, "is never reached: routes[0] (/{a}/x) comes first and takes all of it"),
        ({"path": "/{a}/{b}/*"}, {"path": "/{c}/x/y/*"}, "is never reached: routes[0] (/{a}/{b}/*) comes first and takes all of it"),
        ({"path": "/b/x"}, {"path": "/{a}/x"}, None),
        ({"path": "/{a}/x"}, {"path": "/{a}/x/*"}, None),
        ({"path": "/{a}"}, {"path": "/"}, None),
        ({"path": "/*"}, {"path": "/a//b"}, None),
    ],
)  # fmt: skip
def test_a_route_that_an_earlier_one_takes_all_of_is_told(
    first: dict[str, Any], later: dict[str, Any], sentence: str | None
) -> None:
    assert warned(first, later) == ([] if sentence is None else [f"routes[1]: {sentence}"])


def test_where_case_is_ignored_it_is_ignored_here_too() -> None:
    assert warned({"path": "/Orders"}, {"path": "/orders"}, path_case="insensitive") == [
        "routes[1]: is never reached: routes[0] (/Orders) comes first and takes all of it"
    ]


PARTLY = "is not protected for some methods or hosts"


@pytest.mark.parametrize(
    ("first", "later", "sentence"),
    [
        ({"path": "/*"}, ORDERS, "is not protected: routes[0] (/*) comes first and is public"),
        (ORDERS, {"path": "/orders/1", "scopes": ("a",)}, "is not protected: routes[0] (/orders/*) comes first and is public"),
        ({"path": "/*", "methods": ("GET",)}, ORDERS, f"{PARTLY}: routes[0] (GET /*) comes first and is public"),
        ({"path": "/*", "methods": ("GET",)}, {**ORDERS, "methods": ("PUT", "HEAD")}, f"{PARTLY}: routes[0] (GET /*) comes first and is public"),
        ({"path": "/*", "hosts": ("a",)}, ORDERS, f"{PARTLY}: routes[0] (/*) comes first and is public"),
        ({"path": "/*", "hosts": ("a",)}, {**ORDERS, "hosts": ("a", "b")}, f"{PARTLY}: routes[0] (/*) comes first and is public"),
        ({"path": "/*", "methods": ("GET",)}, {**ORDERS, "methods": ("POST",)}, None),
        ({"path": "/*", "hosts": ("a",)}, {**ORDERS, "hosts": ("b",)}, None),
        ({"path": "/*", "hosts": ("*.a.b",)}, {**ORDERS, "hosts": ("a.b",)}, None),
        ({"path": "/*", "hosts": ("x.a.b",)}, {**ORDERS, "hosts": ("*.a.b",)}, f"{PARTLY}: routes[0] (/*) comes first and is public"),
        ({**ORDERS, "methods": ("GET",)}, ORDERS, None),
        ({"path": "/orders/public/*"}, ORDERS, None),
        ({"path": "/orders"}, ORDERS, None),
    ],
)  # fmt: skip
def test_a_public_route_in_front_of_a_protected_one_is_told(
    first: dict[str, Any], later: dict[str, Any], sentence: str | None
) -> None:
    assert warned({**first, **PUBLIC}, later) == [IS_PUBLIC, *([] if sentence is None else [f"routes[1]: {sentence}"])]


@pytest.mark.parametrize(
    ("more", "narrowed"),
    [({}, ""), ({"scopes": ("a",)}, "; only whoever shows one is asked for scopes"),
     ({"clients": ("app",), "claims": {"a": 1}}, "; only whoever shows one is asked for claims, clients")],
)  # fmt: skip
def test_of_an_optional_route_it_is_told_who_gets_in_and_whom_its_policy_is_for(
    more: dict[str, Any], narrowed: str
) -> None:
    assert told({"access": "optional", **more}) == []
    assert warned({"access": "optional", **more}) == [
        f"routes[0].access: is optional: anybody may call it without a token{narrowed}"
    ]


def test_an_optional_route_in_front_of_a_protected_one_opens_it_as_a_public_one_does() -> None:
    assert warned({"path": "/*", "access": "optional"}, ORDERS)[1:] == [
        "routes[1]: is not protected: routes[0] (/*) comes first and is optional"
    ]
    assert warned({"path": "/*", "methods": ("GET",), "access": "optional"}, ORDERS)[1:] == [
        f"routes[1]: {PARTLY}: routes[0] (GET /*) comes first and is optional"
    ]


def test_a_public_route_behind_a_public_one_is_only_never_reached() -> None:
    (_, _, sentence) = warned({"path": "/*", **PUBLIC}, {**ORDERS, **PUBLIC})
    assert sentence == "routes[1]: is never reached: routes[0] (/*) comes first and takes all of it"


def test_the_first_of_several_earlier_routes_is_named() -> None:
    assert warned({"path": "/b"}, {"path": "/a/*"}, {"path": "/*"}, {"path": "/a"}) == [
        "routes[3]: is never reached: routes[1] (/a/*) comes first and takes all of it"
    ]


def test_what_is_unsafe_is_named() -> None:
    assert warned(
        {"path": "/a", "mode": "report"},
        {"path": "/b", "mode": "report", "upstream": "kept"},
        pass_override_headers=True,
        ambiguous_paths="allow",
        upstreams={
            "kept": UpstreamSection(url="http://h", authorization="keep"),
            "other": UpstreamSection(url="http://h"),
        },
    ) == [
        "routes[0].mode: is unsafe: would-be refusals pass, and are only counted; the API does not see the token to judge it itself",
        "routes[1].mode: is unsafe: would-be refusals pass, and are only counted",
        "pass_override_headers: is unsafe: a client may change the method behind the gateway",
        "ambiguous_paths: is unsafe: a path may be read differently behind the gateway",
        "upstreams.kept.authorization: is unsafe: the API gets the token",
    ]


def test_without_routes_there_is_nothing_to_circumvent() -> None:
    assert warned(pass_override_headers=True, ambiguous_paths="allow", unmatched_methods="next") == []


def test_a_fall_through_to_whatever_comes_next_is_told() -> None:
    assert warned({}, unmatched_methods="next") == [
        "unmatched_methods: is unsafe: a method that a route does not name goes to a wider one that may demand less"
    ]
    assert warned({}, unmatched_methods="token") == []


def test_a_thousand_routes_are_judged_in_a_moment() -> None:
    routes = [{"path": f"/group{n % 40}/path{n}/*", "scopes": ("a",)} for n in range(1000)]
    started = time.process_time()
    assert told(*routes) == []
    assert warned(*routes) == []
    assert time.process_time() - started < 2


@pytest.mark.parametrize("key", ["methods", "hosts", "scopes", "any_scope", "issuers", "clients"])
def test_a_word_that_could_not_be_read_has_one_sentence_only(key: str) -> None:
    values = {"upstream": "http://h:1", "issuers": [{"issuer": "https://i", "audience": "a"}]}
    conversion = convert({**values, "routes": [{"path": "/a", key: [5]}]})
    assert [problem.path for problem in conversion.problems] == [f"routes[0].{key}[0]"]
    assert not [problem for problem in problems(conversion.config) if conversion.is_readable(problem.path)]


def test_a_path_that_could_never_match_where_case_is_ignored_is_told() -> None:
    made = Config(
        upstream="http://h:1",
        issuers=(Issuer(issuer="https://i", audience="a"),),
        routes=(RouteSection(path="/\u212aiosk"), RouteSection(path="/a" * 300)),
        path_case="insensitive",
    )
    assert [problem.path for problem in route_problems(made)] == ["routes[0].path", "routes[1].path"]


def test_that_there_is_no_upstream_is_not_told_of_each_route() -> None:
    assert told({"path": "/a"}, {"path": "/b", "upstream": "shop"}, upstream=None) == []


def test_more_routes_than_were_meant_are_refused() -> None:
    assert told({}, {}, {}, limits=Limits(routes=2)) == ["routes: are 3, and limits.routes is 2"]
    assert told({}, {}, limits=Limits(routes=2)) == []
