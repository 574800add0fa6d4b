"""Which keys of two configurations differ, by path."""

from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.store import StoreSection
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.reload.changes import changes, is_same

ONE = Issuer(issuer="https://one.test", audience="api")
TWO = Issuer(issuer="https://two.test", audience="api")


def config(**settings: Any) -> Config:
    return Config(**{"upstream": "http://127.0.0.1:1", "issuers": (ONE,), **settings})


def routes(*paths: str) -> tuple[RouteSection, ...]:
    return tuple(RouteSection(path=path) for path in paths)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {}, []),
        ({}, {"realm": "other"}, ["realm: has changed"]),
        ({}, {"limits": Limits(connections=7)}, ["limits.connections: has changed"]),
        ({}, {"cors": "upstream"}, ["cors: has changed"]),
        (
            {"store": StoreSection(password=Secret(file="/a"))},
            {"store": StoreSection(password=Secret(file="/b"))},
            ["store.password.file: has changed"],
        ),
        # What stands further down because something was put before it has not changed.
        ({"routes": routes("/a", "/b")}, {"routes": routes("/new", "/a", "/b")}, ["routes[0]: is new (/new)"]),
        ({"routes": routes("/a", "/b")}, {"routes": routes("/b")}, ["routes: /a is gone"]),
        ({"routes": routes("/a", "/b")}, {"routes": routes("/b", "/a")}, ["routes: has another order"]),
        ({"routes": routes("/a", "/a")}, {"routes": routes("/a")}, ["routes: /a is gone"]),
        ({"routes": routes("/a")}, {}, ["routes: /a is gone"]),
        (
            {"routes": routes("/a", "/b")},
            {"routes": (RouteSection(path="/new"), RouteSection(path="/b", scopes=("x",)))},
            ["routes: /a is gone", "routes[0]: is new (/new)", "routes[1].scopes: has 1 members, before 0 (/b)"],
        ),
        ({}, {"issuers": (ONE, TWO)}, ["issuers[1]: is new (two.test)"]),
        ({"hosts": ("a.test",)}, {"hosts": ("b.test",)}, ["hosts[0]: has changed"]),
        ({"hosts": ("a.test",)}, {"hosts": ()}, ["hosts: has 0 members, before 1"]),
        (
            {"upstreams": {"a": UpstreamSection(url="http://a"), "b": UpstreamSection(url="http://b")}},
            {"upstreams": {"c": UpstreamSection(url="http://c"), "b": UpstreamSection(url="http://d")}},
            ["upstreams.c: is new", "upstreams.b.url: has changed", "upstreams.a: is gone"],
        ),
        (
            {"identity_headers": {"X-A": "sub", "X-B": "email"}},
            {"identity_headers": {"X-B": "email", "X-A": "sub"}},
            ["identity_headers: has another order"],
        ),
    ],
)
def test_each_key_that_differs_is_named_by_its_path_and_nothing_else(
    before: dict[str, Any], after: dict[str, Any], told: list[str]
) -> None:
    assert [str(change) for change in changes(config(**before), config(**after))] == told


def test_true_is_not_one() -> None:
    assert not is_same({"claim": True}, {"claim": 1})
    assert not is_same((1, 2), (1.0, 2))
    assert is_same((), ())
