"""JWK sets: one bad key spoils no other, and no key verifies what it is not for."""

import re
import warnings
from typing import Any

import pytest
from joserfc.jwk import ECKey

from gateway.core.config.issuers import ALGORITHMS
from gateway.core.errors import UnknownKey, UnusableKey
from gateway.core.token.jwt import find_signer, parse_token
from gateway.core.token.keys import (
    MAX_KEYS,
    MAX_TRIED,
    Key,
    KeySet,
    UnusableKeySet,
    keys_for,
    names_one_of,
    parse_key,
    parse_key_set,
    shown_kid,
)
from tests.signer import base64url, key, private_jwk, public_jwk, sign

RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


@pytest.mark.parametrize(
    ("name", "algorithms"),
    [
        ("rsa-2048-a", RSA),
        ("p-256", {"ES256"}),
        ("p-384", {"ES384"}),
        ("p-521", {"ES512"}),
        ("ed25519", {"EdDSA", "Ed25519"}),
    ],
)
def test_a_key_may_verify_what_its_type_and_curve_fit(name: str, algorithms: set[str]) -> None:
    parsed = parse_key(public_jwk(name))
    assert parsed.algorithms == algorithms
    assert parsed.kid == private_jwk(name)["kid"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", parsed.thumbprint)


def test_every_supported_algorithm_has_a_key_that_fits() -> None:
    fitting = [key(name).algorithms for name in ("rsa-2048-a", "p-256", "p-384", "p-521", "ed25519")]
    assert frozenset().union(*fitting) == set(ALGORITHMS)


@pytest.mark.parametrize(
    ("members", "algorithms"),
    [
        ({"alg": "RS256"}, {"RS256"}),
        ({"alg": "PS512", "use": "sig"}, {"PS512"}),
        ({"use": "sig"}, RSA),
        ({"key_ops": ["verify"]}, RSA),
        ({"key_ops": ["sign", "verify"]}, RSA),
        ({"kid": None}, RSA),
        ({"kid": ""}, RSA),
        ({"use": None, "key_ops": None, "alg": None, "kid": None, "x5c": None}, RSA),
        ({"use": "", "key_ops": [], "alg": "", "x5c": []}, RSA),
        ({"use": [], "alg": []}, RSA),
        ({"key_ops": ["verify", None, 7, ["verify"]]}, RSA),
        ({"x5c": ["MIIB"], "x5t": "abc", "x5u": "https://evil.example", "jku": 7, "nbf": 1}, RSA),
    ],
)
def test_optional_members_narrow_a_key_down(members: dict[str, Any], algorithms: set[str]) -> None:
    assert parse_key(public_jwk("rsa-2048-a", **members)).algorithms == algorithms


@pytest.mark.parametrize(
    ("name", "members", "sentence"),
    [
        ("rsa-2048-a", {"kty": None}, "kty is not RSA"),
        ("rsa-2048-a", {"kty": "oct"}, "kty is not RSA"),
        ("rsa-2048-a", {"kty": "rsa"}, "kty is not RSA"),
        ("rsa-2048-a", {"kty": ["RSA"]}, "kty is not RSA"),
        ("rsa-2048-a", {"kty": {}}, "kty is not RSA"),
        ("rsa-2048-a", {"kid": 7}, "kid is not a string"),
        ("rsa-2048-a", {"kid": ["a"]}, "kid is not a string"),
        ("rsa-2048-a", {"use": "enc"}, "use is not sig"),
        ("rsa-2048-a", {"use": "SIG"}, "use is not sig"),
        ("rsa-2048-a", {"use": ["sig"]}, "use is not sig"),
        ("rsa-2048-a", {"use": False}, "use is not sig"),
        ("rsa-2048-a", {"use": "s\nig"}, r"use is not sig: s\\nig"),
        ("rsa-2048-a", {"key_ops": [[]]}, "key_ops lack verify"),
        ("rsa-2048-a", {"key_ops": 0}, "key_ops lack verify"),
        ("rsa-2048-a", {"key_ops": ["encrypt", "wrapKey"]}, "key_ops lack verify"),
        ("rsa-2048-a", {"key_ops": ["sign"]}, "key_ops lack verify"),
        ("rsa-2048-a", {"key_ops": "verify"}, "key_ops lack verify"),
        ("rsa-2048-a", {"key_ops": {"verify": 1}}, "key_ops lack verify"),
        ("rsa-2048-a", {"alg": "ES256"}, "alg does not fit"),
        ("rsa-2048-a", {"alg": "RSA-OAEP-256"}, "alg is for encryption: RSA-OAEP-256"),
        ("rsa-2048-a", {"alg": "HS256"}, "alg does not fit"),
        ("rsa-2048-a", {"alg": "none"}, "alg does not fit"),
        ("rsa-2048-a", {"alg": ["RS256"]}, "alg does not fit"),
        ("p-256", {"alg": "ES384"}, "alg does not fit"),
        ("p-256", {"crv": None}, "curve is not supported"),
        ("p-256", {"crv": "secp256k1"}, "curve is not supported"),
        ("p-256", {"crv": "p-256"}, "curve is not supported"),
        ("p-256", {"crv": "Ed25519"}, "curve is not supported"),
        ("p-256", {"crv": ["P-256"]}, "curve is not supported"),
        ("ed25519", {"crv": "X25519"}, "curve is not supported"),
        ("ed25519", {"crv": "Ed448"}, "curve is not supported: Ed448"),
        ("rsa-2048-a", {"n": None}, "missing or not a string"),
        ("rsa-2048-a", {"e": 65537}, "missing or not a string"),
        ("rsa-2048-a", {"n": ["a"]}, "missing or not a string"),
        ("p-256", {"y": None}, "missing or not a string"),
        ("ed25519", {"x": None}, "missing or not a string"),
        ("rsa-2048-a", {"n": "a"}, "modulus or exponent is not base64url"),
        ("rsa-2048-a", {"n": "ü"}, "modulus or exponent is not base64url"),
        ("rsa-2048-a", {"n": ""}, "it has 0 bits"),
        ("rsa-2048-a", {"n": "A" * 1_000}, "it has 0 bits"),
        ("rsa-2048-a", {"n": "_" * 200_000}, "it has 1200000 bits"),
        ("rsa-1024", {}, "it has 1024 bits; 2048 to 8192 are accepted"),
        ("rsa-2048-a", {"n": "****" + public_jwk("rsa-2048-a")["n"]}, "cannot be read"),
        ("rsa-2048-a", {"n": public_jwk("rsa-2048-a")["n"] + "=="}, "cannot be read"),
        ("rsa-2048-a", {"e": ""}, "that of an RSA key"),
        ("rsa-2048-a", {"e": "!"}, "that of an RSA key"),
        ("rsa-2048-a", {"e": "ü"}, "modulus or exponent is not base64url"),
        ("rsa-2048-a", {"e": "AA"}, "that of an RSA key"),
        ("rsa-2048-a", {"e": "AQ"}, "that of an RSA key"),
        ("rsa-2048-a", {"e": "AQAA"}, "that of an RSA key"),
        ("p-256", {"x": "AAAA"}, "cannot be read"),
        ("p-256", {"x": ""}, "cannot be read"),
        ("p-256", {"x": "é"}, "cannot be read"),
        ("p-256", {"crv": "P-384"}, "cannot be read"),
        ("p-256", {"x": "A" * 200_000}, "cannot be read"),
        ("ed25519", {"x": "AAAA"}, "cannot be read"),
        ("ed25519", {"x": ""}, "cannot be read"),
        ("ed25519", {"x": "=" * 43}, "cannot be read"),
    ],
)
def test_an_unusable_key_says_why(name: str, members: dict[str, Any], sentence: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=sentence):
            parse_key(public_jwk(name, **members))


@pytest.mark.parametrize("name", ["rsa-2048-a", "p-256", "p-384", "p-521", "ed25519"])
def test_private_members_are_not_used(name: str) -> None:
    parsed = parse_key({**private_jwk(name), "d": "broken", "p": 7, "x5c": ["broken"]})
    assert not parsed.public.is_private
    assert parsed == parse_key(public_jwk(name))
    assert private_jwk(name)["d"] not in repr(vars(parsed.public))


@pytest.mark.parametrize(
    ("name", "alg"),
    [
        *(("rsa-2048-a", alg) for alg in sorted(RSA)),
        ("p-256", "ES256"),
        ("p-384", "ES384"),
        ("p-521", "ES512"),
        ("ed25519", "EdDSA"),
        ("ed25519", "Ed25519"),
    ],
)
def test_a_key_verifies_what_it_signed_and_nothing_that_was_changed(name: str, alg: str) -> None:
    token = parse_token(sign(name=name, alg=alg))
    good: dict[str, Any] = {"alg": alg, "signing_input": token.signing_input, "signature": token.signature}
    assert key(name).verifies(**good)
    first, last = token.signature[:-1], token.signature[-1]
    changes: list[dict[str, Any]] = [
        {"signing_input": token.signing_input + b"A"},
        {"signing_input": b""},
        {"signature": first + bytes([last ^ 1])},
        {"signature": first},
        {"signature": b"\0" + token.signature},
        {"signature": token.signature + b"\0"},
        {"signature": b""},
        {"signature": bytes(len(token.signature))},
        {"signature": b"\xff" * len(token.signature)},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES256K"},
        *({"alg": other} for other in ALGORITHMS if {alg, other} != {"EdDSA", "Ed25519"} and other != alg),
    ]
    for change in changes:
        assert not key(name).verifies(**(good | change)), change


def test_another_key_of_the_same_type_verifies_nothing() -> None:
    assert find_signer(parse_token(sign(name="rsa-2048-a")), [key("rsa-2048-b")]) is None
    both = [key("rsa-2048-b"), key("rsa-2048-a")]
    assert find_signer(parse_token(sign(name="rsa-2048-a")), both) is key("rsa-2048-a")


def test_a_zero_signature_is_no_ecdsa_signature() -> None:
    """CVE-2022-21449: r and s of zero passed for anything."""
    for name, alg, size in (("p-256", "ES256", 64), ("p-384", "ES384", 96), ("p-521", "ES512", 132)):
        token = parse_token(sign(name=name))
        for signature in (bytes(size), bytes(size - 1) + b"\1", b"\1" + bytes(size - 1), bytes(size * 2), bytes(8)):
            assert not key(name).verifies(alg=alg, signing_input=token.signing_input, signature=signature)


def test_a_p256_key_verifies_no_es384_also_when_it_signed_with_that_hash() -> None:
    token = parse_token(sign(name="p-256", alg="ES384"))
    assert not key("p-256").verifies(alg="ES384", signing_input=token.signing_input, signature=token.signature)
    assert KeySet((key("p-256"),)).find(alg="ES384", kid="p-256") == ()


def test_what_the_library_refuses_verifies_nothing() -> None:
    mislabelled = Key(None, frozenset({"EdDSA"}), "thumbprint", key("rsa-2048-a").public)
    assert not mislabelled.verifies(alg="EdDSA", signing_input=b"a.b", signature=b"c")


def test_a_key_is_found_by_its_kid_and_only_for_an_algorithm_that_fits() -> None:
    keys = parse_key_set({"keys": [public_jwk("rsa-2048-a"), public_jwk("p-256"), public_jwk("rsa-2048-b", kid=None)]})
    assert [found.kid for found in keys.find(alg="RS256", kid="rsa-a")] == ["rsa-a"]
    assert [found.kid for found in keys.find(alg="RS256", kid=None)] == ["rsa-a", None]
    assert [found.kid for found in keys.find(alg="ES256", kid=None)] == ["p-256"]
    for alg, kid in (("ES256", "rsa-a"), ("ES256", "P-256"), ("ES256", ""), ("none", None)):
        assert keys.find(alg=alg, kid=kid) == ()
    assert keys.thumbprints == {key(name).thumbprint for name in ("rsa-2048-a", "p-256", "rsa-2048-b")}
    assert keys.skipped == ()


def test_at_most_four_keys_are_tried_for_one_token() -> None:
    generated = [ECKey.generate_key("P-256").as_dict(private=False) for _ in range(10)]
    keys = parse_key_set({"keys": [{**jwk, "kid": "same"} for jwk in generated]})
    assert len(keys.find(alg="ES256", kid=None)) == MAX_TRIED == 4
    assert len(keys.find(alg="ES256", kid="same")) == MAX_TRIED
    nameless = parse_key_set({"keys": [{**jwk, "kid": None} for jwk in generated]})
    assert len(nameless.find(alg="ES256", kid="any")) == MAX_TRIED


def test_a_key_that_is_published_several_times_is_tried_once() -> None:
    same = [public_jwk("rsa-2048-a", kid=kid) for kid in ("x", "x", "y", "z", "w", None, None)]
    keys = parse_key_set({"keys": [*same, public_jwk("rsa-2048-b", kid="x"), public_jwk("rsa-2048-b", kid=None)]})
    assert [found.kid for found in keys.find(alg="RS256", kid=None)] == ["x", "x"]
    for kid in ("x", "nobody's"):
        found = [key.thumbprint for key in keys.find(alg="RS256", kid=kid)]
        assert found == [key("rsa-2048-a").thumbprint, key("rsa-2048-b").thumbprint]
    assert [found.kid for found in keys.find(alg="RS256", kid="y")] == ["y"]


@pytest.mark.parametrize("kid", ["named", "", None])
def test_keys_without_kid_serve_tokens_that_name_one_where_no_key_has_that_name(kid: str | None) -> None:
    keys = parse_key_set({"keys": [public_jwk("p-256", kid=None), public_jwk("rsa-2048-a", kid=None)]})
    assert [found.thumbprint for found in keys.find(alg="RS256", kid=kid)] == [key("rsa-2048-a").thumbprint]
    both = parse_key_set({"keys": [public_jwk("rsa-2048-a", kid=None), public_jwk("rsa-2048-b", kid="named")]})
    assert [found.kid for found in both.find(alg="RS256", kid="named")] == ["named"]
    assert [found.kid for found in both.find(alg="RS256", kid="another")] == [None]
    assert both.find(alg="ES256", kid="named") == ()


def test_bad_keys_are_skipped_one_by_one_each_with_a_sentence() -> None:
    entries: list[Any] = [
        7,
        None,
        [],
        {},
        {"kty": "oct", "kid": "symmetric", "k": "c2VjcmV0"},
        public_jwk("rsa-2048-a", use="enc", kid="encryption"),
        public_jwk("rsa-1024"),
        public_jwk("p-256"),
    ]
    keys = parse_key_set({"keys": entries, "more": "members"})
    assert [found.kid for found in keys.keys] == ["p-256"]
    assert len(keys.skipped) == 7
    assert str(keys.skipped[0]).startswith("key 0 (kid None) is skipped: its kty")
    assert str(keys.skipped[5]) == "key 5 (kid encryption) is skipped: its use is not sig: enc"
    assert not any("c2VjcmV0" in str(skipped) for skipped in keys.skipped)


@pytest.mark.parametrize(
    ("members", "is_meant"),
    [
        ({"use": "enc", "alg": "RSA-OAEP"}, True),
        ({"use": "enc", "kty": "oct"}, True),
        ({"alg": "RSA-OAEP-256"}, True),
        ({"alg": "ECDH-ES+A256KW"}, True),
        ({"key_ops": ["encrypt", "wrapKey"]}, True),
        ({"use": "sig", "alg": "RS1"}, False),
        ({"use": "ENC"}, False),
        ({"key_ops": ["sign"]}, False),
        ({"key_ops": ["encrypt", ["wrapKey"]]}, False),
        ({"key_ops": "encrypt"}, False),
        ({"alg": ["RSA-OAEP"]}, False),
        ({"kty": "oct"}, False),
        ({"kty": "OKP", "crv": "X25519", "x": "A" * 43}, True),
        ({"kty": "OKP", "crv": "X448"}, True),
        ({"kty": "OKP", "crv": "Ed448"}, False),
        ({"kty": "OKP", "crv": ["X25519"]}, False),
    ],
)
def test_a_key_that_says_it_is_for_encryption_is_skipped_on_purpose(members: dict[str, Any], *, is_meant: bool) -> None:
    keys = parse_key_set({"keys": [public_jwk("p-256"), public_jwk("rsa-2048-a", **members)]})
    assert [skipped.is_meant for skipped in keys.skipped] == [is_meant]


@pytest.mark.parametrize(
    ("alg", "kid", "refusal", "sentence"),
    [
        ("EdDSA", "ed448", UnusableKey, "publishes it, but it cannot be used: its curve is not supported: Ed448"),
        (
            "RS256",
            "weak",
            UnusableKey,
            "publishes it, but it cannot be used: it has 1024 bits; 2048 to 8192 are accepted",
        ),
        ("RS256", "p-256", UnusableKey, "publishes it for ES256, not for RS256"),
        ("RS256", "nobody's", UnknownKey, "does not publish it"),
        ("RS256", None, UnknownKey, "publishes no key for RS256"),
    ],
)
def test_a_key_that_is_not_found_is_told_apart_from_one_that_is_published(
    alg: str, kid: str | None, refusal: type[UnknownKey], sentence: str
) -> None:
    published = [
        7,
        public_jwk("ed25519", crv="Ed448", kid="ed448"),
        public_jwk("rsa-1024", kid="weak"),
        public_jwk("p-256"),
    ]
    found = parse_key_set({"keys": published}).missing("local", alg=alg, kid=kid, asked="; once")
    assert (type(found), found.evidence) == (refusal, f"local {sentence}; once")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (None, "no keys array"),
        ([], "no keys array"),
        ("keys", "no keys array"),
        ({}, "no keys array"),
        ({"keys": None}, "no keys array"),
        ({"keys": {"a": 1}}, "no keys array"),
        ({"Keys": []}, "no keys array"),
        ({"keys": []}, "no usable key"),
        ({"keys": [{"kty": "oct", "k": "abc"}]}, "no usable key: key 0"),
        ({"keys": [{}] * (MAX_KEYS + 1)}, "the set has 65 keys; at most 64"),
    ],
)
def test_a_document_without_a_usable_key_is_no_key_set(document: object, sentence: str) -> None:
    with pytest.raises(UnusableKeySet, match=sentence):
        parse_key_set(document)


def test_64_keys_are_read_and_65_are_refused_whole() -> None:
    entries = [public_jwk("p-256", kid=f"k{n}") for n in range(65)]
    assert len(parse_key_set({"keys": entries[:64]}).keys) == 64
    with pytest.raises(UnusableKeySet, match="the set has 65 keys"):
        parse_key_set({"keys": entries})


@pytest.mark.parametrize(
    ("kid", "shown"),
    [
        ("rsa-a", "rsa-a"),
        ("a\r\nb\x1b[31m", r"a\r\nb\x1b[31m"),
        ("ü", r"\xfc"),
        ("x" * 10_000, "x" * 64),
        (None, "None"),
        (7, "7"),
        ({"a": ["b"] * 100}, "{'a': ['b', 'b', 'b', 'b', 'b', 'b', 'b', 'b', 'b', 'b', 'b', 'b"),
    ],
)
def test_a_kid_is_shown_short_and_printable(kid: object, shown: str) -> None:
    assert shown_kid(kid) == shown
    assert len(shown_kid(kid)) <= 64


def test_a_token_without_kid_names_no_key_not_even_one_without() -> None:
    keys = (key("rsa-2048-a"), parse_key(public_jwk("rsa-2048-b", kid=None)))
    assert names_one_of("rsa-a", keys)
    assert not names_one_of("another", keys)
    assert not names_one_of(None, keys)


def test_the_thumbprint_does_not_depend_on_what_surrounds_the_key() -> None:
    one = parse_key(public_jwk("rsa-2048-a"))
    other = parse_key(public_jwk("rsa-2048-a", kid="renamed", alg="RS256", use="sig"))
    assert one.thumbprint == other.thumbprint
    assert one.thumbprint != key("rsa-2048-b").thumbprint


def test_a_thumbprint_is_the_one_of_rfc_7638() -> None:
    """Section 3.1: the example of the standard."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W"
        "-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08q"
        "NLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    assert parse_key({"kty": "RSA", "n": n, "e": "AQAB"}).thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_leading_zeros_do_not_make_a_modulus_longer() -> None:
    padded = base64url(bytes(256) + b"\xff" * 127).decode()
    with pytest.raises(ValueError, match="it has 1016 bits"):
        parse_key(public_jwk("rsa-2048-a", n=padded))


@pytest.mark.parametrize("exponent", ["Ag", "AQ", "BA", "AQAAAAE", "AAAA"])
def test_an_exponent_nobody_uses_is_no_rsa_key(exponent: str) -> None:
    with pytest.raises(ValueError, match="not that of an RSA key"):
        parse_key(public_jwk("rsa-2048-a", e=exponent))


def test_an_even_modulus_is_no_rsa_key() -> None:
    even = "_" * 341 + "w"
    with pytest.raises(ValueError, match="not that of an RSA key"):
        parse_key(public_jwk("rsa-2048-a", n=even[:-2] + "8A"))


EVERY_TENANT = "https://login.example/{tenantid}/v2.0"


@pytest.mark.parametrize(
    ("issuer", "fits"),
    [
        (None, True),
        ("", True),
        ([], True),
        (EVERY_TENANT, True),
        ("https://login.example/a/v2.0", True),
        ("https://login.example/b/v2.0", False),
        ("https://login.example/{tid}/v2.0", False),
        (7, False),
        ({"a": 1}, False),
    ],
)
def test_a_key_may_say_whose_tokens_alone_it_signs(issuer: Any, fits: object) -> None:
    parsed = parse_key({**public_jwk("p-256"), "issuer": issuer})
    wanted = frozenset(("https://login.example/a/v2.0", EVERY_TENANT))
    assert keys_for((parsed,), wanted) == ((parsed,) if fits else ())
    assert keys_for((parsed,), None) == (parsed,)


def test_one_key_for_two_issuers_is_found_for_both() -> None:
    jwk = public_jwk("p-256")
    keys = parse_key_set({"keys": [{**jwk, "issuer": "https://a"}, {**jwk, "issuer": "https://b"}]})
    found = keys.find(alg="ES256", kid=jwk["kid"])
    assert [key.issuer for key in found] == ["https://a", "https://b"]
