"""A token that is bound to a client certificate needs that one: of TLS, or of a trusted proxy's header, never of both."""

from base64 import b64encode
from typing import Any

import pytest

from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.file import Config
from gateway.core.errors import ProofInvalid, ProofMismatch, ProofRequired, Refusal
from gateway.core.http.facts import HeaderLine
from gateway.core.proof.certificate import ClientCertificates
from tests.core.proof.certificates import RFC8705, RFC8705_THUMBPRINT, RFC9440
from tests.memory import facts

HEADER = ClientCertificateHeader(name="Client-Cert", format="rfc9440")
OURS: HeaderLine = (b"Client-Cert", b":" + b64encode(RFC8705) + b":")
OTHERS: HeaderLine = (b"client-cert", b":" + b64encode(RFC9440) + b":")


class Shown:
    """What a client showed when TLS began."""

    def __init__(self, thumbprint: str | None) -> None:
        self._thumbprint = thumbprint
        self.asked = 0

    def thumbprint(self) -> str | None:
        self.asked += 1
        return self._thumbprint


def check(*headers: HeaderLine, header: ClientCertificateHeader | None = None, **settings: Any) -> None:
    ClientCertificates(header).check(RFC8705_THUMBPRINT, facts(None, *headers, **settings))


def test_the_configuration_says_where() -> None:
    config = Config(upstream="http://127.0.0.1:1", issuers=(), client_certificate_header=HEADER)
    ClientCertificates.of(config).check(RFC8705_THUMBPRINT, facts(None, OURS, trusted=True))


@pytest.mark.parametrize("trusted", [True, False])
def test_what_tls_was_shown_counts(*, trusted: bool) -> None:
    check(certificate=Shown(RFC8705_THUMBPRINT), trusted=trusted)
    # Without a header that is configured, none is looked at.
    check(OTHERS, certificate=Shown(RFC8705_THUMBPRINT), trusted=trusted)


def test_an_untrusted_peers_header_is_not_looked_at() -> None:
    check(OTHERS, OTHERS, header=HEADER, certificate=Shown(RFC8705_THUMBPRINT))


def test_a_trusted_peers_header_counts_alone() -> None:
    shown = Shown("the proxy's own")
    check(OURS, header=HEADER, trusted=True, certificate=shown)
    assert shown.asked == 0


NONE = "cnf has x5t#S256, and the client showed no certificate"
ABSENT = "cnf has x5t#S256, and the proxy sent no Client-Cert"


@pytest.mark.parametrize(
    ("headers", "settings", "refusal", "evidence"),
    [
        ((), {}, ProofRequired, NONE),
        ((), {"certificate": Shown(None)}, ProofRequired, NONE),
        ((OURS,), {"trusted": True}, ProofRequired, NONE),
        ((OURS,), {"header": HEADER}, ProofRequired, NONE),
        (
            (),
            {"certificate": Shown("another")},
            ProofMismatch,
            "the client showed another certificate than x5t#S256 of cnf names",
        ),
        # The proxy's own certificate never stands for a client.
        (
            (),
            {"header": HEADER, "trusted": True, "certificate": Shown(RFC8705_THUMBPRINT)},
            ProofRequired,
            ABSENT,
        ),
        (((b"Client_Cert", OURS[1]),), {"header": HEADER, "trusted": True}, ProofRequired, ABSENT),
        (
            (OTHERS,),
            {"header": HEADER, "trusted": True, "certificate": Shown(RFC8705_THUMBPRINT)},
            ProofMismatch,
            "Client-Cert has another certificate than x5t#S256 of cnf names",
        ),
        ((OURS, OTHERS), {"header": HEADER, "trusted": True}, ProofInvalid, "Client-Cert stands there 2 times"),
        ((OTHERS, OURS), {"header": HEADER, "trusted": True}, ProofInvalid, "Client-Cert stands there 2 times"),
        (
            ((b"Client-Cert", b"x"),),
            {"header": HEADER, "trusted": True},
            ProofInvalid,
            "the header for the client certificate is not one byte sequence of RFC 8941, :base64:",
        ),
    ],
)
def test_without_that_certificate_the_token_is_refused(
    headers: tuple[HeaderLine, ...], settings: dict[str, Any], refusal: type[Refusal], evidence: str
) -> None:
    with pytest.raises(Refusal) as caught:
        check(*headers, **settings)
    assert type(caught.value) is refusal
    assert caught.value.evidence == evidence
