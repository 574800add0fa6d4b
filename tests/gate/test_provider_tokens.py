"""Every JWT that a real Keycloak, Spring and Hydra issued: access tokens pass, and the others are refused for what they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.issuers import Issuer
from gateway.core.errors import InvalidToken
from gateway.core.token.confirmation import parse_confirmation
from gateway.core.token.jwt import check_token, parse_token
from gateway.core.token.kind import classify
from gateway.core.token.known import KnownIssuers
from gateway.core.token.presets import PRESETS
from gateway.core.token.rules import rules_of
from gateway.core.trail import Trail
from tests.signer import compact

DATA = Path(__file__).parents[1] / "data"
TOKENS: dict[str, dict[str, Any]] = {
    path.stem: token
    for path in sorted((DATA / "keycloak").glob("*token-*.json"))
    if "payload" in (token := json.loads(path.read_text("utf-8")))
}
#: tokens that are no access tokens, and what they are refused for; all others are access tokens
REFUSED = {
    "token-action-token-execute-actions": "other_token",
    "token-action-token-verify-email": "other_token",
    "token-at-jwt-client-id": "id_token",
    "token-client-credentials-with-openid-id": "id_token",
    "token-dpop-id": "id_token",
    "token-hybrid-code-id-token-id": "id_token",
    "token-id-code-flow-no-nonce": "id_token",
    "token-id-code-flow-nonce": "id_token",
    "token-id-password-grant": "id_token",
    "token-id-with-api-in-aud": "id_token",
    "token-id-with-api-in-aud-password-no-nonce": "id_token",
    "token-identity-cookie-serialized-id": "id_token",
    "token-implicit-id": "id_token",
    "token-implicit-id-token-only": "id_token",
    "token-initial-access": "other_token",
    "token-jarm-response": "other_token",
    "token-logout-token": "logout_token",
    "token-offline": "refresh_token",
    "token-refresh": "refresh_token",
    "token-registration-access": "other_token",
    "token-signed-userinfo": "unclassified_token",
    "token-token-exchange-id-token": "id_token",
    "hydra-token-id-hybrid": "id_token",
    "hydra-token-id-no-nonce": "id_token",
    "hydra-token-id-nonce": "id_token",
    "spring-token-id-code": "id_token",
    "spring-token-id-nonce": "id_token",
}
#: access tokens that a gateway cannot admit as they are
UNFIT = {
    "token-access-bare-client-no-aud-no-scope": "missing_claim",
    "token-access-bare-no-openid": "missing_claim",
    "token-lightweight": "missing_claim",
    "token-token-exchange-by-orders-api": "missing_claim",
    "token-dpop-token": "proof_required",
    "token-mtls-token": "proof_required",
    "hydra-token-access-without-audience": "wrong_audience",
    "hydra-token-access-openid-no-audience": "wrong_audience",
}


def _preset(name: str) -> str:
    return {"hydra": "ory-hydra", "spring": "spring"}.get(name.partition("-")[0], "keycloak")


def _reason(name: str, *, preset: str | None, **settings: Any) -> str | None:
    """What a token is refused with by an issuer that takes whatever audience it has, or None."""
    payload = TOKENS[name]["payload"]
    named = payload.get("aud") or "https://api.example.com"
    audience = (named,) if isinstance(named, str) else tuple(named)
    rules = rules_of(Issuer(issuer=payload["iss"], audience=audience, preset=preset, **settings))
    try:
        token = parse_token(compact(TOKENS[name]["header"], payload))
        check_token(token, KnownIssuers([rules]), now=payload.get("iat", payload.get("exp", 0) - 1), trail=Trail())
    except InvalidToken as refusal:
        return refusal.reason
    confirmation = parse_confirmation(payload)
    return None if confirmation is None else "proof_required" if confirmation.methods else "binding_unsupported"


def test_every_token_is_there() -> None:
    assert set(TOKENS) >= {*REFUSED, *UNFIT}
    assert len(TOKENS) == 57


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_of_a_provider_is_taken_for_what_it_is(name: str) -> None:
    assert _reason(name, preset=_preset(name)) == REFUSED.get(name, UNFIT.get(name))


@pytest.mark.parametrize("name", TOKENS)
def test_none_that_is_no_access_token_passes_without_its_preset_or_with_keycloaks(name: str) -> None:
    for settings in ({"preset": None}, {"preset": "keycloak"}, {"preset": None, "require_typ": True}):
        assert name not in REFUSED or _reason(name, **settings) is not None


@pytest.mark.parametrize("alg", ["HS512", "none", "RS1"])
@pytest.mark.parametrize("name", TOKENS)
def test_what_the_payload_says_decides_the_reason_where_the_algorithm_is_not_acceptable(name: str, alg: str) -> None:
    token, known = TOKENS[name], REFUSED.get(name)
    with pytest.raises(InvalidToken) as caught:
        parse_token(compact({**token["header"], "alg": alg}, token["payload"]))
    says_nothing = known in {None, "unclassified_token"} or name == "spring-token-id-code"
    assert caught.value.reason == ("algorithm_not_allowed" if says_nothing else known)
    assert f"alg is '{alg}'" in caught.value.evidence


@pytest.mark.parametrize("name", TOKENS)
def test_an_algorithm_that_is_not_configured_is_no_worse(name: str) -> None:
    known = REFUSED.get(name)
    reason = _reason(name, preset=_preset(name), algorithms=("ES256",))
    assert reason == ("algorithm_not_allowed" if known in {None, "unclassified_token"} else known)


SHAPES: list[dict[str, Any]] = [
    shape
    for name in ("token_shapes.json", "token_shapes_more.json")
    for shape in json.loads((DATA / name).read_text("utf-8"))
    if shape["kind"] != "access"
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape["id"]))
def test_no_shape_of_another_kind_is_admitted_with_keycloaks_preset(shape: dict[str, Any]) -> None:
    assert (
        shape["expected"] == "policy"
        or classify(shape["header"], shape["payload"], PRESETS["keycloak"]).kind != "access"
    )
