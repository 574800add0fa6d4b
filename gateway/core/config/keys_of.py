"""The short sections `{keys_of: CLAIM}`: where names, such as those of roles, are the keys of an object."""

from typing import Annotated

from gateway.core.claims import ClaimName, keys_of
from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc

#: what a claim may be compared with
Value = str | int | float | bool

_CLAIM = "claim or JSON Pointer to an object, of which the keys count; one whose value is null or false does not"


class KeysOf(Section, frozen=True, kw_only=True):
    """The keys of an object, in place of the words of a claim."""

    keys_of: Annotated[str, _doc(_CLAIM, stand_in="unreadable")]


class AskedKeys(Section, frozen=True, kw_only=True):
    """What a route asks of the keys of an object; it stands under any name."""

    keys_of: Annotated[str, _doc(_CLAIM, stand_in="unreadable")]
    one_of: Annotated[str | tuple[str, ...], _doc("names, of which one must be among them", stand_in="unreadable")]


def read_name(name: str | KeysOf) -> ClaimName:
    """Where words are read."""
    return keys_of(name.keys_of) if isinstance(name, KeysOf) else name


def asked_of(claims: dict[str, Value | tuple[Value, ...] | AskedKeys]) -> dict[ClaimName, tuple[Value, ...]]:
    """What is read of a token for a route's `claims`, and the values of which one must be there."""
    found: dict[ClaimName, tuple[Value, ...]] = {}
    for name, value in claims.items():
        if isinstance(value, AskedKeys):
            found[keys_of(value.keys_of)] = (value.one_of,) if isinstance(value.one_of, str) else value.one_of
        else:
            found[name] = value if isinstance(value, tuple) else (value,)
    return found
