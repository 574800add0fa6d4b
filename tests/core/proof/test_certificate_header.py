"""A header with a client certificate gives its thumbprint, or says why nobody can tell."""

import time
from base64 import b64encode
from hashlib import sha256
from urllib.parse import quote

import pytest

from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.errors import ProofInvalid, ProofRequired, Refusal
from gateway.core.proof.certificate_header import MAX_BYTES, MAX_ELEMENTS, thumbprint_in, thumbprint_of
from tests.core.proof.certificates import RFC8705, RFC8705_THUMBPRINT, RFC9440, RFC9440_VALUE

HEX = sha256(RFC8705).hexdigest().encode()
BASE64 = b64encode(RFC8705)
LINES = b"\n".join(BASE64[at : at + 64] for at in range(0, len(BASE64), 64))
PEM = b"-----BEGIN CERTIFICATE-----\n" + LINES + b"\n-----END CERTIFICATE-----\n"
OTHER = b"0" * 64
#: as Envoy writes it: `By` is the proxy's own, names are quoted or not
ENVOY = (
    b"By=spiffe://mesh/gw;Hash=" + HEX + b';Subject="CN=a\\"b,O=x\\\\";URI=spiffe://mesh/a;DNS=a.example;DNS=b.example'
)
ISTIO = b"By=spiffe://mesh/api;Hash=" + OTHER + b";URI=spiffe://mesh/gateway"


def rules(kind: str, element: str | int | None = None) -> ClientCertificateHeader:
    return ClientCertificateHeader(name="X", format=kind, element=element)  # type: ignore[arg-type]


def test_the_examples_of_the_rfcs() -> None:
    assert thumbprint_of(RFC8705) == RFC8705_THUMBPRINT
    assert thumbprint_in(RFC9440_VALUE, rules("rfc9440")) == thumbprint_of(RFC9440)


@pytest.mark.parametrize(
    ("kind", "element", "value"),
    [
        ("rfc9440", None, b":" + BASE64 + b":"),
        # RFC 8941 section 4.2.7: padding that is missing is no reason to fail.
        ("rfc9440", None, b":" + BASE64.rstrip(b"=") + b":"),
        ("base64_der", None, BASE64),
        ("base64_der", "first", BASE64 + b"," + b64encode(RFC9440)),
        ("base64_der", 1, BASE64 + b", " + b64encode(RFC9440)),
        ("base64_der", "last", b64encode(RFC9440) + b"," + BASE64),
        ("base64_der", -1, BASE64),
        # nginx ($ssl_client_escaped_cert) escapes everything; AWS leaves +, = and / as they are.
        ("pem", None, quote(PEM, safe="").encode()),
        ("pem", None, quote(PEM, safe="+=/").encode()),
        ("pem", None, quote(PEM.rstrip(b"\n"), safe="").encode()),
        ("pem", None, quote(PEM.replace(b"\n", b"\r\n"), safe="").encode()),
        # Apache and HAProxy can be made to write it in one line.
        ("pem", None, PEM.replace(b"\n", b" ").strip()),
        ("xfcc", None, b"Hash=" + HEX),
        ("xfcc", None, b"hash=" + HEX.upper()),
        ("xfcc", None, b'Hash="' + HEX + b'"'),
        ("xfcc", None, ENVOY),
        ("xfcc", None, b"By=spiffe://one;By=spiffe://two;Hash=" + HEX + b";URI="),
        ("xfcc", None, b'By="a;Hash=b,Hash=c";Hash=' + HEX + b';Cert="-----BEGIN%20"'),
        ("xfcc", "last", ENVOY),
        ("xfcc", "first", ENVOY + b"," + ISTIO),
        ("xfcc", 1, ENVOY + b", " + ISTIO),
        ("xfcc", -2, ENVOY + b"," + ISTIO),
        ("xfcc", "last", ISTIO + b"," + ENVOY),
        ("xfcc", 2, ISTIO + b"," + ENVOY + b"," + ISTIO),
    ],
)
def test_a_certificate_that_is_passed_on_gives_its_thumbprint(
    kind: str, element: str | int | None, value: bytes
) -> None:
    assert thumbprint_in(value, rules(kind, element)) == RFC8705_THUMBPRINT


XFCC = "is not well-formed xfcc"
CHOSEN = "xfcc has Hash behind a name that its client may have chosen"
TWICE = "xfcc has Hash 2 times; it must stand there once"
DER = "has something other than one certificate in DER"
#: one more than there may be
CROWD = b",".join([b"Hash=" + HEX] * (MAX_ELEMENTS + 1))


@pytest.mark.parametrize(
    ("kind", "element", "value", "evidence"),
    [
        (
            "xfcc",
            None,
            ENVOY + b"," + ISTIO,
            "has 2 elements, and client_certificate_header.element does not say which counts",
        ),
        ("xfcc", "last", b"URI=spiffe://mesh/a;Hash=" + OTHER + b";Hash=" + HEX, TWICE),
        ("xfcc", "last", b"Hash=" + HEX + b";DNS=a;Hash=" + OTHER, TWICE),
        ("xfcc", "last", b"Hash=" + HEX + b";hASH=" + OTHER, TWICE),
        ("xfcc", None, b"By=spiffe://mesh/gw;URI=spiffe://mesh/a", "xfcc has Hash 0 times; it must stand there once"),
        ("xfcc", None, b"URI=spiffe://mesh/a;Hash=" + HEX, CHOSEN),
        ("xfcc", None, b'Subject="CN=a";Hash=' + HEX, CHOSEN),
        ("xfcc", None, b"dns=a;Hash=" + HEX, CHOSEN),
        ("xfcc", None, b"Hash=", "xfcc has a Hash that is not 64 hex digits"),
        ("xfcc", None, b"Hash=" + HEX[:-1], "xfcc has a Hash that is not 64 hex digits"),
        ("xfcc", None, b"Hash=" + HEX[:-1] + b"g", "xfcc has a Hash that is not 64 hex digits"),
        ("xfcc", None, b'[{"Hash": "' + HEX + b'"}]', "is in the JSON form of xfcc, which is not read"),
        ("xfcc", None, b' {"Hash": "' + HEX + b'"}', "is in the JSON form of xfcc, which is not read"),
        ("xfcc", "first", b"Hash=" + HEX + b",", XFCC),
        ("xfcc", "first", b"Hash=" + HEX + b";", XFCC),
        ("xfcc", "first", b",Hash=" + HEX, XFCC),
        ("xfcc", None, b"Hash", XFCC),
        ("xfcc", None, b"=", XFCC),
        ("xfcc", None, b'Hash="' + HEX, XFCC),
        ("xfcc", None, b'Hash="' + HEX + b'"x', XFCC),
        ("xfcc", None, b"Hash=" + HEX + b';URI=a"b;Subject="c"', XFCC),
        ("xfcc", None, b"Hash=" + HEX + b';Subject="a\\"', XFCC),
        ("xfcc", None, b"Ha\xff=" + HEX, XFCC),
        ("xfcc", "last", CROWD, f"has more than {MAX_ELEMENTS} elements"),
        ("xfcc", None, b";".join([b"By=a"] * 1000), "has more pairs than are read"),
        ("rfc9440", None, BASE64, "is not one byte sequence of RFC 8941, :base64:"),
        ("rfc9440", None, b":", "is not one byte sequence of RFC 8941, :base64:"),
        ("rfc9440", None, b"::", "is not in base64"),
        ("rfc9440", None, b":" + BASE64 + b":, :" + BASE64 + b":", "is not in base64"),
        ("rfc9440", None, b":" + BASE64 + b":;a=1", "is not one byte sequence of RFC 8941, :base64:"),
        ("base64_der", None, b"-_" + BASE64, "is not in base64"),
        ("base64_der", None, b"AAAAA", "is not in base64"),
        (
            "base64_der",
            None,
            BASE64 + b"," + BASE64,
            "has 2 elements, and client_certificate_header.element does not say which counts",
        ),
        ("base64_der", "first", b"," + BASE64, "is not in base64"),
        ("base64_der", "last", b",".join([BASE64[:40]] * 40), f"has more than {MAX_ELEMENTS} elements"),
        ("base64_der", None, b64encode(RFC8705 + b"\0"), DER),
        ("base64_der", None, b64encode(RFC8705[:-1]), DER),
        ("base64_der", None, b64encode(b"\x31" + RFC8705[1:]), DER),
        ("base64_der", None, b64encode(b"\x30"), DER),
        ("base64_der", None, b64encode(b"\x30\x80\0\0"), DER),
        ("base64_der", None, b64encode(b"\x30\x84\0\0\0\0"), DER),
        ("base64_der", None, b64encode(b"\x30\x01"), DER),
        ("pem", None, BASE64, "is not one certificate in percent-encoded PEM"),
        ("pem", None, b"(null)", "is not one certificate in percent-encoded PEM"),
        ("pem", None, PEM + PEM, "is not one certificate in percent-encoded PEM"),
        ("pem", None, PEM.replace(b"CERTIFICATE", b"PRIVATE KEY"), "is not one certificate in percent-encoded PEM"),
        ("pem", None, quote(PEM).encode() + b"%", "is not one certificate in percent-encoded PEM"),
        ("pem", None, quote(quote(PEM)).encode(), "is not one certificate in percent-encoded PEM"),
        ("pem", None, PEM.replace(BASE64[:8], b"===MIIB="), "is not in base64"),
        *(
            (kind, None, b"a" * (MAX_BYTES + 1), f"has {MAX_BYTES + 1} bytes; {MAX_BYTES} are read")
            for kind in ("xfcc", "pem")
        ),
    ],
)
def test_what_nobody_can_be_sure_of_is_invalid(
    kind: str, element: str | int | None, value: bytes, evidence: str
) -> None:
    with pytest.raises(Refusal) as caught:
        thumbprint_in(value, rules(kind, element))
    assert type(caught.value) is ProofInvalid
    whole = evidence if evidence.startswith("xfcc") else f"the header for the client certificate {evidence}"
    assert caught.value.evidence == whole


@pytest.mark.parametrize("kind", ["xfcc", "rfc9440", "pem", "base64_der"])
def test_an_empty_header_is_none(kind: str) -> None:
    with pytest.raises(ProofRequired):
        thumbprint_in(b"", rules(kind))


@pytest.mark.parametrize(("element", "number"), [(2, 2), (-2, -2), (40, 40)])
def test_an_element_that_is_not_there_is_none(element: int, number: int) -> None:
    with pytest.raises(ProofRequired) as caught:
        thumbprint_in(ENVOY, rules("xfcc", element))
    assert caught.value.evidence == (
        f"the header for the client certificate has 1 elements, and number {number} counts"
    )


def test_time_does_not_grow_faster_than_the_header() -> None:
    for value in (b'Hash="' + b"\\" * 32_000, b'a="' * 10_000, b"a=" + b" " * 32_000 + b"\0", b"%" * 32_000):
        for kind in ("xfcc", "pem"):
            with pytest.raises(ProofInvalid):
                thumbprint_in(value, rules(kind))


@pytest.mark.parametrize(
    "value",
    [
        b"a=" + b" " * 30_000 + b'"',
        b"a=" + b"\t " * 15_000 + b'"x',
        b"a=b;" * 500 + b"a=" + b" " * 30_000 + b'"',
        b'a="' + b"\\\\" * 15_000,
        b'a="b"' + b" " * 30_000 + b"!",
        b" " * 30_000 + b"!",
    ],
    ids=["blanks", "tabs", "pairs", "backslashes", "behind quotes", "before"],
)
def test_hostile_xfcc_costs_no_more_than_one_pass(value: bytes) -> None:
    began = time.process_time()
    with pytest.raises(ProofInvalid):
        thumbprint_in(value, rules("xfcc", "last"))
    assert time.process_time() - began < 0.5
