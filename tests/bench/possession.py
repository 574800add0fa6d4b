"""DPoP (RFC 9449) as a client does it: a key, a token that is bound to it, and a proof of its own for each request."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.bench.tokens import Tokens

#: where clients think the API is: `external_url` of the gateway
EXTERNAL: Final = "https://api.example.com"
#: bytes of a coordinate of P-256
_COORDINATE: Final = 32


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(members: dict[str, Any]) -> str:
    return _base64url(json.dumps(members, separators=(",", ":")).encode())


@dataclass
class Client:
    """One client with its key, its token, and proofs that nobody has used yet."""

    tokens: Tokens
    _made: int = field(default=0)

    def __post_init__(self) -> None:
        self._key = generate_private_key(SECP256R1())
        point = self._key.public_key().public_numbers()
        x, y = (_base64url(number.to_bytes(_COORDINATE, "big")) for number in (point.x, point.y))
        # RFC 7638 section 3.2: these members, in this order.
        jwk = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        thumbprint = _base64url(sha256(json.dumps(jwk, separators=(",", ":")).encode()).digest())
        self.token = self.tokens.bound(thumbprint)
        self._header = _part({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})
        self._ath = _base64url(sha256(self.token.encode()).digest())

    def proof(self, path: str) -> str:
        """A new one, for a GET of a path, made now."""
        return next(self._proofs(path, 1))

    def token_file(self) -> Path:
        """The token, for the load generator."""
        file = self.tokens.directory / "token-bound"
        file.write_text(self.token + "\n")
        return file

    def proof_file(self, path: str, count: int) -> Path:
        """New ones for a run of the load generator, one a line; the file of the run before goes."""
        file = self.tokens.directory / "proofs"
        file.write_text("\n".join(self._proofs(path, count)) + "\n")
        return file

    def _proofs(self, path: str, count: int) -> Iterator[str]:
        for _ in range(count):
            self._made += 1
            claims = {"jti": f"{self._made:032x}", "htm": "GET", "htu": EXTERNAL + path, "iat": int(time.time())}
            text = f"{self._header}.{_part({**claims, 'ath': self._ath})}"
            r, s = decode_dss_signature(self._key.sign(text.encode(), ECDSA(SHA256())))
            # RFC 7518 section 3.4: both numbers, one after the other.
            yield f"{text}.{_base64url(r.to_bytes(_COORDINATE, 'big') + s.to_bytes(_COORDINATE, 'big'))}"
