"""Judges a logout token: that an issuer says somebody has logged out (OpenID Connect Back-Channel Logout 1.0, 2.6).

Every check that needs no key. Neither is an access token ever taken for one, nor one for an access token.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.core.config.backchannel_logout import BackchannelLogout, By
from gateway.core.config.issuers import Issuer
from gateway.core.errors import InvalidLogout
from gateway.core.shown import shown
from gateway.core.token.jwt import MAX_TIME
from gateway.core.token.rules import IssuerRules, Token, rules_of

#: the member of `events` that makes a token a logout token (section 2.4)
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
#: seconds since `iat` that a token without `exp` is taken: older providers send none
FRESH: Final = 5 * 60.0
#: characters of a subject or a session; OpenID Connect Core section 2 has 255 for the former
MAX_NAME: Final = 1024
#: header types, an absent one aside
_TYPES: Final = frozenset({"jwt", "logout+jwt"})


@dataclass(frozen=True, slots=True)
class LogoutRules:
    """What the logout tokens of one issuer must satisfy."""

    issuer: IssuerRules
    client_ids: frozenset[str]
    by: By

    @classmethod
    def of(cls, issuer: Issuer, section: BackchannelLogout) -> "LogoutRules":
        """Those of a configured issuer."""
        return cls(rules_of(issuer), frozenset(section.client_ids), section.by)


@dataclass(frozen=True, slots=True)
class Logout:
    """Who has logged out, as a token says it that passed every check but the signature. One of both is there."""

    subject: str | None = field(repr=False)
    #: the session at the issuer
    sid: str | None = field(repr=False)
    #: seconds since the epoch, by the issuer's clock
    issued_at: float


def check_logout_token(token: Token, rules: LogoutRules, *, now: float) -> Logout:
    """Every check of section 2.6 that needs no key. `now`: seconds since the epoch. InvalidLogout."""
    claims = token.claims
    if token.alg not in rules.issuer.algorithms:
        raise InvalidLogout(f"alg is {token.alg}, which is not configured for {rules.issuer.name}")
    _check_type(token.header)
    issuer_of(token, rules)
    _check_audience(claims, rules)
    _check_event(claims)
    # So that nobody can pass one off as an ID token, nor the other way round.
    if "nonce" in claims:
        raise InvalidLogout("it has a nonce, which a logout token must not have")
    issued_at = _check_times(claims, leeway=rules.issuer.leeway, now=now)
    subject, sid = _name(claims, "sub"), _name(claims, "sid")
    if subject is None and sid is None:
        raise InvalidLogout("there is neither a sub nor a sid")
    return Logout(subject, sid, issued_at)


def issuer_of(token: Token, rules: LogoutRules) -> IssuerRules:
    """The rules of whoever says so: a tenant's, where the issuer stands for many. InvalidLogout."""
    claims, template = token.claims, rules.issuer.template
    iss = claims.get("iss")
    tenant = template.find_tenant(iss) if template is not None and isinstance(iss, str) else None
    # Section 2.4 has no place for the claim that names a tenant; where it is there, it must not be another's.
    if template is not None and tenant is not None and template.takes(tenant):
        if claims.get(template.claim, tenant) == tenant:
            return rules.issuer.of_tenant(tenant)
    elif template is None and iss == rules.issuer.issuer:
        return rules.issuer
    raise InvalidLogout(f"iss is {shown(iss)}, and not the issuer whose logouts are heard here")


def _check_type(header: Any) -> None:
    """Section 2.4 asks for explicit typing where it can be had; most providers have no typ, or JWT."""
    typ = header.get("typ")
    if typ is not None and not (isinstance(typ, str) and typ.lower().removeprefix("application/") in _TYPES):
        raise InvalidLogout(f"header typ is {shown(typ)}, which no logout token has")


def _check_audience(claims: Any, rules: LogoutRules) -> None:
    aud = claims.get("aud")
    audiences = [aud] if isinstance(aud, str) else aud
    if not isinstance(audiences, list) or not all(isinstance(member, str) for member in audiences):
        raise InvalidLogout("aud is neither a string nor an array of strings")
    if rules.client_ids.isdisjoint(audiences):
        raise InvalidLogout(f"aud is {shown(aud)}; client_ids are {shown(sorted(rules.client_ids))}")


def _check_event(claims: Any) -> None:
    events = claims.get("events")
    # Section 2.4: an object, which should be empty; RFC 8417 section 2.2.
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise InvalidLogout("events has no backchannel-logout member that is an object")


def _check_times(claims: Any, *, leeway: float, now: float) -> float:
    """`iat`, in seconds since the epoch."""
    iat, exp = _time(claims, "iat"), _time(claims, "exp")
    if iat is None:
        raise InvalidLogout("there is no iat, by which the tokens are known that it ends")
    if iat > now + leeway:
        raise InvalidLogout(f"issued in {iat - now:.0f} s; the leeway is {leeway:.0f} s")
    if exp is not None and now >= exp + leeway:
        raise InvalidLogout(f"expired {now - exp:.0f} s ago; the leeway is {leeway:.0f} s")
    if exp is None and now > iat + FRESH + leeway:
        raise InvalidLogout(f"there is no exp, and it was issued {now - iat:.0f} s ago; {FRESH:.0f} s are accepted")
    return iat


def _time(claims: Any, name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    # RFC 7519 section 2, NumericDate; a boolean is an int in Python and no number in JSON.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TIME:
        raise InvalidLogout(f"{name} is not a time: {shown(value)}")
    return float(value)


def _name(claims: Any, name: str) -> str | None:
    """A subject or a session, where there is one."""
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise InvalidLogout(f"{name} is not a string of 1 to {MAX_NAME} characters")
    return value
