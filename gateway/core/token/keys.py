"""A JWK set (RFC 7517) as the keys that can verify: liberal in reading, strict in using.

Knows nothing of where a set comes from or how old it is.
"""

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.core.config.issuers import ALGORITHMS
from gateway.core.errors import UnknownKey, UnusableKey
from gateway.core.token import pkcs1

#: More keys than any real issuer publishes; a larger set is refused whole.
MAX_KEYS = 64
#: Keys that are tried for a token.
MAX_TRIED = 4
#: RFC 7518 section 3.3: RSA keys of 2048 bits or larger MUST be used.
MIN_RSA_BITS = 2048
#: Larger moduli only serve to burn our time.
MAX_RSA_BITS = 8192
#: NIST SP 800-56B allows far larger ones, nobody uses them, and a large one makes every verification slow.
MAX_RSA_EXPONENT = 1 << 32
#: RFC 7518 section 4.1 and its successors: algorithms that encrypt keys, by how their names begin.
_ENCRYPTING = ("RSA-OAEP", "RSA1_5", "ECDH-ES", "HPKE")
#: RFC 7517 section 4.3: what a key for encryption is for.
_FOR_ENCRYPTION = frozenset({"encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"})
#: RFC 8037 section 3.2: keys of these curves agree on others, and sign nothing.
_AGREEING = frozenset({"X25519", "X448"})
#: What is logged of a `kid`, in characters.
KID_SHOWN = 64

PublicKey = RSAKey | ECKey | OKPKey

_KEY_TYPES: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_FITTING = {
    ("RSA", None): frozenset(alg for alg in ALGORITHMS if alg[:2] in {"RS", "PS"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA", "Ed25519"}),
}


class UnusableKeySet(ValueError):
    """The document holds no key that could ever verify a token, or more keys than allowed."""


class EncryptionKey(ValueError):
    """The key says itself that it is for encryption: it is no fault that it verifies nothing."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key and the algorithms it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    #: RFC 7638, base64url
    thumbprint: str
    public: PublicKey = field(repr=False)
    #: whose tokens alone it signs, as it says itself; None: it does not say
    issuer: str | None = None

    def verifies(self, *, alg: str, signing_input: bytes, signature: bytes) -> bool:
        """Whether `signature` is by this key (RFC 7515 section 5.2). Never raises."""
        if alg not in self.algorithms:
            return False
        if alg in pkcs1.ALGORITHMS and isinstance(self.public, RSAKey):
            return pkcs1.is_signed_by(self.public.public_key, alg=alg, signing_input=signing_input, signature=signature)
        try:
            return bool(JWSRegistry.algorithms[alg].verify(signing_input, signature, self.public))
        except (JoseError, ValueError, TypeError, OverflowError):
            return False


def keys_for(keys: tuple[Key, ...], issuers: frozenset[str] | None) -> tuple[Key, ...]:
    """Those that sign for one of these issuers, or do not say for whom. `issuers`: None: they are not asked."""
    if issuers is None:
        return keys
    return tuple(key for key in keys if key.issuer is None or key.issuer in issuers)


def names_one_of(kid: str | None, keys: Iterable[Key]) -> bool:
    """Whether the `kid` of a token is the name of one of these keys."""
    return kid is not None and any(key.kid == kid for key in keys)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A published key that cannot be used."""

    #: in the set, from 0
    position: int
    #: as published, whatever it is
    kid: object
    why: str
    #: it is there for another purpose, and nobody needs to be told
    is_meant: bool

    def __str__(self) -> str:
        return f"key {self.position} (kid {shown_kid(self.kid)}) is skipped: {self.why}"


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer, and those that were passed over."""

    keys: tuple[Key, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    thumbprints: frozenset[str] = frozenset()

    def find(self, *, alg: str, kid: str | None) -> tuple[Key, ...]:
        """The keys that may have signed, up to four: of those that fit `alg` the ones named `kid`.

        Where none has that name, the nameless ones; all, where the token names none.
        """
        named = (key for key in self.keys if alg in key.algorithms and kid in (None, key.kid))
        return _first_distinct(named) or self.find_nameless(alg=alg)

    def find_nameless(self, *, alg: str) -> tuple[Key, ...]:
        """Keys without a `kid`, up to four, which may have signed a token that names any (RFC 7517 section 4.5)."""
        return _first_distinct(key for key in self.keys if alg in key.algorithms and key.kid is None)

    def missing(self, name: str, *, alg: str, kid: str | None, asked: str = "") -> UnknownKey:
        """The refusal of a token whose key `find` does not find. `name`: the issuer's. `asked`: when, in words."""
        if kid is None:
            return UnknownKey(f"{name} publishes no key for {alg}{asked}")
        named = sorted(alg for key in self.keys if key.kid == kid for alg in key.algorithms)
        if named:
            return UnusableKey(f"{name} publishes it for {', '.join(named)}, not for {alg}{asked}")
        skipped = next((skipped for skipped in self.skipped if skipped.kid == kid), None)
        if skipped is None:
            return UnknownKey(f"{name} does not publish it{asked}")
        return UnusableKey(f"{name} publishes it, but it cannot be used: {skipped.why}{asked}")


def _first_distinct(keys: Iterable[Key]) -> tuple[Key, ...]:
    """Up to four of them, each once: some publish a key under several names, or several times."""
    distinct: dict[tuple[str, str | None], Key] = {}
    for key in keys:
        distinct.setdefault((key.thumbprint, key.issuer), key)
    return tuple(distinct.values())[:MAX_TRIED]


def shown_kid(kid: object) -> str:
    """A `kid` fit for a log line: at most 64 characters, printable ASCII, everything else escaped."""
    return ascii(kid).strip("'")[:KID_SHOWN] if isinstance(kid, str) else ascii(kid)[:KID_SHOWN]


def parse_key(jwk: Mapping[str, Any]) -> Key:
    """One JWK as a key. ValueError says why it is unusable."""
    kid, alg = _optional(jwk, "kid"), _optional(jwk, "alg")
    _check_purpose(_optional(jwk, "use"), _optional(jwk, "key_ops"), alg)
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in _KEY_TYPES:
        raise ValueError("its kty is not RSA, EC or OKP")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("its kid is not a string")
    crv = None if kty == "RSA" else jwk.get("crv")
    algorithms = _FITTING.get((kty, crv)) if crv is None or isinstance(crv, str) else None
    if algorithms is None:
        kind = EncryptionKey if isinstance(crv, str) and crv in _AGREEING else ValueError
        raise kind(f"its curve is not supported: {shown_kid(crv)}")
    if alg is not None:
        algorithms &= {alg} if isinstance(alg, str) else frozenset()
        if not algorithms:
            raise ValueError(f"its alg does not fit its type, or is not supported: {shown_kid(alg)}")
    # Only the public members: whatever else the document carries (a private part, a certificate) is not used.
    members = {name: value for name in _PUBLIC_MEMBERS[kty] if isinstance(value := jwk.get(name), str)}
    if len(members) != len(_PUBLIC_MEMBERS[kty]):
        raise ValueError("a member of the key is missing or not a string")
    if kty == "RSA":
        _check_rsa(members["n"], members["e"])
    try:
        public = _KEY_TYPES[kty].import_key({"kty": kty, **members})
        thumbprint = public.thumbprint()
    except (JoseError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"it cannot be read ({type(error).__name__})") from None
    named = _optional(jwk, "issuer")
    # What is no text names nobody: the key signs for none of those of which it is asked.
    issuer = named if named is None or isinstance(named, str) else ""
    return Key(kid=kid, algorithms=algorithms, thumbprint=thumbprint, public=public, issuer=issuer)


def _optional(jwk: Mapping[str, Any], name: str) -> Any:
    """A member that may be left out; null and what is empty say no more than its absence, and some write them."""
    value = jwk.get(name)
    return None if value in (None, "", []) else value


def _check_purpose(use: object, operations: object, alg: object) -> None:
    """Whether a key is there to verify. EncryptionKey, ValueError."""
    if use is not None and use != "sig":
        kind = EncryptionKey if use == "enc" else ValueError
        raise kind(f"its use is not sig: {shown_kid(use)}")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        encrypts = isinstance(operations, list) and all(
            isinstance(operation, str) and operation in _FOR_ENCRYPTION for operation in operations
        )
        raise (EncryptionKey if encrypts else ValueError)("its key_ops lack verify")
    if isinstance(alg, str) and alg.startswith(_ENCRYPTING):
        raise EncryptionKey(f"its alg is for encryption: {shown_kid(alg)}")


def _check_rsa(n: str, e: str) -> None:
    """Before joserfc sees the key, which warns of a weak one on stderr, and takes its time over very large numbers."""
    try:
        modulus, exponent = (int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4))) for text in (n, e))
    except ValueError:
        raise ValueError("its modulus or exponent is not base64url") from None
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise ValueError(f"it has {modulus.bit_length()} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")
    if not (modulus % 2 and exponent % 2 and 3 <= exponent <= MAX_RSA_EXPONENT):
        raise ValueError("its modulus or exponent is not that of an RSA key")


def parse_key_set(document: object) -> KeySet:
    """A decoded JWK set document as a KeySet; unusable keys are skipped one by one, each with its reason.

    UnusableKeySet: not an object with a `keys` array, more than 64 keys, or not one usable key.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UnusableKeySet("the document is not a JWK set: it has no keys array")
    if len(entries) > MAX_KEYS:
        raise UnusableKeySet(f"the set has {len(entries)} keys; at most {MAX_KEYS} are accepted")
    keys: list[Key] = []
    skipped: list[Skipped] = []
    for index, jwk in enumerate(entries):
        try:
            keys.append(parse_key(jwk if isinstance(jwk, dict) else {}))
        except ValueError as error:
            kid = jwk.get("kid") if isinstance(jwk, dict) else None
            skipped.append(Skipped(index, kid, str(error), is_meant=isinstance(error, EncryptionKey)))
    if not keys:
        raise UnusableKeySet("the set has no usable key" + (f": {skipped[0]}" if skipped else ""))
    return KeySet(tuple(keys), tuple(skipped), frozenset(key.thumbprint for key in keys))
