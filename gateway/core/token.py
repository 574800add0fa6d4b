"""Judges a JWT: every check that needs no key, in the order of docs/tokens.md, then the signature.

Knows nothing of where keys come from, of caches, or of what a token's claims are used for.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.core.binding import check_binding
from gateway.core.claims import ABSENT, find_claim, find_text, find_words
from gateway.core.config import ALGORITHMS, Issuer, audiences_of, issuer_name
from gateway.core.errors import (
    AlgorithmNotAllowed,
    ClientNotAllowed,
    CriticalHeader,
    InvalidToken,
    MissingClaim,
    TokenEncrypted,
    TokenExpired,
    TokenFromTheFuture,
    TokenLifetimeTooLong,
    TokenMalformed,
    TokenNotYetValid,
    UnknownIssuer,
    WrongAudience,
)
from gateway.core.jsontext import parse_json
from gateway.core.keys import Key
from gateway.core.model import Verdict
from gateway.core.presets import PRESETS, Preset
from gateway.core.token_class import check_class, classify

#: characters
MAX_KID = 256
#: 9999-12-31T23:59:59Z in seconds since the epoch: the last moment RFC 3339 can write
MAX_TIME = 253_402_300_799
#: characters of a claim's value that evidence shows
SHOWN = 80

#: where client and scopes stand when no preset says otherwise
_NO_PRESET = Preset(name="", source="")

_BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True, slots=True)
class IssuerRules:
    """What one issuer's tokens must satisfy: its configuration, compiled."""

    name: str
    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    #: seconds
    leeway: float
    max_lifetime: float | None
    require_typ: bool
    allow_unclassified: bool
    audience_claims: tuple[str, ...]
    clients: frozenset[str]
    client_claims: tuple[str, ...]
    scope_claims: tuple[str, ...]
    preset: Preset | None


def rules_of(issuer: Issuer) -> IssuerRules:
    """The rules of a configured issuer, its preset's among them."""
    preset = PRESETS[issuer.preset] if issuer.preset else None
    return IssuerRules(
        name=issuer_name(issuer),
        issuer=issuer.issuer,
        audiences=frozenset(audiences_of(issuer)),
        algorithms=frozenset(issuer.algorithms),
        leeway=float(issuer.leeway),
        max_lifetime=None if issuer.max_lifetime is None else float(issuer.max_lifetime),
        require_typ=issuer.require_typ,
        allow_unclassified=issuer.allow_unclassified,
        audience_claims=issuer.audience_claims,
        clients=frozenset(issuer.clients),
        client_claims=(preset or _NO_PRESET).client_claims,
        scope_claims=issuer.scope_claims or (preset or _NO_PRESET).scope_claims,
        preset=preset,
    )


@dataclass(frozen=True, slots=True)
class Token:
    """A JWT in its parts, nothing of it believed yet."""

    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    alg: str
    kid: str | None
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that passed every check but the signature."""

    rules: IssuerRules
    verdict: Verdict
    expires_at: float
    not_before: float | None
    subject: str | None
    client: str | None
    scopes: tuple[str, ...]


def shown(value: object) -> str:
    """A claim's value fit for evidence: short, printable ASCII."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def parse_token(raw: bytes) -> Token:
    """A compact JWS (RFC 7515 section 3.1) in its parts.

    TokenEncrypted: five segments. TokenMalformed: anything else that is not a JWT. AlgorithmNotAllowed,
    CriticalHeader: what its header asks for.
    """
    segments = raw.split(b".")
    if len(segments) == 5:
        raise TokenEncrypted("five segments: a JWE")
    if len(segments) != 3:
        raise TokenMalformed(f"{len(segments)} segments, where a signed JWT has three")
    header = _parse_object(_decode(segments[0], "header"), "header")
    claims = _parse_object(_decode(segments[1], "payload"), "payload")
    signature = _decode(segments[2], "signature")
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str):
        raise TokenMalformed("the header has no alg")
    if alg not in ALGORITHMS:
        raise AlgorithmNotAllowed(f"alg is {shown(alg)}")
    # RFC 7515 section 4.1.11: an extension in crit that is not understood must be refused; b64 is RFC 7797.
    for extension in ("crit", "b64"):
        if extension in header:
            raise CriticalHeader(f"the header has {extension}")
    if "kid" in header and (not isinstance(kid, str) or len(kid) > MAX_KID):
        raise TokenMalformed(f"kid is not a string of at most {MAX_KID} characters")
    return Token(header, claims, alg, kid, raw[: raw.rindex(b".")], signature)


def _decode(segment: bytes, part: str) -> bytes:
    # RFC 7515 section 2: base64url without padding; one character alone encodes no byte.
    if not segment or segment.translate(None, _BASE64URL) or len(segment) % 4 == 1:
        raise TokenMalformed(f"the {part} is not base64url, or is empty")
    decoded = urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    # RFC 4648 section 3.5: with stray bits behind the last byte one signature would have many spellings.
    if urlsafe_b64encode(decoded).rstrip(b"=") != segment:
        raise TokenMalformed(f"the {part} is not base64url: its last character has stray bits")
    return decoded


def _parse_object(text: bytes, part: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise TokenMalformed(f"{part}: {error}") from None
    if not isinstance(value, dict):
        raise TokenMalformed(f"the {part} is not a JSON object")
    return value


def check_token(token: Token, issuers: Mapping[str, IssuerRules], *, now: float) -> Candidate:
    """Every check that needs no key, in order: issuer, algorithm, class, time, audience, binding, subject, client.

    `now`: seconds since the epoch. Raises the InvalidToken of the first check that fails.
    """
    claims = token.claims
    step = "issuer"
    try:
        rules = _find_rules(claims, issuers)
        if token.alg not in rules.algorithms:
            raise AlgorithmNotAllowed(f"alg is {token.alg}, which is not configured for {rules.name}")
        step = "class"
        verdict = classify(token.header, claims, rules.preset, require_typ=rules.require_typ)
        check_class(verdict, allow_unclassified=rules.allow_unclassified)
        step = "time"
        expires_at, not_before = check_times(claims, rules, now=now)
        step = "audience"
        check_audience(claims, rules)
        step = "binding"
        check_binding(claims)
        step = "subject"
        subject, client = _parties(claims, rules)
    except InvalidToken as refusal:
        refusal.step = step
        raise
    scopes = find_words(claims, rules.scope_claims)
    return Candidate(rules, verdict, expires_at, not_before, subject, client, scopes)


def _find_rules(claims: Mapping[str, Any], issuers: Mapping[str, IssuerRules]) -> IssuerRules:
    iss = claims.get("iss")
    rules = issuers.get(iss) if isinstance(iss, str) else None
    if rules is None:
        raise UnknownIssuer("there is no iss" if iss is None else f"iss is {shown(iss)}")
    return rules


def check_times(claims: Mapping[str, Any], rules: IssuerRules, *, now: float) -> tuple[float, float | None]:
    """RFC 7519 section 4.1.4 to 4.1.6. Returns `exp` and `nbf` in seconds since the epoch."""
    exp, nbf, iat = (_parse_time(claims, name) for name in ("exp", "nbf", "iat"))
    if exp is None:
        raise MissingClaim("there is no exp")
    if now >= exp + rules.leeway:
        raise TokenExpired(f"expired {now - exp:.0f} s ago; the leeway is {rules.leeway:.0f} s")
    if nbf is not None and nbf > now + rules.leeway:
        raise TokenNotYetValid(f"valid in {nbf - now:.0f} s; the leeway is {rules.leeway:.0f} s")
    if iat is not None and iat > now + rules.leeway:
        raise TokenFromTheFuture(f"issued in {iat - now:.0f} s; the leeway is {rules.leeway:.0f} s")
    if rules.max_lifetime is not None:
        if iat is None:
            raise MissingClaim("there is no iat, which max_lifetime needs")
        if exp - iat > rules.max_lifetime:
            raise TokenLifetimeTooLong(f"lives {exp - iat:.0f} s; {rules.max_lifetime:.0f} s are accepted")
    return exp, nbf


def _parse_time(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    # RFC 7519 section 2, NumericDate; a boolean is an int in Python and no number in JSON.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TIME:
        raise TokenMalformed(f"{name} is not a time: {shown(value)}")
    return float(value)


def check_audience(claims: Mapping[str, Any], rules: IssuerRules) -> None:
    """RFC 7519 section 4.1.3: the first of the configured claims that is present decides."""
    name = next((name for name in rules.audience_claims if find_claim(claims, name) is not ABSENT), None)
    if name is None:
        raise MissingClaim(f"there is no {' or '.join(rules.audience_claims)}")
    value = find_claim(claims, name)
    audiences = [value] if isinstance(value, str) else value
    if not isinstance(audiences, list) or not all(isinstance(member, str) for member in audiences):
        raise TokenMalformed(f"{name} is neither a string nor an array of strings")
    if rules.audiences.isdisjoint(audiences):
        raise WrongAudience(f"{name} is {shown(value)}; expected {shown(sorted(rules.audiences))}")


def _parties(claims: Mapping[str, Any], rules: IssuerRules) -> tuple[str | None, str | None]:
    """Who the token speaks of: the subject and the client, at least one of them."""
    sub = claims.get("sub")
    if sub is not None and not isinstance(sub, str):
        raise MissingClaim("sub is not a string")
    # The first one present decides, also when it is of no use: else a crafted second claim could speak for it.
    name = next((name for name in rules.client_claims if find_claim(claims, name) is not ABSENT), None)
    client = None if name is None else find_text(claims, name)
    if not sub and client is None:
        raise MissingClaim("there is neither a sub nor a client")
    if rules.clients and client not in rules.clients:
        raise ClientNotAllowed(f"the client is {shown(client)}")
    return sub or None, client


def find_signer(token: Token, keys: Iterable[Key]) -> Key | None:
    """The first of `keys` whose signature the token carries, or None."""
    for key in keys:
        if key.verifies(alg=token.alg, signing_input=token.signing_input, signature=token.signature):
            return key
    return None
