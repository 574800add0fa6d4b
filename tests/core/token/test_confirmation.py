"""Any `cnf` binds a token, whatever stands in it."""

from typing import Any

import pytest

from gateway.core.token.confirmation import parse_confirmation


def test_a_token_without_cnf_is_bound_to_nothing() -> None:
    assert parse_confirmation({"sub": "alice"}) is None


@pytest.mark.parametrize(
    ("cnf", "methods"),
    [
        ({"jkt": "thumbprint"}, {"jkt": "thumbprint"}),
        ({"x5t#S256": "thumbprint"}, {"x5t#S256": "thumbprint"}),
        ({"x5t#S256": "a", "jkt": "b", "kid": "1"}, {"jkt": "b", "x5t#S256": "a"}),
        ({"jkt": "", "x5t#S256": "thumbprint"}, {}),
        ({"jkt": "thumbprint", "x5t#S256": None}, {}),
        ({"jkt": ""}, {}),
        ({"jkt": None}, {}),
        ({"jkt": 7}, {}),
        ({"jkt": ["thumbprint"]}, {}),
        ({"JKT": "thumbprint"}, {}),
        ({"x5t": "thumbprint"}, {}),
        ({"jwk": {"kty": "RSA"}}, {}),
        ({"kid": "1"}, {}),
        ({"jku": "https://evil.example"}, {}),
        ({}, {}),
        (None, {}),
        (False, {}),
        ("jkt", {}),
        (["jkt"], {}),
        ([{"jkt": "thumbprint"}], {}),
    ],
)
def test_any_cnf_binds_the_token(cnf: Any, methods: dict[str, str]) -> None:
    bound = parse_confirmation({"cnf": cnf})
    assert bound is not None
    assert bound.methods == methods
    assert "thumbprint" not in repr(bound)
