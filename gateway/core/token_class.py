"""What kind of token a JWT is, and by which evidence: access, id, refresh, logout, other or unclassified.

Weighs the markers of `markers` and of one preset (see docs/token-classes.md). Knows nothing of keys, times and
audiences that are configured, and never raises, whatever JSON stands in the token.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

from gateway.core.errors import IdToken, InvalidToken, LogoutToken, OtherToken, RefreshToken, UnclassifiedToken
from gateway.core.markers import (
    ACCESS,
    HEADER,
    HINT,
    ID,
    LOGOUT,
    MARKERS,
    OTHER,
    PAYLOAD,
    REFRESH,
    Expected,
    Marker,
    Shape,
)
from gateway.core.model import Verdict
from gateway.core.presets import Preset

UNCLASSIFIED = "unclassified"

#: Header types that any token may have, an absent one aside (RFC 7519 section 5.1, RFC 9068 section 2.1).
_TYPES = frozenset({"jwt", "at+jwt"})

#: OpenID Connect Core sections 5.4 and 11; `offline` is how Ory Hydra and Kinde spell the last.
_OPENID_SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access", "offline"})

_CLIENTS = ("client_id", "azp", "cid", "appid")

_REFUSALS: dict[str, type[InvalidToken]] = {
    ID: IdToken,
    REFRESH: RefreshToken,
    LOGOUT: LogoutToken,
    OTHER: OtherToken,
}

_SHAPES: dict[Shape, Callable[[object], bool]] = {
    Shape.TEXT: lambda value: isinstance(value, str),
    Shape.TEXTS: lambda value: bool(_texts(value)),
    Shape.LIST: lambda value: isinstance(value, list),
    Shape.OBJECT: lambda value: isinstance(value, dict),
    Shape.BOOLEAN: lambda value: isinstance(value, bool),
    Shape.ANY: lambda _: True,
}

_ORDER = itemgetter(0)
_QUOTABLE = re.compile(r"[A-Za-z0-9_+./-]{1,40}")


def classify(
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    preset: Preset | None = None,
    *,
    require_typ: bool = False,
) -> Verdict:
    """The verdict on a token, for any JSON objects. `require_typ`: only RFC 9068's header type shows access."""
    if preset is not None and preset.refuses is not None:
        return preset.refuses
    verdict = _weigh(header, claims, preset)
    if require_typ and verdict.kind in (ACCESS, UNCLASSIFIED) and _type(header.get("typ")) != "at+jwt":
        return Verdict(UNCLASSIFIED, "header typ is not at+jwt, and this issuer requires it")
    return verdict


def check_class(verdict: Verdict, *, allow_unclassified: bool) -> None:
    """Raises the refusal that fits any verdict but access, or unclassified when that is allowed."""
    if verdict.kind == ACCESS or (verdict.kind == UNCLASSIFIED and allow_unclassified):
        return
    raise _REFUSALS.get(verdict.kind, UnclassifiedToken)(verdict.evidence)


def _weigh(header: Mapping[str, Any], claims: Mapping[str, Any], preset: Preset | None) -> Verdict:
    found: dict[str, str] = {}
    by_member = _by_member(() if preset is None else preset.markers)
    # A token has few members and the tables have many markers: only those that it may have are weighed, in their order.
    named = [marker for name in header for marker in by_member.get((HEADER, name), ())]
    named += [marker for name in claims for marker in by_member.get((PAYLOAD, name), ())]
    for _, marker in sorted(named, key=_ORDER):
        if marker.kind not in found:
            evidence = _evidence(marker, (header if marker.where == HEADER else claims)[marker.name], claims)
            if evidence:
                found[marker.kind] = evidence
    if unknown := _unknown_type(header.get("typ"), preset):
        found.setdefault(OTHER, unknown)
    for kind in (ID, REFRESH, LOGOUT, OTHER, ACCESS):
        if kind in found:
            return Verdict(kind, found[kind])
    # OpenID Connect Core section 2: the nonce binds an ID token to the client's session.
    if _fits(claims.get("nonce"), Shape.TEXT) and not _fits(claims.get("scp"), Shape.TEXTS):
        return Verdict(ID, "payload nonce is present, and no scp")
    if HINT in found:
        return Verdict(ACCESS, found[HINT])
    return _by_scope(claims)


@lru_cache(maxsize=64)
def _by_member(further: tuple[Marker, ...]) -> dict[tuple[str, str], list[tuple[int, Marker]]]:
    """Every marker with its place in the tables, by where it stands. `further`: those of a preset."""
    found: dict[tuple[str, str], list[tuple[int, Marker]]] = {}
    for place, marker in enumerate(MARKERS + further):
        found.setdefault((marker.where, marker.name), []).append((place, marker))
    return found


def _by_scope(claims: Mapping[str, Any]) -> Verdict:
    """Weighs `scope`, which ID tokens of some providers (UAA, FusionAuth, Keycloak) carry too."""
    scopes = {scope for text in _texts(claims.get("scope")) for scope in text.split()}
    if not scopes:
        hint = "a preset may know, or typ: at+jwt would say"
        return Verdict(UNCLASSIFIED, f"no claim and no header shows what kind of token this is; {hint}")
    if not scopes <= _OPENID_SCOPES:
        return Verdict(ACCESS, "payload scope names more than OpenID scopes")
    audience = set(_texts(claims.get("aud")))
    # Auth0: get access tokens. An API's access token is for its user info endpoint as well.
    if any(member.endswith("/userinfo") for member in audience):
        return Verdict(ACCESS, "payload scope is present, and aud names a user info endpoint")
    clients = {text for name in _CLIENTS for text in _texts(claims.get(name))}
    # OpenID Connect Core section 2: aud of an ID token must contain the client.
    if clients and not clients & audience:
        return Verdict(ACCESS, "payload scope is present, and aud is not the client")
    return Verdict(UNCLASSIFIED, "payload scope has OpenID scopes only, as in some ID tokens")


def _evidence(marker: Marker, value: object, claims: Mapping[str, Any]) -> str:
    """What a marker shows, in words; empty if it is not there. Quotes only words that the tables know."""
    if marker.where == HEADER and marker.name == "typ":
        value = _type(value)
    if not _fits(value, marker.expected):
        return ""
    if any(not _fits(claims.get(name), expected) for name, expected in marker.beside):
        return ""
    if any(_fits(claims.get(name), Shape.ANY) for name in marker.without):
        return ""
    place = f"{marker.where} {marker.name}"
    if isinstance(marker.expected, frozenset):
        word = next(text for text in _texts(value) if text.isascii() and text.lower() in marker.expected)
        return f'{place} is "{word}"'
    if isinstance(marker.expected, re.Pattern):
        return f"{place} matches {marker.expected.pattern}"
    return f"{place} is present"


def _fits(value: object, expected: Expected) -> bool:
    """Whether a value is there, is not empty, and is as expected."""
    if isinstance(expected, frozenset):
        return any(text.isascii() and text.lower() in expected for text in _texts(value))
    if isinstance(expected, re.Pattern):
        return any(expected.search(text) is not None for text in _texts(value))
    if value is None or value in ("", [], {}):
        return False
    return _SHAPES[expected](value)


def _texts(value: object) -> list[str]:
    """The non-empty strings of a claim that may be a string or a list of strings."""
    members = value if isinstance(value, list) else [value]
    return [member for member in members if isinstance(member, str) and member.strip()]


def _type(value: object) -> str:
    """A header type as it is compared: without case and without `application/` (RFC 7515 section 4.1.9)."""
    return value.lower().removeprefix("application/") if isinstance(value, str) else ""


def _unknown_type(value: object, preset: Preset | None) -> str:
    """Why a header type cannot be an access token's; empty when it can."""
    if value is None or value == "":
        return ""
    if isinstance(value, str) and _type(value) in _TYPES | (frozenset() if preset is None else preset.types):
        return ""
    quoted = f'"{value}"' if isinstance(value, str) and _QUOTABLE.fullmatch(value) else "something else"
    return f"{HEADER} typ is {quoted}, which no access token has"
