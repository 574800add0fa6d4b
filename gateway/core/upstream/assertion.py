"""The proof of origin: a short-lived JWT that tells the API who is calling, and that this gateway says so.

Decides its header, its claims and its life. Where the key comes from and when it changes is not known here.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from gateway.core.jsontext import parse_json
from gateway.core.token.identity import Identity
from gateway.core.token.keys import parse_key

#: RFC 8725 section 3.11: a type of its own, so that nobody takes it for an access token, this gateway among them
TYPE: Final = "gateway-assertion+jwt"
#: What the gateway writes itself, or keeps out because it means something to verifiers.
RESERVED_CLAIMS: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "token_issuer"})
#: the part of its life after which it is signed anew
RENEWED_AFTER: Final = 0.8

#: Curves and their algorithms. Ed25519 by the older name (RFC 8037), which more verifiers know than RFC 9864's.
_ALGORITHMS: Final = {"P-256": "ES256", "Ed25519": "EdDSA"}
_PUBLIC_MEMBERS: Final[tuple[str, ...]] = ("kty", "crv", "x", "y")
_KEY_TYPES: Final[tuple[type[ECKey] | type[OKPKey], ...]] = (ECKey, OKPKey)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and its public part as it is published."""

    alg: str
    #: RFC 7638 thumbprint
    kid: str
    #: RFC 7517, public members only
    jwk: Mapping[str, str]
    private: ECKey | OKPKey = field(repr=False)

    def sign(self, signing_input: bytes) -> bytes:
        """RFC 7515 section 5.1."""
        return JWSRegistry.algorithms[self.alg].sign(signing_input, self.private)


@dataclass(frozen=True, slots=True)
class Assertion:
    """A signed assertion, and when it is to be made anew."""

    value: bytes = field(repr=False)
    made_at: float
    renewed_at: float


def parse_signing_key(content: bytes) -> SigningKey:
    """The private key in a PEM or JWK file. ValueError carries a sentence that follows `which`, without the content."""
    text = content.strip()
    if text.startswith(b"{"):
        return signing_key(_parse_jwk(text))
    if b"-----BEGIN " not in text:
        raise ValueError("is neither PEM nor a JWK")
    if b"ENCRYPTED" in text:
        raise ValueError("is encrypted; nobody is there to give the password")
    return signing_key(_parse_pem(text))


def _parse_jwk(text: bytes) -> ECKey | OKPKey:
    try:
        jwk = parse_json(text)
    except ValueError as error:
        raise ValueError(f"is no JWK: {error}") from None
    kind: type[ECKey | OKPKey]
    match jwk.get("kty"):
        case "EC":
            kind = ECKey
        case "OKP":
            kind = OKPKey
        case _:
            raise ValueError(
                "is no EC or OKP key" + (": it is a key set; give one private key" if "keys" in jwk else "")
            )
    # Members such as use, key_ops and kid are not ours to obey: what the key is for is decided here.
    members = {name: value for name in ("kty", "crv", "x", "y", "d") if (value := jwk.get(name)) is not None}
    try:
        return kind.import_key(members)
    except (JoseError, ValueError, TypeError, LookupError, UnsupportedAlgorithm) as error:
        raise ValueError(f"is a JWK that cannot be read ({type(error).__name__})") from None


def _parse_pem(text: bytes) -> ECKey | OKPKey:
    for kind in _KEY_TYPES:
        try:
            return kind.import_key(text)
        except JoseError:
            # Of the other type, or of none of them.
            continue
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(f"is PEM that cannot be read ({type(error).__name__})") from None
    raise ValueError("is no EC key on P-256 and no Ed25519 key")


def signing_key(private: ECKey | OKPKey) -> SigningKey:
    """A key ready to sign. ValueError: not private, on another curve, or its halves do not belong together."""
    if not private.is_private:
        raise ValueError("is a public key; the private one is needed to sign")
    try:
        alg = _ALGORITHMS[private.curve_name]
    except KeyError:
        raise ValueError("is no EC key on P-256 and no Ed25519 key") from None
    members: Mapping[str, Any] = private.as_dict(private=False)
    public = {name: str(members[name]) for name in _PUBLIC_MEMBERS if name in members}
    kid = private.thumbprint()
    made = SigningKey(alg, kid, {**public, "kid": kid, "use": "sig", "alg": alg}, private)
    # A JWK has both halves, and an API would find out only later that they are of two keys.
    if not parse_key(made.jwk).verifies(alg=alg, signing_input=b"", signature=made.sign(b"")):
        raise ValueError("has a public half that does not belong to its private one")
    return made


def published(keys: Iterable[SigningKey]) -> bytes:
    """The keys as a JWK set (RFC 7517 section 5)."""
    return json.dumps({"keys": [dict(key.jwk) for key in keys]}).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class AssertionRules:
    """What assertions say: the configuration, compiled."""

    issuer: str
    #: None: the name of the upstream
    audience: str | None
    #: seconds
    lifetime: float
    claims: tuple[str, ...]
    #: configured name of an issuer to what its tokens have as iss
    issuers: Mapping[str, str]

    def make(self, identity: Identity, *, upstream: str, key: SigningKey, now: float) -> Assertion:
        """An assertion about the caller, for one upstream. It never outlives the token.

        While a token is admitted past its end only by the issuer's leeway, `exp` is that end: the API needs as much.
        """
        end = min(now + self.lifetime, identity.expires_at)
        claims: dict[str, Any] = {name: identity.claims[name] for name in self.claims if name in identity.claims}
        claims |= {
            "iss": self.issuer,
            "aud": upstream if self.audience is None else self.audience,
            "iat": int(now),
            "exp": int(end),
            # A subject is unique with its issuer only (OpenID Connect Core section 5.7).
            "token_issuer": self.issuers[identity.issuer] if identity.tenant is None else identity.iss,
        }
        if identity.subject is not None:
            claims["sub"] = identity.subject
        if identity.client is not None:
            claims["client_id"] = identity.client
        header = {"alg": key.alg, "kid": key.kid, "typ": TYPE}
        signing_input = _part(header) + b"." + _part(claims)
        value = signing_input + b"." + _base64url(key.sign(signing_input))
        # One that ends with the token cannot be had with a later end.
        capped = end == identity.expires_at
        return Assertion(value, now, float("inf") if capped else now + RENEWED_AFTER * self.lifetime)


def _part(members: Mapping[str, Any]) -> bytes:
    return _base64url(json.dumps(members, separators=(",", ":")).encode("ascii"))


def _base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
