"""One RSA key, and as many different access tokens of one length as a row asks for."""

import json
import math
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

ISSUER: Final = "https://issuer.example.com/"
AUDIENCE: Final = "https://api.example.com"
CLIENT: Final = "bench-client"
KEY_ID: Final = "bench-2048"
#: bytes of every token; what a provider's token with a few claims weighs
TOKEN_BYTES: Final = 822
#: seconds; longer than any run
LIFETIME: Final = 12 * 3600


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(members: dict[str, Any]) -> str:
    return _base64url(json.dumps(members, separators=(",", ":")).encode())


_HEADER: Final = _part({"alg": "RS256", "typ": "at+jwt", "kid": KEY_ID})


def subject(number: int) -> str:
    """The `sub` of a token by its number: all have one length."""
    return f"user-{number:08d}"


def _claims(number: int, *, now: int, lifetime: int, filler: int, thumbprint: str | None = None) -> dict[str, Any]:
    confirmation = {} if thumbprint is None else {"cnf": {"jkt": thumbprint}}
    return {
        **confirmation,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject(number),
        "client_id": CLIENT,
        "scope": "read:orders write:orders",
        "iat": now,
        "exp": now + lifetime,
        "jti": f"{number:032x}",
        "session": "x" * filler,
    }


def _filler(signature_bytes: int) -> int:
    """How long the claim `session` must be for a token of TOKEN_BYTES bytes."""
    rest = TOKEN_BYTES - len(_HEADER) - 2 - math.ceil(signature_bytes * 4 / 3)
    bare = json.dumps(_claims(0, now=int(time.time()), lifetime=LIFETIME, filler=0), separators=(",", ":"))
    return rest * 3 // 4 - len(bare)


def _sign(pem: bytes, numbers: Sequence[int], now: int, lifetime: int, thumbprint: str | None = None) -> list[str]:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    filler = _filler(key.key_size // 8)
    made = []
    for number in numbers:
        claims = _claims(number, now=now, lifetime=lifetime, filler=filler, thumbprint=thumbprint)
        text = f"{_HEADER}.{_part(claims)}"
        made.append(f"{text}.{_base64url(key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}")
    return made


@dataclass
class Tokens:
    """Makes tokens when they are first asked for; keeps them in files, one a line, for the load generator."""

    directory: Path
    _made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        self._pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        numbers = key.public_key().public_numbers()
        #: as HAProxy wants it
        self.public_pem = self.directory / "public.pem"
        self.public_pem.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.jwks: dict[str, Any] = {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "alg": "RS256",
                    "kid": KEY_ID,
                    "n": _base64url(numbers.n.to_bytes(256, "big")),
                    "e": _base64url(numbers.e.to_bytes(3, "big")),
                }
            ]
        }
        self.jwks_file = self.directory / "jwks.json"
        self.jwks_file.write_text(json.dumps(self.jwks))
        self._made = _sign(self._pem, [0], int(time.time()), LIFETIME)
        #: of an issuer that must be asked about it
        self.opaque = token_urlsafe(32)

    @property
    def good(self) -> str:
        """The token number 0."""
        return self._made[0]

    @property
    def expired(self) -> str:
        """Well signed, and over for an hour."""
        return _sign(self._pem, [0], int(time.time()) - 7200, 3600)[0]

    @property
    def forged(self) -> str:
        """The good one with other claims under the same signature."""
        header, _, signature = self.good.split(".")
        return f"{header}.{_sign(self._pem, [1], int(time.time()), LIFETIME)[0].split('.')[1]}.{signature}"

    def bound(self, thumbprint: str) -> str:
        """One that is bound to a key (RFC 9449 section 6.1)."""
        return _sign(self._pem, [0], int(time.time()), LIFETIME, thumbprint)[0]

    def opaque_file(self) -> Path:
        """A file with the opaque one."""
        path = self.directory / "token-opaque"
        path.write_text(self.opaque + "\n")
        return path

    def file(self, count: int) -> Path:
        """A file with `count` different tokens."""
        path = self.directory / f"tokens-{count}"
        if not path.exists():
            missing = range(len(self._made), count)
            blocks = [missing[start : start + 500] for start in range(0, len(missing), 500)]
            if blocks:
                now = int(time.time())
                with ProcessPoolExecutor(
                    2, initializer=os.sched_setaffinity, initargs=(0, range(os.cpu_count() or 1))
                ) as pool:
                    for made in pool.map(
                        _sign, *zip(*((self._pem, block, now, LIFETIME) for block in blocks), strict=True)
                    ):
                        self._made += made
            path.write_text("\n".join(self._made[:count]) + "\n")
        return path
