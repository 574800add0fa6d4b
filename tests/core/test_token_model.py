import msgspec
import pytest

from gateway.core.token import check_token, parse_token
from gateway.core.token_model import rules_of
from tests.signer import ISSUER, NOW, issuer, sign


def test_the_rules_of_an_issuer_are_its_configuration_compiled() -> None:
    rules = rules_of(issuer(audience=("a", "b"), clients=("c",), leeway=5, max_lifetime=60, algorithms=("ES256",)))
    assert (rules.name, rules.issuer, rules.leeway, rules.max_lifetime) == ("local", ISSUER, 5.0, 60.0)
    assert (set(rules.audiences), set(rules.clients), set(rules.algorithms)) == ({"a", "b"}, {"c"}, {"ES256"})
    assert rules.scope_claims == ("scope", "scp")
    assert rules.client_claims == ("client_id", "azp", "cid", "appid")
    assert rules_of(issuer()).max_lifetime is None


def test_a_token_and_what_passed_cannot_be_changed_and_show_nothing_of_what_was_signed() -> None:
    rules = rules_of(issuer())
    token = parse_token(sign())
    candidate = check_token(token, {rules.issuer: rules}, now=NOW)
    for value, name in ((token, "claims"), (candidate, "expires_at")):
        assert isinstance(value, msgspec.Struct)
        with pytest.raises(AttributeError, match="immutable"):
            setattr(value, name, {})
    assert repr(token) == "Token(alg='RS256', kid='rsa-a')"
