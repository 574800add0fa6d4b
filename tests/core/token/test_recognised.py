"""A provider is recognised by what its discovery document says of itself, and never by what another says as well."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.token.presets import PRESETS
from gateway.core.token.recognised import _ANYWHERE, _SIGNS, Recognised, recognise

DATA = Path(__file__).parents[2] / "data" / "discovery"
OWN = "https://login.example.com"


def document(issuer: str, **paths: str) -> dict[str, Any]:
    return {"issuer": issuer, **{name: issuer.rstrip("/") + path for name, path in paths.items()}}


@pytest.mark.parametrize(("name", "preset"), [("keycloak", "keycloak"), ("hydra", "ory-hydra"), ("spring", "spring")])
def test_documents_of_real_providers_are_recognised_at_any_host(name: str, preset: str) -> None:
    text = (DATA / f"{name}.json").read_text()
    found = json.loads(text)
    recognised = recognise(found["issuer"], found)
    assert recognised is not None
    assert recognised.preset == preset
    assert recognised.by.startswith("its ")
    moved = json.loads(text.replace(found["issuer"], f"{OWN}/sub"))
    again = recognise(f"{OWN}/sub", moved)
    assert again is not None
    assert again.preset == preset


@pytest.mark.parametrize(
    ("preset", "members"),
    [
        ("keycloak", {"token_endpoint": "/auth/realms/a/protocol/openid-connect/token"}),
        ("auth0", {"token_endpoint": "/oauth/token", "mfa_challenge_endpoint": "/mfa/challenge"}),
        ("okta", {"token_endpoint": "/oauth2/default/v1/token", "jwks_uri": "/oauth2/default/v1/keys"}),
        ("okta", {"token_endpoint": "/oauth2/v1/token", "jwks_uri": "/oauth2/v1/keys"}),
        ("zitadel", {"token_endpoint": "/oauth/v2/token", "jwks_uri": "/oauth/v2/keys"}),
        ("entra-b2c", {"token_endpoint": "/p/oauth2/v2.0/token", "jwks_uri": "/t/b2c_1/discovery/v2.0/keys"}),
        ("fusionauth", {"device_authorization_endpoint": "/oauth2/device_authorize"}),
        ("wso2", {"jwks_uri": "/oauth2/jwks", "end_session_endpoint": "/oidc/logout", "introspection_endpoint": "/oauth2/introspect"}),
        ("spring", {"jwks_uri": "/oauth2/jwks", "introspection_endpoint": "/oauth2/introspect", "userinfo_endpoint": "/userinfo"}),
        ("pingone", {"token_endpoint": "/as/token", "jwks_uri": "/as/jwks"}),
        ("pingfederate", {"token_endpoint": "/as/token.oauth2"}),
        ("forgerock", {"token_endpoint": "/am/oauth2/alpha/access_token", "jwks_uri": "/am/oauth2/alpha/connect/jwk_uri"}),
        ("curity", {"jwks_uri": "/oauth/v2/oauth-anonymous/jwks"}),
        ("oracle", {"token_endpoint": "/oauth2/v1/token", "jwks_uri": "/admin/v1/SigningCert/jwk"}),
        ("salesforce", {"token_endpoint": "/services/oauth2/token"}),
        ("supabase", {"jwks_uri": "/auth/v1/.well-known/jwks.json"}),
        ("authentik", {"jwks_uri": "/application/o/shop/jwks/"}),
        ("authelia", {"token_endpoint": "/api/oidc/token"}),
        ("duende", {"token_endpoint": "/connect/token", "jwks_uri": "/.well-known/openid-configuration/jwks"}),
        ("cloudfoundry-uaa", {"token_endpoint": "/oauth/token", "jwks_uri": "/token_keys"}),
        ("logto", {"token_endpoint": "/oidc/token", "authorization_endpoint": "/oidc/auth", "jwks_uri": "/oidc/jwks"}),
        ("kinde", {"userinfo_endpoint": "/oauth2/v2/user_profile"}),
        ("kubernetes", {"jwks_uri": "/openid/v1/jwks"}),
    ],
)  # fmt: skip
def test_endpoints_show_whose_they_are_where_the_host_does_not(preset: str, members: dict[str, str]) -> None:
    recognised = recognise(OWN, document(OWN, **members))
    assert recognised is not None
    assert recognised.preset == preset


@pytest.mark.parametrize(
    ("issuer", "preset"),
    [
        ("https://tenant.eu.auth0.com/", "auth0"),
        ("https://x.okta.com/oauth2/default", "okta"),
        ("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_A", "cognito"),
        ("https://a.ciamlogin.com/a/v2.0", "entra-b2c"),
        ("https://accounts.google.com", "google"),
    ],
)
def test_a_host_that_belongs_to_a_provider_decides(issuer: str, preset: str) -> None:
    said = {"token_endpoint": f"{issuer}/oauth2/v2.0/token", "tenant_region_scope": "EU"}
    assert recognise(issuer, said) == Recognised(preset, "its URL")


def test_entra_is_known_by_what_it_says_of_its_clouds() -> None:
    said = {"token_endpoint": "https://login.example.com/t/oauth2/v2.0/token", "cloud_instance_name": "x"}
    assert recognise(OWN, said) == Recognised("entra", "its token_endpoint and cloud_instance_name")
    del said["cloud_instance_name"]
    assert recognise(OWN, said) is None


@pytest.mark.parametrize(
    "said",
    [
        {
            "authorization_endpoint": "urn:kubernetes:programmatic_authorization",
            "jwks_uri": "https://oidc.example/keys",
        },
        {"grant_types_supported": [7, "urn:kubernetes:grant_type:programmatic_authorization"]},
    ],
)
def test_a_managed_cluster_is_known_by_its_grants(said: dict[str, Any]) -> None:
    assert recognise("https://oidc.eks.eu-central-1.amazonaws.com/id/A", said) == Recognised(
        "kubernetes", "what it calls its grants"
    )


def test_a_path_that_anybody_may_have_counts_last() -> None:
    assert recognise(f"{OWN}/realms/staff", {}) == Recognised("keycloak", "its URL")
    said = document(OWN, token_endpoint="/oauth/v2/token", jwks_uri="/oauth/v2/keys")
    assert recognise("https://clerk.example.com", said) == Recognised("zitadel", "its token_endpoint and jwks_uri")
    assert recognise("https://clerk.example.com", {}) == Recognised("clerk", "its URL")


@pytest.mark.parametrize(
    "said",
    [
        {},
        # oidc-provider, Dex, GitLab, OpenIddict, a gateway of one's own
        document(OWN, token_endpoint="/token", jwks_uri="/jwks", authorization_endpoint="/auth", userinfo_endpoint="/me"),
        document(OWN, token_endpoint="/token", jwks_uri="/keys", authorization_endpoint="/auth"),
        document(OWN, token_endpoint="/oauth/token", jwks_uri="/oauth/discovery/keys", introspection_endpoint="/oauth/introspect"),
        document(OWN, token_endpoint="/connect/token", jwks_uri="/.well-known/jwks"),
        # AuthKit has Spring's paths, and its own UserInfo endpoint.
        document(OWN, token_endpoint="/oauth2/token", jwks_uri="/oauth2/jwks", introspection_endpoint="/oauth2/introspect", userinfo_endpoint="/oauth2/userinfo"),
        {"token_endpoint": 7, "jwks_uri": None, "grant_types_supported": "urn:kubernetes:x"},
        {"token_endpoint": "https://[/protocol/openid-connect/token"},
        {"token_endpoint": "https://x/?a=/protocol/openid-connect/token"},
        {"token_endpoint": "https://x/protocol/openid-connect/tokens"},
    ],
)  # fmt: skip
def test_what_many_say_shows_nothing(said: dict[str, Any]) -> None:
    assert recognise(OWN, said) is None


def test_every_sign_is_of_a_preset() -> None:
    assert {sign.preset for sign in _SIGNS} <= PRESETS.keys()
    assert PRESETS.keys() >= _ANYWHERE
    # Nothing else could show it.
    assert all(PRESETS[name].host is not None for name in _ANYWHERE)
