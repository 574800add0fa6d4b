import pytest

from gateway.core.http.header_names import fold, is_certificate, is_forwarding, nominated


@pytest.mark.parametrize(
    ("name", "forwards"),
    [
        *((name, True) for name in (b"Forwarded", b"X-Real-IP", b"x_real_ip", b"X-Forwarded", b"X.FORWARDED.ANY")),
        *((name, False) for name in (b"X-Forward", b"XForwardedFor", b"Via", b"X-Real", b"")),
    ],
)
def test_a_forwarding_header_is_one_in_any_spelling(name: bytes, *, forwards: bool) -> None:
    assert is_forwarding(name) is forwards


#: as proxies and load balancers spell them
CERTIFICATES = (
    *(b"Client-Cert", b"Client-Cert-Chain", b"X-Client-Cert", b"X-Client-Cert-Chain", b"X-Client-Cert-Present"),
    *(b"X-SSL-Client-Cert", b"X-SSL-Client-S-DN", b"X-SSL-Client-Verify", b"ssl-client-cert", b"SSL-Client-I-Dn"),
    *(b"ssl-client-subject-dn", b"X-Amzn-Mtls-Clientcert", b"X-Amzn-Mtls-Clientcert-Leaf", b"X-ARR-ClientCert"),
    *(b"X-Amzn-Mtls-Clientcert-Serial-Number", b"Cf-Client-Cert-Der-Base64", b"CF-Client-Cert-Sha256"),
)


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_header_with_a_certificate_is_one_in_any_spelling(name: bytes) -> None:
    for spelled in (name, name.lower(), name.upper(), name.replace(b"-", b"_"), name.replace(b"-", b".")):
        assert is_certificate(fold(spelled))
        assert is_forwarding(spelled)
    assert nominated([(b"Connection", name)]) == set()


@pytest.mark.parametrize("name", [b"Client", b"Client-Certificate", b"X-SSL", b"SSL-Cipher", b"Cert", b"CF-Ray"])
def test_others_are_none(name: bytes) -> None:
    assert not is_certificate(fold(name))
    assert not is_forwarding(name)
