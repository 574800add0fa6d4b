"""Whether a request came with the client certificate that its token is bound to (RFC 8705 section 3)."""

from gateway.core.errors import ProofRequired
from gateway.core.http.facts import Facts
from gateway.core.token.confirmation import CERTIFICATE


class ClientCertificates:
    """Where the certificate of a client is found: the configuration, compiled."""

    def check(self, thumbprint: str, facts: Facts) -> None:
        """ProofRequired: none is accepted yet. `thumbprint`: what the token is bound to."""
        raise ProofRequired(f"cnf has {CERTIFICATE}")
