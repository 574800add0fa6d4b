"""Whatever bytes a proxy passes on, a bound token ends in a value or a refusal, and only its own certificate passes."""

from base64 import b64encode
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.errors import ProofInvalid, ProofMismatch, ProofRequired
from gateway.core.proof.certificate import ClientCertificates
from gateway.core.proof.certificate_header import thumbprint_in, thumbprint_of
from tests.core.proof.certificates import RFC8705
from tests.memory import facts

FORMATS = st.sampled_from(["xfcc", "rfc9440", "pem", "base64_der"])
ELEMENTS = st.one_of(st.none(), st.sampled_from(["first", "last"]), st.integers(-40, 40).filter(bool))
HEX = sha256(RFC8705).hexdigest().encode()
#: what may stand in such a header, in any order
PIECES = st.sampled_from(
    [
        *(b"Hash=", b"By=", b"URI=", b"Subject=", b"DNS=", b"Cert=", HEX, b"0" * 64, b64encode(RFC8705)),
        *(b",", b";", b'"', b"\\", b"=", b" ", b":", b"%", b"%0A", b"\xff", b"{"),
        *(b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"),
    ]
)
VALUES = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join))
#: what a certificate's holder may choose of its names, as far as one proxy writes it unquoted
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60) | st.lists(
    st.sampled_from([";", "Hash=" + "0" * 64, '"', "\\", "By=", "a"]), max_size=8
).map("".join)


@given(FORMATS, ELEMENTS, VALUES)
def test_any_bytes_give_a_thumbprint_or_a_refusal(kind: str, element: str | int | None, value: bytes) -> None:
    rules = ClientCertificateHeader(name="X", format=kind, element=element)  # type: ignore[arg-type]
    try:
        found = thumbprint_in(value, rules)
    except (ProofInvalid, ProofRequired):
        return
    assert len(found) == 43


@given(FORMATS, ELEMENTS, st.lists(VALUES, max_size=3), st.booleans())
def test_a_bound_token_passes_with_nothing_else(
    kind: str,
    element: str | int | None,
    values: list[bytes],
    trusted: bool,  # noqa: FBT001 -- hypothesis gives it so
) -> None:
    rules = ClientCertificateHeader(name="X-Cert", format=kind, element=element)  # type: ignore[arg-type]
    asked = facts(None, *((b"x-cert", value) for value in values), trusted=trusted)
    # Bound to a certificate that nobody has written there.
    try:
        ClientCertificates(rules).check(thumbprint_of(b"another"), asked)
    except (ProofInvalid, ProofRequired, ProofMismatch):
        return
    raise AssertionError


@given(NAMES, st.sampled_from([b"URI", b"DNS", b"Subject"]))
def test_no_name_in_a_certificate_makes_it_another_one(name: str, key: bytes) -> None:
    rules = ClientCertificateHeader(name="X", format="xfcc")
    try:
        found = thumbprint_in(b"By=spiffe://gw;Hash=" + HEX + b";" + key + b"=" + name.encode(), rules)
    except ProofInvalid:
        return
    assert found == thumbprint_of(RFC8705)
