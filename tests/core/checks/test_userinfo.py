from typing import Any

import pytest

from gateway.core.checks.problems import problems, warnings
from gateway.core.checks.userinfo import userinfo_problems, userinfo_warnings
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds
from gateway.core.config.userinfo import UserInfoSection

HEADERS: dict[str, Any] = {"X-Email": "email", "X-Issuer": IdentityHeader(source="issuer")}


def a_config(*, issuer: dict[str, Any] | None = None, headers: Any = HEADERS, **settings: Any) -> Config:
    section = UserInfoSection(**{"claims": ("email",), **settings})
    whole = {"issuer": "https://i.example", "audience": "a", "userinfo": section, **(issuer or {})}
    return Config(upstream="http://127.0.0.1:3000", issuers=(Issuer(**whole),), identity_headers=headers)


def told(**settings: Any) -> list[str]:
    return [str(problem) for problem in userinfo_problems(a_config(**settings))]


def test_without_the_section_there_is_nothing_to_say() -> None:
    config = a_config(issuer={"userinfo": None})
    assert [*userinfo_problems(config), *userinfo_warnings(config)] == []


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"endpoint": "https://other.example/me?x=1"},
        {"endpoint": "https://i.example/me", "issuer": {"jwks_url": "https://i.example/jwks"}},
        {"endpoint": "http://127.0.0.1:8080/me", "issuer": {"issuer": "http://localhost:8080"}},
        {"endpoint": "http://idp.internal/me", "issuer": {"allow_http": True}},
        {"cache": Seconds(1), "timeout": Seconds(0.1)},
        {"cache": Seconds(24 * 3600), "timeout": Seconds(30)},
        {"by": "token", "on_failure": "refuse", "on_401": "absent"},
    ],
)
def test_a_sound_section_has_neither_problems_nor_warnings(settings: dict[str, Any]) -> None:
    assert told(**settings) == []
    config = a_config(**settings)
    assert [str(warning) for warning in userinfo_warnings(config)] == []


HTTPS = "must be https, unless it is on loopback, as is the issuer (allow_http: true permits it, and is unsafe)"
JUDGED = "must not be a claim that the token itself is judged by"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"claims": ()}, "claims: must name at least one claim"),
        ({"claims": ("email", " ")}, "claims[1]: must not be empty"),
        ({"claims": ("email", "name", "email")}, "claims[2]: is claims[0] again"),
        *(
            ({"claims": (name,)}, f"claims[0]: {JUDGED}")
            for name in ("iss", "sub", "aud", "exp", "scope", "cnf", "client_id", "scp", "typ")
        ),
        ({"claims": ("resource",), "issuer": {"audience_claims": ("resource",)}}, f"claims[0]: {JUDGED}"),
        ({"claims": ("roles",), "issuer": {"scope_claims": ("/roles/all",)}}, f"claims[0]: {JUDGED}"),
        ({"claims": ("cid",), "issuer": {"preset": "okta"}}, f"claims[0]: {JUDGED}"),
        ({"endpoint": "me"}, "endpoint: must be a URL that begins with https:// or http://"),
        ({"endpoint": "http://i.example/me"}, f"endpoint: {HTTPS}"),
        ({"endpoint": "http://127.0.0.1/me"}, f"endpoint: {HTTPS}"),
        (
            {"issuer": {"jwks_url": "https://i.example/jwks"}},
            "endpoint: is needed beside jwks_url or jwks_file: without discovery nothing else names it",
        ),
        (
            {"issuer": {"jwks_file": "jwks.json"}},
            "endpoint: is needed beside jwks_url or jwks_file: without discovery nothing else names it",
        ),
        ({"cache": Seconds(0)}, "cache: must be from 1s to 24h"),
        ({"cache": Seconds(24 * 3600 + 1)}, "cache: must be from 1s to 24h"),
        ({"timeout": Seconds(0)}, "timeout: must be more than 0 and at most 30s"),
        ({"timeout": Seconds(31)}, "timeout: must be more than 0 and at most 30s"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, Any], problem: str) -> None:
    assert told(**settings) == [f"issuers[0].userinfo.{problem}"]
    assert f"issuers[0].userinfo.{problem}" in [str(found) for found in problems(a_config(**settings))]


def test_a_claim_that_nothing_reads_is_told() -> None:
    config = a_config(claims=("email", "groups"))
    assert (
        "issuers[0].userinfo.claims[1]: is read by no identity header, route or assertion: nobody is asked for it"
        in [str(warning) for warning in warnings(config)]
    )
    every = a_config(claims=("email", "groups"), headers={"X-All": IdentityHeader(claims="all")})
    assert list(userinfo_warnings(every)) == []


def test_one_response_for_all_tokens_of_a_subject_is_told() -> None:
    assert [str(warning) for warning in userinfo_warnings(a_config(by="subject"))] == [
        "issuers[0].userinfo.by: is subject: what a token of wider scope may see, a narrower one of theirs gets too"
    ]
