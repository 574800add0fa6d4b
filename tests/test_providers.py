"""docs/providers.md: each block of configuration is sound, and the tokens of real providers are judged by it as the page says."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.core.checks.problems import problems
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.issuers import audiences_of
from gateway.core.errors import InvalidToken
from gateway.core.token.jwt import check_token, parse_token
from gateway.core.token.known import KnownIssuers
from gateway.core.token.presets import PRESETS
from gateway.core.token.rules import rules_of
from gateway.core.trail import Trail
from gateway.settings.document import parse_document
from tests.signer import compact

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "providers.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def configured(section: str) -> Config:
    """The configuration that a section shows, in front of some API."""
    (block,) = re.findall(r"```yaml\n(issuers:.*?)```", SECTIONS[section], re.DOTALL)
    conversion = convert({"upstream": "http://127.0.0.1:3000", **parse_document(block).values})
    assert not conversion.problems
    return conversion.config


@pytest.mark.parametrize("section", SECTIONS)
def test_what_a_section_shows_is_sound_and_fits_on_a_screen(section: str) -> None:
    config = configured(section)
    assert problems(config) == []
    assert len(SECTIONS[section].splitlines()) <= 42
    # What to set there, host names inside and outside a cluster, and what its tokens lack.
    assert {"There", "Names", "Lacks"} <= set(re.findall(r"\*\*(\w+)\*\*:", SECTIONS[section]))
    for issuer in config.issuers:
        assert issuer.preset is None or issuer.preset in PRESETS


@pytest.mark.parametrize(
    ("section", "document"),
    [("Keycloak", "keycloak"), ("Spring Authorization Server", "spring"), ("Ory Hydra", "hydra")],
)
def test_the_keys_are_where_the_provider_says_by_another_name_inside_a_cluster(section: str, document: str) -> None:
    said = json.loads((ROOT / "tests" / "data" / "discovery" / f"{document}.json").read_text("utf-8"))
    # Keycloak's has the name of the realm in it.
    path = re.sub("^/realms/[^/]+", "", urlsplit(said["jwks_uri"]).path)
    (inside,) = re.findall(r"jwks_url: (http://[^`\s]+)", SECTIONS[section])
    assert inside.endswith(path)
    assert "allow_http: true" in SECTIONS[section]


def told(name: str, section: str, **changes: Any) -> str:
    """What becomes of a token of that provider when the configuration is the one that its section shows."""
    token = json.loads((ROOT / "tests" / "data" / "keycloak" / f"{name}.json").read_text("utf-8"))
    issuer = configured(section).issuers[0]
    payload = {**token["payload"], "iss": issuer.issuer, **changes}
    rules = rules_of(issuer)
    try:
        check_token(
            parse_token(compact({**token["header"], "alg": "RS256"}, payload)),
            KnownIssuers([rules]),
            now=payload["iat"],
            trail=Trail(),
        )
    except InvalidToken as refusal:
        return refusal.reason
    return "admitted"


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("token-access-code-flow-audience-mapper", "admitted"),
        ("token-client-credentials", "admitted"),
        ("token-access-pkce-public-fresh-user-aud-account", "wrong_audience"),
        ("token-lightweight", "missing_claim"),
        ("token-id-with-api-in-aud", "id_token"),
        ("token-refresh", "refresh_token"),
        ("token-offline", "refresh_token"),
        ("token-registration-access", "other_token"),
        ("token-action-token-verify-email", "other_token"),
    ],
)
def test_keycloaks_tokens_are_judged_as_its_section_says(name: str, outcome: str) -> None:
    assert told(name, "Keycloak") == outcome


@pytest.mark.parametrize(
    ("name", "changes", "outcome"),
    [
        ("spring-token-access-code", {}, "wrong_audience"),
        ("spring-token-access-code", {"aud": "https://api.example.com"}, "admitted"),
        ("spring-token-client-credentials", {"aud": "https://api.example.com"}, "admitted"),
        ("spring-token-id-code", {"aud": "https://api.example.com"}, "id_token"),
        ("spring-token-id-nonce", {"aud": "https://api.example.com"}, "id_token"),
    ],
)
def test_springs_tokens_are_judged_as_its_section_says(name: str, changes: dict[str, Any], outcome: str) -> None:
    assert told(name, "Spring Authorization Server", **changes) == outcome


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("hydra-token-access-code", "admitted"),
        ("hydra-token-client-credentials", "admitted"),
        ("hydra-token-access-without-audience", "wrong_audience"),
        ("hydra-token-id-no-nonce", "id_token"),
    ],
)
def test_hydras_tokens_are_judged_as_its_section_says(name: str, outcome: str) -> None:
    assert told(name, "Ory Hydra") == outcome


def test_a_service_account_of_kubernetes_is_admitted_for_its_audience_alone() -> None:
    issuer = configured("Kubernetes").issuers[0]
    rules = rules_of(issuer)
    claims = {
        "iss": issuer.issuer,
        "aud": list(audiences_of(issuer)),
        "sub": "system:serviceaccount:shop:orders",
        "iat": 1_000,
        "nbf": 1_000,
        "exp": 4_600,
        "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "orders", "uid": "1"}},
    }
    candidate = check_token(
        parse_token(compact({"alg": "RS256", "kid": "k"}, claims)), KnownIssuers([rules]), now=1_000, trail=Trail()
    )
    assert candidate.subject == "system:serviceaccount:shop:orders"
    claims["aud"] = ["https://kubernetes.default.svc.cluster.local"]
    with pytest.raises(InvalidToken) as caught:
        check_token(
            parse_token(compact({"alg": "RS256", "kid": "k"}, claims)), KnownIssuers([rules]), now=1_000, trail=Trail()
        )
    assert caught.value.reason == "wrong_audience"


@pytest.mark.parametrize("changes", [{}, {"aud": ["https://api.example.com"]}, {"exp": 4_600}, {"kubernetes.io": {}}])
def test_a_legacy_token_of_a_service_account_stays_refused(changes: dict[str, Any]) -> None:
    issuer = configured("Kubernetes").issuers[0]
    claims = {
        "iss": issuer.issuer,
        "sub": "system:serviceaccount:shop:orders",
        "kubernetes.io/serviceaccount/namespace": "shop",
        "kubernetes.io/serviceaccount/secret.name": "orders-token",
        "kubernetes.io/serviceaccount/service-account.name": "orders",
        "kubernetes.io/serviceaccount/service-account.uid": "1",
        **changes,
    }
    token = parse_token(compact({"alg": "RS256", "kid": "k"}, claims))
    with pytest.raises(InvalidToken) as caught:
        check_token(token, KnownIssuers([rules_of(issuer)]), now=1_000, trail=Trail())
    assert caught.value.reason == "unclassified_token"
