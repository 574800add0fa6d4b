"""A bound token is never taken for a bearer token."""

import pytest

from gateway.core.errors import BindingUnsupported, ProofMismatch, ProofRequired, Refusal, Suspect
from gateway.core.proof.binding import check_binding
from gateway.core.proof.certificate import ClientCertificates
from gateway.core.token.confirmation import Confirmation
from tests.memory import facts, identity

NOWHERE = ClientCertificates()
NO_CERTIFICATE = "and the client showed no certificate"


def test_a_token_that_is_bound_to_nothing_needs_no_proof() -> None:
    check_binding(identity(), facts(), NOWHERE)


def test_a_token_that_is_bound_to_the_key_of_a_proof_passes() -> None:
    check_binding(identity(confirmation=Confirmation({"jkt": "thumbprint"})), facts(), NOWHERE, proof_key="thumbprint")


@pytest.mark.parametrize(
    ("methods", "proof_key", "refusal", "evidence"),
    [
        ({"jkt": "thumbprint"}, None, ProofRequired, "cnf has jkt"),
        (
            {"jkt": "thumbprint"},
            "another",
            ProofMismatch,
            "the DPoP proof was made with another key than jkt of cnf names",
        ),
        ({"x5t#S256": "thumbprint"}, None, ProofRequired, f"cnf has x5t#S256, {NO_CERTIFICATE}"),
        ({"x5t#S256": "thumbprint"}, "thumbprint", ProofRequired, f"cnf has x5t#S256, {NO_CERTIFICATE}"),
        ({"jkt": "thumbprint", "x5t#S256": "thumbprint"}, None, ProofRequired, "cnf has jkt"),
        (
            {"jkt": "thumbprint", "x5t#S256": "thumbprint"},
            "thumbprint",
            ProofRequired,
            f"cnf has x5t#S256, {NO_CERTIFICATE}",
        ),
        ({}, None, BindingUnsupported, "cnf is malformed, or names an unsupported confirmation method"),
        ({}, "thumbprint", BindingUnsupported, "cnf is malformed, or names an unsupported confirmation method"),
    ],
)
def test_a_bound_token_is_refused_and_only_the_token_is_named(
    methods: dict[str, str], proof_key: str | None, refusal: type[Refusal], evidence: str
) -> None:
    with pytest.raises(Refusal) as caught:
        check_binding(identity(confirmation=Confirmation(methods)), facts(), NOWHERE, proof_key=proof_key)
    assert type(caught.value) is refusal
    assert caught.value.evidence == evidence
    assert caught.value.suspect == Suspect("0123456789ab", None, "local")
