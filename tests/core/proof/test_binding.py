"""A bound token is never taken for a bearer token."""

from typing import Any

import pytest

from gateway.core.errors import BindingUnsupported, ProofRequired, Refusal
from gateway.core.proof.binding import check_binding


def test_a_token_without_cnf_is_bound_to_nothing() -> None:
    check_binding({"sub": "alice"})


@pytest.mark.parametrize(
    ("confirmation", "refusal"),
    [
        ({"jkt": "thumbprint"}, ProofRequired),
        ({"x5t#S256": "thumbprint"}, ProofRequired),
        ({"kid": "1", "jkt": "thumbprint"}, ProofRequired),
        ({"jkt": "", "x5t#S256": "thumbprint"}, ProofRequired),
        ({"jkt": ""}, BindingUnsupported),
        ({"jkt": None}, BindingUnsupported),
        ({"jkt": 7}, BindingUnsupported),
        ({"jkt": ["thumbprint"]}, BindingUnsupported),
        ({"JKT": "thumbprint"}, BindingUnsupported),
        ({"x5t": "thumbprint"}, BindingUnsupported),
        ({"jwk": {"kty": "RSA"}}, BindingUnsupported),
        ({"kid": "1"}, BindingUnsupported),
        ({"jku": "https://evil.example"}, BindingUnsupported),
        ({}, BindingUnsupported),
        (None, BindingUnsupported),
        (False, BindingUnsupported),
        ("jkt", BindingUnsupported),
        (["jkt"], BindingUnsupported),
        ([{"jkt": "thumbprint"}], BindingUnsupported),
    ],
)
def test_any_cnf_refuses_the_token(confirmation: Any, refusal: type[Refusal]) -> None:
    with pytest.raises(Refusal) as caught:
        check_binding({"cnf": confirmation})
    assert type(caught.value) is refusal
    assert "thumbprint" not in caught.value.evidence
