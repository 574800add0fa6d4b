"""The key that the gateway authenticates itself with, and what it signs."""

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.core.upstream.client_assertion import client_assertion, parse_client_key

NOW = 1_800_000_000.5


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def pem(key: Any, password: bytes | None = None) -> str:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()  # type: ignore[no-any-return]


def jwk(key: RSAKey | ECKey | OKPKey, **members: Any) -> str:
    return json.dumps(key.as_dict(private=True) | members)


def certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return dated.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    ("text", "alg"),
    [
        (lambda: pem(rsa_key()), "RS256"),
        (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "ES256"),
        (lambda: pem(ec.generate_private_key(ec.SECP384R1())), "ES384"),
        (lambda: pem(ec.generate_private_key(ec.SECP521R1())), "ES512"),
        (lambda: pem(ed25519.Ed25519PrivateKey.generate()), "EdDSA"),
        (lambda: jwk(RSAKey.import_key(rsa_key()), alg="PS256", use="sig"), "PS256"),
        (lambda: jwk(ECKey.generate_key("P-256")), "ES256"),
        (lambda: jwk(OKPKey.generate_key("Ed25519"), alg="Ed25519"), "Ed25519"),
    ],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_a_key_of_each_kind_signs_what_its_public_part_verifies(text: Any, alg: str) -> None:
    key = parse_client_key(text())
    assert key.alg == alg
    assertion = client_assertion(key, "gateway", audience="https://i.example", now=NOW, jti="one")
    public = type(key.private).import_key(key.private.as_dict(private=False))
    token = jwt.decode(assertion, public, algorithms=[alg])
    assert token.header == {"alg": alg, "kid": key.kid, "typ": "JWT"}
    assert token.claims == {
        "iss": "gateway",
        "sub": "gateway",
        "aud": "https://i.example",
        "jti": "one",
        "iat": 1_800_000_000,
        "nbf": 1_800_000_000,
        "exp": 1_800_000_060,
    }
    assert str(key.private.as_dict(private=True)["d"]) not in repr(key)


def test_it_is_called_as_the_configuration_says_else_as_the_jwk_does_else_by_its_thumbprint() -> None:
    key = ECKey.generate_key("P-256")
    assert parse_client_key(jwk(key, kid="mine")).kid == "mine"
    assert parse_client_key(jwk(key, kid="")).kid == key.thumbprint()
    assertion = client_assertion(parse_client_key(jwk(key)), "g", audience="a", now=NOW, jti="j", kid="theirs")
    assert json.loads(urlsafe_b64decode(assertion.partition(".")[0] + "==="))["kid"] == "theirs"


def test_a_certificate_beside_the_key_is_named() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = certificate(key)
    text = made.public_bytes(serialization.Encoding.PEM).decode() + pem(key)
    parsed = parse_client_key(text)
    header = client_assertion(parsed, "g", audience="a", now=NOW, jti="j").partition(".")[0]
    named = urlsafe_b64decode(json.loads(urlsafe_b64decode(header + "==="))["x5t#S256"] + "=")
    assert named == sha256(made.public_bytes(serialization.Encoding.DER)).digest()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sesame", "must hold a private key in PEM, or a JWK"),
        (lambda: pem(ed25519.Ed25519PrivateKey.generate(), b"password"), "must hold a key that is not encrypted"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "must hold"),
        ("{", "must hold a JWK: the text is not JSON"),
        ('{"kty": "oct", "k": "c2VzYW1l"}', "must hold an RSA, EC or OKP key"),
        ('{"kty": 1}', "must hold an RSA, EC or OKP key"),
        ('{"keys": []}', "must hold an RSA, EC or OKP key: it holds a key set"),
        ('{"kty": "EC", "crv": "P-256", "x": "sesame"}', "must hold a JWK that can be read"),
        (lambda: json.dumps(ECKey.generate_key("P-256").as_dict(private=False)), "must hold the private key"),
        (lambda: pem(ec.generate_private_key(ec.SECP256K1())), "must hold an RSA key, an EC key on P-256"),
        (lambda: pem(rsa_key(1024)), "must hold an RSA key of 2048 bits or more"),
        (lambda: jwk(ECKey.generate_key("P-256"), alg="RS256"), "must hold a key whose alg is one of ES256"),
        (
            lambda: (
                "-----BEGIN CERTIFICATE-----\n=A=\n-----END CERTIFICATE-----\n"
                + pem(ec.generate_private_key(ec.SECP256R1()))
            ),
            "must hold a certificate that can be read",
        ),
    ],
)
def test_what_cannot_sign_is_told_without_being_quoted(text: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match="must hold") as told:
        parse_client_key(text if isinstance(text, str) else text())
    assert str(told.value).startswith(sentence)
    assert "sesame" not in str(told.value)
    assert "c2VzYW1l" not in str(told.value)
