"""Tokens as a test wants them, signed with the keys in tests/data/keys."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.core.config.issuers import Issuer
from gateway.core.token.keys import Key, parse_key

KEYS = Path(__file__).parent / "data" / "keys"
#: seconds since the epoch: now, in all tests with these tokens
NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"
AUDIENCE = "https://api.example.com"
#: name of a key file to an algorithm it signs by
ALGORITHMS = {
    "rsa-2048-a": "RS256",
    "rsa-2048-b": "RS256",
    "p-256": "ES256",
    "p-384": "ES384",
    "p-521": "ES512",
    "ed25519": "EdDSA",
}
_TYPES: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


@cache
def private_jwk(name: str) -> Mapping[str, str]:
    """A key file."""
    jwk: Mapping[str, str] = json.loads((KEYS / f"{name}.json").read_text("ascii"))
    return jwk


def public_jwk(name: str, **members: Any) -> dict[str, Any]:
    """Its public part, as an issuer publishes it, with other members added or, when None, left out."""
    public = {k: v for k, v in private_jwk(name).items() if k in {"kid", "kty", "crv", "n", "e", "x", "y"}}
    return {k: v for k, v in {**public, **members}.items() if v is not None}


@cache
def key(name: str) -> Key:
    """Its public part, as the gateway reads it."""
    return parse_key(public_jwk(name))


@cache
def signing_key(name: str) -> RSAKey | ECKey | OKPKey:
    jwk = private_jwk(name)
    return _TYPES[jwk["kty"]].import_key(dict(jwk))


def base64url(raw: bytes) -> bytes:
    """Without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def issuer(**settings: Any) -> Issuer:
    """The issuer of these tokens, as it is configured; named `local`."""
    return Issuer(**{"issuer": ISSUER, "audience": AUDIENCE, "name": "local", **settings})


def some_claims(**changes: Any) -> dict[str, Any]:
    """Claims of an access token that passes; a change to Ellipsis leaves the claim out."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "app",
        "scope": "read:orders write:orders",
        "iat": NOW,
        "exp": NOW + 300,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not ...}


def some_header(**changes: Any) -> dict[str, Any]:
    """The header of an access token that passes; a change to Ellipsis leaves the member out."""
    header = {"typ": "at+jwt", "alg": "RS256", "kid": "rsa-a"}
    return {name: value for name, value in {**header, **changes}.items() if value is not ...}


def compact(header: Mapping[str, Any] | bytes, claims: Any, signature: bytes = b"signature") -> bytes:
    """A compact JWS of these parts; bytes stand for themselves."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    return b".".join((*(base64url(part) for part in parts), base64url(signature)))


def sign(
    claims: Any = None,
    *,
    name: str = "rsa-2048-a",
    alg: str | None = None,
    header: Mapping[str, Any] | None = None,
) -> bytes:
    """A token signed with the key `name` by its usual algorithm, or another that fits; header members added."""
    alg = alg or ALGORITHMS[name]
    whole = some_header(**{"alg": alg, "kid": private_jwk(name)["kid"], **(header or {})})
    unsigned = compact(whole, some_claims() if claims is None else claims)
    signing_input = unsigned[: unsigned.rindex(b".")]
    signature = JWSRegistry.algorithms[alg].sign(signing_input, signing_key(name))
    return signing_input + b"." + base64url(signature)
