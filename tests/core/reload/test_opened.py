"""What becomes public, weaker or unguarded."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.rates import BadTokensSection, Rate
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds, Size
from gateway.core.config.store import StoreFailure, StoreSection
from gateway.core.config.tls import ListenerTls
from gateway.core.config.upstreams import UpstreamSection, UpstreamTls
from gateway.core.reload.opened import opened

ISSUER = Issuer(issuer="https://one.test", audience="api")
TLS = ListenerTls(certificate="/c", key="/k", client_ca="/ca", client_certificates="required", min_version="1.3")


def config(**settings: Any) -> Config:
    return Config(**{"upstream": "http://127.0.0.1:1", "issuers": (ISSUER,), "unmatched": "refuse", **settings})


def told(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in opened(config(**before), config(**after))]


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ({}, {"audience": ("api", "other")}, "audience"),
        ({"tenants": ("a",)}, {"tenants": "any"}, "tenants"),
        ({"tenants": ("a",)}, {"tenants": ("a", "b")}, "tenants"),
        ({"algorithms": ("RS256",)}, {"algorithms": ("RS256", "ES256")}, "algorithms"),
        ({}, {"leeway": Seconds(60)}, "leeway"),
        ({"max_lifetime": Seconds(60)}, {}, "max_lifetime"),
        ({"max_lifetime": Seconds(60)}, {"max_lifetime": Seconds(61)}, "max_lifetime"),
        ({"require_typ": True}, {}, "require_typ"),
        ({}, {"allow_unclassified": True}, "allow_unclassified"),
        ({"clients": ("a",)}, {}, "clients"),
        ({"clients": ("a",)}, {"clients": ("a", "b")}, "clients"),
        ({}, {"jwks_max_stale": Seconds(90_000)}, "jwks_max_stale"),
        ({}, {"allow_http": True}, "allow_http"),
        ({"binding": "dpop"}, {"binding": "bound"}, "binding"),
        ({"binding": "bound"}, {"binding": "any"}, "binding"),
        ({"introspection": Introspection()}, {}, "introspection"),
    ],
)
def test_an_issuer_that_accepts_more(before: dict[str, Any], after: dict[str, Any], key: str) -> None:
    old, new = replace(ISSUER, **before), replace(ISSUER, **after)
    assert told({"issuers": (old,)}, {"issuers": (new,)}) == [f"issuers[0].{key}: is weaker than it was (one.test)"]
    assert told({"issuers": (new,)}, {"issuers": (old,)}) == []
    assert told({"issuers": (new,)}, {"issuers": (new,)}) == []


def test_an_issuer_that_is_new_or_another_under_the_same_name() -> None:
    other = Issuer(issuer="https://two.test", audience="api")
    assert told({}, {"issuers": (ISSUER, other)}) == ["issuers[1]: its tokens are accepted from now on (two.test)"]
    named = replace(other, name="one.test")
    assert told({}, {"issuers": (named,)}) == ["issuers[0]: its tokens are accepted from now on (one.test)"]
    assert told({"issuers": (ISSUER, other)}, {}) == []
    assert told({"issuers": (replace(ISSUER, tenants=("a",)),)}, {}) == []


RATE = Rate(name="all", per="subject", limit=10)


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ({"tls": TLS}, {"tls": replace(TLS, client_certificates="optional")}, "tls.client_certificates"),
        ({"tls": TLS}, {"tls": replace(TLS, min_version="1.2")}, "tls.min_version"),
        ({"hosts": ("a.test",)}, {}, "hosts"),
        ({}, {"decisions_sources": "all"}, "decisions_sources"),
        ({}, {"unmatched": "token"}, "unmatched"),
        ({}, {"unmatched_methods": "token"}, "unmatched_methods"),
        ({"unmatched_methods": "token"}, {"unmatched_methods": "next"}, "unmatched_methods"),
        ({}, {"ambiguous_paths": "allow"}, "ambiguous_paths"),
        ({}, {"pass_override_headers": True}, "pass_override_headers"),
        ({"trusted_proxies": ("10.0.0.0/8",)}, {"trusted_proxies": ("10.0.0.0/8", "unix")}, "trusted_proxies"),
        ({"limits": Limits(body_bytes=Size(1))}, {"limits": Limits(body_bytes=Size(2))}, "limits.body_bytes"),
        ({}, {"log": Log(subject="plain")}, "log.subject"),
        ({"assertion": AssertionSection(issuer="https://a.test", key=KeyFile(file="/k"))}, {}, "assertion"),
        ({}, {"credentials": ("authorization", CredentialPlace(query="token"))}, "credentials"),
        ({}, {"store": StoreSection(on_failure=StoreFailure(replay="local"))}, "store.on_failure.replay"),
        ({}, {"store": StoreSection(on_failure=StoreFailure(revocation="local"))}, "store.on_failure.revocation"),
        ({"rates": (RATE,)}, {}, "rates"),
        ({"rates": (RATE,)}, {"rates": (replace(RATE, limit=11),)}, "rates"),
        ({"bad_tokens": BadTokensSection()}, {}, "bad_tokens"),
    ],
)
def test_a_key_that_guards_less(before: dict[str, Any], after: dict[str, Any], path: str) -> None:
    assert told(before, after) == [f"{path}: is weaker than it was"]
    assert told(after, before) == []
    assert told(after, after) == []


def test_an_upstream_that_gets_the_token_or_is_not_known_any_more() -> None:
    secure = UpstreamSection(url="https://a.test")
    insecure = UpstreamSection(url="https://a.test", tls=UpstreamTls(allow_insecure=True), authorization="keep")
    assert told({"upstreams": {"a": secure}}, {"upstreams": {"a": insecure, "b": insecure}}) == [
        "upstreams.a.authorization: is weaker than it was: the API gets the token",
        "upstreams.a.tls.allow_insecure: is weaker than it was",
    ]
    assert told({"upstreams": {"a": insecure}}, {"upstreams": {"a": secure}}) == []
    assert told({"upstreams": {"a": insecure}}, {"upstreams": {"a": insecure}}) == []


def route(path: str, **settings: Any) -> RouteSection:
    return RouteSection(path=path, **settings)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ([route("/a")], [route("/a")], []),
        ([route("/a")], [route("/a", scopes=("x",))], []),
        ([route("/a")], [route("/a", access="public")], ["/a is public from now on for GET /a, which /a took"]),
        (
            [route("/a", scopes=("x",))],
            [route("/a")],
            ["/a is without its scopes from now on for GET /a, which /a took"],
        ),
        # A route that is gone leaves what it took to a wider one.
        (
            [route("/a/{id}", scopes=("x",)), route("/*")],
            [route("/*")],
            ["/* is without its scopes from now on for GET /a/1, which /a/{id} took"],
        ),
        # And so does another order.
        (
            [route("/a/*", methods=("PUT",), hosts=("*.a.test",)), route("/*", access="public")],
            [route("/*", access="public"), route("/a/*", methods=("PUT",), hosts=("*.a.test",))],
            ["/* is public from now on for PUT /a/1, which PUT /a/* took"],
        ),
        ([], [route("/new", access="public")], ["/new is public from now on for GET /new, which nothing took"]),
        ([], [route("/new", access="optional")], ["/new is optional from now on for GET /new, which nothing took"]),
        ([], [route("/new")], []),
        ([route("/old", access="public")], [], []),
    ],
)
def test_a_request_that_less_is_asked_of(
    before: list[RouteSection], after: list[RouteSection], lines: list[str]
) -> None:
    keep = (RouteSection(path="/keep"),)
    found = told({"routes": (*before, *keep)}, {"routes": (*after, *keep)})
    assert found == [f"routes: {line}" for line in lines]
