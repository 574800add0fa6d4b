"""Whatever comes in, what comes out is a value or the documented exception, and never another."""

import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.claims import ABSENT, find_claim, find_words
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.errors import Refusal, UnknownKey
from gateway.core.jsontext import parse_json
from gateway.core.token.credential import Credential, find_credential
from gateway.core.token.digests import digest_of
from gateway.core.token.identity import Identity
from gateway.core.token.jwt import parse_token
from gateway.core.token.keys import Key, KeySet, parse_key_set
from gateway.core.trail import Trail
from gateway.core.upstream.headers import parse_request_id, response_headers
from gateway.observe.observers import Unheard
from gateway.verifier import Verifier
from tests.properties.json_values import TEXT, VALUES, objects
from tests.signer import (
    AUDIENCE,
    ISSUER,
    NOW,
    base64url,
    compact,
    issuer,
    key,
    public_jwk,
    sign,
    some_claims,
    some_header,
)

SIGNED = [sign(name=name) for name in ("rsa-2048-a", "ed25519")]
#: bytes that mean something to one of the parsers
SALTED = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [b".", b"=", b" ", b",", b"Bearer ", b'"', b"\\u", b"{", b"}", b"[", b"]", b":", b"\\", b"NaN"]
        ),
        st.sampled_from(
            [b"\\ud800", b"1e999", b"9" * 400, b"[" * 40, b'"a":1,"a":1', b"-Infinity", b"\xff", b"\xef\xbb\xbf"]
        ),
        st.sampled_from([b'{"alg":"RS256"}', base64url(b'{"alg":"RS256"}'), *SIGNED[0].split(b".")]),
    ),
    max_size=12,
).map(b"".join)


@st.composite
def damaged_tokens(draw: st.DrawFn) -> bytes:
    """A signed token with a few bytes exchanged, inserted or cut out."""
    token = bytearray(draw(st.sampled_from(SIGNED)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(token)))
        token[start : start + draw(st.integers(0, 5))] = draw(st.one_of(st.binary(max_size=4), SALTED))
    return bytes(token)


@given(st.one_of(st.binary(), SALTED, damaged_tokens(), st.tuples(SALTED, SALTED).map(lambda parts: compact(*parts))))
def test_any_bytes_are_a_token_or_refused(raw: bytes) -> None:
    with suppress(Refusal):
        token = parse_token(raw)
        assert isinstance(token.claims, dict)
        assert raw.startswith(token.signing_input + b".")


@given(st.lists(st.one_of(st.binary(), SALTED, SALTED.map(lambda raw: b"Bearer " + raw)), max_size=3))
def test_any_authorization_lines_are_one_credential_or_refused(lines: list[bytes]) -> None:
    with suppress(Refusal):
        token = find_credential(lines, token_bytes=50).token
        assert 0 < len(token) <= 50
        assert len(lines) == 1
        assert not set(token) & set(b' ,\t\r\n\x00"')


@given(st.one_of(st.binary(), SALTED, VALUES.map(lambda value: json.dumps(value).encode())))
def test_any_bytes_are_json_or_a_value_error(raw: bytes) -> None:
    with suppress(ValueError):
        value = parse_json(raw)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(VALUES, st.booleans())
def test_what_is_strict_json_is_read_back(value: Any, ascii_only: bool) -> None:  # noqa: FBT001 -- hypothesis gives it
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


JWK_NAMES = ["kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y", "d", "x5c", "k"]
JWKS = st.one_of(
    objects(JWK_NAMES),
    st.builds(
        lambda name, changes: public_jwk(name) | changes,
        st.sampled_from(["rsa-2048-a", "rsa-1024", "p-256", "p-384", "p-521", "ed25519"]),
        st.dictionaries(
            st.sampled_from(JWK_NAMES),
            st.one_of(
                VALUES,
                st.sampled_from(
                    ["RSA", "EC", "OKP", "P-256", "P-521", "Ed25519", "X448", "ES256", "sig", "enc", ["verify"]]
                ),
                st.binary(max_size=80).map(lambda raw: base64url(raw).decode()),
            ),
            max_size=3,
        ),
    ),
)


def check_key_set(document: object) -> None:
    with suppress(ValueError):
        keys = parse_key_set(document)
        assert keys.keys
        assert all(str(skipped).isascii() and str(skipped).isprintable() for skipped in keys.skipped)
        for parsed in keys.keys:
            for alg in parsed.algorithms:
                assert not parsed.verifies(alg=alg, signing_input=b"a.b", signature=bytes(64))


@given(st.one_of(VALUES, st.fixed_dictionaries({"keys": st.lists(st.one_of(JWKS, VALUES), max_size=4)})))
def test_any_document_is_a_key_set_or_a_value_error(document: object) -> None:
    check_key_set(document)


@given(st.one_of(st.binary(), SALTED.map(lambda raw: b'{"keys":[' + raw + b"]}")))
def test_any_bytes_are_a_key_set_or_a_value_error(raw: bytes) -> None:
    with suppress(ValueError):
        check_key_set(parse_json(raw))


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_any_signature_verifies_or_does_not_and_never_raises(signing_input: bytes, signature: bytes) -> None:
    for name in ("rsa-2048-a", "p-256", "p-384", "p-521", "ed25519"):
        for alg in (*key(name).algorithms, "none", "HS256", "nonsense"):
            assert not key(name).verifies(alg=alg, signing_input=signing_input, signature=signature)


@given(
    objects(["a", "b", "/a/b"]),
    st.one_of(TEXT, st.lists(TEXT).map(tuple), st.sampled_from(["a", "/a/0", "/", "/a/b/~1"])),
)
def test_any_name_finds_a_claim_or_none(claims: dict[str, Any], name: Any) -> None:
    assert find_claim(claims, name) is not ...
    assert all(word and " " not in word for word in find_words(claims, ("a", "b")))
    if isinstance(name, str):
        assert (find_claim(claims, name) is not ABSENT) or name not in claims


@given(
    st.lists(st.tuples(st.one_of(st.binary(), st.sampled_from([b"Connection", b"TE"])), st.one_of(st.binary(), SALTED)))
)
def test_any_header_lines_of_a_response_are_filtered(lines: list[tuple[bytes, bytes]]) -> None:
    assert set(response_headers(lines)) <= set(lines)
    shown = parse_request_id(value for _, value in lines)
    assert shown is None or shown.isascii()


# The whole way of a token, correctly signed


class Publisher:
    """An Issuers that knows one key and has nothing to fetch."""

    def __init__(self) -> None:
        self._keys = KeySet((key("ed25519"),))

    def find_keys(self, issuer: str, *, alg: str, kid: str | None) -> tuple[Key, ...]:
        return self._keys.find(alg=alg, kid=kid)

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        return True

    async def fetch_keys(
        self, issuer: str, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()
    ) -> tuple[Key, ...]:
        raise UnknownKey("there is one key only")


HEADERS: dict[str, str | tuple[str, ...] | IdentityHeader] = {
    "X-User-Id": "sub",
    "X-A": "a",
    "X-A-B": "/a/b",
    "X-Csv": IdentityHeader(claim="a", format="csv"),
    "X-Space": IdentityHeader(claim="b", format="space", too_large="omit"),
    "X-Json": IdentityHeader(claim="a", format="json"),
    "X-Repeat": IdentityHeader(claim="b", format="repeat", encoding="base64url"),
    "X-Scopes": IdentityHeader(source="scopes"),
    "X-Client": IdentityHeader(source="client"),
    "X-All": IdentityHeader(claims="all", format="json", encoding="base64url"),
}
CLAIM_NAMES = [
    *("iss", "sub", "aud", "exp", "nbf", "iat", "cnf", "scope", "scp", "client_id", "azp", "typ", "token_use", "nonce"),
    *("events", "permissions", "authorization_details", "at_hash", "roles", "a", "b"),
]


def verifier(**settings: Any) -> Verifier:
    rules = {"audience_claims": ("aud", "client_id"), "allow_unclassified": True, **settings}
    config = Config(upstream="http://127.0.0.1:1", issuers=(issuer(**rules),), identity_headers=HEADERS)
    return Verifier(config, issuers=Publisher(), observer=Unheard(), clock=lambda: NOW)


def at_once(coroutine: Coroutine[Any, Any, Identity]) -> Identity:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        identity: Identity = end.value
        return identity
    raise AssertionError("it waited")


def mostly(plain: Callable[..., dict[str, Any]], names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """The members of what would pass, any of them exchanged, and others added."""
    return objects(names).map(lambda changes: plain() | changes)


@given(
    st.one_of(mostly(some_claims, ["a", "b", "scope"]), mostly(some_claims, CLAIM_NAMES), objects(CLAIM_NAMES)),
    st.one_of(st.just({}), objects(["typ", "kid", "cty", "crit", "b64", "jwk", "jku", "x5c", "alg", "nonce"])),
    st.sampled_from([{}, {"preset": "auth0"}, {"preset": "entra"}, {"max_lifetime": 600}, {"clients": ("app",)}]),
)
@example({"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": NOW + 1, "a": {"b": [" ", ""]}}, {}, {})
def test_any_signed_claims_and_header_are_an_identity_or_refused(
    claims: dict[str, Any], header: dict[str, Any], settings: dict[str, Any]
) -> None:
    token = sign(claims, name="ed25519", header=some_header(alg="EdDSA", kid="ed25519") | header)
    judge = verifier(**settings)
    with suppress(Refusal):
        credential = Credential(token)
        identity = at_once(judge.verify(credential, digest_of(credential.token), Trail()))
        assert judge.recall(digest_of(credential.token)) is identity
        assert claims["iss"] == ISSUER
        assert claims["exp"] + 30 > NOW
        assert AUDIENCE in (claims.get("aud", claims.get("client_id")) or ())
        assert ("cnf" in claims) == (identity.confirmation is not None)
        assert identity.subject or identity.client
        for _, value in identity.headers:
            assert not set(value) & set(b"\r\n\x00")


@given(st.one_of(st.binary(), SALTED, damaged_tokens()))
def test_any_bytes_are_no_identity_unless_they_are_the_token(raw: bytes) -> None:
    with suppress(Refusal):
        at_once(verifier().verify(Credential(raw), digest_of(raw), Trail()))
        assert raw in SIGNED
