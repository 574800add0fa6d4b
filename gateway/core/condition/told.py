"""What a condition is told of a request and of who is calling: plain values, and no more than it may go through.

Never a credential: of the header lines those that the API gets as they were sent, less the ones that may carry one.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from gateway.core.config.condition import CLAIMS, Condition
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.header_names import fold
from gateway.core.http.hosts import host_of
from gateway.core.http.paths import parse_path
from gateway.core.token.identity import Identity
from gateway.core.token.payload import Extent

#: pairs of a query
MAX_PAIRS: Final = 256
#: members of all lists within lists, times the characters of the longest text, times what is done with it: about 30 ms
MAX_WORK: Final = 1 << 21
#: members of all lists within lists, times the characters of the longest text, times the steps of patterns: about 30 ms
MAX_MATCHING: Final = 1 << 19
#: members of all lists, times those of each list that is made of one: about 30 ms
MAX_COPIES: Final = 1 << 19
#: steps that the library takes through lists, whatever they have
MAX_STEPS: Final = 10_000
#: may carry a credential, or one of another
_HIDDEN: Final = frozenset({b"cookie", b"sec-websocket-protocol"})

_NOTHING: Final = Extent(0, 0)


class TooMuch(Exception):
    """There is more than a condition may be told, or go through; a sentence without values."""


def told_of(
    condition: Condition, facts: Facts, identity: Identity, *, lines: list[HeaderLine], ignore_case: bool = False
) -> dict[str, Any]:
    """The value of each name of a condition. TooMuch.

    `lines`: the client's header lines that go upstream as they are. `ignore_case`: of paths, as routes match them.
    """
    values: dict[str, Any] = {}
    extent = _NOTHING
    if condition.names_token:
        payload = None if identity.details is None else identity.details.payload
        assert payload is not None  # kept, since a condition names it
        values[CLAIMS] = payload.claims
        extent = payload.extent
    for name in condition.members:
        value: Any = _MEMBERS[name](identity, facts) if name in _MEMBERS else None
        if name == "request.path":
            value = _path(facts.target, ignore_case=ignore_case)
        elif name == "request.headers":
            value = _headers(lines)
        elif name == "request.query":
            value = _query(facts.target)
        values[name] = value
        if condition.depth or condition.steps:
            extent = extent.beside(_extent_of(value))
    if condition.depth or condition.steps:
        _check_work(condition, extent)
    return values


_MEMBERS: Final[Mapping[str, Any]] = {
    "identity.subject": lambda identity, _: identity.subject,
    "identity.client": lambda identity, _: identity.client,
    "identity.scopes": lambda identity, _: list(identity.scopes),
    "identity.issuer": lambda identity, _: identity.issuer,
    "identity.audience": lambda identity, _: list(identity.audience),
    "request.method": lambda _, facts: facts.method,
    "request.host": lambda _, facts: host_of(facts.host) or "",
}


def _path(target: bytes, *, ignore_case: bool) -> str:
    """The path in its decoded segments, as routes are matched on them; a slash within one stays escaped."""
    if target == b"*":
        return "*"
    segments = parse_path(target, refuse_ambiguous=False, ignore_case=ignore_case)
    return "".join(f"/{_whole(segment).replace('/', '%2F')}" for segment in segments) or "/"


def _headers(lines: list[HeaderLine]) -> dict[str, str]:
    """Names in lower case; the values of a name that is repeated joined (RFC 9110 section 5.3).

    X_Debug is x-debug too: many APIs read one for the other, and a condition that asks for its absence means both.
    """
    found: dict[bytes, list[bytes]] = {}
    for name, value in lines:
        lower, folded = name.lower(), fold(name)
        if folded not in _HIDDEN:
            for read in (lower,) if folded == lower else (lower, folded):
                found.setdefault(read, []).append(value)
    return {name.decode("latin-1"): b", ".join(values).decode("utf-8", "replace") for name, values in found.items()}


def _query(target: bytes) -> dict[str, list[str]]:
    """Each name of the query to its values in order, both decoded as those of a form are."""
    _, mark, query = target.partition(b"?")
    pairs = [pair for pair in query.split(b"&", MAX_PAIRS + 1) if pair] if mark else []
    if len(pairs) > MAX_PAIRS:
        raise TooMuch(f"the query has more than {MAX_PAIRS} pairs")
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


def _decoded(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")


def _whole(text: str) -> str:
    """The same where bytes that are no UTF-8 stand for themselves: a replacement character for each."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _extent_of(value: Any) -> Extent:
    if isinstance(value, str):
        return Extent(0, len(value))
    if isinstance(value, list):
        return Extent(len(value), max(map(len, value), default=0))
    if isinstance(value, dict):
        inner = [_extent_of(member) for member in value.values()]
        members = len(value) + sum(one.members for one in inner)
        return Extent(
            members, max((max(len(name), one.longest) for name, one in zip(value, inner, strict=True)), default=0)
        )
    return _NOTHING


def _check_work(condition: Condition, extent: Extent) -> None:
    members = extent.members + condition.text.count(",") + 1
    steps = min(members**condition.depth, MAX_STEPS)
    if (
        (condition.depth and steps * extent.longest * condition.weight > MAX_WORK)
        or steps * members * condition.copies > MAX_COPIES
        or steps * extent.longest * condition.steps > MAX_MATCHING
    ):
        told = f"{members} members and a text of {extent.longest} characters"
        raise TooMuch(f"there is more than a condition may go through: {told}, {condition.depth} deep")
