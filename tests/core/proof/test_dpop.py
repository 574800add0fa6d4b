"""DPoP proofs: the examples of RFC 9449, and a hundred that must not pass."""

import json
from collections.abc import Callable
from hashlib import sha256
from hmac import digest
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.core.config.dpop import DPoPSection
from gateway.core.config.section import Seconds
from gateway.core.errors import (
    DPoPProofElsewhere,
    DPoPProofInvalid,
    DPoPProofOfAnotherToken,
    DPoPProofUntimely,
    NonceRequired,
    ProofMismatch,
    ProofRequired,
    RateLimited,
    Refusal,
)
from gateway.core.proof.dpop import MAX_JTI, MAX_PROOF, DPoPRules, Proof, Proven, check_proof, find_proof, uses_dpop
from gateway.core.token.keys import parse_key
from gateway.core.trail import Trail
from tests.prover import HOLDER, URL, bound_to, proof, proof_claims
from tests.signer import NOW, base64url, key, private_jwk, public_jwk, signing_key

RULES = DPoPRules(DPoPSection())
TOKEN = b"token"
#: RFC 9449 section 7.1
RFC_TOKEN = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
RFC_HEADER = (
    b"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQy"
    b"VVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
RFC_PROOF = (
    RFC_HEADER
    + b".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90"
    b"ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9"
    b".2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
#: RFC 9449 section 4.2: one for the token endpoint of its server
RFC_TOKEN_PROOF = (
    RFC_HEADER
    + b".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu"
    b"IiwiaWF0IjoxNTYyMjYyNjE2fQ"
    b".2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
#: RFC 9449 section 6.1
RFC_THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def proven(**changes: Any) -> Proven:
    """What the proofs of tests.prover are about."""
    return Proven(
        **{
            "method": "GET",
            "url": URL,
            "digest": sha256(TOKEN).digest(),
            "thumbprint": bound_to()["jkt"],
            "leeway": 30.0,
            "nonces": None,
            **changes,
        }
    )


def check(raw: bytes, *, rules: DPoPRules = RULES, now: float = NOW, **changes: Any) -> Proof:
    return check_proof(raw, rules, proven(**changes), now=now, trail=Trail())


def rfc_proven(**changes: Any) -> dict[str, Any]:
    return {
        "url": "https://resource.example.org/protectedresource",
        "digest": sha256(RFC_TOKEN).digest(),
        "thumbprint": RFC_THUMBPRINT,
        **changes,
    }


def test_the_example_of_rfc_9449_passes_when_it_was_made() -> None:
    passed = check(RFC_PROOF, now=1562262618.0, **rfc_proven())
    assert (passed.jti, passed.thumbprint) == ("e1j3V_bKic8-LAEB", RFC_THUMBPRINT)
    assert passed.issued_at == 1562262618.0
    assert passed.until == 1562262618.0 + 60 + 30 + 10
    assert repr(passed) == "Proof(of 1562262618, by 0ZcOCORZ)"


@pytest.mark.parametrize(
    ("raw", "now", "changes", "refusal"),
    [
        (RFC_PROOF, 1562262618.0 + 91, {}, DPoPProofUntimely),
        (RFC_PROOF, 1562262618.0 - 6, {}, DPoPProofUntimely),
        (RFC_PROOF, 1562262618.0, {"method": "POST"}, DPoPProofElsewhere),
        (RFC_PROOF, 1562262618.0, {"url": "https://resource.example.org/"}, DPoPProofElsewhere),
        (RFC_PROOF, 1562262618.0, {"digest": sha256(b"another").digest()}, DPoPProofOfAnotherToken),
        (RFC_PROOF, 1562262618.0, {"thumbprint": bound_to()["jkt"]}, ProofMismatch),
        # It has no ath: a proof for a token endpoint is none for an API.
        (
            RFC_TOKEN_PROOF,
            1562262616.0,
            {"method": "POST", "url": "https://server.example.com/token"},
            DPoPProofOfAnotherToken,
        ),
    ],
)
def test_the_examples_of_rfc_9449_pass_for_nothing_else(
    raw: bytes, now: float, changes: dict[str, Any], refusal: type[Refusal]
) -> None:
    with pytest.raises(Refusal) as caught:
        check(raw, now=now, **rfc_proven(**changes))
    assert type(caught.value) is refusal


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ"
        "_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpb"
        "ISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert parse_key(jwk).thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    ("name", "alg"),
    [
        ("p-256", "ES256"),
        ("p-384", "ES384"),
        ("ed25519", "EdDSA"),
        ("ed25519", "Ed25519"),
        ("rsa-2048-a", "PS256"),
        ("rsa-2048-a", "RS256"),
    ],
)
def test_every_default_algorithm_proves(name: str, alg: str) -> None:
    assert check(proof(name=name, alg=alg), thumbprint=key(name).thumbprint).thumbprint == key(name).thumbprint


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": NOW + 5},
        {"iat": NOW - 90},
        {"iat": NOW - 0.5},
        {"iat": int(NOW)},
        {"htu": "https://api.example.com:443/orders?a=b#c"},
        {"htu": "HTTPS://API.example.com/%6Frders"},
        {"htu": "https://api.example.com/x/../orders"},
        {"jti": "x"},
        {"jti": "ü" * MAX_JTI},
        {"exp": NOW + 1, "nbf": NOW - 1},
        {"nonce": 7},
        {"unknown": {"a": ["b"]}},
        {"htm": "GET", "aud": "https://elsewhere.example"},
    ],
)
def test_what_the_rfc_leaves_open_passes(changes: dict[str, Any]) -> None:
    check(proof(**changes))


@pytest.mark.parametrize(
    "header",
    [{"kid": 7}, {"jku": "https://evil.example"}, {"jwk": {**public_jwk(HOLDER), "key_ops": ["verify"], "ext": True}}],
)
def test_what_a_header_may_also_have_is_not_used(header: dict[str, Any]) -> None:
    check(proof(header=header))


def hostile() -> dict[str, tuple[Callable[[], bytes], type[Refusal], str]]:
    """By what is wrong with it: a proof, its refusal, and a piece of the evidence."""
    jwk = {name: value for name, value in public_jwk(HOLDER).items() if name != "kid"}
    rsa = public_jwk("rsa-2048-a")
    signed = proof(jti="fixed", iat=NOW)
    head, body, signature = signed.split(b".")
    invalid, elsewhere, untimely, foreign = (
        DPoPProofInvalid,
        DPoPProofElsewhere,
        DPoPProofUntimely,
        DPoPProofOfAnotherToken,
    )

    def of(**changes: Any) -> Callable[[], bytes]:
        return lambda: proof(**changes)

    def raw(text: bytes) -> Callable[[], bytes]:
        return lambda: text

    def header(**changes: Any) -> Callable[[], bytes]:
        return lambda: proof(header=changes)

    def jwk_of(**changes: Any) -> Callable[[], bytes]:
        return lambda: proof(header={"jwk": {k: v for k, v in {**jwk, **changes}.items() if v is not ...}})

    def by_hmac() -> bytes:
        signing_input = proof(header={"alg": "HS256"}, iat=NOW).rpartition(b".")[0]
        secret = json.dumps(jwk).encode()
        return signing_input + b"." + base64url(digest(secret, signing_input, "sha256"))

    def der_signature() -> bytes:
        signing_input = head + b"." + body
        private: Any = signing_key(HOLDER).private_key
        return signing_input + b"." + base64url(private.sign(signing_input, ECDSA(SHA256())))

    def with_claims(text: str) -> Callable[[], bytes]:
        return lambda: proof(claims=text.encode())

    def with_header(text: str) -> Callable[[], bytes]:
        return lambda: proof(header=text.encode())

    claims = json.dumps(proof_claims(iat=NOW))
    head_json = json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})
    return {
        # its form
        "empty": (raw(b""), invalid, "1 segments"),
        "one segment": (raw(b"abc"), invalid, "1 segments"),
        "two segments": (raw(head + b"." + body), invalid, "2 segments"),
        "four segments": (raw(signed + b".x"), invalid, "4 segments"),
        "encrypted": (raw(signed + b".x.y"), invalid, "JWE"),
        "two in a list": (raw(signed + b", " + signed), invalid, "segments"),
        "a list with an empty member": (raw(signed + b","), invalid, "signature is not base64url"),
        "blanks before": (raw(b" " + signed), invalid, "header is not base64url"),
        "blanks within": (raw(head + b" ." + body + b"." + signature), invalid, "header is not base64url"),
        "a tab behind": (raw(signed + b"\t"), invalid, "signature is not base64url"),
        "quoted": (raw(b'"' + signed + b'"'), invalid, "header is not base64url"),
        "padded": (raw(signed + b"=="), invalid, "signature is not base64url"),
        "base64 in place of base64url": (raw(head + b"." + body + b"." + b"+/+/" + signature[4:]), invalid, "base64url"),
        "stray bits": (raw(signed[:-1] + bytes([signed[-1] + 1])), invalid, "signature"),
        "not ASCII": (raw(head + "ü".encode() + b"." + body + b"." + signature), invalid, "base64url"),
        "NUL": (raw(head + b"\x00." + body + b"." + signature), invalid, "base64url"),
        "too long": (raw(signed + b"A" * MAX_PROOF), invalid, "8192 are accepted"),
        "header no JSON": (with_header("typ=dpop+jwt"), invalid, "not JSON"),
        "header an array": (with_header("[1]"), invalid, "not a JSON object"),
        "header twice": (with_header(head_json + head_json), invalid, "not JSON"),
        "header not UTF-8": (lambda: proof(header=b'{"typ":"\xff"}'), invalid, "not UTF-8"),
        "header with typ twice": (with_header('{"typ":"dpop+jwt",' + head_json[1:]), invalid, "member twice"),
        "header with jwk twice": (with_header(head_json[:-1] + ', "jwk": {}}'), invalid, "member twice"),
        "jwk with x twice": (with_header(head_json.replace('"x":', '"x": "AA", "x":')), invalid, "member twice"),
        "payload no JSON": (with_claims("jti"), invalid, "not JSON"),
        "payload an array": (with_claims("[]"), invalid, "not a JSON object"),
        "payload null": (with_claims("null"), invalid, "not a JSON object"),
        "payload with jti twice": (with_claims(claims[:-1] + ', "jti": "b"}'), invalid, "member twice"),
        "payload with htu twice": (with_claims(f'{{"htu": "https://evil.example/", {claims[1:]}'), invalid, "twice"),
        "payload with NaN": (with_claims(claims[:-1] + ', "x": NaN}'), invalid, "NaN"),
        "payload too deep": (with_claims(claims[:-1] + ', "x": ' + "[" * 40 + "]" * 40 + "}"), invalid, "too deeply"),
        "header too deep": (with_header(head_json[:-1] + ', "x": ' + "[" * 40 + "]" * 40 + "}"), invalid, "deeply"),
        "half a surrogate": (with_claims(claims[:-1] + r', "x": "\ud800"}'), invalid, "no character"),
        # its header
        "no typ": (header(typ=...), invalid, "typ"),
        "typ JWT": (header(typ="JWT"), invalid, "typ"),
        "typ of an access token": (header(typ="at+jwt"), invalid, "typ"),
        "typ in capitals": (header(typ="DPoP+JWT"), invalid, "typ"),
        "typ in full": (header(typ="application/dpop+jwt"), invalid, "typ"),
        "typ a list": (header(typ=["dpop+jwt"]), invalid, "typ"),
        "no alg": (header(alg=...), invalid, "alg"),
        "alg none": (header(alg="none"), invalid, "alg"),
        "alg None": (header(alg="None"), invalid, "alg"),
        "alg none, unsigned": (lambda: proof(header={"alg": "none"}, signature=b"x"), invalid, "alg"),
        "alg HS256": (header(alg="HS256"), invalid, "alg"),
        "alg HS256, signed with the public key": (by_hmac, invalid, "alg"),
        "alg that is not configured": (header(alg="ES512"), invalid, "alg"),
        "alg in small letters": (header(alg="es256"), invalid, "alg"),
        "alg a number": (header(alg=256), invalid, "alg"),
        "alg a list": (header(alg=["ES256"]), invalid, "alg"),
        "alg of another curve": (header(alg="ES384"), invalid, "did not sign"),
        "alg of another type": (header(alg="RS256"), invalid, "did not sign"),
        "crit": (header(crit=["exp"], exp=1), invalid, "crit"),
        "crit empty": (header(crit=[]), invalid, "crit"),
        "b64": (header(b64=False), invalid, "b64"),
        "no jwk": (header(jwk=...), invalid, "no jwk"),
        "jwk null": (header(jwk=None), invalid, "no jwk"),
        "jwk a string": (header(jwk=json.dumps(jwk)), invalid, "no jwk"),
        "jwk in a list": (header(jwk=[jwk]), invalid, "no jwk"),
        "jwk empty": (header(jwk={}), invalid, "kty"),
        "key by kid alone": (header(jwk=..., kid="p-256"), invalid, "no jwk"),
        "key by jku alone": (header(jwk=..., jku="https://evil.example/jwks"), invalid, "no jwk"),
        "jwk private": (header(jwk=dict(private_jwk(HOLDER))), invalid, "private"),
        "jwk with d null": (jwk_of(d=None), invalid, "private"),
        "jwk RSA private": (lambda: proof(name="rsa-2048-a", header={"jwk": dict(private_jwk("rsa-2048-a"))}), invalid, "private"),
        "jwk symmetric": (header(jwk={"kty": "oct", "k": "AAAA"}), invalid, "private"),
        "jwk of no known type": (jwk_of(kty="XYZ"), invalid, "kty"),
        "jwk without crv": (jwk_of(crv=...), invalid, "curve"),
        "jwk with another curve": (jwk_of(crv="P-384"), invalid, "cannot be read"),
        "jwk on secp256k1": (jwk_of(crv="secp256k1"), invalid, "curve"),
        "jwk X25519": (header(jwk={"kty": "OKP", "crv": "X25519", "x": "AA"}), invalid, "curve"),
        "jwk off the curve": (jwk_of(y=jwk["x"]), invalid, "cannot be read"),
        "jwk at infinity": (jwk_of(x="AA", y="AA"), invalid, "cannot be read"),
        "jwk without y": (jwk_of(y=...), invalid, "missing"),
        "jwk with x a number": (jwk_of(x=7), invalid, "not a string"),
        "jwk for encryption": (jwk_of(use="enc"), invalid, "use"),
        "jwk that may only sign": (jwk_of(key_ops=["sign"]), invalid, "key_ops"),
        "jwk with another alg": (jwk_of(alg="ES384"), invalid, "alg"),
        "jwk RSA of 1024 bits": (header(alg="RS256", jwk={**rsa, "n": base64url(b"\x81" * 128).decode()}), invalid, "1024 bits"),
        "jwk RSA of 16384 bits": (header(alg="RS256", jwk={**rsa, "n": base64url(b"\x81" * 2048).decode()}), invalid, "16384 bits"),
        "jwk RSA with exponent 1": (header(alg="RS256", jwk={**rsa, "e": "AQ"}), invalid, "exponent"),
        "jwk RSA with a huge exponent": (header(alg="RS256", jwk={**rsa, "e": base64url(b"\xff" * 256).decode()}), invalid, "exponent"),
        # whose it is
        "by another key of the same type": (lambda: proof(name="ed25519"), ProofMismatch, "bound to"),
        "with the jwk of the holder by another key": (
            lambda: head + b"." + body + b"." + proof(name="ed25519").rpartition(b".")[2],
            invalid,
            "did not sign",
        ),
        "signature of another proof": (lambda: head + b"." + body + b"." + proof().rpartition(b".")[2], invalid, "did not sign"),
        "signature of zeros": (lambda: proof(signature=bytes(64)), invalid, "did not sign"),
        "signature in DER": (der_signature, invalid, "did not sign"),
        "signature cut": (lambda: head + b"." + body + b"." + signature[:-4], invalid, "sign"),
        "payload of another": (
            lambda: head + b"." + base64url(json.dumps(proof_claims(iat=NOW)).encode()) + b"." + signature,
            invalid,
            "did not sign",
        ),
        # its jti
        "no jti": (of(jti=...), invalid, "jti"),
        "jti null": (of(jti=None), invalid, "jti"),
        "jti empty": (of(jti=""), invalid, "jti"),
        "jti of 257 characters": (of(jti="a" * 257), invalid, "jti"),
        "jti a number": (of(jti=7), invalid, "jti"),
        "jti a list": (of(jti=["a"]), invalid, "jti"),
        # its method
        "no htm": (of(htm=...), elsewhere, "htm"),
        "htm in small letters": (of(htm="get"), elsewhere, "htm"),
        "htm of another method": (of(htm="POST"), elsewhere, "htm"),
        "htm with a blank": (of(htm="GET "), elsewhere, "htm"),
        "htm a list": (of(htm=["GET"]), elsewhere, "htm"),
        "htm a wildcard": (of(htm="*"), elsewhere, "htm"),
        # its URL
        "no htu": (of(htu=...), elsewhere, "no URL"),
        "htu null": (of(htu=None), elsewhere, "no URL"),
        "htu empty": (of(htu=""), elsewhere, "no URL"),
        "htu a list": (of(htu=[URL]), elsewhere, "no URL"),
        "htu a path": (of(htu="/orders"), elsewhere, "no URL"),
        "htu without scheme": (of(htu="//api.example.com/orders"), elsewhere, "no URL"),
        "htu over http": (of(htu="http://api.example.com/orders"), elsewhere, "another scheme"),
        "htu over http at 443": (of(htu="http://api.example.com:443/orders"), elsewhere, "another scheme"),
        "htu over wss": (of(htu="wss://api.example.com/orders"), elsewhere, "no URL"),
        "htu of another host": (of(htu="https://evil.example/orders"), elsewhere, "another host"),
        "htu of a longer host": (of(htu="https://api.example.com.evil.example/orders"), elsewhere, "another host"),
        "htu with a user": (of(htu="https://api.example.com@evil.example/orders"), elsewhere, "no URL"),
        "htu with our host as user": (of(htu="https://evil.example\\@api.example.com/orders"), elsewhere, "no URL"),
        "htu at another port": (of(htu="https://api.example.com:8443/orders"), elsewhere, "another port"),
        "htu with a dot behind the host": (of(htu="https://api.example.com./orders"), elsewhere, "another host"),
        "htu of another path": (of(htu="https://api.example.com/admin"), elsewhere, "another path"),
        "htu of another case": (of(htu="https://api.example.com/Orders"), elsewhere, "another path"),
        "htu with a slash more": (of(htu="https://api.example.com/orders/"), elsewhere, "another path"),
        "htu with an escaped slash": (of(htu="https://api.example.com%2Forders"), elsewhere, "another host"),
        "htu with an escaped path": (of(htu="https://api.example.com/%2Forders"), elsewhere, "another path"),
        "htu escaped twice": (of(htu="https://api.example.com/%256Frders"), elsewhere, "another path"),
        "htu with a broken escape": (of(htu="https://api.example.com/orders%"), elsewhere, "no URL"),
        "htu with a path of parameters": (of(htu="https://api.example.com/orders;a=b"), elsewhere, "another path"),
        "htu with a blank": (of(htu="https://api.example.com/orders "), elsewhere, "no URL"),
        "htu with a line break": (of(htu="https://api.example.com/orders\n"), elsewhere, "no URL"),
        "htu in Unicode": (of(htu="https://api.example.com/\u006frder\u017f"), elsewhere, "no URL"),
        "htu of a path in its query": (of(htu="https://api.example.com/?/orders"), elsewhere, "another path"),
        # its time
        "no iat": (of(iat=...), invalid, "no iat"),
        "iat null": (of(iat=None), invalid, "iat"),
        "iat true": (of(iat=True), invalid, "iat"),
        "iat a string": (of(iat=str(NOW)), invalid, "iat"),
        "iat huge": (with_claims(claims.replace(str(NOW), "1e300")), invalid, "iat"),
        "iat beyond a double": (with_claims(claims.replace(str(NOW), "1e400")), invalid, "too large"),
        "iat of a thousand digits": (with_claims(claims.replace(str(NOW), "1" * 1000)), invalid, "too large"),
        "iat negative": (of(iat=-1), invalid, "iat"),
        "iat in milliseconds": (of(iat=NOW * 1000), invalid, "milliseconds"),
        "iat in 6 seconds": (of(iat=NOW + 6), untimely, "made in 6 s"),
        "iat in 5.1 seconds": (of(iat=NOW + 5.1), untimely, "made in"),
        "iat 91 seconds ago": (of(iat=NOW - 91), untimely, "91 s old"),
        "iat long ago": (of(iat=0), untimely, "old"),
        "exp past": (of(exp=NOW - 31), untimely, "exp"),
        "nbf in the future": (of(nbf=NOW + 31), untimely, "nbf"),
        "exp no time": (of(exp="soon"), invalid, "exp"),
        # its token
        "no ath": (of(ath=...), foreign, "no ath"),
        "ath null": (of(ath=None), foreign, "ath"),
        "ath of another token": (lambda: proof(b"another"), foreign, "ath"),
        "ath padded": (of(ath=proof_claims()["ath"] + "="), foreign, "ath"),
        "ath in hexadecimal": (of(ath=sha256(TOKEN).hexdigest()), foreign, "ath"),
        "ath the token": (of(ath="token"), foreign, "ath"),
        "ath a list": (of(ath=[proof_claims()["ath"]]), foreign, "ath"),
    }  # fmt: skip


@pytest.mark.parametrize("what", sorted(hostile()))
def test_a_hostile_proof_proves_nothing(what: str) -> None:
    make, refusal, evidence = hostile()[what]
    raw = make()
    with pytest.raises(Refusal) as caught:
        check(raw)
    assert type(caught.value) is refusal, caught.value.evidence
    assert evidence in caught.value.evidence
    # Neither the proof nor what it says stands in evidence.
    assert not any(
        piece and piece.decode("latin-1") in caught.value.evidence for piece in raw.split(b".") if len(piece) > 16
    )


def test_there_are_a_hundred_of_them() -> None:
    assert len(hostile()) >= 100


def test_a_url_that_no_proof_can_name_has_none() -> None:
    with pytest.raises(DPoPProofElsewhere, match="one that no proof can name"):
        check(proof(), url="https://api.example.com/100%")


@pytest.mark.parametrize(
    ("nonce", "passes"),
    [("good", True), ("old", False), (..., False), (7, False), (["good"], False), (None, False), ("", False)],
)
def test_where_nonces_are_required_it_has_one_of_ours(nonce: object, *, passes: bool) -> None:
    good = frozenset({"good", "next"})
    if passes:
        check(proof(nonce=nonce), nonces=good)
        return
    with pytest.raises(NonceRequired):
        check(proof(nonce=nonce), nonces=good)


def test_only_configured_algorithms_prove() -> None:
    rules = DPoPRules(DPoPSection(algorithms=("EdDSA",), max_age=Seconds(10)))
    with pytest.raises(DPoPProofInvalid, match="ES256"):
        check(proof(), rules=rules)
    with pytest.raises(DPoPProofUntimely):
        check(proof(name="ed25519", iat=NOW - 41), rules=rules, thumbprint=key("ed25519").thumbprint)
    assert (
        check(proof(name="ed25519", iat=NOW - 40), rules=rules, thumbprint=key("ed25519").thumbprint).until == NOW + 10
    )


def test_the_clock_may_differ_by_the_leeway_of_the_issuer_alone() -> None:
    check(proof(iat=NOW - 60), leeway=0.0)
    with pytest.raises(DPoPProofUntimely):
        check(proof(iat=NOW - 61), leeway=0.0)


def test_a_signature_is_checked_last_and_somebody_may_say_no_before() -> None:
    """Whoever sends many bad ones is not given one more signature, and learns nothing else than before."""
    asked = []

    def too_many() -> None:
        asked.append(True)
        raise RateLimited("bad tokens")

    with pytest.raises(RateLimited):
        check_proof(proof(signature=bytes(64)), RULES, proven(), now=NOW, trail=Trail(), before_signature=too_many)
    with pytest.raises(DPoPProofUntimely):
        check_proof(proof(iat=0), RULES, proven(), now=NOW, trail=Trail(), before_signature=too_many)
    assert asked == [True]


def test_a_key_is_read_once_and_only_that_of_a_proof_that_passed_is_kept() -> None:
    rules = DPoPRules(DPoPSection())
    with pytest.raises(DPoPProofInvalid):
        check(proof(signature=bytes(64)), rules=rules)
    assert not rules.known
    check(proof(), rules=rules)
    check(proof(), rules=rules)
    assert [known.thumbprint for known in rules.known.values()] == [key(HOLDER).thumbprint]
    # A header that is longer than any is not kept, and a full memory begins anew.
    check(proof(header={"x": "a" * 1024}), rules=rules)
    assert len(rules.known) == 1
    for number in range(4096):
        rules.remember(b"%d" % number, key(HOLDER))
    assert len(rules.known) < 4096
    check(proof(), rules=rules)


def test_a_remembered_key_proves_nothing_by_itself() -> None:
    rules = DPoPRules(DPoPSection())
    check(proof(), rules=rules)
    with pytest.raises(DPoPProofInvalid, match="did not sign"):
        check(proof(signature=bytes(64)), rules=rules)
    with pytest.raises(ProofMismatch):
        check(proof(), rules=rules, thumbprint="x" * 43)


@pytest.mark.parametrize(
    ("authorization", "uses"),
    [
        ((b"DPoP abc",), True),
        ((b"dpop abc",), True),
        ((b" DPOP  abc",), True),
        ((b"DPoP",), True),
        ((b"Bearer abc",), False),
        ((b"DPoPx abc",), False),
        ((b"Bearer DPoP abc",), False),
        ((b"DPoP a", b"DPoP b"), False),
        ((), False),
    ],
)
def test_the_scheme_is_read_whatever_its_case(authorization: tuple[bytes, ...], *, uses: bool) -> None:
    assert uses_dpop(authorization) is uses


def test_there_is_exactly_one_header() -> None:
    assert find_proof([(b"Host", b"h"), (b"dPoP", b"a"), (b"DPo-", b"b"), (b"D-PoP", b"c")]) == b"a"
    with pytest.raises(ProofRequired):
        find_proof([(b"Host", b"h"), (b"DPoP-Nonce", b"x")])
    for second in (b"a", b"b", b""):
        with pytest.raises(DPoPProofInvalid, match="2 DPoP headers"):
            find_proof([(b"DPoP", b"a"), (b"dpop", second)])


def test_what_a_proof_was_checked_for_is_accounted() -> None:
    trail = Trail()
    check_proof(proof(iat=NOW - 7), RULES, proven(), now=NOW, trail=trail)
    assert trail.account[1:] == [
        {"alg": "ES256", "url": URL, "age": 7.0, "nonce": False},
    ]
