"""A path that somebody else reads as one of a stricter route, or of another API, is refused; what only looks odd is not."""

import itertools
import time
from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import AmbiguousPath, Refusal
from gateway.core.routing.readings import may_be_cut
from gateway.core.routing.table import RouteTable
from tests.memory import facts
from tests.signer import issuer


def table(*routes: dict[str, Any], **settings: Any) -> RouteTable:
    made = tuple(RouteSection(**{"name": route["path"], **route}) for route in routes)
    return RouteTable(Config(upstream="http://h", issuers=(issuer(),), routes=made, **settings))


def outcome(made: RouteTable, target: str, method: str = "GET", host: bytes = b"a.test") -> str:
    try:
        return made.match(facts(target=target.encode(), method=method, host=host)).name
    except Refusal as refusal:
        return refusal.reason


PUBLIC = {"access": "public"}
ADMIN = {"path": "/admin/*", "scopes": ("admin",)}
REST = {"path": "/*", **PUBLIC}
AMBIGUOUS = "ambiguous_path"


@pytest.mark.parametrize(
    "target",
    [
        # Case
        "/Admin", "/ADMIN/users", "/aDmin/x/y", "/%41dmin/x", "/adm%C4%B1n", "/adm%C4%B0n/x", "/admi%6E%2E",
        # Blanks and dots at the end
        "/admin.", "/admin.../x", "/admin%20/x", "/admin%20.%20", "/admin+/x", "/admin%2B", "/admin%C2%A0/x", "/admin%E3%80%80",
        # Up to what is escaped
        "/admin%3Fx", "/admin%3f", "/admin%23", "/admin%23x/y/z", "/admin%3Fx%23y", "/admin%23y%3Fx",
        # All at once
        "/ADMIN.%20%3Fx", "/Admin+.%23", "/AdMiN%20%3Fx/y",
    ],
)  # fmt: skip
def test_a_reading_that_leads_to_a_stricter_route_is_refused(target: str) -> None:
    made = table(ADMIN, REST)
    assert outcome(made, target) == outcome(made, target + "?x") == AMBIGUOUS
    # Without the rest a valid token would do, and not the scope.
    assert outcome(table(ADMIN), target) == AMBIGUOUS
    assert outcome(table(ADMIN, unmatched="refuse"), target) in {AMBIGUOUS, "no_route"}
    # What is no laxer may have it, and whoever wants such paths.
    assert outcome(table(ADMIN, {**ADMIN, "path": "/*"}), target) == "/*"
    assert outcome(table(ADMIN, REST, ambiguous_paths="allow"), target) == "/*"


@pytest.mark.parametrize(
    "target",
    [
        "/", "/admins", "/.admin", "/ad%20min", "/x/admin", "/X/Admin", "/x/admin.", "/assets/Logo.PNG", "/a%20b.",
        "/C%2B%2B", "/100%25", "/x%3Fy", "/x/y%23z", "/a+b", "/wiki/What%3F", "/x/%20", "/x/...", "/admin-ui", "/admin%C3%BC", "/administration/ADMIN",
    ],
)  # fmt: skip
def test_what_only_looks_odd_is_served(target: str) -> None:
    assert outcome(table(ADMIN, REST), target) == "/*"


@pytest.mark.parametrize(
    "target", ["/admin", "/admin/Users", "/admin/x.", "/admin/x%3Fy", "/admin/%23", "/admin/+/%20"]
)
def test_below_a_route_everything_is_its_own(target: str) -> None:
    assert outcome(table(ADMIN, REST), target) == "/admin/*"


def test_a_route_that_is_laxer_when_read_otherwise_is_no_matter() -> None:
    made = table({"path": "/health", **PUBLIC}, {"path": "/*", "scopes": ("x",)})
    for target in ("/Health", "/health.", "/health%3F", "/HEALTH%20"):
        assert outcome(made, target) == "/*"
    assert outcome(table({"path": "/health", **PUBLIC}), "/Health") == "default"


def test_another_upstream_is_reason_enough() -> None:
    upstreams = {"one": UpstreamSection(url="http://one"), "two": UpstreamSection(url="http://two")}
    made = table({"path": "/a/*", "upstream": "one"}, {"path": "/*", "upstream": "two"}, upstreams=upstreams)
    assert outcome(made, "/A/x") == AMBIGUOUS
    same = table({"path": "/a/*", "upstream": "one"}, {"path": "/*", "upstream": "one"}, upstreams=upstreams)
    assert outcome(same, "/A/x") == "/*"


def test_a_method_that_is_refused_there_is_refused_when_read_otherwise() -> None:
    made = table({**ADMIN, "methods": ("GET",), "access": "public", "scopes": ()}, REST)
    assert outcome(made, "/Admin") == "/*"
    strict = table({**ADMIN, "methods": ("GET",)}, REST)
    assert outcome(strict, "/admin", "DELETE") == "method_not_allowed"
    assert outcome(strict, "/Admin", "DELETE") == AMBIGUOUS
    assert (
        outcome(table({**ADMIN, "methods": ("GET",)}, REST, unmatched_methods="token"), "/Admin", "DELETE") == AMBIGUOUS
    )
    assert outcome(table({**ADMIN, "methods": ("GET",)}, REST, unmatched_methods="next"), "/Admin", "DELETE") == "/*"


def test_the_host_counts_for_readings_too() -> None:
    made = table({**ADMIN, "hosts": ("admin.test",)}, REST)
    assert outcome(made, "/Admin", host=b"admin.test") == AMBIGUOUS
    assert outcome(made, "/Admin", host=b"other.test") == "/*"


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/users/7", "/users/{id}"),
        ("/users/Me", AMBIGUOUS),
        ("/users/me.", AMBIGUOUS),
        ("/users/me%3Fx", AMBIGUOUS),
        ("/users/ME%3Fx/y", AMBIGUOUS),
        ("/users/meme", "/users/{id}"),
        ("/users/7%3F", "/users/{id}"),
        ("/users/%3F7", AMBIGUOUS),
        ("/users/%23", AMBIGUOUS),
        ("/users/%20", AMBIGUOUS),
        ("/users/...", AMBIGUOUS),
        ("/users/.%20/me", AMBIGUOUS),
        ("/USERS/7", "default"),
        ("/Users/Me/x", "default"),
    ],
)
def test_variables_take_what_no_literal_narrowly_missed(target: str, name: str) -> None:
    made = table(
        {"path": "/users/me", "scopes": ("self",)},
        {"path": "/users/{id}", **PUBLIC},
        {"path": "/users", "scopes": ("list",)},
    )
    assert outcome(made, target) == name


def test_a_cut_in_a_variable_ends_the_path_there() -> None:
    made = table({"path": "/users/{id}", "scopes": ("x",)}, {"path": "/users/{id}/*", **PUBLIC})
    assert outcome(made, "/users/7/avatar") == "/users/{id}/*"
    assert outcome(made, "/users/7%3Fx/avatar") == AMBIGUOUS
    assert outcome(made, "/users/7%23/avatar") == AMBIGUOUS
    assert outcome(made, "/users/7/avatar%3Fx") == "/users/{id}/*"


def test_a_literal_that_is_named_exactly_is_read_in_one_way() -> None:
    made = table({"path": "/Admin", **PUBLIC}, {"path": "/admin", "scopes": ("admin",)}, {"path": "/C%23", **PUBLIC}, {"path": "/C", "scopes": ("c",)}, {"path": "/c++", **PUBLIC})  # fmt: skip
    assert outcome(made, "/Admin") == "/Admin"
    assert outcome(made, "/admin") == "/admin"
    assert outcome(made, "/C%23") == "/C%23"
    assert outcome(made, "/c++") == "/c++"
    assert outcome(made, "/ADMIN") == AMBIGUOUS
    # But where another way through the tree misses it, that way is read otherwise.
    ways = table({"path": "/{x}/Admin", **PUBLIC}, {"path": "/a/admin", "scopes": ("admin",)})
    assert outcome(ways, "/b/Admin") == "/{x}/Admin"
    assert outcome(ways, "/a/Admin") == AMBIGUOUS
    assert outcome(ways, "/A/Admin") == AMBIGUOUS


def test_a_reading_takes_what_comes_first_as_any_path_does() -> None:
    made = table({"path": "/{x}/y", **PUBLIC}, ADMIN)
    assert outcome(made, "/admin/y") == outcome(made, "/Admin/y") == "/{x}/y"
    assert outcome(made, "/Admin/z") == AMBIGUOUS


def test_where_case_is_ignored_the_rest_is_not() -> None:
    made = table(ADMIN, REST, path_case="insensitive")
    assert outcome(made, "/Admin/x") == "/admin/*"
    for target in ("/Admin.", "/ADMIN%20/x", "/admin%3Fx"):
        assert outcome(made, target) == AMBIGUOUS


def test_a_preflight_is_judged_alike() -> None:
    made = table(ADMIN, REST, cors="upstream")
    asked = ((b"Origin", b"https://x.test"), (b"Access-Control-Request-Method", b"PUT"))
    assert made.find_preflight(facts(target=b"/admin", method="OPTIONS", headers=asked)) is not None
    assert made.find_preflight(facts(target=b"/Admin", method="OPTIONS", headers=asked)) is None


def test_evidence_names_routes_and_quotes_nothing_of_the_path() -> None:
    told = []
    for made, method in ((table(ADMIN, REST), "GET"), (table({**ADMIN, "methods": ("GET",)}, REST), "PUT")):
        with pytest.raises(AmbiguousPath) as caught:
            made.match(facts(target=b"/Admin/secret", method=method))
        told.append(caught.value.evidence)
    assert told[0].endswith("it is for /admin/*, and /* asks for less")
    assert told[1].endswith("it is refused, and /* would take it")
    assert not any("secret" in evidence for evidence in told)


def test_what_can_be_read_in_very_many_ways_is_refused() -> None:
    made = table(*[{"path": "/" + "/".join(way), **PUBLIC} for way in itertools.product(("ab", "aB"), repeat=8)])
    started = time.process_time()
    for _ in range(5):
        assert outcome(made, "/AB" * 8) == AMBIGUOUS
    assert time.process_time() - started < 1
    assert outcome(made, "/ab" * 8) == "/ab" * 8


@pytest.mark.parametrize(("target", "cut"), [(b"/a%3Fb", True), (b"/a%3f", True), (b"/%23", True), (b"/a?%3F", False), (b"/a%20b", False), (b"/a", False)])  # fmt: skip
def test_only_an_escaped_mark_in_the_path_may_cut_it(target: bytes, *, cut: bool) -> None:
    assert may_be_cut(target) == cut
