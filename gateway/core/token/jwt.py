"""Judges a JWT: every check that needs no key, in the order of docs/tokens.md, then the signature.

Knows nothing of where keys come from, of caches, or of what a token's claims are used for.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from gateway.core.claims import find_first, find_words, written
from gateway.core.config.issuers import ALGORITHMS
from gateway.core.errors import (
    AlgorithmNotAllowed,
    ClientNotAllowed,
    CriticalHeader,
    InvalidToken,
    MissingAudience,
    MissingClaim,
    TokenEncrypted,
    TokenExpired,
    TokenFromTheFuture,
    TokenLifetimeTooLong,
    TokenMalformed,
    TokenNotYetValid,
    WrongAudience,
)
from gateway.core.jsontext import parse_json
from gateway.core.shown import near_miss, shown
from gateway.core.token.keys import Key
from gateway.core.token.kind import check_class, check_kind, classify
from gateway.core.token.known import KnownIssuers
from gateway.core.token.rules import Candidate, IssuerRules, Token
from gateway.core.trail import AUDIENCE, CLASS, ISSUER, SUBJECT, TIME, Trail

#: characters
MAX_KID: Final = 256
#: 9999-12-31T23:59:59Z in seconds since the epoch: the last moment RFC 3339 can write
MAX_TIME: Final = 253_402_300_799

_BASE64URL: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FOREIGN: Final = bytes(set(range(256)) - set(_BASE64URL))
#: base64url as base64; every other byte as one that is none
_AS_BASE64: Final = bytes.maketrans(b"-_" + _FOREIGN, b"+/" + b"!" * len(_FOREIGN))
#: strict about every character and the padding, and takes half the time of the standard library's; reads it in quotes
_BASE64: Final = msgspec.json.Decoder(bytes)
#: by the number of characters in the last group of four: the padding it lacks, and what its last one may be
_PADDING: Final = (b'"', b'"', b'=="', b'="')
#: RFC 4648 section 3.5: the bits that stand for no byte are zero
_LAST: Final = (_BASE64URL, b"", _BASE64URL[::16], _BASE64URL[::4])
#: characters of a header up to which it is remembered: an issuer has a few, a client's proofs one
HEADER_KEPT: Final = 512


def parse_token(raw: bytes, issuers: KnownIssuers | None = None) -> Token:
    """A compact JWS (RFC 7515 section 3.1) in its parts.

    TokenEncrypted: five segments. TokenMalformed: anything else that is not a JWT. AlgorithmNotAllowed,
    CriticalHeader: what its header asks for; where `alg` is not acceptable, and the token says that it is no access
    token at all, the refusal of its kind. `issuers`: who may know more of what it says.
    """
    header, claims, signing_input, signature = parse_parts(raw)
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str):
        raise TokenMalformed("the header has no alg")
    if alg not in ALGORITHMS:
        # Whoever sends a refresh token signed with HS512 needs another token, not another algorithm.
        preset = None if issuers is None else issuers.find_preset(claims)
        check_kind(header, claims, preset, also=f"alg is {shown(alg)}")
        raise AlgorithmNotAllowed(f"alg is {shown(alg)}")
    # RFC 7515 section 4.1.11: an extension in crit that is not understood must be refused; b64 is RFC 7797.
    for extension in ("crit", "b64"):
        if extension in header:
            raise CriticalHeader(f"the header has {extension}")
    if "kid" in header and (not isinstance(kid, str) or len(kid) > MAX_KID):
        raise TokenMalformed(f"kid is not a string of at most {MAX_KID} characters")
    return Token(header, claims, alg=alg, kid=kid, signing_input=signing_input, signature=signature)


def parse_parts(raw: bytes) -> tuple[Mapping[str, Any], dict[str, Any], bytes, bytes]:
    """Header, payload, signing input and signature of a compact JWS; nothing in them is judged.

    The header is shared with whoever has the same one, and must not be changed. TokenEncrypted: five segments.
    TokenMalformed: anything else that is not a JWT.
    """
    first = raw.find(b".")
    second = raw.find(b".", first + 1)
    if first < 0 or second < 0 or raw.find(b".", second + 1) >= 0:
        segments = raw.count(b".") + 1
        if segments == 5:
            raise TokenEncrypted("five segments: a JWE")
        raise TokenMalformed(f"{segments} segments, where a signed JWT has three")
    segment = raw[:first]
    header = _known_header(segment) if first <= HEADER_KEPT else _parse_header(segment)
    claims = _parse_object(_decode(raw[first + 1 : second], "payload"), "payload")
    return header, claims, raw[:second], _decode(raw[second + 1 :], "signature")


@lru_cache(maxsize=256)
def _known_header(segment: bytes) -> Mapping[str, Any]:
    """By its very bytes: what they say does not depend on whose they are. One that cannot be read is not remembered."""
    return _parse_header(segment)


def _parse_header(segment: bytes) -> Mapping[str, Any]:
    return _parse_object(_decode(segment, "header"), "header")


def _decode(segment: bytes, part: str) -> bytes:
    # RFC 7515 section 2: base64url without padding; one character alone encodes no byte.
    group = len(segment) % 4
    try:
        decoded: bytes = _BASE64.decode(b'"' + segment.translate(_AS_BASE64) + _PADDING[group])
    except msgspec.MsgspecError:
        decoded = b""
    if not decoded:
        raise TokenMalformed(f"the {part} is not base64url, or is empty")
    # RFC 4648 section 3.5: with stray bits behind the last byte one signature would have many spellings.
    if segment[-1] not in _LAST[group]:
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


def check_token(token: Token, issuers: KnownIssuers, *, now: float, trail: Trail) -> Candidate:
    """Every check that needs no key, in order: issuer, algorithm, class, time, audience, subject, client.

    `now`: seconds since the epoch. Raises the InvalidToken of the first check that fails, where `trail` then stands.
    """
    claims = token.claims
    trail.enter(ISSUER)
    rules = issuers.find(claims)
    trail.saw({"name": rules.name, "iss": rules.issuer})
    if rules.tenant is not None:
        trail.saw({"tenant": rules.tenant})
    if token.alg not in rules.algorithms:
        try:
            check_kind(token.header, claims, rules.preset, also=f"alg is {token.alg}")
        except InvalidToken:
            trail.enter(CLASS)
            raise
        known = ", ".join(sorted(rules.algorithms))
        raise AlgorithmNotAllowed(f"alg is {token.alg}, which is not configured for {rules.name}; configured: {known}")
    trail.enter(CLASS)
    verdict = classify(token.header, claims, rules.preset, require_typ=rules.require_typ)
    trail.saw({"verdict": verdict})
    check_class(verdict, allow_unclassified=rules.allow_unclassified)
    trail.enter(TIME)
    expires_at, not_before = check_times(claims, rules, now=now)
    trail.saw({"seconds left": expires_at - now})
    trail.enter(AUDIENCE)
    # Lightweight tokens leave out whom they are of and for: what the issuer says of them must have it.
    audience: tuple[str, ...] = ()
    if not rules.asked_about_jwts or find_first(claims, rules.audience_claims) is not None:
        audience = check_audience(claims, rules, trail=trail)
    trail.enter(SUBJECT)
    subject, client = parties_of(claims, rules, may_lack=rules.asked_about_jwts)
    trail.saw({"sub": subject, "client": client})
    scopes = find_words(claims, rules.scope_claims)
    return Candidate(
        rules,
        verdict,
        expires_at=expires_at,
        not_before=not_before,
        subject=subject,
        client=client,
        scopes=scopes,
        signed=token.signing_input,
        audience=audience,
    )


def check_times(claims: Mapping[str, Any], rules: IssuerRules, *, now: float) -> tuple[float, float | None]:
    """RFC 7519 section 4.1.4 to 4.1.6. Returns `exp` and `nbf` in seconds since the epoch."""
    exp, nbf, iat = parse_time(claims, "exp"), parse_time(claims, "nbf"), parse_time(claims, "iat")
    if exp is None:
        raise MissingClaim("there is no exp")
    if now >= exp + rules.leeway:
        raise TokenExpired(f"expired {now - exp:.0f} s ago; the leeway is {rules.leeway:.0f} s", seconds=exp - now)
    if nbf is not None and nbf > now + rules.leeway:
        raise TokenNotYetValid(f"valid in {nbf - now:.0f} s; the leeway is {rules.leeway:.0f} s", seconds=nbf - now)
    if iat is not None and iat > now + rules.leeway:
        raise TokenFromTheFuture(f"issued in {iat - now:.0f} s; the leeway is {rules.leeway:.0f} s", seconds=iat - now)
    if rules.max_lifetime is not None:
        if iat is None:
            raise MissingClaim(f"there is no iat, which {rules.lifetime_key} needs")
        if exp - iat > rules.max_lifetime:
            raise TokenLifetimeTooLong(
                f"lives {exp - iat:.0f} s; {rules.lifetime_key} accepts {rules.max_lifetime:.0f} s"
            )
    return exp, nbf


def parse_time(claims: Mapping[str, Any], name: str) -> float | None:
    """A claim as seconds since the epoch; None: it is not there. TokenMalformed: it is no time."""
    if name not in claims:
        return None
    value = claims[name]
    # RFC 7519 section 2, NumericDate; a boolean is an int in Python and no number in JSON.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TIME:
        raise TokenMalformed(f"{name} is not a time: {no_time(value)}")
    return float(value)


def no_time(value: object) -> str:
    """Why a value is no time, in words."""
    if value is None:
        return "it is null"
    if isinstance(value, int | float) and MAX_TIME < value <= MAX_TIME * 1000:
        return f"{shown(value)} looks like milliseconds, and times in a JWT are seconds"
    return shown(value)


def check_audience(claims: Mapping[str, Any], rules: IssuerRules, *, trail: Trail) -> tuple[str, ...]:
    """RFC 7519 section 4.1.3: the first of the configured claims that is present decides. Returns what it names."""
    found = find_first(claims, rules.audience_claims)
    if found is None:
        raise MissingAudience(f"there is no {' or '.join(rules.audience_claims)}; {_advice(rules)}")
    name, value = found
    trail.saw({"claim": name, "value": value, "expected": rules.audiences})
    audiences = [value] if isinstance(value, str) else value
    if not isinstance(audiences, list) or not all(isinstance(member, str) for member in audiences):
        raise TokenMalformed(f"{name} is neither a string nor an array of strings")
    if rules.audiences.isdisjoint(audiences):
        near = near_miss(audiences, rules.audiences)
        expected = f"expected {shown(sorted(rules.audiences))}{near}"
        raise WrongAudience(f"{name} is {shown(value)}; {expected}; {_advice(rules)}")
    return tuple(audiences)


def _advice(rules: IssuerRules) -> str:
    """What to do about a token that does not name this API."""
    how = f" ({rules.audience_advice})" if rules.audience_advice else ""
    return f"ask the provider to put this API into {rules.audience_claims[0]}{how}"


def find_unread(claims: Mapping[str, Any], rules: IssuerRules) -> str:
    """Where a token has what the suggested preset would take for scopes, and this issuer's rules do not; or nothing."""
    found = [name for name in rules.unread if find_words(claims, (name,))]
    if not found:
        return ""
    places = ", ".join(map(written, found))
    return f"{ascii(places)[1:-1]} would count with preset {rules.suggested}"


def parties_of(
    claims: Mapping[str, Any], rules: IssuerRules, *, may_lack: bool = False
) -> tuple[str | None, str | None]:
    """Who the token speaks of: the subject and the client, at least one of them unless it `may_lack` both.

    MissingClaim, ClientNotAllowed.
    """
    sub = claims.get("sub")
    if sub is not None and not isinstance(sub, str):
        raise MissingClaim("sub is not a string")
    # The first one present decides, also when it is of no use: else a crafted second claim could speak for it.
    found = find_first(claims, rules.client_claims)
    value = None if found is None else found[1]
    client = value if isinstance(value, str) and value else None
    if not sub and client is None and not may_lack:
        raise MissingClaim("there is neither a sub nor a client")
    if rules.clients and client not in rules.clients and not (may_lack and client is None):
        raise ClientNotAllowed(f"the client is {shown(client)}; configured: {shown(sorted(rules.clients))}")
    return sub or None, client


def find_signer(token: Token, keys: Iterable[Key]) -> Key | None:
    """The first of `keys` whose signature the token carries, or None."""
    for key in keys:
        if key.verifies(alg=token.alg, signing_input=token.signing_input, signature=token.signature):
            return key
    return None
