import pytest

from gateway.core.token.jwt import parse_token
from gateway.core.token.rules import rules_of
from tests.signer import ISSUER, issuer, sign


def test_the_rules_of_an_issuer_are_its_configuration_compiled() -> None:
    rules = rules_of(issuer(audience=("a", "b"), clients=("c",), leeway=5, max_lifetime=60, algorithms=("ES256",)))
    assert (rules.name, rules.issuer, rules.leeway, rules.max_lifetime) == ("local", ISSUER, 5.0, 60.0)
    assert (set(rules.audiences), set(rules.clients), set(rules.algorithms)) == ({"a", "b"}, {"c"}, {"ES256"})
    assert rules.scope_claims == ("scope", "scp")
    assert rules.client_claims == ("client_id", "azp", "cid", "appid")
    assert rules_of(issuer()).max_lifetime is None


@pytest.mark.parametrize(
    ("own", "keep", "most", "key"),
    [
        (None, None, None, "max_lifetime"),
        (60, None, 60, "max_lifetime"),
        (None, 90, 90, "revocation.keep"),
        (60, 90, 60, "max_lifetime"),
        (120, 90, 90, "revocation.keep"),
    ],
)
def test_no_token_lives_longer_than_what_is_revoked_is_remembered(
    own: float | None, keep: float | None, most: float | None, key: str
) -> None:
    rules = rules_of(issuer(max_lifetime=own), keep=keep)
    assert (rules.max_lifetime, rules.lifetime_key) == (most, key)


def test_a_preset_reads_scopes_for_the_audiences_that_are_configured() -> None:
    roles = [("resource_access", name, "roles") for name in ("orders-api", "https://api.example.com")]
    rules = rules_of(issuer(preset="keycloak", audience=("orders-api", "https://api.example.com")))
    assert rules.scope_claims == ("scope", "/realm_access/roles", *roles)
    assert rules_of(issuer(preset="keycloak", scope_claims=("scope",))).scope_claims == ("scope",)


def test_a_token_shows_nothing_of_what_was_signed() -> None:
    assert repr(parse_token(sign())) == "Token(alg='RS256', kid='rsa-a')"


@pytest.mark.parametrize(
    ("configured", "audience", "accepted"),
    [
        ("a", ("a", "b"), ("a",)),
        (("a", "b"), ("b", "a", "c"), ("a", "b")),
        (("a", "b"), ("b", "c"), ("b",)),
        ("a", (), ()),
    ],
)
def test_of_whom_a_token_is_for_those_count_that_are_configured(
    configured: str | tuple[str, ...], audience: tuple[str, ...], accepted: tuple[str, ...]
) -> None:
    rules = rules_of(issuer(audience=configured))
    assert rules.accepted(audience) == accepted
