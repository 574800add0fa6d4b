"""RSASSA-PKCS1-v1_5: what is compared with what, held to the library's own verification of every signature there can be."""

from functools import cache
from hashlib import new

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from gateway.core.token.pkcs1 import ALGORITHMS, is_signed_by
from tests.signer import private_jwk

TEXT = b"header.payload"
#: RFC 8017 section 9.2, note 1, and those of hashes that no JWT is signed by
PREFIXES = {
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
    "sha224": "302d300d06096086480165030402040500041c",
    "sha1": "3021300906052b0e03021a05000414",
}
HASHES = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512()}


@cache
def private(name: str = "rsa-2048-a") -> rsa.RSAPrivateKey:
    found = RSAKey.import_key(dict(private_jwk(name))).private_key
    assert found is not None
    return found


def raw(encoded: bytes) -> bytes:
    """What is a signature wherever only the number counts: of any text, also one that no signer would encode."""
    numbers, number = private().private_numbers(), int.from_bytes(encoded)
    # RFC 8017 section 5.1.2: by the two primes, in a third of the time.
    first, second = pow(number, numbers.dmp1, numbers.p), pow(number, numbers.dmq1, numbers.q)
    return (second + numbers.q * ((first - second) * numbers.iqmp % numbers.p)).to_bytes(256)


def info(name: str = "sha256", text: bytes = TEXT) -> bytes:
    return bytes.fromhex(PREFIXES[name]) + new(name, text).digest()


def encoded(inner: bytes, *, filling: bytes = b"\xff", kind: int = 1, head: int = 0, end: bytes = b"\0") -> bytes:
    """EMSA-PKCS1-v1_5 around `inner`, or nearly."""
    room = 256 - 2 - len(end) - len(inner)
    return bytes([head, kind]) + (filling * room)[:room] + end + inner


def by_library(alg: str, signature: bytes, text: bytes = TEXT) -> bool:
    try:
        private().public_key().verify(signature, text, padding.PKCS1v15(), HASHES[alg])
    except InvalidSignature:
        return False
    return True


def by_gateway(alg: str, signature: bytes, text: bytes = TEXT) -> bool:
    return is_signed_by(private().public_key(), alg=alg, signing_input=text, signature=signature)


@pytest.mark.parametrize("alg", sorted(ALGORITHMS))
def test_what_was_signed_is_known_and_nothing_else(alg: str) -> None:
    signature = private().sign(TEXT, padding.PKCS1v15(), HASHES[alg])
    assert by_gateway(alg, signature)
    assert raw(encoded(info(f"sha{alg[2:]}"))) == signature
    for other in ALGORITHMS - {alg}:
        assert not by_gateway(other, signature)
    assert not by_gateway(alg, signature, TEXT + b"x")
    assert not is_signed_by(private("rsa-2048-b").public_key(), alg=alg, signing_input=TEXT, signature=signature)


@pytest.mark.parametrize(
    "wrong",
    [
        # CVE-2006-4339 and its descendants: something behind the digest, or the digest early and rubbish behind it
        encoded(info() + b"\0"),
        encoded(info() + bytes(100)),
        (b"\0\1" + b"\xff" * 8 + b"\0" + info()).ljust(256, b"\0"),
        (b"\0\1\0" + info()).ljust(256, b"\xaa"),
        # something before it
        encoded(b"\0" + info()),
        encoded(bytes(150) + info()),
        # the parameters of the hash are not there, are not null, or have a length of their own
        encoded(bytes.fromhex("302f300b0609608648016503040201") + b"\4\x20" + info()[-32:]),
        encoded(bytes.fromhex("3031300d060960864801650304020104000420") + info()[-32:]),
        encoded(bytes.fromhex("3081313081 0d".replace(" ", "")) + info()[4:]),
        encoded(bytes.fromhex("3033300f06096086480165030402010502aabb0420") + info()[-32:]),
        # another hash, in name or in deed
        encoded(info("sha384")),
        encoded(info("sha224")),
        encoded(info("sha1")),
        encoded(info()[:19] + info("sha384")[-48:]),
        encoded(info("sha384")[:19] + info()[-32:]),
        encoded(info()[-32:]),
        encoded(info()[:-1]),
        encoded(b""),
        # another padding
        encoded(info(), kind=2),
        encoded(info(), kind=0),
        encoded(info(), filling=b"\xff\xfe"),
        encoded(info(), filling=b"\0"),
        encoded(info(), filling=b"\xaa"),
        encoded(info(), end=b"\xff"),
        encoded(info(), end=b"\1"),
        b"\0\0\1" + encoded(info())[2:-1],
    ],
)
def test_what_no_signer_encodes_is_no_signature(wrong: bytes) -> None:
    signature = raw(wrong[:256])
    assert not by_library("RS256", signature)
    assert not by_gateway("RS256", signature)


def test_a_signature_is_as_long_as_its_key() -> None:
    # One in 256 begins with a zero, and would have a second spelling without it.
    number, signature = 0, b"\1"
    while signature[0]:
        number += 1
        text = b"text %d" % number
        signature = private().sign(text, padding.PKCS1v15(), hashes.SHA256())
    assert by_gateway("RS256", signature, text)
    for other in (signature[1:], b"\0" + signature, signature + b"\0", signature[:-1], b"", b"\1"):
        assert not by_library("RS256", other, text)
        assert not by_gateway("RS256", other, text)


def test_a_number_beyond_the_modulus_is_no_signature() -> None:
    n = private().private_numbers().public_numbers.n
    signature = private().sign(TEXT, padding.PKCS1v15(), hashes.SHA256())
    # The same number in the same ring, where it still has 2048 bits.
    beyond = (int.from_bytes(signature) + n) % (1 << 2048)
    for wrong in (beyond.to_bytes(256), n.to_bytes(256), (n - 1).to_bytes(256), bytes(256), b"\xff" * 256):
        assert not by_library("RS256", wrong)
        assert not by_gateway("RS256", wrong)


def test_a_modulus_need_not_fill_its_bytes() -> None:
    key = rsa.generate_private_key(65537, 2047)
    signature = key.sign(TEXT, padding.PKCS1v15(), hashes.SHA256())
    assert len(signature) == 256
    assert is_signed_by(key.public_key(), alg="RS256", signing_input=TEXT, signature=signature)


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(ALGORITHMS)),
    st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from(["sha256", "sha384", "sha512"]),
)
def test_each_byte_counts(alg: str, place: int, byte: int, name: str) -> None:
    text = bytearray(encoded(info(name)))
    text[place] = byte
    signature = raw(bytes(text))
    assert by_gateway(alg, signature) is by_library(alg, signature)


@given(st.sampled_from(sorted(ALGORITHMS)), st.binary(max_size=300))
def test_it_is_of_one_mind_with_the_library_about_any_bytes(alg: str, signature: bytes) -> None:
    assert by_gateway(alg, signature) is by_library(alg, signature)
    padded = signature[:256].rjust(256, b"\0")
    assert by_gateway(alg, padded) is by_library(alg, padded)
