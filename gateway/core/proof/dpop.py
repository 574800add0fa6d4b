"""A DPoP proof (RFC 9449 section 4.3): of whoever the token is bound to, for this request, and made just now.

All but whether it was used before: that is asked last, when nothing else can refuse the request any more.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway.core.config.dpop import DPoPSection
from gateway.core.errors import (
    DPoPProofElsewhere,
    DPoPProofInvalid,
    DPoPProofOfAnotherToken,
    DPoPProofUntimely,
    InvalidToken,
    NonceRequired,
    ProofMismatch,
    ProofRequired,
)
from gateway.core.http.client_url import normalised
from gateway.core.http.facts import HeaderLine
from gateway.core.shown import shown
from gateway.core.token.jwt import find_signer, parse_parts, parse_time
from gateway.core.token.keys import Key, parse_key
from gateway.core.token.rules import Token
from gateway.core.trail import Trail

#: bytes of a proof
MAX_PROOF: Final = 8 << 10
#: characters
MAX_JTI: Final = 256
#: seconds that the clock of a client may be ahead of ours
AHEAD: Final = 5.0
#: seconds for which a proof is remembered after it would be refused for its age: clocks of replicas differ
MARGIN: Final = 10.0

_TYP: Final = "dpop+jwt"
_HEADER: Final = b"dpop"
#: RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1: what nobody else may know
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_SCHEME: Final = b"dpop"
#: of a URL, as they are compared
_PARTS: Final = ("scheme", "host", "port", "path")
#: keys that are remembered, and bytes of the longest header of which one is
_MAX_KNOWN: Final = 4096
_MAX_HEADER: Final = 1024


class Proof:
    """A proof that was judged: nothing but its use before can be held against it."""

    __slots__ = ("issued_at", "jti", "thumbprint", "until")

    def __init__(self, *, jti: str, thumbprint: str, issued_at: float, until: float) -> None:
        #: what tells it from others by the same key
        self.jti: Final = jti
        #: RFC 7638, base64url
        self.thumbprint: Final = thumbprint
        #: seconds since the epoch
        self.issued_at: Final = issued_at
        #: until when it has to be remembered
        self.until: Final = until

    def __repr__(self) -> str:
        return f"Proof(of {self.issued_at:.0f}, by {self.thumbprint[:8]})"


class Proven:
    """What a proof has to be about: this request, this token and who it is bound to."""

    __slots__ = ("digest", "leeway", "method", "nonces", "thumbprint", "url")

    def __init__(
        self,
        *,
        method: str,
        url: str,
        digest: bytes,
        thumbprint: str,
        leeway: float,
        nonces: frozenset[str] | None,
    ) -> None:
        self.method: Final = method
        #: the URL that the client used
        self.url: Final = url
        #: SHA-256 of the token
        self.digest: Final = digest
        #: `cnf.jkt` of the token
        self.thumbprint: Final = thumbprint
        #: seconds that clocks may differ
        self.leeway: Final = leeway
        #: of which the proof must have one; None: it needs none
        self.nonces: Final = nonces


class DPoPRules:
    """What proofs are accepted: the configuration, compiled."""

    __slots__ = ("algorithms", "known", "max_age")

    def __init__(self, section: DPoPSection) -> None:
        self.algorithms: Final = frozenset(section.algorithms)
        #: seconds
        self.max_age: Final = float(section.max_age)
        #: keys by the headers of proofs that had them: reading a key costs as much as its signature does
        self.known: Final[dict[bytes, Key]] = {}

    def remember(self, header: bytes, key: Key) -> None:
        """Of a proof that was accepted: its header as it was sent."""
        if len(header) <= _MAX_HEADER:
            if len(self.known) >= _MAX_KNOWN:
                self.known.clear()
            self.known[header] = key


def uses_dpop(authorization: Sequence[bytes]) -> bool:
    """Whether the one Authorization value has the scheme DPoP (RFC 9110 section 11.1), well-formed or not."""
    return len(authorization) == 1 and authorization[0].strip(b" \t").partition(b" ")[0].lower() == _SCHEME


def find_proof(headers: Sequence[HeaderLine]) -> bytes:
    """The value of the one DPoP header. ProofRequired: there is none. DPoPProofInvalid: there are several."""
    found = [value for name, value in headers if len(name) == len(_HEADER) and name.lower() == _HEADER]
    if not found:
        raise ProofRequired("the scheme is DPoP, and there is no DPoP header")
    if len(found) > 1:
        raise DPoPProofInvalid(f"{len(found)} DPoP headers")
    return found[0]


def check_proof(
    raw: bytes,
    rules: DPoPRules,
    proven: Proven,
    *,
    now: float,
    trail: Trail,
    before_signature: Callable[[], None] | None = None,
) -> Proof:
    """Section 4.3 in full, but for the last use of its `jti`. Costs one signature, and that only where all else fits.

    DPoPProofInvalid, ProofMismatch, NonceRequired. `now`: seconds since the epoch. `before_signature` may raise.
    """
    if len(raw) > MAX_PROOF:
        raise DPoPProofInvalid(f"the proof has {len(raw)} bytes; {MAX_PROOF} are accepted")
    try:
        header, claims, signing_input, signature = parse_parts(raw)
    except InvalidToken as refusal:
        raise DPoPProofInvalid(f"the proof: {refusal.evidence}") from None
    alg, jwk = _check_header(header, rules)
    jti, issued_at = _check_claims(claims, rules, proven, now=now)
    encoded = raw.partition(b".")[0]
    key = rules.known.get(encoded) or _parse_key(jwk)
    if key.thumbprint != proven.thumbprint:
        raise ProofMismatch(f"the proof is by key {key.thumbprint[:8]}, the token bound to {_shown(proven.thumbprint)}")
    if before_signature is not None:
        before_signature()
    _check_signature(Token(header, claims, alg=alg, kid=None, signing_input=signing_input, signature=signature), key)
    rules.remember(encoded, key)
    trail.saw({"alg": alg, "url": proven.url, "age": now - issued_at, "nonce": proven.nonces is not None})
    until = issued_at + rules.max_age + proven.leeway + MARGIN
    return Proof(jti=jti, thumbprint=key.thumbprint, issued_at=issued_at, until=until)


def _check_header(header: Mapping[str, Any], rules: DPoPRules) -> tuple[str, Mapping[str, Any]]:
    """Its algorithm and its key, which is not read yet."""
    if header.get("typ") != _TYP:
        raise DPoPProofInvalid(f"the typ of the proof is not {_TYP}")
    alg, jwk = header.get("alg"), header.get("jwk")
    if not isinstance(alg, str) or alg not in rules.algorithms:
        raise DPoPProofInvalid(f"the alg of the proof is {shown(alg)}, which dpop.algorithms does not name")
    # As of a token: what must be understood is not (RFC 7515 section 4.1.11).
    for extension in ("crit", "b64"):
        if extension in header:
            raise DPoPProofInvalid(f"the header of the proof has {extension}")
    if not isinstance(jwk, dict):
        raise DPoPProofInvalid("the header of the proof has no jwk")
    if not _PRIVATE.isdisjoint(jwk):
        raise DPoPProofInvalid("the jwk of the proof has a private member")
    return alg, jwk


def _parse_key(jwk: Mapping[str, Any]) -> Key:
    try:
        return parse_key(jwk)
    except ValueError as error:
        raise DPoPProofInvalid(f"the jwk of the proof: {error}") from None


def _check_claims(claims: Mapping[str, Any], rules: DPoPRules, proven: Proven, *, now: float) -> tuple[str, float]:
    """Its `jti`, and when it was made."""
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= MAX_JTI:
        raise DPoPProofInvalid(f"the jti of the proof is not a string of 1 to {MAX_JTI} characters")
    if claims.get("htm") != proven.method:
        raise DPoPProofElsewhere(f"the htm of the proof is not {proven.method}")
    _check_url(claims.get("htu"), proven.url)
    issued_at = _check_times(claims, rules, proven, now=now)
    # Section 4.2: base64url of the SHA-256 of the token, without padding.
    if claims.get("ath") != base64.urlsafe_b64encode(proven.digest).rstrip(b"=").decode("ascii"):
        raise DPoPProofOfAnotherToken(
            "the ath of the proof is that of another token" if "ath" in claims else "the proof has no ath"
        )
    if proven.nonces is not None and not _is_one_of(claims.get("nonce"), proven.nonces):
        raise NonceRequired("the nonce of the proof is not ours, or old" if "nonce" in claims else "it has no nonce")
    return jti, issued_at


def _check_url(htu: object, used: str) -> None:
    named, url = normalised(htu) if isinstance(htu, str) else None, normalised(used)
    if named is None:
        raise DPoPProofElsewhere("the htu of the proof is no URL of http or https")
    if url is None:
        raise DPoPProofElsewhere("the URL of the request is one that no proof can name")
    for part, its, ours in zip(_PARTS, named, url, strict=True):
        if its != ours:
            raise DPoPProofElsewhere(f"the htu of the proof has another {part}; the client used {used}")


def _check_times(claims: Mapping[str, Any], rules: DPoPRules, proven: Proven, *, now: float) -> float:
    try:
        iat, exp, nbf = (parse_time(claims, name) for name in ("iat", "exp", "nbf"))
    except InvalidToken as refusal:
        raise DPoPProofInvalid(f"the proof: {refusal.evidence}") from None
    if iat is None:
        raise DPoPProofInvalid("the proof has no iat")
    if iat > now + AHEAD:
        raise DPoPProofUntimely(f"the proof was made in {iat - now:.0f} s; {AHEAD:.0f} s are accepted")
    if iat < now - rules.max_age - proven.leeway:
        oldest = rules.max_age + proven.leeway
        raise DPoPProofUntimely(f"the proof is {now - iat:.0f} s old; {oldest:.0f} s are accepted")
    # Proofs need neither; who writes one means it (RFC 7519 sections 4.1.4 and 4.1.5).
    if (exp is not None and now >= exp + proven.leeway) or (nbf is not None and nbf > now + proven.leeway):
        raise DPoPProofUntimely("the exp or the nbf of the proof does not include now")
    return iat


def _is_one_of(nonce: object, nonces: frozenset[str]) -> bool:
    return isinstance(nonce, str) and nonce in nonces


def _check_signature(token: Token, key: Key) -> None:
    if find_signer(token, (key,)) is None:
        raise DPoPProofInvalid("the key of the proof did not sign it")


def _shown(thumbprint: str) -> str:
    return shown(thumbprint[:8])
