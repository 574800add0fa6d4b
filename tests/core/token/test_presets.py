"""Presets: what each provider's name changes in the class verdict, and what merely suggests one."""

from typing import Any

import pytest

from gateway.core.claims import find_words
from gateway.core.token.kind import classify
from gateway.core.token.presets import PRESETS, scope_claims_of, suggest_preset

JWT = {"alg": "RS256", "typ": "JWT"}


def _kind(claims: dict[str, Any], preset: str | None) -> str:
    return classify(JWT, claims, PRESETS[preset] if preset else None).kind


def test_each_preset_is_found_by_its_own_name_and_says_where_it_comes_from() -> None:
    for name, preset in PRESETS.items():
        assert preset.name == name == name.lower()
        assert preset.source
        assert preset.scope_claims
        assert preset.client_claims
        assert all(marker.source for marker in preset.markers)


@pytest.mark.parametrize(
    ("preset", "claims"),
    [
        ("auth0", {"aud": "https://api.example", "azp": "c"}),
        ("auth0", {"aud": "https://api.example", "client_id": "c"}),
        ("okta", {"cid": "c"}),
        ("entra", {"appid": "c", "roles": ["Admin"]}),
        ("entra-b2c", {"azp": "c", "tfp": "B2C_1"}),
        ("zitadel", {"jti": "1", "nbf": 1, "client_id": "c"}),
        ("zitadel", {"jti": "1", "azp": "c", "aud": "c"}),
        ("ory-hydra", {"client_id": "c", "ext": {}}),
        ("pingone", {"client_id": "c", "env": "e"}),
        ("pingfederate", {"client_id": "c", "aud": "c", "scope": "openid"}),
        ("supabase", {"session_id": "s", "role": "authenticated"}),
        ("workos", {"sid": "session_1"}),
        ("clerk", {"azp": "https://app.example"}),
        ("fusionauth", {"applicationId": "a"}),
        ("authentik", {"azp": "c", "aud": "c", "uid": "u"}),
        ("duende", {"client_id": "c", "aud": "c"}),
        ("propelauth", {"user_id": "u"}),
        ("spring", {"nbf": 1, "aud": "c"}),
        ("spring", {"nbf": 1, "aud": "c", "scope": ["openid"]}),
        (
            "kubernetes",
            {"kubernetes.io": {"namespace": "shop"}, "sub": "system:serviceaccount:shop:orders", "jti": "1"},
        ),
        ("cloudflare-access", {"type": "app", "identity_nonce": "n"}),
    ],
)
def test_an_ambiguous_marker_counts_only_with_its_preset(preset: str, claims: dict[str, Any]) -> None:
    assert _kind(claims, None) == "unclassified"
    assert _kind(claims, preset) == "access"


@pytest.mark.parametrize("preset", [p for p in PRESETS if p != "google"])
@pytest.mark.parametrize("claims", [{"at_hash": "x"}, {"typ": "ID"}, {"token_use": "id"}, {"nonce": "n"}])
def test_no_preset_admits_what_is_an_id_token_everywhere(preset: str, claims: dict[str, Any]) -> None:
    everything = {"client_id": "c", "cid": "", "azp": "c", "jti": "1", "nbf": 1} if "nonce" not in claims else {}
    assert _kind({**everything, **claims}, preset) == "id"


@pytest.mark.parametrize("claims", [{}, {"scope": "orders:read"}, {"typ": "Bearer"}])
def test_the_google_preset_refuses_every_jwt_as_an_id_token(claims: dict[str, Any]) -> None:
    assert classify({"typ": "at+jwt"}, claims, PRESETS["google"], require_typ=True).kind == "id"


def test_a_header_type_that_a_preset_documents_may_go_on_but_proves_nothing() -> None:
    header = {"typ": "application/okta-internal-at+jwt"}
    assert classify(header, {"scp": ["openid"]}).kind == "other"
    assert classify(header, {"scp": ["openid"]}, PRESETS["okta"]).kind == "access"
    assert classify(header, {}, PRESETS["okta"]).kind == "unclassified"


@pytest.mark.parametrize(
    ("issuer", "preset"),
    [
        ("https://tenant.eu.auth0.com/", "auth0"),
        ("https://example.okta.com/oauth2/default", "okta"),
        ("https://keycloak.example:8443/auth/realms/shop", "keycloak"),
        ("http://localhost:8080/realms/shop", "keycloak"),
        ("https://login.microsoftonline.com/11111111-0000-0000-0000-000000000000/v2.0", "entra"),
        ("https://sts.windows.net/11111111-0000-0000-0000-000000000000/", "entra"),
        ("https://contoso.b2clogin.com/11111111/v2.0/", "entra-b2c"),
        ("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc", "cognito"),
        ("https://accounts.google.com", "google"),
        ("accounts.google.com", "google"),
        ("https://x.zitadel.cloud", "zitadel"),
        ("https://x.projects.oryapis.com", "ory-hydra"),
        ("https://auth.pingone.eu/11111111/as", "pingone"),
        ("https://am.example/am/oauth2/realms/root/realms/alpha", "forgerock"),
        ("https://idsvr.example/oauth/v2/oauth-anonymous", "curity"),
        ("https://identity.oraclecloud.com/", "oracle"),
        ("https://api.eu.asgardeo.io/t/example/oauth2/token", "wso2"),
        ("https://example.my.salesforce.com", "salesforce"),
        ("https://proj.supabase.co/auth/v1", "supabase"),
        ("https://api.workos.com/user_management/client_01H", "workos"),
        ("https://x-1.clerk.accounts.dev", "clerk"),
        ("https://auth.example/application/o/shop/", "authentik"),
        ("https://uaa.example/oauth/token", "cloudfoundry-uaa"),
        ("stytch.com/project-test-1", "stytch"),
        ("https://example.kinde.com", "kinde"),
        ("https://team.cloudflareaccess.com", "cloudflare-access"),
        ("https://kubernetes.default.svc.cluster.local", "kubernetes"),
        ("https://kubernetes.default.svc", "kubernetes"),
        ("https://kubernetes.default.evil.example", None),
        ("https://issuer.example/", None),
        ("https://auth0.com.evil.example/", None),
        ("https://evil.example/tenant.auth0.com/", None),
        ("", None),
    ],
)
def test_an_issuer_url_suggests_the_preset_of_its_provider(issuer: str, preset: str | None) -> None:
    assert suggest_preset(issuer) == preset


SCOPES = {
    "scope": "one", "scp": ["two"], "permissions": ["three"], "roles": ["four"], "realm_access": {"roles": ["five"]},
    "resource_access": {"shop": {"roles": ["six"]}, "account": {"roles": ["seven"]}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "scopes"),
    [
        ("auth0", ("one", "three")),
        ("keycloak", ("one", "five", "six")),
        ("entra", ("two", "four")),
        ("okta", ("two", "one")),
    ],
)
def test_scopes_are_where_the_provider_puts_them(preset: str, scopes: tuple[str, ...]) -> None:
    assert find_words(SCOPES, scope_claims_of(PRESETS[preset], ("https://api.example", "shop"))) == scopes


def test_keycloaks_roles_are_those_of_the_realm_and_of_the_clients_that_audience_names() -> None:
    claims = {"resource_access": {name: {"roles": [name]} for name in ("*", "a/b~c", "{audience}", "shop", "account")}}
    for audiences in ((), ("shop",), ("*",), ("a/b~c", "shop"), ("{audience}",), ("nobody",)):
        read = find_words(claims, scope_claims_of(PRESETS["keycloak"], audiences))
        assert read == tuple(name for name in audiences if name != "nobody")
    # Only what is there by that very name: a literal claim of a path's looks does not count.
    literal = {"/resource_access/shop/roles": ["admin"]}
    assert find_words(literal, scope_claims_of(PRESETS["keycloak"], ("shop",))) == ()


@pytest.mark.parametrize("more", [{}, {"sid": "s", "auth_time": 1}, {"scope": ["openid", "orders"]}, {"nonce": "n"}])
def test_springs_id_tokens_name_their_client_and_have_no_nbf(more: dict[str, Any]) -> None:
    assert _kind({"aud": "web", "azp": "web", **more}, "spring") == "id"
    # An access token to which the server's own customizer adds azp.
    assert _kind({"aud": "web", "azp": "web", "nbf": 1, "scope": ["orders"]}, "spring") == "access"
    # nbf alone shows nothing where what ID tokens have stands beside it: somebody's customizer put it there.
    assert _kind({"aud": "web", "azp": "web", "nbf": 1}, "spring") == "unclassified"
    assert _kind({"aud": "web", "nonce": "n", "nbf": 1}, "spring") == "id"


BEARER = {"typ": "Bearer", "azp": "web", "aud": "orders-api"}


@pytest.mark.parametrize(
    "mapped",
    [
        {"software_id": "s"},
        {"ati": "a"},
        {"assertion": "a"},
        {"granted_scopes": "a"},
        {"events": {"a": 1}},
        {"code": "c", "state": "Bavaria"},
        {"response_type": "code"},
        {"access_token": "a", "refresh_token": "r", "redirect_uri": "u"},
        {"jwks": {"keys": []}},
        {"vc": {"type": "x"}},
        {"active": True, "token_type": "x"},
        {"type": "refresh"},
        {"nonce": "n"},
    ],
    ids=lambda claims: next(iter(claims)),
)
@pytest.mark.parametrize("typ", ["Bearer", "DPoP"])
def test_keycloaks_own_word_outweighs_what_a_mapper_adds(typ: str, mapped: dict[str, Any]) -> None:
    assert _kind({**BEARER, "typ": typ, **mapped}, "keycloak") == "access"
    assert "nonce" in mapped or _kind({**BEARER, **mapped}, None) != "access"


@pytest.mark.parametrize(
    ("header", "claims", "kind"),
    [
        (JWT, {"at_hash": "x"}, "id"),
        (JWT, {"typ": ["Bearer"], "software_id": "s"}, "other"),
        (JWT, {"typ": ["Refresh", "Bearer"]}, "refresh"),
        (JWT, {"typ": "bearer2", "scope": "a"}, "other"),
        (JWT, {"typ": "ORGIVT", "scope": "a"}, "other"),
        ({"typ": "dpop+jwt"}, {}, "other"),
        ({"typ": "logout+jwt"}, {}, "other"),
        ({"typ": "at+jwt"}, {"ati": "x"}, "access"),
    ],
)
def test_nothing_but_an_access_token_of_keycloak_is_taken_for_one(
    header: dict[str, Any], claims: dict[str, Any], kind: str
) -> None:
    assert classify(header, {**BEARER, **claims}, PRESETS["keycloak"]).kind == kind


def test_zitadels_roles_are_keys_of_objects_of_the_project_that_audience_names() -> None:
    urn = "urn:zitadel:iam:org:project:"
    claims = {f"{urn}roles": {"a": {}}, f"{urn}1:roles": {"b": {}}, f"{urn}2:roles": {"c": {}}, f"{urn}3:roles": ["d"]}
    assert find_words(claims, scope_claims_of(PRESETS["zitadel"], ("1", "3"))) == ("a", "b")
    objects = PRESETS["zitadel"].objects
    assert objects is not None
    named = ("roles", f"{urn}roles", f"{urn}1:roles", f"{urn}1:2:roles", f"x{urn}roles", f"{urn}rolesx")
    assert [bool(objects.fullmatch(name)) for name in named] == [False, True, True, False, False, False]
