"""Judges what an issuer says of a token when it is asked (RFC 7662, RFC 9701): like a payload, by the same code.

Decides what counts as evidence there, and what must agree with a JWT that was judged before. Knows nothing of who asks.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.core.claims import KEYS, find_first, find_words
from gateway.core.errors import (
    IdToken,
    MissingAudience,
    RefreshToken,
    Refusal,
    TokenInactive,
    UnknownIssuer,
)
from gateway.core.jsontext import parse_json
from gateway.core.shown import shown
from gateway.core.token.jwt import check_audience, check_times, parse_token, parties_of
from gateway.core.token.kind import AGAINST, UNCLASSIFIED, check_class, classify
from gateway.core.token.markers import ACCESS, Verdict
from gateway.core.token.rules import Candidate, IssuerRules, Token
from gateway.core.trail import AUDIENCE, CLASS, ISSUER, SUBJECT, TIME, Trail

#: RFC 9701 section 5
SIGNED_TYPE: Final = "token-introspection+jwt"
#: seconds in which a signed response is fresh, leeway aside
FRESH: Final = 60.0

#: What says nothing of the token itself; as claims they would be markers against it.
_OF_THE_RESPONSE: Final = frozenset({"active", "token_introspection", "username"})
#: What a refresh token has as well (RFC 6749 section 1.5): of what is opaque no evidence for either.
_OF_BOTH: Final = frozenset({"scope", "scp", "authorization_details", "permissions", "gty"})
#: How tokens are presented (RFC 6749 section 7.1, RFC 9449, RFC 8693 section 2.2.1). Issuers write it whatever it is.
_PRESENTED: Final = frozenset({"bearer", "dpop", "n_a"})
_NAMES_OF_KIND: Final = ("token_type", "token_use", "typ")
#: a word for a kind of token, less what stands around and between
_LETTERS: Final = re.compile(r"[^a-z]")
_KINDS: Final[Mapping[str, type[IdToken | RefreshToken]]] = {
    "id": IdToken,
    "idtoken": IdToken,
    "refresh": RefreshToken,
    "refreshtoken": RefreshToken,
    "offline": RefreshToken,
    "offlinetoken": RefreshToken,
}


class IntrospectionResponse:
    """What an issuer said of a token that is active, when, and until when that is believed."""

    __slots__ = ("asked_at", "members", "size", "until")

    def __init__(self, members: Mapping[str, Any], *, asked_at: float, until: float, size: int = 0) -> None:
        """Times in seconds since the epoch; `until` is never beyond what the response says of the token's end.

        `size`: bytes of the members as JSON, about.
        """
        self.members: Final = members
        self.size: Final = size
        self.asked_at: Final = asked_at
        self.until: Final = until

    def __repr__(self) -> str:
        return f"IntrospectionResponse(asked at {self.asked_at:.0f}, until {self.until:.0f})"


class Introspected:
    """A token of which its issuer says that it is active, and what it says of it."""

    __slots__ = ("candidate", "claims")

    def __init__(self, candidate: Candidate, claims: Mapping[str, Any]) -> None:
        self.candidate: Final = candidate
        #: those of the response, before those of a JWT
        self.claims: Final = claims


def parse_response(body: bytes) -> dict[str, Any]:
    """The members of a response (RFC 7662 section 2.2). ValueError, its sentence constant: it is none."""
    return _checked(parse_json(body))


def parse_signed_response(
    raw: bytes, rules: IssuerRules, *, client_id: str, now: float
) -> tuple[Token, dict[str, Any]]:
    """The members of a signed response (RFC 9701 section 5), and what it was signed as, which is still to be verified.

    ValueError: it is none, of another issuer, for another client, or old.
    """
    try:
        token = parse_token(raw)
    except Refusal as refusal:
        raise ValueError(f"the response is no signed JWT: {refusal.evidence}") from None
    typ, claims = token.header.get("typ"), token.claims
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") != SIGNED_TYPE:
        raise ValueError(f"the header typ of the response is not {SIGNED_TYPE}")
    if token.alg not in rules.algorithms:
        raise ValueError(f"the response is signed with {token.alg}, which is not configured")
    if claims.get("iss") != rules.issuer:
        raise ValueError("the response is of another issuer")
    audience = claims.get("aud")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise ValueError("the response is for another client")
    iat = claims.get("iat")
    issued = float(iat) if isinstance(iat, int | float) and not isinstance(iat, bool) else 0.0
    if not now - FRESH - rules.leeway <= issued <= now + rules.leeway:
        raise ValueError("the response was not issued now")
    return token, _checked(claims.get("token_introspection"))


def _checked(members: object) -> dict[str, Any]:
    if isinstance(members, dict) and isinstance(members.get("active"), bool):
        return members
    raise ValueError("the response is no JSON object that says whether the token is active")


def end_of(members: Mapping[str, Any]) -> float:
    """When the token ends, in seconds since the epoch, as far as a response says so; infinite where it does not."""
    exp = members.get("exp")
    return float(exp) if isinstance(exp, int | float) and not isinstance(exp, bool) else float("inf")


def believe_response(
    members: Mapping[str, Any], *, asked_at: float, lifetime: float
) -> tuple[IntrospectionResponse, bytes]:
    """What an issuer said of an active token at `asked_at`, and that as it is kept. `lifetime`: seconds at most."""
    # Not one JSON text: around members that are nested as deeply as may be it could not be read.
    packed = f"{asked_at!r} {json.dumps(members, separators=(',', ':'))}".encode("ascii")
    until = min(asked_at + lifetime, end_of(members))
    return IntrospectionResponse(members, asked_at=asked_at, until=until, size=len(packed)), packed


def recall_response(packed: bytes, *, lifetime: float, now: float) -> IntrospectionResponse | None:
    """What `believe_response` has packed; None: it is over, or nothing that was written so."""
    at, _, text = packed.partition(b" ")
    try:
        members = parse_response(text)
        # A clock of another replica that is ahead must not make it live longer.
        asked_at = min(float(at), now)
    except ValueError:
        return None
    until = min(asked_at + lifetime, end_of(members))
    # Not a number is before nothing.
    if not now < until or not members["active"]:
        return None
    return IntrospectionResponse(members, asked_at=asked_at, until=until, size=len(packed))


def judge_opaque(
    members: Mapping[str, Any], rules: IssuerRules, *, now: float, until: float, trail: Trail
) -> Introspected:
    """An active token that only its issuer can read. `until`: when the response ends: the token's end if it has none.

    Both in seconds since the epoch. The refusals of `check_token`, where `trail` then stands.
    """
    claims = _claims_of(members)
    trail.enter(ISSUER)
    trail.saw({"name": rules.name, "iss": claims.get("iss", rules.issuer)})
    _check_issuer(claims, rules)
    trail.enter(CLASS)
    _check_against({}, claims, rules)
    verdict = _verdict(claims, rules)
    trail.saw({"verdict": verdict})
    check_class(verdict, allow_unclassified=rules.allow_unclassified)
    trail.enter(TIME)
    expires_at, not_before = check_times({"exp": max(until, now + 1), **claims}, rules, now=now)
    trail.saw({"seconds left": expires_at - now})
    trail.enter(AUDIENCE)
    audience: tuple[str, ...] = ()
    if rules.response_needs_audience or find_first(claims, rules.audience_claims) is not None:
        audience = check_audience(claims, rules, trail=trail)
    trail.enter(SUBJECT)
    subject, client = parties_of(claims, rules)
    trail.saw({"sub": subject, "client": client})
    candidate = Candidate(
        rules,
        verdict,
        expires_at=expires_at,
        not_before=not_before,
        subject=subject,
        client=client,
        scopes=find_words(claims, rules.scope_claims),
        audience=audience,
    )
    return Introspected(candidate, _bound(claims, members))


def judge_jwt(members: Mapping[str, Any], token: Token, candidate: Candidate, *, now: float) -> Introspected:
    """A JWT that passed by itself, and that its issuer says is active. The response may refuse it, and add to it.

    The refusals of `check_token`; TokenInactive: the response speaks of another token.
    """
    rules, own = candidate.rules, token.claims
    claims = _claims_of(members)
    _check_issuer(claims, rules)
    # What it says of how the token is presented is the issuer's constant, and no evidence beside the token's own.
    _check_against(token.header, claims, rules)
    _check_agreement(claims, own, rules)
    both = {**own, **claims}
    times: dict[str, Any] = {name: claims.get(name, own.get(name)) for name in ("exp", "nbf", "iat") if name in both}
    expires_at, not_before = check_times(times, rules, now=now)
    audience, named = candidate.audience, find_first(claims, rules.audience_claims)
    if named is not None:
        said = check_audience(claims, rules, trail=Trail())
        # Where both name some, the token is for those alone that both name.
        audience = tuple([one for one in said if one in audience]) if audience else said
    elif rules.response_needs_audience and find_first(own, rules.audience_claims) is None:
        raise MissingAudience(f"neither the token nor its issuer names {' or '.join(rules.audience_claims)}")
    if "iat" in claims and "iat" in own:
        # What was issued before a revocation does not get younger by being asked about.
        both["iat"] = min(claims["iat"], own["iat"])
    subject, client = parties_of(both, rules)
    says_scopes = any(_first_member(name) in claims for name in rules.scope_claims)
    judged = Candidate(
        rules,
        candidate.verdict,
        expires_at=min(expires_at, candidate.expires_at),
        not_before=max((time for time in (not_before, candidate.not_before) if time is not None), default=None),
        subject=subject,
        client=client,
        scopes=find_words(claims, rules.scope_claims) if says_scopes else candidate.scopes,
        signed=candidate.signed,
        audience=audience,
    )
    return Introspected(judged, _bound(both, members))


def _claims_of(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in _OF_THE_RESPONSE}


def _check_issuer(claims: Mapping[str, Any], rules: IssuerRules) -> None:
    if claims.get("iss", rules.issuer) != rules.issuer:
        raise UnknownIssuer(f"{rules.name} says that iss is {shown(claims['iss'])}; configured: {rules.issuer}")


def _check_against(header: Mapping[str, Any], claims: Mapping[str, Any], rules: IssuerRules) -> None:
    """Refuses what the response shows to be no access token, whatever else is there."""
    for name, word in _words_of_kind(claims):
        # urn:ietf:params:oauth:token-type:refresh_token is one as well (RFC 8693 section 3).
        kind = _KINDS.get(_LETTERS.sub("", word.rpartition(":")[2].lower()))
        if kind is not None:
            raise kind(f"the issuer says that {name} is {shown(word)}")
    verdict = classify(header, claims, rules.preset)
    if verdict.kind in AGAINST:
        check_class(verdict, allow_unclassified=False)


def _verdict(claims: Mapping[str, Any], rules: IssuerRules) -> Verdict:
    """On a token of which nothing speaks against it: access where something speaks for it, else unclassified."""
    token_type = claims.get("token_type")
    if isinstance(token_type, str) and token_type.lower() in _PRESENTED:
        return Verdict(ACCESS, f"the issuer says that token_type is {token_type}")
    verdict = classify({}, {name: value for name, value in claims.items() if name not in _OF_BOTH}, rules.preset)
    if verdict.kind == UNCLASSIFIED:
        return Verdict(UNCLASSIFIED, "nothing that the issuer says shows what kind of token this is")
    return verdict


def _check_agreement(claims: Mapping[str, Any], own: Mapping[str, Any], rules: IssuerRules) -> None:
    for name in ("sub", "cnf"):
        if name in claims and name in own and claims[name] != own[name]:
            raise TokenInactive(f"what the issuer says of it has another {name} than the token")
    said, written = find_first(claims, rules.client_claims), find_first(own, rules.client_claims)
    if said is not None and written is not None and said[1] != written[1]:
        raise TokenInactive("what the issuer says of it has another client than the token")


def _words_of_kind(claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the response says of the kind of the token, and how it is presented, with the names of the members."""
    for name in _NAMES_OF_KIND:
        value = claims.get(name)
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str):
                yield name, word


def _bound(claims: dict[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """The claims, and that the token is bound where nothing but its type says so."""
    # RFC 9449 section 6.2: to which key stands in cnf. Without it no proof could be right.
    if "cnf" not in claims and any(word.strip().lower() == "dpop" for _, word in _words_of_kind(members)):
        return {**claims, "cnf": None}
    return claims


def _first_member(name: str | tuple[str, ...]) -> str:
    """The claim that a configured name begins with."""
    if not isinstance(name, str):
        return _first_member(name[0]) if name[-1:] == (KEYS,) else name[0]
    return name[1:].partition("/")[0].replace("~1", "/").replace("~0", "~") if name.startswith("/") else name
