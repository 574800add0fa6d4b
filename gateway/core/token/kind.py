"""What kind of token a JWT is, and by which evidence: access, id, refresh, logout, other or unclassified.

Weighs the markers of `markers` and of one preset (see docs/token-classes.md). Knows nothing of keys, times and
audiences that are configured, and never raises, whatever JSON stands in the token.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from gateway.core.errors import IdToken, InvalidToken, LogoutToken, OtherToken, RefreshToken, UnclassifiedToken
from gateway.core.token.markers import (
    ACCESS,
    HEADER,
    HINT,
    ID,
    LOGOUT,
    MARKERS,
    OTHER,
    PAYLOAD,
    REFRESH,
    SURE,
    Expected,
    Marker,
    Shape,
    Verdict,
)
from gateway.core.token.presets import Preset

UNCLASSIFIED: Final = "unclassified"

#: Header types that any token may have, an absent one aside (RFC 7519 section 5.1, RFC 9068 section 2.1).
_TYPES: Final = frozenset({"jwt", "at+jwt"})

#: OpenID Connect Core sections 5.4 and 11; `offline` is how Ory Hydra and Kinde spell the last.
_OPENID_SCOPES: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access", "offline"})

_CLIENTS: Final = ("client_id", "azp", "cid", "appid")

#: kinds that no access token may be taken for, the heaviest first
AGAINST: Final = (ID, REFRESH, LOGOUT, OTHER)
#: the kinds of markers, the heaviest first
_WEIGHTS: Final = (ID, SURE, REFRESH, LOGOUT, OTHER, ACCESS, HINT)

#: Markers with their places, by where they stand and what they are called. The lower the place, the heavier.
_Table = dict[str, dict[str, list[tuple[int, Marker]]]]

_REFUSALS: Final[dict[str, type[InvalidToken]]] = {
    ID: IdToken,
    REFRESH: RefreshToken,
    LOGOUT: LogoutToken,
    OTHER: OtherToken,
}

#: behind every marker
_FAR: Final = 1 << 30

# On the way of a token: `Shape.TEXT` costs as much as a call does, and to hash one as two.
_TEXT: Final = Shape.TEXT
_TEXTS: Final = Shape.TEXTS
_LIST: Final = Shape.LIST
_OBJECT: Final = Shape.OBJECT
_BOOLEAN: Final = Shape.BOOLEAN
_ANY: Final = Shape.ANY

_QUOTABLE: Final = re.compile(r"[A-Za-z0-9_+./-]{1,40}")


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


def check_kind(
    header: Mapping[str, Any], claims: Mapping[str, Any], preset: Preset | None = None, *, also: str
) -> None:
    """Raises the refusal of the kind that a token says it is of, unless that is access or nothing.

    A header type that nobody documents says nothing here. `also`: what else is wrong with the token, for the evidence.
    """
    verdict = _heaviest(header, claims, _table(() if preset is None else preset.markers))
    if verdict is None or verdict.kind not in AGAINST:
        verdict = classify({}, claims, preset)
    if verdict.kind in AGAINST:
        raise _REFUSALS[verdict.kind](f"{verdict.evidence}; {also}")


def _weigh(header: Mapping[str, Any], claims: Mapping[str, Any], preset: Preset | None) -> Verdict:
    found = _heaviest(header, claims, _table(() if preset is None else preset.markers))
    if found is not None and found.kind in AGAINST:
        return found
    if unknown := _unknown_type(header.get("typ"), preset):
        return Verdict(OTHER, unknown)
    if found is not None and found.kind in (ACCESS, SURE):
        return Verdict(ACCESS, found.evidence)
    # OpenID Connect Core section 2: the nonce binds an ID token to the client's session.
    if _fits(claims.get("nonce"), _TEXT) and not _fits(claims.get("scp"), _TEXTS):
        return Verdict(ID, "payload nonce is present, and no scp")
    if found is not None:
        return Verdict(ACCESS, found.evidence)
    return _by_scope(claims)


@lru_cache(maxsize=64)
def _table(further: tuple[Marker, ...]) -> _Table:
    """Every marker by where it stands and what it is called. `further`: those of a preset."""
    table: _Table = {HEADER: {}, PAYLOAD: {}}
    for place, marker in enumerate(sorted(MARKERS + further, key=lambda marker: _WEIGHTS.index(marker.kind))):
        table[marker.where].setdefault(marker.name, []).append((place, marker))
    return table


def _heaviest(header: Mapping[str, Any], claims: Mapping[str, Any], table: _Table) -> Verdict | None:
    """What the heaviest of the markers says that the token has: its kind, `hint` and `sure` too, and its evidence."""
    found, found_at, shown = None, _FAR, None
    # A token has few members and the tables have many markers: only those that it may have are looked at.
    for where, members in ((HEADER, header), (PAYLOAD, claims)):
        named = table[where]
        for name, member in members.items():
            markers = named.get(name)
            if markers is None:
                continue
            value = _type(member) if where == HEADER and name == "typ" else member
            for place, marker in markers:
                if place >= found_at:
                    break
                if _holds(marker, value, claims):
                    found, found_at, shown = marker, place, value
                    break
    return None if found is None else _verdict(found, _word(shown, found.expected))


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


def _holds(marker: Marker, value: object, claims: Mapping[str, Any]) -> bool:
    """Whether a marker shows its kind. `value`: what stands under its name."""
    if marker.kind == SURE and not isinstance(value, str):
        return False
    # The claims beside it come first: for most tokens these few look-ups are all that it takes.
    for name in marker.without:
        if name in claims and _fits(claims[name], _ANY):
            return False
    for name, expected in marker.beside:
        if name not in claims or not _fits(claims[name], expected):
            return False
    return _fits(value, marker.expected)


@lru_cache(maxsize=256)
def _verdict(marker: Marker, word: str) -> Verdict:
    """What a marker says that holds. `word`: one that it knows, as the token spells it; empty where it knows none."""
    place = f"{marker.where} {marker.name}"
    if word:
        return Verdict(marker.kind, f'{place} is "{word}"')
    if isinstance(marker.expected, re.Pattern):
        return Verdict(marker.kind, f"{place} matches {marker.expected.pattern}")
    return Verdict(marker.kind, f"{place} is present")


def _word(value: object, expected: Expected) -> str:
    """The word that was expected, as it stands there: the tables know no others that could be quoted."""
    if not isinstance(expected, frozenset):
        return ""
    return value if isinstance(value, str) else next(text for text in _texts(value) if _matches(text, expected))


def _fits(value: object, expected: Expected) -> bool:
    """Whether a value is there, is not empty, and is as expected."""
    if value is None:
        return False
    if isinstance(value, str):
        # Nearly every claim is one: no list of one is made for it.
        if isinstance(expected, frozenset):
            return value.isascii() and value.lower() in expected
        if isinstance(expected, re.Pattern):
            return expected.search(value) is not None and not _is_blank(value)
    if isinstance(expected, Shape):
        return _has_shape(value, expected)
    return any(_matches(text, expected) for text in _texts(value))


def _has_shape(value: object, shape: Shape) -> bool:
    """Null has none, and nothing that is empty has one."""
    if shape is _TEXT:
        return isinstance(value, str) and value != ""
    if shape is _TEXTS:
        return bool(_texts(value))
    if shape is _LIST:
        return isinstance(value, list) and value != []
    if shape is _OBJECT:
        return isinstance(value, dict) and value != {}
    if shape is _BOOLEAN:
        return isinstance(value, bool)
    return value is not None and value not in ("", [], {})


def _matches(text: str, expected: frozenset[str] | re.Pattern[str]) -> bool:
    if isinstance(expected, frozenset):
        return text.isascii() and text.lower() in expected
    return expected.search(text) is not None


def _texts(value: object) -> list[str]:
    """The non-empty strings of a claim that may be a string or a list of strings."""
    if isinstance(value, str):
        return [] if _is_blank(value) else [value]
    if isinstance(value, list):
        return [member for member in value if isinstance(member, str) and not _is_blank(member)]
    return []


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _type(value: object) -> str:
    """A header type as it is compared: without case and without `application/` (RFC 7515 section 4.1.9)."""
    return value.lower().removeprefix("application/") if isinstance(value, str) else ""


def _unknown_type(value: object, preset: Preset | None) -> str:
    """Why a header type cannot be an access token's; empty when it can."""
    if value is None or value == "":
        return ""
    known = _type(value)
    if known in _TYPES or (preset is not None and known in preset.types):
        return ""
    quoted = f'"{value}"' if isinstance(value, str) and _QUOTABLE.fullmatch(value) else "something else"
    return f"{HEADER} typ is {quoted}, which no access token has"
