"""DPoP proofs as a test wants them, and what they are about."""

import base64
import json
from collections.abc import Mapping
from hashlib import sha256
from itertools import count
from typing import Any

from joserfc.jws import JWSRegistry

from tests.signer import ALGORITHMS, NOW, base64url, key, public_jwk, signing_key

#: name of the key that proves, where a test names no other
HOLDER = "p-256"
URL = "https://api.example.com/orders"
_SERIAL = count()


def ath_of(token: bytes) -> str:
    """RFC 9449 section 4.2."""
    return base64.urlsafe_b64encode(sha256(token).digest()).rstrip(b"=").decode("ascii")


def bound_to(name: str = HOLDER) -> dict[str, str]:
    """The `cnf` of a token of this key."""
    return {"jkt": key(name).thumbprint}


def proof_claims(token: bytes = b"token", **changes: Any) -> dict[str, Any]:
    """Claims of a proof that passes; a change to Ellipsis leaves the claim out."""
    claims = {"jti": f"jti-{next(_SERIAL)}", "htm": "GET", "htu": URL, "iat": NOW, "ath": ath_of(token), **changes}
    return {name: value for name, value in claims.items() if value is not ...}


def proof(
    token: bytes = b"token",
    *,
    name: str = HOLDER,
    alg: str | None = None,
    header: Mapping[str, Any] | bytes | None = None,
    claims: Mapping[str, Any] | bytes | None = None,
    signature: bytes | None = None,
    **changes: Any,
) -> bytes:
    """A proof by the key `name`; `header`: changes to its members; bytes, or `claims` in bytes, stand for themselves."""
    alg = alg or ALGORITHMS[name]
    jwk = {member: value for member, value in public_jwk(name).items() if member != "kid"}
    whole: Mapping[str, Any] | bytes = {"typ": "dpop+jwt", "alg": alg, "jwk": jwk}
    if isinstance(header, bytes):
        whole = header
    elif header is not None:
        assert not isinstance(whole, bytes)
        whole = {member: value for member, value in {**whole, **header}.items() if value is not ...}
    said = proof_claims(token, **changes) if claims is None else claims
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (whole, said))
    signing_input = b".".join(map(base64url, parts))
    if signature is None:
        signature = JWSRegistry.algorithms[alg].sign(signing_input, signing_key(name))
    return signing_input + b"." + base64url(signature)
