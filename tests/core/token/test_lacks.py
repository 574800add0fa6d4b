"""Whether an issuer is to be asked for claims that a token lacks, and which requests need them."""

from typing import Any

import pytest

from gateway.core.config.assertion import AssertionSection
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.routes import RouteSection
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.token.lacks import Lacks, asked_claims, wanted_names, wanted_of
from tests.signer import issuer, some_claims

NAMED = ("email", "groups", "address")


def a_config(*, claims: tuple[str, ...] = NAMED, headers: dict[str, Any] | None = None, **settings: Any) -> Config:
    section = UserInfoSection(claims=claims)
    return Config(upstream="http://h", issuers=(issuer(userinfo=section),), identity_headers=headers, **settings)


def lacks_of(config: Config, *, subject: str | None = "alice", **claims: Any) -> Lacks | None:
    return wanted_of(config)["local"].find_lacks(some_claims(**claims), subject=subject, words=("a", "b c"))


EMAIL = {"X-Email": "email"}
GROUPS = RouteSection(path="/a/*", claims={"groups": "staff"})


@pytest.mark.parametrize(
    ("settings", "claims", "names", "by_all"),
    [
        # Nothing reads any of them.
        ({}, {}, None, False),
        ({"headers": {"X-Name": "name"}}, {}, None, False),
        # A header makes every request need it, a route those that take it.
        ({"headers": EMAIL}, {}, {"email"}, True),
        ({"headers": EMAIL, "routes": (GROUPS,)}, {}, {"email", "groups"}, True),
        ({"routes": (GROUPS,)}, {}, {"groups"}, False),
        ({"assertion": AssertionSection(issuer="g", claims=("email",))}, {}, {"email"}, True),
        # What the token has is not missing, whatever it is.
        ({"headers": EMAIL}, {"email": "a@b"}, None, False),
        ({"headers": EMAIL}, {"email": None}, None, False),
        ({"headers": EMAIL, "routes": (GROUPS,)}, {"email": ""}, {"groups"}, False),
        # A pointer or a path begins in the claim; a literal name may look like a pointer.
        ({"headers": {"X-Town": "/address/locality"}}, {}, {"address"}, True),
        ({"headers": {"X-Town": ("address", "locality")}}, {}, {"address"}, True),
        ({"headers": {"X-Town": "/a"}, "claims": ("/a",)}, {}, {"/a"}, True),
        ({"headers": {"X-Town": "/x~1y/z"}, "claims": ("x/y",)}, {}, {"x/y"}, True),
        # All claims are all of them.
        ({"headers": {"X-All": IdentityHeader(claims="all")}}, {}, {"email", "groups", "address"}, True),
        ({"headers": {"X-Client": IdentityHeader(source="client")}}, {}, None, False),
        # Nobody to compare with, and no bearer token.
        ({"headers": EMAIL, "subject": None}, {}, None, False),
        ({"headers": EMAIL}, {"cnf": {"jkt": "x"}}, None, False),
        ({"headers": EMAIL}, {"cnf": None}, None, False),
    ],
)
def test_what_a_token_lacks(
    settings: dict[str, Any], claims: dict[str, Any], names: set[str] | None, *, by_all: bool
) -> None:
    subject = settings.pop("subject", "alice")
    found = lacks_of(a_config(**settings), subject=subject, **claims)
    settings["subject"] = subject
    assert (None if found is None else found.names) == names
    assert (found is not None and found.by_all) == by_all


def test_of_the_token_no_more_is_kept_than_is_read() -> None:
    config = a_config(headers={"X-Email": "email", "X-Name": "/name/given"}, routes=(GROUPS,))
    found = lacks_of(config, name={"given": "A"}, unread="x")
    assert found is not None
    assert (found.claims, found.words) == ({"name": {"given": "A"}}, ("a", "b c"))
    every = lacks_of(a_config(headers={"X-All": IdentityHeader(claims="all")}))
    assert every is not None
    assert every.claims == some_claims()


def test_a_route_needs_what_it_asks_for() -> None:
    found = lacks_of(a_config(routes=(GROUPS,)))
    assert found is not None
    assert repr(found) == "Lacks(groups)"
    assert found.are_needed_by(["role", "groups"])
    assert found.are_needed_by([("groups", "0")])
    assert not found.are_needed_by(["role"])
    assert not found.are_needed_by([])


def test_an_issuer_that_is_not_asked_wants_nothing() -> None:
    assert wanted_of(Config(upstream="http://h", issuers=(issuer(),), identity_headers=dict(EMAIL))) == {}


def test_what_is_asked_of_an_identity() -> None:
    config = a_config(assertion=AssertionSection(issuer="g", claims=("email", "role")), routes=(GROUPS,))
    assert set(asked_claims(config)) == {"email", "role", "groups"}
    assert wanted_names(config) == frozenset({"email", "role", "groups", "sub"})
    assert wanted_names(a_config(headers={"X-All": IdentityHeader(claims="all")})) is None


def test_claims_that_a_path_is_compared_with_are_asked_for_too() -> None:
    where = {"id": "sub", "org": "/org/name", "who": "subject", "app": "client"}
    route = RouteSection(path="/{id}/{org}/{who}/{app}", where=where, claims={"role": "admin"})
    made = Config(upstream="http://h", issuers=(), routes=(route,))
    assert set(asked_claims(made)) == {"sub", "/org/name", "role"}
    assert {"sub", "org", "role"} <= (wanted_names(made) or set())
