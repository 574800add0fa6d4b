"""Whether a request came with the client certificate that its token is bound to (RFC 8705 section 3)."""

from typing import Final

from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.file import Config
from gateway.core.errors import ProofInvalid, ProofMismatch, ProofRequired
from gateway.core.http.facts import Facts
from gateway.core.proof.certificate_header import thumbprint_in
from gateway.core.token.confirmation import CERTIFICATE


class ClientCertificates:
    """Where the certificate of a client is found: the configuration, compiled."""

    def __init__(self, header: ClientCertificateHeader | None = None) -> None:
        """`header`: the one that trusted proxies write; None: what TLS on the listener was shown counts alone."""
        self._header: Final = header
        self._name: Final = b"" if header is None else header.name.lower().encode()

    @classmethod
    def of(cls, config: Config) -> "ClientCertificates":
        """Compiled once at start."""
        return cls(config.client_certificate_header)

    def check(self, thumbprint: str, facts: Facts) -> None:
        """ProofRequired, ProofInvalid, ProofMismatch. `thumbprint`: what the token is bound to."""
        if self._header is not None and facts.trusted:
            # What a trusted proxy shows on its own connection is its own certificate, and never a client's.
            found = self._passed_on(facts, self._header)
            whose = f"{self._header.name} has"
        else:
            shown = None if facts.certificate is None else facts.certificate.thumbprint()
            if shown is None:
                raise ProofRequired(f"cnf has {CERTIFICATE}, and the client showed no certificate")
            found, whose = shown, "the client showed"
        if found != thumbprint:
            raise ProofMismatch(f"{whose} another certificate than {CERTIFICATE} of cnf names")

    def _passed_on(self, facts: Facts, header: ClientCertificateHeader) -> str:
        """The thumbprint of what a proxy passes on."""
        values = [value for name, value in facts.headers if name.lower() == self._name]
        if not values:
            raise ProofRequired(f"cnf has {CERTIFICATE}, and the proxy sent no {header.name}")
        if len(values) > 1:
            # Whoever reads the first would see another client than whoever reads the last.
            raise ProofInvalid(f"{header.name} stands there {len(values)} times")
        return thumbprint_in(values[0], header)
