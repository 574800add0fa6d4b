"""A token that is bound to a client certificate needs that one."""

import pytest

from gateway.core.errors import ProofRequired
from gateway.core.proof.certificate import ClientCertificates
from tests.memory import facts


def test_no_certificate_is_accepted_yet() -> None:
    with pytest.raises(ProofRequired):
        ClientCertificates().check("thumbprint", facts())
