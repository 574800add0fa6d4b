"""Two routes that are one to an API that ignores case."""

from typing import Any

import pytest

from gateway.core.checks.twins import twin_warnings
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from tests.signer import issuer


def warned(*routes: dict[str, Any], **settings: Any) -> list[str]:
    made = tuple(RouteSection(**route) for route in routes)
    config = Config(upstream="http://h", issuers=(issuer(),), routes=made, **settings)
    return [str(warning) for warning in twin_warnings(config)]


ADMIN = {"path": "/admin/*", "scopes": ("admin",)}
IS_READ = "by an API that ignores case, or blanks and dots, and asks for less"


@pytest.mark.parametrize("path", ["/Admin/*", "/ADMIN", "/admin.", "/admin%20/x", "/adm%C4%B1n/{id}"])
def test_the_one_that_asks_for_less_is_told(path: str) -> None:
    public = {"path": path, "access": "public"}
    assert f"routes[0]: is read as routes[1] (/admin/*) {IS_READ}" in warned(public, ADMIN)
    assert f"routes[1]: is read as routes[0] (/admin/*) {IS_READ}" in warned(ADMIN, public)
    assert warned(ADMIN, public, ambiguous_paths="allow") == []


def test_a_narrow_one_below_its_twin_is_told_too() -> None:
    assert warned({"path": "/Admin/*", "access": "public"}, {**ADMIN, "path": "/admin/secret"}) == [
        f"routes[0]: is read as routes[1] (/admin/secret) {IS_READ}"
    ]


@pytest.mark.parametrize(
    "routes",
    [
        (ADMIN, {**ADMIN, "path": "/Admin/*"}),
        (ADMIN, {"path": "/*", "access": "public"}),
        (ADMIN, {"path": "/{x}/*", "access": "public"}),
        (ADMIN, {"path": "/admins", "access": "public"}),
        ({"path": "/a//b"}, {"path": "/A", "access": "public"}),
    ],
)
def test_whatever_else_is_no_matter(routes: tuple[dict[str, Any], ...]) -> None:
    assert warned(*routes) == []


def test_where_case_is_ignored_it_is_one_route() -> None:
    assert warned({"path": "/Admin", "access": "public"}, {**ADMIN, "path": "/admin"}, path_case="insensitive") == []
