"""Which warnings are problems for who wants none to get in by surprise, and which were somebody's choice."""

from typing import Any

import pytest

from gateway.core.checks.problems import warnings
from gateway.core.checks.routes import scope_warnings
from gateway.core.checks.strict import strict_warnings
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.routes import RouteSection
from tests.signer import issuer

SAYS_WHO = {"X-User-Id": "sub", "X-Token-Issuer": IdentityHeader(source="issuer")}


def config(*routes: dict[str, Any], **settings: Any) -> Config:
    made = tuple(RouteSection(**{"path": "/a", **route}) for route in routes)
    return Config(**{"upstream": "http://127.0.0.1:1", "issuers": (issuer(),), "routes": made, **settings})


@pytest.mark.parametrize(
    ("routes", "settings", "keys"),
    [
        ([{}], {}, []),
        ([{"access": "public"}, {"path": "/b", "mode": "report"}, {"path": "/c", "access": "optional"}], {}, []),
        ([{"path": "/*", "access": "public"}, {}], {}, ["routes[1]"]),
        ([{}, {}], {}, ["routes[1]"]),
        ([{"hosts": ("a.example",)}], {}, ["hosts"]),
        ([{"hosts": ("a.example",)}], {"hosts": ("a.example",)}, []),
        ([], {"issuers": (issuer(), issuer(issuer="https://b.example", name="b"))}, ["identity_headers"]),
        (
            [{"scopes": ("a",)}],
            {
                "issuers": (issuer(clients=("app",)), issuer(issuer="https://b.example", name="b")),
                "identity_headers": SAYS_WHO,
            },
            ["routes[0].scopes"],
        ),
    ],
)
def test_what_nobody_chose_is_a_problem(
    routes: list[dict[str, Any]], settings: dict[str, Any], keys: list[str]
) -> None:
    made = config(*routes, **settings)
    found = strict_warnings(made)
    assert [warning.path for warning in found] == keys
    assert set(found) <= set(warnings(made))


@pytest.mark.parametrize(
    ("route", "key"),
    [
        ({"scopes": ("a",)}, "scopes"),
        ({"any_scope": ("a",)}, "any_scope"),
        ({}, None),
        ({"scopes": ("a",), "issuers": ("local",)}, None),
        ({"scopes": ("a",), "clients": ("app",)}, None),
        ({"access": "public"}, None),
    ],
)
def test_a_scope_that_any_client_of_one_issuer_may_have_is_told(route: dict[str, Any], key: str | None) -> None:
    closed, open_ = issuer(clients=("app",)), issuer(issuer="https://b.example", name="b")
    assert list(scope_warnings(config(route, issuers=(open_,)))) == []
    assert list(scope_warnings(config(route, issuers=(closed,)))) == []
    sentence = (
        "count from every issuer: local has a list of clients, and b none, so any client that it registers may have them; "
        "name issuers"
    )
    found = [str(warning) for warning in scope_warnings(config(route, issuers=(closed, open_)))]
    assert found == ([] if key is None else [f"routes[0].{key}: {sentence}"])
