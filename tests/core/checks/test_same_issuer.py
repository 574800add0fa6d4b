"""One issuer with several entries: keys of all count, so that all else must agree."""

from typing import Any

import pytest

from gateway.core.checks.issuers import issuer_problems
from gateway.core.checks.routes import route_problems
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds

B2C = "https://contoso.b2clogin.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0/"


def two(second: dict[str, Any], first: dict[str, Any] | None = None, **settings: Any) -> Config:
    given = {"issuer": B2C, "audience": "api"}
    one = Issuer(**{**given, "name": "sign-in", "jwks_url": "https://contoso.b2clogin.com/keys?p=a", **(first or {})})
    other = Issuer(**{**given, "name": "reset", "jwks_url": "https://contoso.b2clogin.com/keys?p=b", **second})
    return Config(upstream="http://h", issuers=(one, other), **settings)


def told(config: Config) -> list[str]:
    return [str(problem) for problem in issuer_problems(config)]


def test_entries_that_agree_are_one_issuer_with_more_keys() -> None:
    assert told(two({})) == []
    assert told(two({"audience": ("b", "a")}, {"audience": ("a", "b")})) == []
    assert told(two({"audience": ("api",), "clients": ("y", "x")}, {"clients": ("x", "y")})) == []
    assert told(two({"algorithms": ("RS256", "ES256")}, {"algorithms": ("ES256", "RS256")})) == []


@pytest.mark.parametrize(
    ("second", "key"),
    [
        ({"audience": "another"}, "audience"),
        ({"preset": "entra-b2c"}, "preset"),
        ({"leeway": Seconds(1)}, "leeway"),
        ({"algorithms": ("RS256",)}, "algorithms"),
        ({"require_typ": True}, "require_typ"),
        ({"allow_unclassified": True}, "allow_unclassified"),
        ({"clients": ("c",)}, "clients"),
        ({"scope_claims": ("scp",)}, "scope_claims"),
        ({"audience_claims": ("client_id",)}, "audience_claims"),
        ({"max_lifetime": Seconds(60)}, "max_lifetime"),
        ({"ca_file": "ca.pem"}, "ca_file"),
    ],
)
def test_what_they_say_otherwise_is_a_problem(second: dict[str, Any], key: str) -> None:
    sentence = "must be as in issuers[0]: they are one issuer, with keys at two addresses"
    assert told(two(second)) == [f"issuers[1].{key}: {sentence}"]


GO = "is the same issuer as issuers[0]; one of them must go, unless each has keys at a jwks_url of its own"


@pytest.mark.parametrize(
    ("second", "first"),
    [
        ({"jwks_url": None}, {}),
        ({}, {"jwks_url": None}),
        ({"jwks_url": None, "jwks_file": "f"}, {}),
        ({"jwks_url": "https://contoso.b2clogin.com/keys?p=a"}, {}),
    ],
)
def test_without_an_address_of_its_own_one_of_them_must_go(second: dict[str, Any], first: dict[str, Any]) -> None:
    assert told(two(second, first)) == [f"issuers[1].issuer: {GO}"]


def test_each_address_counts_once_among_several() -> None:
    config = two({})
    third = Issuer(issuer=B2C, audience="api", name="third", jwks_url="https://contoso.b2clogin.com/keys?p=b")
    whole = Config(upstream="http://h", issuers=(*config.issuers, third))
    assert told(whole) == [f"issuers[2].issuer: {GO}"]


def test_names_stay_unique() -> None:
    assert told(two({"name": None}, {"name": None})) == [
        "issuers[1].name: must differ: issuers[0] is called so as well; give one of them another name"
    ]


def test_tokens_are_called_by_the_name_of_the_first() -> None:
    config = two({}, routes=(RouteSection(path="/a", issuers=("reset", "sign-in", "sign-on")),))
    assert [str(problem) for problem in route_problems(config)] == [
        (
            "routes[0].issuers[0]: is not the name of an issuer but of further keys of sign-in, as its tokens are "
            "called (did you mean sign-in?)"
        ),
        "routes[0].issuers[2]: is not the name of an issuer (did you mean sign-in?)",
    ]
