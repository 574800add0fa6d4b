"""What a UserInfo response says of a subject (OpenID Connect Core 1.0 section 5.3), and what is believed of it.

Pure: who asks, where and when, is `remote`. Whether it is to be asked at all is `lacks`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.config.issuers import Issuer, audiences_of
from gateway.core.errors import Refusal
from gateway.core.jsontext import parse_json
from gateway.core.shown import shown
from gateway.core.token.jwt import parse_token
from gateway.core.token.rules import Token

#: bytes of JSON that the named claims of one subject may have
MAX_BYTES: Final = 16 * 1024
#: what is asked for: plain JSON, or signed where the client is registered for that (section 5.3.2)
ACCEPT: Final = "application/json, application/jwt"


class UserInfoInvalid(ValueError):
    """The response says nothing that may be believed. The sentence is for operators, and has no value of it."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """What came of asking."""

    #: the named claims that are there; none after a failure
    claims: Mapping[str, Any]
    #: seconds since the epoch: how long it holds
    until: float
    #: why it could not be had, where that counts as absent; empty: it was had
    failure: str = ""

    @property
    def size(self) -> int:
        """Bytes of the claims as JSON."""
        return len(json.dumps(self.claims))


@dataclass(frozen=True, slots=True)
class UserInfoRules:
    """What a response of one issuer must satisfy: its configuration, compiled."""

    issuer: str
    #: the members that are taken
    claims: tuple[str, ...]
    algorithms: frozenset[str]
    audiences: frozenset[str]
    #: seconds
    leeway: float

    @classmethod
    def of(cls, issuer: Issuer) -> "UserInfoRules":
        """Those of an issuer that is asked."""
        assert issuer.userinfo is not None  # others have no rules
        return cls(
            issuer=issuer.issuer,
            claims=issuer.userinfo.claims,
            algorithms=frozenset(issuer.algorithms),
            audiences=frozenset(audiences_of(issuer)),
            leeway=float(issuer.leeway),
        )


def parse_userinfo(media_type: str, body: bytes) -> Mapping[str, Any] | Token:
    """The claims of a plain response, or the token that a signed one is, not verified yet. UserInfoInvalid.

    `media_type`: in lower case, without parameters; empty: the response has none.
    """
    if media_type == "application/jwt":
        return _parse_signed(body.strip())
    if media_type not in {"", "application/json"} and not media_type.endswith("+json"):
        raise UserInfoInvalid(f"the response is {shown(media_type)}, neither JSON nor a JWT")
    try:
        claims = parse_json(body)
    except ValueError as error:
        raise UserInfoInvalid(f"the response cannot be read: {error}") from None
    if not isinstance(claims, dict):
        raise UserInfoInvalid("the response is not a JSON object")
    return claims


def _parse_signed(body: bytes) -> Token:
    try:
        return parse_token(body)
    except Refusal as refusal:
        # Encrypted, unsigned, or signed with a secret of the client, which is none of ours.
        raise UserInfoInvalid(f"the response is no JWT that can be verified: {refusal.evidence}") from None


def check_signed(token: Token, rules: UserInfoRules) -> None:
    """Whether a signed response may be verified with the issuer's keys. UserInfoInvalid."""
    if token.alg not in rules.algorithms:
        raise UserInfoInvalid(f"the response is signed with {token.alg}, which is not configured")


def judge_userinfo(
    claims: Mapping[str, Any],
    rules: UserInfoRules,
    *,
    subject: str,
    client: str | None,
    now: float,
    iss: str | None = None,
) -> dict[str, Any]:
    """The named claims of a response about `subject`, null ones left out. UserInfoInvalid.

    `client`: whom the token was issued to. `now`: seconds since the epoch. `iss`: the issuer as the token names it,
    where that is not the configured one to the letter.
    """
    # Section 5.3.2: if it is not that of the token, the response MUST NOT be used.
    if "sub" not in claims:
        raise UserInfoInvalid("the response has no sub")
    if claims["sub"] != subject:
        raise UserInfoInvalid("the response is about another sub than the token's")
    # Section 5.3.2: of a signed one; where a plain one has them, they mean no less.
    if "iss" in claims and claims["iss"] != (iss or rules.issuer):
        raise UserInfoInvalid("the response is of another issuer")
    if "aud" in claims:
        _check_audience(claims["aud"], rules, client)
    if "exp" in claims:
        _check_end(claims["exp"], rules, now)
    found = {name: value for name in rules.claims if (value := claims.get(name)) is not None}
    if len(json.dumps(found)) > MAX_BYTES:
        raise UserInfoInvalid(f"the named claims are larger than {MAX_BYTES // 1024} KiB")
    return found


def _check_audience(value: object, rules: UserInfoRules, client: str | None) -> None:
    audiences = [value] if isinstance(value, str) else value
    if not isinstance(audiences, list) or not all(isinstance(member, str) for member in audiences):
        raise UserInfoInvalid("aud of the response is neither a string nor an array of strings")
    # It is for the client of the token; a token without one leaves nothing to compare.
    if client is not None and client not in audiences and rules.audiences.isdisjoint(audiences):
        raise UserInfoInvalid("the response is for another client than the token's")


def _check_end(value: object, rules: UserInfoRules, now: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserInfoInvalid("exp of the response is not a time")
    if now - rules.leeway >= value:
        raise UserInfoInvalid("the response has expired")


def pack(claims: Mapping[str, Any], *, at: float) -> bytes:
    """The named claims as a cache keeps them. `at`: when they were had, in seconds since the epoch."""
    # Not one JSON text: around claims that are nested as deeply as may be it could not be read.
    return f"{at!r} {json.dumps(claims, separators=(',', ':'))}".encode("ascii")


def unpack(packed: bytes, rules: UserInfoRules, *, lifetime: float, now: float) -> Obtained | None:
    """What `pack` has kept, or None: it is too old, or nothing that was written so. `lifetime`: seconds."""
    at, _, text = packed.partition(b" ")
    try:
        claims = parse_json(text)
        # Another replica's clock may be ahead: it does not live longer for that.
        until = min(float(at), now) + lifetime
    except ValueError:
        return None
    # Not a number is before nothing.
    if not isinstance(claims, dict) or not now < until:
        return None
    return Obtained({name: claims[name] for name in rules.claims if name in claims}, until)
