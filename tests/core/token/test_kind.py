"""The class verdict: what documented tokens of real providers and of the RFCs are taken for, and why."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.errors import IdToken, InvalidToken, LogoutToken, OtherToken, RefreshToken, UnclassifiedToken
from gateway.core.token.kind import check_class, check_kind, classify
from gateway.core.token.markers import HINT, MARKERS, Expected, Marker, Shape, Verdict
from gateway.core.token.presets import PRESETS, Preset

DATA = Path(__file__).parents[2] / "data"
SHAPES: list[dict[str, Any]] = [
    shape
    for name in ("token_shapes.json", "token_shapes_more.json")
    for shape in json.loads((DATA / name).read_text("utf-8"))
]
#: Firebase, Kubernetes, IAP and CI tokens: whether they open an API is for the operator to say.
JUDGED = [shape for shape in SHAPES if shape["expected"] != "policy"]
ACCESS = [shape for shape in JUDGED if shape["kind"] == "access"]
OTHERS = [shape for shape in JUDGED if shape["kind"] != "access"]
NEEDS_PRESET = {
    "m13-okta-access",
    "m37-clerk-access",
    "m58-zitadel-access",
    "m59-zitadel-access",
    "m62-authentik-access",
}

PROVIDERS = {
    "Amazon Cognito": "cognito",
    "Auth0": "auth0",
    "Authelia": "authelia",
    "Azure AD B2C": "entra-b2c",
    "Clerk": "clerk",
    "Cloud Foundry UAA": "cloudfoundry-uaa",
    "Curity": "curity",
    "Descope": "descope",
    "ForgeRock AM / PingAM": "forgerock",
    "Duende IdentityServer": "duende",
    "FusionAuth": "fusionauth",
    "IdentityServer4": "duende",
    "Keycloak": "keycloak",
    "Kinde": "kinde",
    "Microsoft Entra ID": "entra",
    "Okta": "okta",
    "Oracle IDCS / OCI IAM": "oracle",
    "Ory Hydra": "ory-hydra",
    "PingFederate": "pingfederate",
    "PingOne": "pingone",
    "PropelAuth": "propelauth",
    "SAP XSUAA": "cloudfoundry-uaa",
    "Salesforce": "salesforce",
    "Stytch": "stytch",
    "Supabase": "supabase",
    "WSO2 IS / Asgardeo": "wso2",
    "WorkOS AuthKit": "workos",
    "ZITADEL": "zitadel",
    "authentik": "authentik",
}

JWT = {"alg": "RS256", "typ": "JWT"}
PLAIN = {"iss": "https://issuer.example", "sub": "alice", "aud": "https://api.example", "exp": 2, "iat": 1}


def _id(shape: dict[str, Any]) -> str:
    return str(shape["id"])


def _kind(claims: dict[str, Any], preset: str | None = None, header: dict[str, Any] = JWT) -> str:
    return classify(header, {**PLAIN, **claims}, PRESETS[preset] if preset else None).kind


# The tables of documented tokens


@pytest.mark.parametrize("shape", OTHERS, ids=_id)
def test_no_documented_token_of_another_kind_is_admitted(shape: dict[str, Any]) -> None:
    for preset in (None, PRESETS.get(PROVIDERS.get(shape["provider"], ""))):
        assert classify(shape["header"], shape["payload"], preset).kind != "access"


@pytest.mark.parametrize("shape", ACCESS, ids=_id)
def test_a_documented_access_token_is_admitted(shape: dict[str, Any]) -> None:
    preset = PRESETS[PROVIDERS[shape["provider"]]] if _id(shape) in NEEDS_PRESET else None
    assert classify(shape["header"], shape["payload"], preset).kind == "access"


@pytest.mark.parametrize("shape", [s for s in ACCESS if s["provider"] in PROVIDERS], ids=_id)
def test_the_right_preset_never_refuses_an_access_token(shape: dict[str, Any]) -> None:
    assert classify(shape["header"], shape["payload"], PRESETS[PROVIDERS[shape["provider"]]]).kind == "access"


def test_without_a_preset_at_most_eight_in_a_hundred_access_tokens_are_refused() -> None:
    refused = {_id(s) for s in ACCESS if classify(s["header"], s["payload"]).kind != "access"}
    assert refused == NEEDS_PRESET
    assert len(refused) <= 0.08 * len(ACCESS)


@pytest.mark.parametrize("shape", SHAPES, ids=_id)
def test_the_evidence_is_short_printable_ascii(shape: dict[str, Any]) -> None:
    evidence = classify(shape["header"], shape["payload"]).evidence
    assert re.fullmatch(r"[ -~]{1,200}", evidence)


# The table of markers

SAMPLES: dict[Shape, Any] = {
    Shape.TEXT: "x",
    Shape.TEXTS: ["x"],
    Shape.LIST: ["x"],
    Shape.OBJECT: {"x": 1},
    Shape.BOOLEAN: True,
    Shape.ANY: 1,
}
MATCHES = ("ID.x", "AT.x", "IDAAG.x", "x-r", "arn:x", "https://as.example/token", "sess_1", "session_1", "user_1")


def _sample(expected: Expected) -> object:
    if isinstance(expected, frozenset):
        return min(expected).upper()
    if isinstance(expected, re.Pattern):
        return next(text for text in MATCHES if expected.search(text))
    return SAMPLES[expected]


def _token(marker: Marker) -> tuple[dict[str, Any], dict[str, Any]]:
    header: dict[str, Any] = {"alg": "RS256"}
    claims: dict[str, Any] = {name: _sample(expected) for name, expected in marker.beside}
    (header if marker.where == "header" else claims)[marker.name] = _sample(marker.expected)
    return header, claims


@pytest.mark.parametrize("marker", MARKERS, ids=lambda m: f"{m.kind}-{m.where}-{m.name}")
def test_each_marker_shows_its_kind(marker: Marker) -> None:
    verdict = classify(*_token(marker))
    assert verdict.kind == ("access" if marker.kind == HINT else marker.kind)
    assert verdict.evidence.startswith(f"{marker.where} {marker.name} ")
    assert re.fullmatch(r"[ -~]{1,200}", verdict.evidence)
    assert marker.source


# the last two turn into an ASCII k and s when their case is folded
NOT_WORDS: tuple[object, ...] = (None, "", [], {}, 0, False, [None], [{}], "x" * 100_000, "\u212a", "\u017f")


# `gty` counts as any string, and in a list as one word
@pytest.mark.parametrize(
    "marker",
    [m for m in MARKERS if isinstance(m.expected, frozenset) and m.name != "gty"],
    ids=lambda m: f"{m.kind}-{m.where}-{m.name}",
)
def test_a_value_that_no_provider_documents_is_no_evidence(marker: Marker) -> None:
    for value in NOT_WORDS:
        header, claims = _token(marker)
        (header if marker.where == "header" else claims)[marker.name] = value
        assert f"{marker.name} is " not in classify({**header, "typ": "JWT"}, claims).evidence


@pytest.mark.parametrize("value", [None, "", [], {}, 1, False, ["x"], {"x": "x"}])
@pytest.mark.parametrize("name", ["at_hash", "c_hash", "s_hash", "nonce"])
def test_a_hash_or_nonce_counts_only_as_a_string_with_something_in_it(name: str, value: object) -> None:
    assert _kind({name: value}) == "unclassified"
    assert _kind({name: "x"}) == "id"


# Rules


def test_an_id_token_is_refused_even_when_it_carries_a_scope() -> None:
    assert _kind({"typ": "ID", "scope": "openid orders:read"}) == "id"


def test_an_id_token_is_refused_even_when_its_header_says_at_jwt() -> None:
    assert _kind({"at_hash": "x"}, header={"typ": "at+jwt"}) == "id"


def test_reasons_come_in_the_order_id_refresh_logout_other() -> None:
    evidence: dict[str, Any] = {"response_type": "code"}
    assert _kind(evidence) == "other"
    assert _kind({**evidence, "events": {"x": {}}}) == "logout"
    assert _kind({**evidence, "events": {"x": {}}, "ati": "x"}) == "refresh"
    assert _kind({**evidence, "events": {"x": {}}, "ati": "x", "c_hash": "x"}) == "id"


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"nonce": "n"}, "id"),
        ({"nonce": "n", "scope": "orders:read"}, "id"),
        ({"nonce": "n", "permissions": ["orders:read"]}, "id"),
        ({"nonce": "n", "scp": "orders:read"}, "access"),
        ({"nonce": "n", "scp": ["orders:read"]}, "access"),
        ({"nonce": "n", "scp": []}, "id"),
        ({"nonce": "n", "typ": "Bearer"}, "access"),
        ({"nonce": "n", "tokenName": "access_token", "scope": ["openid"]}, "access"),
    ],
)
def test_a_nonce_is_an_id_token_s_unless_scp_or_a_decisive_marker_stands_beside_it(
    claims: dict[str, Any], kind: str
) -> None:
    assert _kind(claims) == kind


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"scope": "orders:read"}, "access"),
        ({"scope": ["orders:read"]}, "access"),
        ({"scope": "openid orders:read", "email": "a@example.com", "azp": PLAIN["aud"]}, "access"),
        ({"scope": ""}, "unclassified"),
        ({"scope": " "}, "unclassified"),
        ({"scope": []}, "unclassified"),
        ({"scope": [1, None, {"a": 1}]}, "unclassified"),
        ({"scope": {"orders": True}}, "unclassified"),
        ({"scp": ["openid"]}, "access"),
        ({"permissions": ["read"]}, "access"),
        ({"permissions": []}, "unclassified"),
        ({"authorization_details": [{"type": "payment"}]}, "access"),
        ({"authorization_details": "payment"}, "unclassified"),
        ({"gty": "client-credentials"}, "access"),
        ({"gty": ["client_credentials"]}, "access"),
        ({"gty": ["authorization_code"]}, "unclassified"),
        ({"roles": ["admin"], "client_id": "c", "azp": "c", "cid": "c"}, "unclassified"),
        ({"auth_time": 1, "acr": "1", "amr": ["pwd"], "sid": "s", "name": "Alice"}, "unclassified"),
        ({}, "unclassified"),
    ],
)
def test_without_a_decisive_marker_only_what_grants_something_admits(claims: dict[str, Any], kind: str) -> None:
    assert _kind(claims) == kind


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"aud": ["https://api.example", "https://t.example/userinfo"], "azp": "c", "name": "A"}, "access"),
        ({"client_id": "c"}, "access"),
        ({"client_id": "c", "email": "a@example.com"}, "access"),
        ({}, "unclassified"),
        ({"email": "a@example.com"}, "unclassified"),
        ({"sl": True}, "access"),
        ({"aud": "c", "client_id": "c"}, "unclassified"),
        ({"aud": ["c"], "azp": "c"}, "unclassified"),
        ({"aud": ["c", "https://api.example"], "azp": "c"}, "unclassified"),
    ],
)
def test_openid_scopes_alone_admit_only_where_the_token_cannot_be_an_id_token(
    claims: dict[str, Any], kind: str
) -> None:
    assert _kind({"scope": "openid profile email", **claims}) == kind


@pytest.mark.parametrize(
    ("typ", "kind"),
    [
        (None, "unclassified"),
        ("", "unclassified"),
        ("JWT", "unclassified"),
        ("application/jwt", "unclassified"),
        ("at+jwt", "access"),
        ("AT+JWT", "access"),
        ("Application/AT+jwt", "access"),
        ("logout+jwt", "logout"),
        ("secevent+jwt", "other"),
        ("dpop+jwt", "other"),
        ("token-introspection+jwt", "other"),
        ("x" * 41, "other"),
        ("é", "other"),
        (1, "other"),
        (["JWT"], "other"),
        (False, "other"),
        ({}, "other"),
    ],
)
def test_the_header_type_decides_where_it_is_not_plain_jwt(typ: object, kind: str) -> None:
    assert _kind({}, header={"typ": typ}) == kind


def test_an_unknown_header_type_is_quoted_only_when_it_is_short_and_plain() -> None:
    assert classify({"typ": "dpop+jwt"}, {}).evidence == 'header typ is "dpop+jwt", which no access token has'
    assert classify({"typ": 'a"b'}, {}).evidence == "header typ is something else, which no access token has"


@pytest.mark.parametrize(
    ("header", "claims", "kind"),
    [
        ({"typ": "at+jwt"}, {}, "access"),
        ({"typ": "application/at+JWT"}, {"nonce": "n"}, "access"),
        ({"typ": "JWT"}, {"scope": "orders:read"}, "unclassified"),
        ({"typ": "JWT"}, {"typ": "Bearer"}, "unclassified"),
        ({}, {}, "unclassified"),
        ({"typ": "JWT"}, {"typ": "ID"}, "id"),
        ({"typ": "JWT"}, {"events": {"x": {}}}, "logout"),
        ({"typ": "dpop+jwt"}, {}, "other"),
    ],
)
def test_require_typ_lets_only_at_jwt_through(header: dict[str, Any], claims: dict[str, Any], kind: str) -> None:
    assert classify(header, claims, require_typ=True).kind == kind


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("id", IdToken),
        ("refresh", RefreshToken),
        ("logout", LogoutToken),
        ("other", OtherToken),
        ("unclassified", UnclassifiedToken),
    ],
)
def test_each_verdict_but_access_has_its_own_refusal(kind: str, refusal: type[InvalidToken]) -> None:
    with pytest.raises(refusal) as caught:
        check_class(Verdict(kind, "because"), allow_unclassified=False)
    assert caught.value.evidence == "because"


def test_allow_unclassified_opens_for_unclassified_tokens_and_no_others() -> None:
    check_class(Verdict("access", ""), allow_unclassified=False)
    check_class(Verdict("unclassified", ""), allow_unclassified=True)
    with pytest.raises(IdToken):
        check_class(Verdict("id", ""), allow_unclassified=True)


@pytest.mark.parametrize(
    ("header", "claims", "preset", "refusal"),
    [
        ({}, {"typ": "ID"}, None, IdToken),
        ({}, {"nonce": "n"}, None, IdToken),
        ({}, {"typ": "Offline"}, None, RefreshToken),
        ({}, {"events": {"x": {}}}, None, LogoutToken),
        ({}, {"typ": "InitialAccessToken"}, None, OtherToken),
        ({}, {"typ": "ORGIVT"}, None, OtherToken),
        ({}, {"typ": "Bearer"}, None, None),
        ({}, {"scope": "orders:read"}, None, None),
        ({}, {}, None, None),
        ({"typ": "rt+jwt"}, {}, None, RefreshToken),
        ({"typ": "application/oi_reft+jwt"}, {"scope": "a"}, None, RefreshToken),
        ({"typ": "logout+jwt"}, {}, None, LogoutToken),
        ({"typ": "at+jwt"}, {"typ": "ID"}, None, IdToken),
        ({"typ": "at+jwt"}, {}, None, None),
        ({"typ": "something+jwt"}, {}, None, None),
        # An action token of an extension.
        ({"typ": "JWT"}, {"typ": "ext-magic-link"}, "keycloak", OtherToken),
        ({"typ": "JWT"}, {"typ": "ext-magic-link"}, None, None),
        ({"typ": "JWT"}, {"typ": "Bearer", "ati": "x"}, "keycloak", None),
        ({}, {}, "google", IdToken),
    ],
)
def test_a_token_may_say_that_it_is_no_access_token_whatever_else_is_wrong_with_it(
    header: dict[str, Any], claims: dict[str, Any], preset: str | None, refusal: type[InvalidToken] | None
) -> None:
    known = PRESETS[preset] if preset else None
    if refusal is None:
        check_kind(header, claims, known, also="alg is none")
        return
    with pytest.raises(refusal) as caught:
        check_kind(header, claims, known, also="alg is none")
    assert caught.value.evidence.endswith("; alg is none")


_NAMES = st.sampled_from(sorted({m.name for m in MARKERS} | {"nonce", "scp", "scope", "aud", "azp", "sub"})) | st.text()
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(("openid", "JWT", "at+jwt")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=20,
)
#: A busy machine takes a second for the first ten of these.
_PATIENT = [HealthCheck.too_slow]
_OBJECTS = st.dictionaries(_NAMES, _JSON, max_size=8)


@pytest.mark.parametrize("require_typ", [False, True])
@settings(max_examples=25, suppress_health_check=_PATIENT)
@given(header=_OBJECTS, claims=_OBJECTS, preset=st.sampled_from([None, *PRESETS.values()]))
def test_any_json_objects_give_a_verdict(
    *, header: dict[str, Any], claims: dict[str, Any], preset: Preset | None, require_typ: bool
) -> None:
    verdict = classify(header, claims, preset, require_typ=require_typ)
    assert verdict.kind in {"access", "id", "refresh", "logout", "other", "unclassified"}
    assert re.fullmatch(r"[ -~]{1,200}", verdict.evidence)


@pytest.mark.parametrize("name", ["at_hash", "c_hash"])
@settings(max_examples=20, suppress_health_check=_PATIENT)
@given(header=_OBJECTS, claims=_OBJECTS)
def test_a_hash_of_openid_connect_always_refuses(name: str, header: dict[str, Any], claims: dict[str, Any]) -> None:
    assert classify(header, {**claims, name: "x"}).kind == "id"
