"""The JWT by which the gateway authenticates itself at an issuer (RFC 7523, `private_key_jwt`), and the key for it.

Decides which keys can sign and what is signed. Where the key is and when it changes is not known here.
"""

import json
import re
import warnings
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.core.jsontext import parse_json
from gateway.core.token.keys import MIN_RSA_BITS

#: seconds; each is used once, at once
LIFETIME: Final = 60
#: RFC 7523 section 2.2
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: the algorithms of a kind of key, that which is used when nothing else is said first
_ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    # by the older name (RFC 8037), which more issuers know than RFC 9864's
    "Ed25519": ("EdDSA", "Ed25519"),
}
_KEY_TYPES: Final[Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {
    "RSA": RSAKey,
    "EC": ECKey,
    "OKP": OKPKey,
}
#: RFC 7517 and 7518: what makes up a private key; all else of a JWK is not ours to obey
_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi")
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A private key that an issuer knows the public part of."""

    alg: str
    #: what a JWK calls itself, else the RFC 7638 thumbprint
    kid: str
    #: RFC 7515 section 4.1.8, base64url: of the certificate that stands beside the key; None: there is none
    certificate: str | None
    private: RSAKey | ECKey | OKPKey = field(repr=False)


def parse_client_key(text: str) -> ClientKey:
    """A private key in PEM or as a JWK. ValueError carries a sentence that fits behind the key, without the content."""
    text = text.strip()
    if text.startswith("{"):
        return _parse_jwk(text)
    if "-----BEGIN " not in text:
        raise ValueError("must hold a private key in PEM, or a JWK")
    if "ENCRYPTED" in text:
        raise ValueError("must hold a key that is not encrypted: nobody is there to give the password")
    found = _CERTIFICATE.search(text)
    pem = _CERTIFICATE.sub("", text)
    for kind in _KEY_TYPES.values():
        try:
            private = _import(kind, pem)
        except (JoseError, ValueError, TypeError, UnsupportedAlgorithm):
            # Of another type, or of none.
            continue
        return _client_key(private, None, None, certificate=None if found is None else _thumbprint(found[1]))
    raise ValueError("must hold an RSA, EC or Ed25519 key")


def _parse_jwk(text: str) -> ClientKey:
    try:
        jwk = parse_json(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise ValueError(f"must hold a JWK: {error}") from None
    kty = jwk.get("kty") if isinstance(jwk, dict) else None
    kind = _KEY_TYPES.get(kty) if isinstance(kty, str) else None
    if kind is None:
        raise ValueError("must hold an RSA, EC or OKP key" + (": it holds a key set" if "keys" in jwk else ""))
    members: dict[str, str | list[str]] = {n: value for n in _MEMBERS if isinstance(value := jwk.get(n), str)}
    try:
        private = _import(kind, members)
    except (JoseError, ValueError, TypeError, LookupError, UnsupportedAlgorithm, OverflowError) as error:
        raise ValueError(f"must hold a JWK that can be read ({type(error).__name__})") from None
    return _client_key(private, jwk.get("alg"), jwk.get("kid"), certificate=None)


def _import(
    kind: type[RSAKey] | type[ECKey] | type[OKPKey], value: str | dict[str, str | list[str]]
) -> RSAKey | ECKey | OKPKey:
    with warnings.catch_warnings():
        # Of a weak one, on stderr; it is refused below.
        warnings.simplefilter("ignore", SecurityWarning)
        return kind.import_key(value)


def _thumbprint(base64: str) -> str:
    """RFC 7515 section 4.1.8."""
    try:
        return _base64url(sha256(b64decode("".join(base64.split()), validate=True)).digest())
    except ValueError:
        raise ValueError("must hold a certificate that can be read") from None


def _client_key(private: RSAKey | ECKey | OKPKey, alg: object, kid: object, *, certificate: str | None) -> ClientKey:
    if not private.is_private:
        raise ValueError("must hold the private key: this is the public one")
    algorithms = _ALGORITHMS.get("RSA" if isinstance(private, RSAKey) else private.curve_name)
    if algorithms is None:
        raise ValueError("must hold an RSA key, an EC key on P-256, P-384 or P-521, or an Ed25519 key")
    if isinstance(private, RSAKey) and private.raw_value.key_size < MIN_RSA_BITS:
        raise ValueError(f"must hold an RSA key of {MIN_RSA_BITS} bits or more")
    if alg is not None and alg not in algorithms:
        raise ValueError(f"must hold a key whose alg is one of {', '.join(algorithms)}")
    return ClientKey(
        alg=alg if isinstance(alg, str) else algorithms[0],
        kid=kid if isinstance(kid, str) and kid else private.thumbprint(),
        certificate=certificate,
        private=private,
    )


def client_assertion(
    key: ClientKey, client_id: str, *, audience: str, now: float, jti: str, kid: str | None = None
) -> str:
    """A signed assertion that this is the client (RFC 7523 section 3). `jti`: of this one alone.

    `audience`: the issuer, or what it wants instead. `now`: seconds since the epoch. `kid`: instead of the key's own.
    """
    header: dict[str, Any] = {"alg": key.alg, "kid": kid or key.kid, "typ": "JWT"}
    if key.certificate is not None:
        header["x5t#S256"] = key.certificate
    issued = int(now)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": issued,
        "nbf": issued,
        "exp": issued + LIFETIME,
    }
    signing_input = f"{_part(header)}.{_part(claims)}"
    signature = JWSRegistry.algorithms[key.alg].sign(signing_input.encode("ascii"), key.private)
    return f"{signing_input}.{_base64url(signature)}"


def _part(members: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(members, separators=(",", ":")).encode("ascii"))


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
