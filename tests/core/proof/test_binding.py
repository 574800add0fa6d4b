"""A bound token is never taken for a bearer token."""

import pytest

from gateway.core.errors import BindingUnsupported, ProofRequired, Refusal, Suspect
from gateway.core.proof.binding import check_binding
from gateway.core.token.confirmation import Confirmation
from tests.memory import identity


def test_a_token_that_is_bound_to_nothing_needs_no_proof() -> None:
    check_binding(identity())


@pytest.mark.parametrize(
    ("methods", "refusal", "evidence"),
    [
        ({"jkt": "thumbprint"}, ProofRequired, "cnf has jkt"),
        ({"x5t#S256": "thumbprint"}, ProofRequired, "cnf has x5t#S256"),
        ({}, BindingUnsupported, "cnf is malformed, or names an unsupported confirmation method"),
    ],
)
def test_a_bound_token_is_refused_and_only_the_token_is_named(
    methods: dict[str, str], refusal: type[Refusal], evidence: str
) -> None:
    with pytest.raises(Refusal) as caught:
        check_binding(identity(confirmation=Confirmation(methods)))
    assert type(caught.value) is refusal
    assert caught.value.evidence == evidence
    assert caught.value.suspect == Suspect("0123456789ab", None, "local")
