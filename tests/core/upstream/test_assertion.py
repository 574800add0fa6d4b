"""The proof of origin: what it says, how long it lives, and which keys may sign it."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from gateway.core.errors import OtherToken
from gateway.core.token.identity import Identity
from gateway.core.token.jwt import check_token, parse_token
from gateway.core.token.known import KnownIssuers
from gateway.core.token.rules import rules_of
from gateway.core.trail import Trail
from gateway.core.upstream.assertion import (
    RESERVED_CLAIMS,
    AssertionRules,
    SigningKey,
    parse_signing_key,
    published,
    signing_key,
)
from tests.memory import identity
from tests.signer import NOW, issuer, private_jwk

EC = parse_signing_key(json.dumps(private_jwk("p-256")).encode())
ED = parse_signing_key(json.dumps(private_jwk("ed25519")).encode())


def rules(**changes: Any) -> AssertionRules:
    return AssertionRules(
        **{
            "issuer": "https://gateway.example",
            "audience": None,
            "lifetime": 300.0,
            "claims": (),
            "issuers": {"local": "https://issuer.example"},
            **changes,
        }
    )


def decoded(value: bytes, *keys: SigningKey) -> jwt.Token:
    """As an API reads it: with the published keys and joserfc's own verification."""
    return jwt.decode(value, KeySet.import_key_set(json.loads(published(keys))), algorithms=["ES256", "EdDSA"])


def claims(caller: Identity | None = None, *, now: float = NOW, **changes: Any) -> dict[str, Any]:
    made = rules(**changes).make(caller or identity(), upstream="orders", key=EC, now=now)
    return decoded(made.value, EC).claims


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(("key", "alg"), [(EC, "ES256"), (ED, "EdDSA")], ids=["EC", "Ed25519"])
def test_an_assertion_is_a_jwt_that_the_published_keys_verify(key: SigningKey, alg: str) -> None:
    made = rules().make(identity(), upstream="orders", key=key, now=NOW)
    token = decoded(made.value, EC, ED)
    assert token.header == {"alg": alg, "kid": key.kid, "typ": "gateway-assertion+jwt"}
    assert token.claims == {
        "iss": "https://gateway.example",
        "aud": "orders",
        "sub": "alice",
        "client_id": "app",
        "token_issuer": "https://issuer.example",
        "iat": NOW,
        "exp": NOW + 300,
    }
    assert "value" not in repr(made)


def test_the_audience_is_the_upstream_unless_one_is_configured() -> None:
    assert claims()["aud"] == "orders"
    assert claims(audience="https://api.example")["aud"] == "https://api.example"


def test_a_machine_has_no_subject_and_a_person_may_have_no_client() -> None:
    assert "sub" not in claims(identity(subject=None))
    assert "client_id" not in claims(identity(client=None))


def test_chosen_claims_stand_under_their_configured_names_and_absent_ones_are_left_out() -> None:
    caller = identity(claims={"email": "a@example.com", "/realm_access/roles": ["x"], "null": None, "policy": 1})
    made = claims(caller, claims=("email", "/realm_access/roles", "null", "absent"))
    assert made.keys() - RESERVED_CLAIMS == {"email", "/realm_access/roles", "null"}
    assert (made["email"], made["/realm_access/roles"], made["null"]) == ("a@example.com", ["x"], None)


def test_no_chosen_claim_replaces_one_of_the_gateways_own() -> None:
    caller = identity(claims=dict.fromkeys(RESERVED_CLAIMS, "forged"))
    assert "forged" not in {claims(caller, claims=("iss", "exp"))[name] for name in ("iss", "exp")}


@pytest.mark.parametrize("left", [3600.0, 300.5, 300.0, 299.5, 10.0, 0.25, 0.0, -29.0])
def test_an_assertion_never_outlives_the_token(left: float) -> None:
    made = claims(identity(expires_at=NOW + left))
    assert made["exp"] == int(NOW + min(left, 300))
    assert made["iat"] == NOW


def test_times_are_whole_numbers_rounded_down() -> None:
    made = claims(identity(expires_at=NOW + 100.9), now=NOW + 0.9)
    assert (made["iat"], made["exp"]) == (NOW, NOW + 100)


def test_it_is_made_anew_at_four_fifths_of_its_life() -> None:
    made = rules().make(identity(), upstream="orders", key=EC, now=NOW)
    assert (made.made_at, made.renewed_at) == (NOW, NOW + 240)


def test_one_that_ends_with_its_token_is_not_made_anew() -> None:
    made = rules().make(identity(expires_at=NOW + 200), upstream="orders", key=EC, now=NOW)
    assert made.renewed_at == float("inf")


def test_it_is_refused_as_a_bearer_token_whatever_its_claims_say() -> None:
    trusting = issuer(issuer="https://gateway.example", audience="orders", allow_unclassified=True)
    caller = identity(claims={"scope": "read:orders", "token_use": "access"})
    made = rules(claims=("scope", "token_use")).make(caller, upstream="orders", key=EC, now=NOW)
    with pytest.raises(OtherToken, match="gateway-assertion"):
        check_token(parse_token(made.value), KnownIssuers([rules_of(trusting)]), now=NOW, trail=Trail())


# keys


@pytest.mark.parametrize("key", [ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")], ids=["EC", "OKP"])
def test_a_key_is_read_from_pem_and_from_a_jwk(key: ECKey | OKPKey) -> None:
    pem = b"# from the vault\n" + key.as_pem(private=True)
    jwk = json.dumps({**key.as_dict(private=True), "kid": "mine", "use": "enc", "key_ops": ["verify"]}).encode()
    for content in (pem, jwk, b"\n" + jwk + b"\n"):
        read = parse_signing_key(content)
        assert read.kid == key.thumbprint()
        assert json.loads(published([read])) == {
            "keys": [{**key.as_dict(private=False), "kid": read.kid, "use": "sig", "alg": read.alg}]
        }
        assert "private" not in repr(read)


def test_the_key_that_openssl_ecparam_writes_is_read() -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert parse_signing_key(parameters + pem_of(ec.SECP256R1(), PrivateFormat.TraditionalOpenSSL)).alg == "ES256"


def pem_of(curve: ec.EllipticCurve, form: PrivateFormat) -> bytes:
    return ec.generate_private_key(curve).private_bytes(Encoding.PEM, form, NoEncryption())


def _encrypted() -> bytes:
    return ECKey.generate_key("P-256").as_pem(private=True, password="x")


def _crossed(kind: type[ECKey] | type[OKPKey], curve: Any) -> bytes:
    one, other = kind.generate_key(curve).as_dict(private=True), kind.generate_key(curve).as_dict(private=False)
    return json.dumps({**one, **other}).encode()


WRONG = {
    "empty": (b"", "is neither PEM nor a JWK"),
    "text": (b"secret-of-mine", "is neither PEM nor a JWK"),
    "bytes": (b"\xff\x00", "is neither PEM nor a JWK"),
    "truncated": (b'{"kty": "EC"', "is no JWK: the text is not JSON"),
    "set": (published([EC]), "is no EC or OKP key: it is a key set; give one private key"),
    "oct": (b'{"kty": "oct", "k": "c2VjcmV0"}', "is no EC or OKP key"),
    "members": (b'{"kty": "EC", "crv": "P-256"}', "is a JWK that cannot be read (KeyParameterError)"),
    "curve": (b'{"kty": "EC", "crv": "P-9", "x": "AA", "y": "AA", "d": "AA"}', "is a JWK that cannot be read (KeyError)"),
    "short": (b'{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}', "is a JWK that cannot be read (ValueError)"),
    "public jwk": (json.dumps(EC.jwk).encode(), "is a public key; the private one is needed to sign"),
    "public pem": (EC.private.as_pem(private=False), "is a public key; the private one is needed to sign"),
    "garbled": (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is PEM that cannot be read (ValueError)"),
    "encrypted": (_encrypted(), "is encrypted; nobody is there to give the password"),
    "rsa": (RSAKey.import_key(dict(private_jwk("rsa-2048-a"))).as_pem(private=True), "is no EC key on P-256 and no Ed25519 key"),
    "p-384": (json.dumps(private_jwk("p-384")).encode(), "is no EC key on P-256 and no Ed25519 key"),
    "x25519": (OKPKey.generate_key("X25519").as_pem(private=True), "is no EC key on P-256 and no Ed25519 key"),
    "crossed ec": (_crossed(ECKey, "P-256"), "is a JWK that cannot be read (ValueError)"),
    "crossed okp": (_crossed(OKPKey, "Ed25519"), "has a public half that does not belong to its private one"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_key_for_signing_is_refused_in_words_that_do_not_quote_it(content: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^(?:is|has) ") as caught:
        parse_signing_key(content)
    assert str(caught.value).startswith(sentence)


def test_a_curve_that_jose_has_no_name_for_is_refused() -> None:
    with pytest.raises(ValueError, match="no EC key on P-256"):
        parse_signing_key(pem_of(ec.BrainpoolP256R1(), PrivateFormat.PKCS8))


def test_only_public_members_are_published() -> None:
    for key in (EC, ED, signing_key(ECKey.generate_key("P-256"))):
        assert "d" not in json.loads(published([key]))["keys"][0]


def test_the_issuer_of_a_tenant_is_its_own() -> None:
    made = claims(identity(iss="https://login.example/a", tenant="a"))
    assert made["token_issuer"] == "https://login.example/a"
