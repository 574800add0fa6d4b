"""One route, compiled: what it takes, and what it leaves of the target."""

import pytest

from gateway.core.config.rates import Rate
from gateway.core.config.routes import RouteSection, where_claims
from gateway.core.config.section import Seconds
from gateway.core.routing.route import Route, compile_route


def test_the_least_there_is_takes_everything_and_asks_for_a_token() -> None:
    assert compile_route(RouteSection(path="/*")) == Route(
        name="/*",
        public=False,
        optional=False,
        methods=None,
        hosts=None,
        scopes=(),
        any_scope=(),
        claims={},
        clients=None,
        issuers=None,
        reports=False,
        upstream="default",
        stripped=0,
        timeout=None,
    )


def test_every_key_is_compiled() -> None:
    compiled = compile_route(
        RouteSection(
            path="/api/v1/*",
            methods=("GET", "POST"),
            hosts=("API.example", "b.example."),
            access="public",
            scopes=("a", "b"),
            any_scope=("c",),
            claims={"one": "x", "list": ("x", 1, True), "flag": False},
            clients=("app",),
            issuers=("local",),
            name="orders",
            upstream="shop",
            strip_prefix="/api/v1/",
            timeout=Seconds(2.5),
            mode="report",
        )
    )
    assert compiled == Route(
        name="orders",
        public=True,
        optional=False,
        methods=frozenset({"GET", "POST"}),
        hosts=frozenset({"api.example", "b.example"}),
        scopes=("a", "b"),
        any_scope=("c",),
        claims={"one": ("x",), "list": ("x", 1, True), "flag": (False,)},
        clients=frozenset({"app"}),
        issuers=frozenset({"local"}),
        reports=True,
        upstream="shop",
        stripped=2,
        timeout=2.5,
    )


def test_optional_is_neither_public_nor_a_route_that_always_asks() -> None:
    rates = tuple(Rate(name=per, per=per, limit=1) for per in ("subject", "route"))
    compiled = compile_route(RouteSection(path="/*", access="optional", scopes=("a",)), rates=rates)
    assert (compiled.public, compiled.optional, compiled.scopes) == (False, True, ("a",))
    assert [rule.name for rule in compiled.rates] == ["subject", "route"]


@pytest.mark.parametrize(
    ("methods", "method", "taken"),
    [
        ((), "GET", True),
        ((), "PROPFIND", True),
        (("GET",), "GET", True),
        (("GET",), "HEAD", True),
        (("GET",), "POST", False),
        (("GET",), "get", False),
        (("HEAD",), "GET", False),
        (("POST",), "HEAD", False),
        (("POST",), "OPTIONS", False),
    ],
)
def test_who_may_get_may_head(methods: tuple[str, ...], method: str, *, taken: bool) -> None:
    assert compile_route(RouteSection(path="/a", methods=methods)).takes_method(method) is taken


@pytest.mark.parametrize(
    ("strip", "target", "forwarded", "prefix"),
    [
        (None, b"/api/a?b", b"/api/a?b", b""),
        (None, b"*", b"*", b""),
        ("/", b"/api/a", b"/api/a", b""),
        ("/api", b"/api/a", b"/a", b"/api"),
        ("/api", b"/api", b"/", b"/api"),
        ("/api", b"/api/", b"/", b"/api"),
        ("/api", b"/api?x=/y", b"/?x=/y", b"/api"),
        ("/api", b"/api/?", b"/?", b"/api"),
        ("/api", b"/%61pi/a%2bb", b"/a%2bb", b"/%61pi"),
        ("/api", b"/api/a/", b"/a/", b"/api"),
        ("/api/v1", b"/api/v1/a/b?c", b"/a/b?c", b"/api/v1"),
        ("/api/v1", b"/api/v1", b"/", b"/api/v1"),
        ("/api", b"/api//evil.example/a", b"/evil.example/a", b"/api"),
        ("/api", b"/api///a", b"/a", b"/api"),
    ],
)
def test_a_prefix_goes_by_segments_and_one_slash_is_left(
    strip: str | None, target: bytes, forwarded: bytes, prefix: bytes
) -> None:
    route = compile_route(RouteSection(path="/api/*", strip_prefix=strip))
    assert route.forwarded_target(target) == forwarded
    assert route.prefix_of(target) == prefix


@pytest.mark.parametrize(
    ("path", "target", "variables"),
    [
        ("/users/{id}", b"/users/7", {"id": "7"}),
        ("/users/{id}", b"/users/7/?id=8", {"id": "7"}),
        ("/users/{id}", b"/users/%C3%BC%20b", {"id": "\u00fc b"}),
        ("/{a}/x/{b}/*", b"/1/x/2/3/4", {"a": "1", "b": "2"}),
        ("/users/me", b"/users/me", {}),
        ("/users/{id}", b"/users/A%42", {"id": "AB"}),
    ],
)
def test_variables_are_decoded_segments(path: str, target: bytes, variables: dict[str, str]) -> None:
    assert compile_route(RouteSection(path=path)).variables_of(target) == variables


def test_the_claims_that_are_asked_for_are_those_of_every_key() -> None:
    route = RouteSection(path="/u/{id}/{org}", claims={"role": "x"}, where={"id": "subject", "org": "/org/id"})
    assert compile_route(route).asked_claims == ("role", "/org/id")
    assert where_claims(route) == ("/org/id",)
