from typing import Any

import pytest

from gateway.core.checks.issuers import issuer_notes, issuer_problems, issuer_warnings
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds


def a_config(*issuers: dict[str, Any]) -> Config:
    made = (
        Issuer(**{"issuer": f"https://issuer{i}.example/", "audience": "api", **rest}) for i, rest in enumerate(issuers)
    )
    return Config(upstream="http://h", issuers=tuple(made))


def told(*issuers: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in issuer_problems(a_config(*issuers))]


@pytest.mark.parametrize(
    "issuer",
    [
        {},
        {
            "audience": ("a", "b"),
            "preset": "okta",
            "leeway": Seconds(300),
            "max_lifetime": Seconds(60),
            "scope_claims": ("scp",),
        },
        {"issuer": "any text at all", "jwks_url": "https://keys.example/k?p=1"},
        {"issuer": "any text at all", "jwks_file": "keys.json", "ca_file": "ca.pem"},
        {"issuer": "http://localhost:8080/realms/a"},
        {"issuer": "http://[::1]:8080", "jwks_url": "http://127.0.0.1:8080/keys"},
        {"issuer": "http://keycloak:8080/realms/a", "allow_http": True},
        {"issuer": "http://keycloak:8080/realms/a", "discovery_url": "https://keycloak.example/realms/a"},
        {"issuer": "http://keycloak:8080/realms/a", "jwks_url": "https://keycloak.example/keys"},
        {"issuer": "https://a.example", "jwks_url": "http://b.example/keys", "allow_http": True},
    ],
)
def test_a_sound_issuer_has_no_problem(issuer: dict[str, Any]) -> None:
    assert told(issuer) == []


HTTPS = "must be https, unless it is on loopback, as is the issuer (allow_http: true permits it, and is unsafe)"
OTHERS = "; other issuers need jwks_url or jwks_file"


@pytest.mark.parametrize(
    ("issuer", "sentence"),
    [
        ({"audience": ()}, "audience: must name at least one audience"),
        ({"audience": ""}, "audience: must not be empty"),
        ({"audience": ("a", " ")}, "audience[1]: must not be empty"),
        ({"issuer": ""}, "issuer: must not be empty"),
        ({"issuer": "", "jwks_file": "f"}, "issuer: must not be empty"),
        ({"issuer": "accounts.google.com"}, f"issuer: must be a URL that begins with https:// or http://{OTHERS}"),
        ({"issuer": "name", "discovery_url": "https://a"}, f"issuer: must be a URL that begins with https:// or http://{OTHERS}"),
        ({"issuer": "https://a.example/?x=1"}, f"issuer: must not have a query (?) in its URL{OTHERS}"),
        ({"issuer": "https://a.example/?"}, f"issuer: must not have a query (?) in its URL{OTHERS}"),
        ({"issuer": "https://a.example/#f"}, f"issuer: must not have a fragment (#) in its URL{OTHERS}"),
        ({"issuer": "http://a.example"}, "issuer: must be https, unless it is on loopback (allow_http: true permits it, and is unsafe)"),
        ({"jwks_url": "http://a.example/keys"}, f"jwks_url: {HTTPS}"),
        ({"jwks_url": "http://localhost/keys"}, f"jwks_url: {HTTPS}"),
        ({"discovery_url": "http://localhost/"}, f"discovery_url: {HTTPS}"),
        ({"discovery_url": "keycloak"}, "discovery_url: must be a URL that begins with https:// or http://"),
        ({"jwks_url": ""}, "jwks_url: must not be empty"),
        ({"jwks_url": "https://u:p@a.example"}, "jwks_url: must not have a user or a password in its URL"),
        ({"jwks_file": ""}, "jwks_file: must not be empty"),
        ({"ca_file": ""}, "ca_file: must not be empty"),
        ({"jwks_file": "f", "jwks_url": "https://a"}, "jwks_url: cannot stand beside jwks_file: keys come from one place"),
        ({"jwks_url": "https://a", "discovery_url": "https://a"}, "discovery_url: cannot stand beside jwks_url: keys come from one place"),
        ({"jwks_file": "f", "discovery_url": "https://a"}, "discovery_url: cannot stand beside jwks_file: keys come from one place"),
        ({"name": ""}, "name: must have 1 to 128 printable characters"),
        ({"name": "a\tb"}, "name: must have 1 to 128 printable characters"),
        ({"name": "n" * 129}, "name: must have 1 to 128 printable characters"),
        ({"name": "-"}, "name: must not be -, which stands for no issuer in metrics"),
        ({"algorithms": ()}, "algorithms: must name at least one algorithm; leave it out for all asymmetric ones"),
        ({"algorithms": ("RS256", "None")}, "algorithms[1]: must not be none: such tokens are signed by nobody"),
        ({"algorithms": ("hs512",)}, "algorithms[0]: must not be an HMAC algorithm: whoever can verify such tokens can also make them"),
        ({"leeway": Seconds(301)}, "leeway: must be from 0s to 5m"),
        ({"leeway": Seconds(-1)}, "leeway: must be from 0s to 5m"),
        ({"jwks_refresh": Seconds(29.9)}, "jwks_refresh: must be at least 30s: issuers are asked by every replica; null is for the default"),
        ({"jwks_refresh": Seconds(0)}, "jwks_refresh: must be at least 30s: issuers are asked by every replica; null is for the default"),
        ({"max_lifetime": Seconds(0)}, "max_lifetime: must be longer than nothing; null is for no limit"),
        ({"audience_claims": ()}, "audience_claims: must name at least one claim, such as aud"),
        ({"audience_claims": ("",)}, "audience_claims[0]: must not be empty"),
        ({"clients": ("a", "")}, "clients[1]: must not be empty"),
        ({"scope_claims": ()}, "scope_claims: must name at least one claim; leave it out for the default"),
        ({"scope_claims": ("",)}, "scope_claims[0]: must not be empty"),
    ],
)  # fmt: skip
def test_each_mistake_in_an_issuer_has_one_sentence(issuer: dict[str, Any], sentence: str) -> None:
    assert told(issuer) == [f"issuers[0].{sentence}"]


def test_an_unsupported_algorithm_is_told_with_the_near_one_and_all_supported() -> None:
    (sentence,) = told({"algorithms": ("RS265",)})
    assert sentence.startswith("issuers[0].algorithms[0]: is not supported (did you mean RS256?); supported are RS256,")


def test_an_unknown_preset_is_told_with_the_near_one() -> None:
    (sentence,) = told({"preset": "autho"})
    assert sentence.startswith("issuers[0].preset: is not a known preset (did you mean auth0?); known are auth0,")


def test_at_least_one_issuer_is_needed() -> None:
    assert told() == ["issuers: must have at least one issuer"]


def test_the_same_issuer_twice_is_a_problem() -> None:
    assert told({"issuer": "https://a"}, {}, {"issuer": "https://a", "name": "b"}) == [
        "issuers[2].issuer: is the same issuer as issuers[0]; one of them must go, unless each has keys at a jwks_url of its own"
    ]


def test_names_that_collide_ask_for_another_one() -> None:
    assert told({"issuer": "https://a/1"}, {"issuer": "https://A/2"}) == [
        "issuers[1].name: must differ: issuers[0] is called so as well; give one of them another name"
    ]
    assert told({"issuer": "https://a/1"}, {"issuer": "https://a/2", "name": "b"}) == []


def test_what_is_unsafe_is_named() -> None:
    warned = [
        problem.path for problem in issuer_warnings(a_config({}, {"allow_unclassified": True, "allow_http": True}))
    ]
    assert warned == ["issuers[1].allow_unclassified", "issuers[1].allow_http"]


def test_a_preset_is_suggested_and_never_guessed() -> None:
    tenant = {"issuer": "https://tenant.eu.auth0.com/"}
    (warning,) = issuer_warnings(a_config(tenant))
    assert (
        str(warning)
        == "issuers[0].preset: is not set; this looks like an issuer for preset auth0, which knows its tokens"
    )
    assert not list(issuer_warnings(a_config({**tenant, "preset": "auth0"})))


def test_a_preset_that_refuses_every_token_says_so() -> None:
    (warning,) = issuer_warnings(a_config({"issuer": "https://accounts.google.com", "preset": "google"}))
    assert str(warning).startswith("issuers[0].preset: refuses every token: ")


@pytest.mark.parametrize(
    ("issuer", "note"),
    [
        (
            {"issuer": "https://i.example/.well-known/openid-configuration"},
            "issuers[0].issuer: looks like the address of a discovery document",
        ),
        ({"issuer": "https://t.eu.auth0.com", "preset": "auth0"}, "issuers[0].issuer: has no slash at its end"),
        (
            {"issuer": "https://t.eu.auth0.com"},
            "issuers[0].issuer: has no slash at its end, and iss of preset auth0 has one",
        ),
        ({"issuer": "https://a.example/application/o/shop"}, "issuers[0].issuer: has no slash at its end"),
        ({"issuer": "https://sts.windows.net/1", "preset": "entra"}, "issuers[0].issuer: has no slash at its end"),
        (
            {"issuer": "https://login.microsoftonline.com/1/v2.0/"},
            "issuers[0].issuer: has a slash at its end, and no iss of preset entra has one",
        ),
        (
            {"issuer": "https://t.okta.com/oauth2/default/", "preset": "okta"},
            "issuers[0].issuer: has a slash at its end",
        ),
        (
            {"issuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_1/"},
            "issuers[0].issuer: has a slash at its end",
        ),
        ({"issuer": "https://login.example/", "preset": "zitadel"}, "issuers[0].issuer: has a slash at its end"),
        (
            {"issuer": "https://t.okta.com", "preset": "okta"},
            "issuers[0].issuer: is the org's own server, whose tokens Okta alone can verify",
        ),
        ({"issuer": "https://login.example/oauth", "preset": "okta"}, "issuers[0].issuer: is the org's own server"),
        (
            {"issuer": "https://login.microsoftonline.com/common/v2.0", "preset": "entra"},
            "issuers[0].issuer: is no issuer of tokens",
        ),
        (
            {"issuer": "https://login.example/realms/a/", "preset": "keycloak"},
            "issuers[0].issuer: has a slash at its end, and no iss of preset keycloak has one",
        ),
        (
            {"issuer": "https://login.example/realms/a", "preset": "keycloak", "audience": "account"},
            "issuers[0].audience: is no API: Keycloak puts account",
        ),
        (
            {"issuer": "https://login.example/realms/a", "audience": ("api", "account")},
            "issuers[0].audience: is no API: Keycloak puts account",
        ),
        ({"audience": "*"}, "issuers[0].audience: is no wildcard"),
        ({"audience": "api "}, "issuers[0].audience: has blanks at its ends"),
        ({"require_typ": True, "allow_unclassified": True}, "issuers[0].require_typ: has no effect"),
    ],
)
def test_what_is_probably_a_slip_is_noted(issuer: dict[str, Any], note: str) -> None:
    assert any(str(warning).startswith(note) for warning in issuer_warnings(a_config(issuer)))


@pytest.mark.parametrize(
    ("issuer", "said"),
    [
        ({"preset": "keycloak"}, "must be in the tokens; with keycloak: the client, or a client scope of it, needs an audience mapper"),
        ({"issuer": "https://login.example/realms/a"}, "must be in the tokens; with keycloak: "),
        ({"preset": "cognito"}, "must be in the tokens; with cognito: access tokens have none"),
        ({"preset": "spring"}, "must be in the tokens; with spring: it is the client's id"),
        ({"preset": "duende"}, "must be in the tokens; with duende: it is the API resource that has the scope"),
        ({"issuer": "https://t.kinde.com"}, "must be in the tokens; with kinde: the client sends the parameter audience"),
        ({"preset": "curity"}, None),
        ({"preset": "nobody"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_where_audiences_come_from_is_noted(issuer: dict[str, Any], said: str | None) -> None:
    noted = [str(note) for note in issuer_notes(a_config({}, issuer))]
    assert len(noted) == (said is not None)
    assert all(note.startswith(f"issuers[1].audience: {said}") for note in noted)


def test_an_account_audience_elsewhere_and_a_slash_elsewhere_are_nothing_special() -> None:
    others = (
        {"issuer": "https://a.example/realm/"},
        {"issuer": "https://auth.example/", "preset": "spring"},
        {"preset": "ory-hydra"},
    )
    assert list(issuer_warnings(a_config({"audience": "account"}, *others))) == []
    sound = (
        ("https://sts.windows.net/1/", "entra"),
        ("https://login.microsoftonline.com/1/v2.0", "entra"),
        ("https://t.okta.com/oauth2/default", "okta"),
        ("https://a.example/application/o/shop/", "authentik"),
    )
    assert list(issuer_warnings(a_config(*({"issuer": issuer, "preset": preset} for issuer, preset in sound)))) == []


@pytest.mark.parametrize(
    ("audience", "warned"),
    [
        ("https://kubernetes.default.svc.cluster.local", True),
        ("https://kubernetes.default.svc", True),
        ("https://kubernetes.default", True),
        ("https://oidc.eks.example/id/1", True),
        ("https://orders.shop.svc", False),
        ("orders", False),
    ],
)
def test_tokens_for_the_api_server_are_for_no_other_api(audience: str, *, warned: bool) -> None:
    issuer = {"issuer": "https://oidc.eks.example/id/1", "preset": "kubernetes", "audience": ("orders", audience)}
    told = [str(warning) for warning in issuer_warnings(a_config(issuer))]
    sentence = "is the Kubernetes API: every pod has such a token, and whoever gets one can use it there"
    assert told == [f"issuers[0].audience: {sentence}"] * warned
