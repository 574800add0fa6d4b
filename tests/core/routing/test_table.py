"""The first route whose path, host and method fit, and nothing that could be taken for it."""

from typing import Any

import pytest

from gateway.core.config.cors import Cors
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import AmbiguousPath, BadRequest, MethodNotAllowed, NoRoute, Refusal
from gateway.core.http.hosts import host_of
from gateway.core.routing.pattern import parse_pattern
from gateway.core.routing.table import RouteTable
from tests.memory import facts
from tests.signer import issuer


def config(*routes: RouteSection, **settings: Any) -> Config:
    return Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), routes=routes, **settings)


def matched(configured: Config, target: str, **request: Any) -> str:
    """The name of the route, or the reason of the refusal."""
    try:
        return RouteTable(configured).match(facts(target=target.encode(), **request)).name
    except Refusal as refusal:
        return refusal.reason


@pytest.mark.parametrize(
    ("path", "segments", "below"),
    [
        ("/", (), False),
        ("/*", (), True),
        ("/health", ("health",), False),
        ("/health/", ("health",), False),
        ("/orders/*", ("orders",), True),
        ("/a/b%20c/*", ("a", "b c"), True),
        ("/\u00fc", ("\u00fc",), False),
        ("/%C3%BC", ("\u00fc",), False),
    ],
)
def test_a_pattern_is_segments_and_perhaps_all_below(path: str, segments: tuple[str, ...], *, below: bool) -> None:
    assert parse_pattern(path) == (segments, below)


def test_a_pattern_in_capitals_is_folded_when_case_is_ignored_and_an_ambiguous_one_is_refused() -> None:
    assert parse_pattern("/Orders/*", ignore_case=True) == (("orders",), True)
    with pytest.raises(AmbiguousPath):
        parse_pattern("/a//b")


@pytest.mark.parametrize(
    ("path", "target", "fits"),
    [
        ("/health", "/health", True),
        ("/health", "/health/", True),
        ("/health", "/health?x=1", True),
        ("/health", "/he%61lth", True),
        ("/health/", "/health", True),
        ("/health", "/health/x", False),
        ("/health", "/healthy", False),
        ("/health", "/HEALTH", False),
        ("/health", "/", False),
        ("/health", "/?/health", False),
        ("/orders/*", "/orders", True),
        ("/orders/*", "/orders/", True),
        ("/orders/*", "/orders/1", True),
        ("/orders/*", "/orders/1/2/3/", True),
        ("/orders/*", "/ordersx", False),
        ("/orders/*", "/order", False),
        ("/orders/*", "/a/orders", False),
        ("/orders/*", "/orders%20/1", False),
        ("/*", "/", True),
        ("/*", "/a/b", True),
        ("/", "/", True),
        ("/", "/?x", True),
        ("/", "/a", False),
        ("/a%20b", "/a b", True),
        ("/a%2Bb", "/a+b", True),
        ("/\u00fc/*", "/%c3%bc/x", True),
    ],
)
def test_a_path_fits_by_whole_decoded_segments(path: str, target: str, *, fits: bool) -> None:
    assert matched(config(RouteSection(path=path, name="it")), target) == ("it" if fits else "default")


ORDERED = (
    RouteSection(path="/orders/special", name="exact"),
    RouteSection(path="/orders/*", methods=("GET",), name="get"),
    RouteSection(path="/orders/*", methods=("POST", "PUT"), name="write"),
    RouteSection(path="/*", methods=("GET",), name="any"),
    RouteSection(path="/orders/late", name="late"),
)


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", "/orders/special", "exact"),
        ("DELETE", "/orders/special", "exact"),
        ("GET", "/orders/1", "get"),
        ("HEAD", "/orders/1", "get"),
        ("PUT", "/orders", "write"),
        ("GET", "/other", "any"),
        ("GET", "/orders/late", "get"),
        ("DELETE", "/orders/late", "late"),
        ("DELETE", "/orders/1", "method_not_allowed"),
        ("POST", "/other", "method_not_allowed"),
        ("GET", "/orders//1", "ambiguous_path"),
    ],
)
def test_the_first_that_fits_is_taken(method: str, target: str, name: str) -> None:
    assert matched(config(*ORDERED), target, method=method) == name


def test_order_decides_also_between_a_wide_and_a_narrow_path() -> None:
    wide, narrow = RouteSection(path="/*", name="wide"), RouteSection(path="/a/b", name="narrow")
    assert matched(config(wide, narrow), "/a/b") == "wide"
    assert matched(config(narrow, wide), "/a/b") == "narrow"


HOSTS = (
    RouteSection(path="/*", hosts=("Admin.Example", "[::1]", "dotted.example."), name="admin"),
    RouteSection(path="/a", name="all"),
)


@pytest.mark.parametrize(
    ("host", "target", "name"),
    [
        (b"admin.example", "/a", "admin"),
        (b"ADMIN.example:8443", "/a", "admin"),
        (b"admin.example.", "/a", "admin"),
        (b"admin.example.:443", "/a", "admin"),
        (b"dotted.example", "/a", "admin"),
        (b"[::1]:8080", "/a", "admin"),
        (b"[::1]", "/a", "admin"),
        (b"admin.example.evil", "/a", "all"),
        (b"xadmin.example", "/a", "all"),
        (b"other", "/a", "all"),
        (None, "/a", "all"),
        (b"other", "/b", "default"),
        (None, "/b", "default"),
    ],
)
def test_a_host_is_compared_whole_and_without_its_port(host: bytes | None, target: str, name: str) -> None:
    assert matched(config(*HOSTS), target, host=host) == name


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (None, None),
        (b"", ""),
        (b"A.example", "a.example"),
        (b"a.example:80", "a.example"),
        (b"a.example:", "a.example"),
        (b"a.example.", "a.example"),
        (b"a.example.:80", "a.example"),
        (b"[::1]", "[::1]"),
        (b"[2001:DB8::1]:443", "[2001:db8::1]"),
        (b"a:b", "a:b"),
        (b"::1", "::1"),
        (b"127.0.0.1:1", "127.0.0.1"),
    ],
)
def test_the_host_of_an_authority(authority: bytes | None, host: str | None) -> None:
    assert host_of(authority) == host


GET_ONLY = RouteSection(path="/orders/*", methods=("GET",), name="get")


@pytest.mark.parametrize(
    ("settings", "unnamed", "unnamed_method", "asterisk"),
    [
        ({}, "default", "method_not_allowed", "default"),
        ({"unmatched": "refuse"}, "no_route", "method_not_allowed", "no_route"),
        ({"unmatched_methods": "token"}, "default", "default", "default"),
        ({"unmatched": "refuse", "unmatched_methods": "token"}, "no_route", "default", "no_route"),
    ],
)
def test_what_no_route_names_is_as_configured(
    settings: dict[str, Any], unnamed: str, unnamed_method: str, asterisk: str
) -> None:
    configured = config(GET_ONLY, **settings)
    assert matched(configured, "/other") == unnamed
    assert matched(configured, "/orders/1", method="POST") == unnamed_method
    assert matched(configured, "*", method="OPTIONS") == asterisk
    assert matched(configured, "/orders/1") == "get"


def test_the_default_asks_for_a_token_and_nothing_more() -> None:
    route = RouteTable(config(GET_ONLY)).match(facts(target=b"/other"))
    assert not route.public
    assert not route.reports
    assert (route.scopes, route.any_scope, dict(route.claims), route.clients, route.issuers) == ((), (), {}, None, None)
    assert (route.upstream, route.stripped) == ("default", 0)


def test_a_host_that_no_route_has_makes_the_path_an_unnamed_one() -> None:
    hosted = RouteSection(path="/orders", hosts=("a.example",), methods=("GET",))
    assert matched(config(hosted), "/orders", method="POST", host=b"b.example") == "default"
    assert matched(config(hosted), "/orders", method="POST", host=b"a.example") == "method_not_allowed"


@pytest.mark.parametrize(
    ("routes", "allow"),
    [
        ((GET_ONLY,), ("GET", "HEAD")),
        ((GET_ONLY, RouteSection(path="/*", methods=("PUT", "GET"))), ("GET", "HEAD", "PUT")),
        ((RouteSection(path="/orders", methods=("PATCH",)),), ("PATCH",)),
        ((RouteSection(path="/orders", methods=("HEAD",)), RouteSection(path="/x", methods=("PUT",))), ("HEAD",)),
        ((GET_ONLY, RouteSection(path="/orders", methods=("PUT",), hosts=("other",))), ("GET", "HEAD")),
    ],
)
def test_a_refused_method_says_which_fit_the_path_and_the_host(
    routes: tuple[RouteSection, ...], allow: tuple[str, ...]
) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        RouteTable(config(*routes)).match(facts(target=b"/orders", method="POST"))
    assert caught.value.allow == allow


def test_without_routes_every_path_takes_the_default_however_it_is_spelled() -> None:
    for target in ("/", "/a//b", "/..;/a", "/%2e", "/a#b", "/%zz", "*"):
        assert matched(config(), target) == "default"


def test_without_routes_everything_is_unmatched_also_where_that_is_refused() -> None:
    assert matched(config(unmatched="refuse"), "/") == NoRoute.reason


@pytest.mark.parametrize("target", ["/a//b", "/x/../orders", "/orders;x", "/orders%2F1", "/%zz"])
def test_an_ambiguous_path_is_refused_whatever_it_would_match(target: str) -> None:
    everything = RouteSection(path="/*", access="public")
    assert matched(config(everything), target) == "ambiguous_path"
    assert matched(config(everything, unmatched="refuse"), target) == "ambiguous_path"
    assert matched(config(everything, ambiguous_paths="allow"), target) == "/*"


@pytest.mark.parametrize(
    ("path_case", "target", "name"),
    [
        ("sensitive", "/Orders/1", "it"),
        ("sensitive", "/orders/1", "default"),
        ("sensitive", "/oRDER%53", "default"),
        ("insensitive", "/Orders/1", "it"),
        ("insensitive", "/orders/1", "it"),
        ("insensitive", "/oRDER%53", "it"),
        ("insensitive", "/ordersx", "default"),
    ],
)
def test_case_counts_unless_the_api_ignores_it(path_case: str, target: str, name: str) -> None:
    assert matched(config(RouteSection(path="/Orders/*", name="it"), path_case=path_case), target) == name


@pytest.mark.parametrize(
    ("request_", "skipped"),
    [
        ({"target": b"/orders/special"}, []),
        ({"target": b"/orders/1", "method": "PUT"}, [("exact", "another path"), ("get", "not for PUT")]),
        (
            {"target": b"/none", "method": "PUT"},
            [
                ("exact", "another path"),
                ("get", "another path"),
                ("write", "another path"),
                ("any", "not for PUT"),
                ("late", "another path"),
            ],
        ),
        ({"target": b"*", "method": "OPTIONS"}, [(route.name, "another path") for route in ORDERED]),
    ],
)
def test_the_routes_before_the_one_that_is_taken_say_why_not(
    request_: dict[str, Any], skipped: list[tuple[str, str]]
) -> None:
    assert RouteTable(config(*ORDERED)).passed_over(facts(**request_)) == skipped


def test_a_route_of_another_host_says_so() -> None:
    assert RouteTable(config(*HOSTS)).passed_over(facts(target=b"/a")) == [("admin", "another host")]


def test_without_routes_nothing_is_passed_over() -> None:
    assert RouteTable(config()).passed_over(facts(target=b"/a//b")) == []


def test_where_the_path_is_ambiguous_nothing_is_passed_over() -> None:
    with pytest.raises(AmbiguousPath):
        RouteTable(config(*ORDERED)).passed_over(facts(target=b"/a//b"))


# Preflights

PAGE = Cors(origins=("https://app.example.com",))
OTHER = Cors(origins=("https://other.example.com",))


def preflight(configured: Config, target: str = "/a", asking: str = "PUT", **request: Any) -> tuple[str, str] | None:
    """The name of the route that a preflight asks about, and the method."""
    headers = ((b"Origin", b"https://app.example.com"), (b"Access-Control-Request-Method", asking.encode()))
    defaults: dict[str, Any] = {"method": "OPTIONS", "target": target.encode(), "headers": headers}
    found = RouteTable(configured).find_preflight(facts(**(defaults | request)))
    return (found[0].name, found[1]) if found is not None else None


def test_a_preflight_asks_about_the_route_of_the_method_it_announces() -> None:
    configured = config(
        RouteSection(path="/a", methods=("GET",), name="read"),
        RouteSection(path="/a", methods=("PUT",), name="write", cors=OTHER),
        RouteSection(path="/a", methods=("OPTIONS",), name="options", access="public", cors="upstream"),
        cors=PAGE,
    )
    assert preflight(configured) == ("write", "PUT")
    assert preflight(configured, asking="HEAD") == ("read", "HEAD")
    assert preflight(configured, asking="OPTIONS") == ("options", "OPTIONS")
    assert preflight(configured, "/elsewhere") == ("default", "PUT")


def test_a_preflight_whose_route_has_no_cors_is_a_request_like_any_other() -> None:
    off = RouteSection(path="/a", methods=("PUT",), cors=None)
    assert preflight(config(off)) is None
    assert preflight(config(off, cors=PAGE)) is None
    assert preflight(config()) is None
    assert preflight(config(cors="upstream")) == ("default", "PUT")
    assert preflight(config(RouteSection(path="/b", cors=PAGE))) is None
    assert preflight(config(RouteSection(path="/b", cors=PAGE)), "/b") == ("/b", "PUT")


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "GET"},
        {"headers": ()},
        {"chunked": True},
        {"content_length": 1},
        {"target": "/a/../b"},
        {"target": "/only-get"},
    ],
)
def test_what_is_no_preflight_or_has_no_route_is_a_request_like_any_other(request_: dict[str, Any]) -> None:
    configured = config(RouteSection(path="/a"), RouteSection(path="/only-get", methods=("GET",)), cors=PAGE)
    assert preflight(configured, content_length=0) == ("/a", "PUT")
    assert preflight(configured, **request_) is None


def test_a_route_has_the_cors_of_the_file_unless_it_has_its_own() -> None:
    table = RouteTable(
        config(
            RouteSection(path="/a"), RouteSection(path="/b", cors=OTHER), RouteSection(path="/c", cors=None), cors=PAGE
        )
    )
    found = [table.match(facts(target=target)).cors for target in (b"/a", b"/b", b"/c", b"/d")]
    assert found[0] is found[3] is table.cors
    assert found[1] is not None
    assert found[1].origins == frozenset({b"https://other.example.com"})
    assert found[2] is None


@pytest.mark.parametrize("host", [b"admin%2etest", b"admin.test..", b"a..b", b".admin.test"])
def test_a_host_that_may_be_read_as_another_is_refused_where_hosts_count(host: bytes) -> None:
    routes = (RouteSection(path="/*", hosts=("admin.test",), scopes=("x",)), RouteSection(path="/*", access="public"))
    table = RouteTable(Config(upstream="http://h", issuers=(), routes=routes))
    with pytest.raises(BadRequest):
        table.match(facts(None, host=host))


# Hosts at the top

SERVED = ("api.test", "*.shop.test", "[::1]")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"api.test", "a"),
        (b"API.test.:8443", "a"),
        (b"one.shop.test", "wild"),
        (b"x.y.shop.test", "wild"),
        (b"[::1]:80", "a"),
        (b"shop.test", "unknown_host"),
        (b"other.test", "unknown_host"),
        (b"api.test.evil", "unknown_host"),
        (b"xapi.test", "unknown_host"),
        (b"", "unknown_host"),
        (None, "unknown_host"),
        (b"api%2etest", "bad_request"),
        (b"api.test..", "bad_request"),
        (b"a..shop.test", "bad_request"),
        (b".shop.test", "bad_request"),
    ],
)
@pytest.mark.parametrize("target", ["/a", "/a//b", "*", "/elsewhere"])
def test_hosts_that_are_not_named_are_not_served(host: bytes | None, name: str, target: str) -> None:
    routes = (RouteSection(path="/a", hosts=("*.shop.test",), name="wild"), RouteSection(path="/a", name="a"))
    for made in (
        config(*routes, hosts=SERVED),
        config(*routes, hosts=SERVED, unmatched="refuse"),
        config(hosts=SERVED),
    ):
        found = matched(made, target, host=host)
        if name in {"unknown_host", "bad_request"} or (made.routes and target == "/a"):
            assert found == name
        else:
            assert found in {"default", "no_route", "ambiguous_path"}


def test_without_hosts_at_the_top_every_host_is_served() -> None:
    table = RouteTable(config())
    table.check_host(facts(host=b"..%"))
    assert table.match(facts(host=None)).name == "default"


def test_a_preflight_for_another_host_is_refused_as_any_request() -> None:
    configured = config(RouteSection(path="/a"), cors=PAGE, hosts=("api.test",))
    assert preflight(configured, host=b"api.test") == ("/a", "PUT")
    assert preflight(configured, host=b"other.test") is None
    assert matched(configured, "/a", host=b"other.test", method="OPTIONS") == "unknown_host"


@pytest.mark.parametrize(
    ("host", "name"),
    [(b"a.b.test", "wide"), (b"x.a.b.test", "narrow"), (b"b.test", "own"), (b"c.test", "rest"), (None, "rest")],
)
def test_a_wildcard_is_every_name_below_it_and_order_decides_among_them(host: bytes | None, name: str) -> None:
    routes = (
        RouteSection(path="/*", hosts=("*.a.b.test",), name="narrow"),
        RouteSection(path="/*", hosts=("*.B.test",), name="wide"),
        RouteSection(path="/*", hosts=("b.test",), name="own"),
        RouteSection(path="/*", name="rest"),
    )
    assert matched(config(*routes), "/x", host=host) == name
    # The other way round the wide one takes all.
    assert matched(config(routes[1], routes[0]), "/x", host=b"x.a.b.test") == "wide"


# Methods

ADMIN = RouteSection(path="/admin/*", methods=("GET",), scopes=("admin",), name="admin")
REST = RouteSection(path="/*", access="public", name="rest")


@pytest.mark.parametrize(
    ("routes", "method", "name"),
    [
        # Past a narrower route, to one that demands less
        ((ADMIN, REST), "GET", "admin"),
        ((ADMIN, REST), "HEAD", "admin"),
        *(((ADMIN, REST), method, "method_not_allowed") for method in ("DELETE", "POST", "OPTIONS", "PROPFIND")),
        ((ADMIN, {"path": "/*", "name": "rest"}), "DELETE", "method_not_allowed"),
        ((ADMIN, {"path": "/*", "scopes": ("other",), "name": "rest"}), "DELETE", "method_not_allowed"),
        ((ADMIN, {"path": "/*", "methods": ("DELETE",), "access": "optional", "name": "rest"}), "DELETE", "method_not_allowed"),
        ((ADMIN, {"path": "/{any}/*", "access": "public", "name": "rest"}), "DELETE", "method_not_allowed"),
        # To one that demands as much, or more
        ((ADMIN, {"path": "/*", "scopes": ("admin",), "name": "rest"}), "DELETE", "rest"),
        ((ADMIN, {"path": "/*", "scopes": ("admin", "root"), "name": "rest"}), "DELETE", "rest"),
        (({"path": "/admin/*", "methods": ("GET",), "access": "public", "name": "docs"}, {"path": "/*", "scopes": ("x",), "name": "rest"}), "POST", "rest"),
        # One that demands less is passed over
        ((ADMIN, REST, {"path": "/*", "scopes": ("admin",), "name": "late"}), "DELETE", "late"),
        # The same path is no wider one, nor a narrower one
        ((ADMIN, {"path": "/admin/*", "methods": ("DELETE",), "scopes": ("x",), "name": "write"}), "DELETE", "write"),
        ((ADMIN, {"path": "/admin/x", "access": "public", "name": "open"}), "DELETE", "open"),
        ((ADMIN, {"path": "/admin/{id}", "access": "public", "name": "open"}), "DELETE", "open"),
        ((ADMIN, {"path": "/{any}/x", "access": "public", "name": "open"}), "DELETE", "method_not_allowed"),
        # What comes first comes first
        ((REST, ADMIN), "DELETE", "rest"),
        # All that were passed by count
        ((ADMIN, {"path": "/admin/x", "methods": ("PUT",), "scopes": ("b",), "name": "put"}, {"path": "/*", "scopes": ("admin",), "name": "rest"}), "DELETE", "method_not_allowed"),
        ((ADMIN, {"path": "/admin/x", "methods": ("PUT",), "scopes": ("b",), "name": "put"}, {"path": "/*", "scopes": ("admin", "b"), "name": "rest"}), "DELETE", "rest"),
    ],
)  # fmt: skip
def test_a_method_falls_through_only_to_what_demands_as_much(routes: tuple[Any, ...], method: str, name: str) -> None:
    made = tuple(route if isinstance(route, RouteSection) else RouteSection(**route) for route in routes)
    assert matched(config(*made), "/admin/x", method=method) == name
    # Without a word about the path nothing is passed by.
    if REST in made:
        assert matched(config(*made), "/other", method=method) == "rest"


@pytest.mark.parametrize(
    ("hosts", "host", "name"),
    [
        ((), b"admin.test", "method_not_allowed"),
        (("admin.test",), b"admin.test", "all hosts"),
        (("*.test",), b"admin.test", "method_not_allowed"),
        (("other.test",), b"admin.test", "method_not_allowed"),
    ],
)
def test_a_route_for_more_hosts_is_a_wider_one(hosts: tuple[str, ...], host: bytes, name: str) -> None:
    narrow = RouteSection(path="/a", methods=("GET",), hosts=("admin.test",), scopes=("admin",), name="narrow")
    wide = RouteSection(path="/a", hosts=hosts, access="public", name="all hosts")
    assert matched(config(narrow, wide), "/a", method="DELETE", host=host) == name
    assert matched(config(narrow, wide), "/a", method="GET", host=host) == "narrow"


@pytest.mark.parametrize(
    ("setting", "name"), [("refuse", "method_not_allowed"), ("token", "default"), ("next", "rest")]
)
def test_what_becomes_of_a_method_that_may_not_fall_through(setting: str, name: str) -> None:
    configured = config(ADMIN, REST, unmatched_methods=setting)
    assert matched(configured, "/admin/x", method="DELETE") == name
    assert matched(configured, "/admin/x") == "admin"
    alone = config(ADMIN, unmatched_methods=setting)
    assert matched(alone, "/admin/x", method="DELETE") == ("default" if setting == "token" else "method_not_allowed")


@pytest.mark.parametrize(
    ("routes", "allow"),
    [
        ((ADMIN, REST), ("GET", "HEAD")),
        ((ADMIN, RouteSection(path="/*", methods=("POST", "PUT"), access="public")), ("GET", "HEAD")),
        ((ADMIN, RouteSection(path="/*", methods=("POST", "PUT"), scopes=("admin",))), ("GET", "HEAD", "POST", "PUT")),
        ((ADMIN, RouteSection(path="/admin/{x}", methods=("PATCH",), access="public"), REST), ("GET", "HEAD", "PATCH")),
    ],
)
def test_allow_names_what_would_be_taken(routes: tuple[RouteSection, ...], allow: tuple[str, ...]) -> None:
    table = RouteTable(config(*routes))
    with pytest.raises(MethodNotAllowed) as caught:
        table.match(facts(target=b"/admin/x", method="DELETE"))
    assert caught.value.allow == allow
    for method in allow:
        assert table.match(facts(target=b"/admin/x", method=method)) is not None


def test_why_a_method_is_not_allowed_is_told() -> None:
    table = RouteTable(config(ADMIN, REST))
    with pytest.raises(MethodNotAllowed) as caught:
        table.match(facts(target=b"/admin/x", method="DELETE"))
    assert caught.value.evidence == "admin is not for DELETE, and rest, which is, asks for less"
    assert table.passed_over(facts(target=b"/admin/x", method="DELETE")) == [
        ("admin", "not for DELETE"),
        ("rest", "asks for less than admin, which names this path"),
    ]
    with pytest.raises(MethodNotAllowed, match="DELETE is on no route for this path"):
        RouteTable(config(ADMIN)).match(facts(target=b"/admin/x", method="DELETE"))


def test_a_preflight_asks_about_a_method_that_does_not_fall_through() -> None:
    configured = config(ADMIN, RouteSection(path="/*", access="public", name="rest"), cors=PAGE)
    assert preflight(configured, "/admin/x", "GET") == ("admin", "GET")
    assert preflight(configured, "/admin/x", "DELETE") is None
    assert preflight(configured, "/x", "DELETE") == ("rest", "DELETE")


# Encoded slashes

PROJECTS = (
    RouteSection(path="/projects/{id}", encoded_slashes="allow", name="project", methods=("GET",)),
    RouteSection(path="/projects/{id}/issues/*", encoded_slashes="allow", scopes=("issues",), name="issues"),
    RouteSection(path="/users/{id}", name="user"),
    RouteSection(path="/*", scopes=("rest",), name="rest"),
)


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", "/projects/group%2Fname", "project"),
        ("GET", "/projects/group%2fsub%5cname", "project"),
        ("GET", "/projects/group%2Fname/issues/1", "issues"),
        ("GET", "/projects/group%2Fissues", "project"),
        ("GET", "/projects/7", "project"),
        ("GET", "/projects/a/b", "rest"),
        ("GET", "/projects/a%2Fb/c", "ambiguous_path"),
        ("GET", "/projects%2Fa", "ambiguous_path"),
        ("GET", "/users/a%2Fb", "ambiguous_path"),
        ("GET", "/users/a%5Cb", "ambiguous_path"),
        ("GET", "/elsewhere/a%2Fb", "ambiguous_path"),
        ("GET", "/projects/..%2Fusers", "ambiguous_path"),
        ("GET", "/projects/a%252Fb", "ambiguous_path"),
        ("GET", "/projects/a%3Bb", "ambiguous_path"),
        ("GET", "/elsewhere?x=a%2Fb", "rest"),
    ],
)
def test_encoded_slashes_pass_where_a_route_says_so(method: str, target: str, name: str) -> None:
    assert matched(config(*PROJECTS), target, method=method) == name
    refused = tuple(RouteSection(**{**{f: getattr(r, f) for f in r.__struct_fields__}, "encoded_slashes": "refuse"}) for r in PROJECTS)  # fmt: skip
    if "%2" in target.partition("?")[0] or "%5" in target:
        assert matched(config(*refused), target, method=method) == "ambiguous_path"


def test_a_method_is_refused_as_ever_where_slashes_pass() -> None:
    only = config(PROJECTS[0], RouteSection(path="/users/{id}", methods=("GET",), name="user"))
    assert matched(only, "/projects/a%2Fb", method="DELETE") == "method_not_allowed"
    assert matched(only, "/users/a%2Fb", method="DELETE") == "ambiguous_path"
    assert matched(config(*PROJECTS, ambiguous_paths="allow"), "/users/a%2Fb") == "user"


def test_variables_have_the_slashes() -> None:
    route = RouteTable(config(*PROJECTS)).match(facts(target=b"/projects/a%2Fb%20c?id=x"))
    assert route.variables_of(b"/projects/a%2Fb%20c?id=x") == {"id": "a/b c"}
