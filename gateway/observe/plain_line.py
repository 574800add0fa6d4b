"""A line of the access log in the short way: of an admitted request in which nothing needs an escape.

Byte for byte what `AccessLine` becomes: tests/observe/test_plain_line.py. What hardly differs between requests is
written once and kept; the rest is joined with it.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from gateway.core.token.identity import Identity
from gateway.observe.access_line import AccessLine
from gateway.observe.metrics.metrics import ADMITTED
from gateway.ports import Ending

#: characters of a token that are a piece of it, and not chance
PIECE: Final = 16
#: what may hold a piece of a token; a JWT is one of these as well
RUN: Final = re.compile(rf"[A-Za-z0-9._~+=-]{{{PIECE},}}")
#: seconds of a request that are written this way
LONGEST: Final = 1e6
#: a target that is its own path: printable, without a quotation mark, a backslash, and all that ends or escapes
PLAIN_TARGET: Final = re.compile(rb"[ !$&->@-\[\]-~]*")
#: what stands behind the point of milliseconds, by microseconds
_BEHIND: Final = tuple("." + (f"{number:03d}".rstrip("0") or "0") for number in range(1000))
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_DELETE: Final = 0x7F
#: what stands before the members in question in a line without others
_BEFORE: Final = len('{"ts":"",')

_encode = msgspec.json.Encoder().encode


def plain_line(
    ending: Ending,
    identity: Identity,
    *,
    now: str,
    path: str,
    subject: str | None,
    request_id: str,
    trace_id: str | None,
) -> bytes | None:
    """The line of a request that was admitted and is no more than that; None: it has to be written the long way.

    `now`, `path`, `request_id`, `trace_id`: as they are written. `subject`: hex digits, if it is shown.
    """
    facts, route, upstream = ending.facts, ending.route, ending.upstream_duration
    if facts is None or identity.confirmation is not None or facts.place != "Authorization":
        return None
    if facts.method not in _METHODS:
        return None
    place = None if route is None else route.name
    named = identity.logged
    if not isinstance(named, _Named) or named.route != place:
        named = _named(place, identity.verdict.evidence, identity.issuer, identity.tenant, identity.client)
        identity.keep_logged(named)
    if (
        not named.text
        or not 0.0 <= ending.duration < LONGEST
        or (upstream is not None and not 0.0 <= upstream < LONGEST)
    ):
        return None
    sub = "" if subject is None else f',"sub":"{subject}"'
    waited = "" if upstream is None else f',"upstream_ms":{_milliseconds(upstream)}'
    trace = "" if trace_id is None else f',"trace_id":"{trace_id}"'
    line = (
        f'{{"ts":"{now}","client":"{facts.peer}","method":"{facts.method}","path":"{path}","status":{ending.status},{named.text}'
        f'{sub},"token":"{identity.token_id}","duration_ms":{_milliseconds(ending.duration)}{waited}'
        f',"bytes_in":{ending.bytes_in},"bytes_out":{ending.bytes_out},"request_id":"{request_id}"{trace}}}\n'
    )
    return line.encode("ascii")


class _Named:
    """What lines of one route have in common for all callers of one client."""

    __slots__ = ("route", "text")

    def __init__(self, route: str | None, text: str) -> None:
        self.route: Final = route
        #: the members from `route` to `client_id`, as they are written; nothing where one of them is not plain
        self.text: Final = text


@lru_cache(maxsize=1024)
def _named(route: str | None, evidence: str, issuer: str, tenant: str | None, client: str | None) -> _Named:
    """Made once, and known to an identity for the route that it was last logged with."""
    return _Named(route, _members(route, evidence, issuer, tenant, client))


def _members(route: str | None, evidence: str, issuer: str, tenant: str | None, client: str | None) -> str:
    if RUN.search(evidence) is not None:
        return ""
    line = AccessLine(
        "", route=route, outcome=ADMITTED, evidence=evidence, issuer=issuer, tenant=tenant, client_id=client
    )
    try:
        written = _encode(line)
    except UnicodeEncodeError:
        return ""
    return "" if not written.isascii() or _DELETE in written else written[_BEFORE:-1].decode("ascii")


def _milliseconds(seconds: float) -> str:
    """To the microsecond, in as few digits as say it."""
    microseconds = int(seconds * 1e6 + 0.5)
    return f"{microseconds // 1000}{_BEHIND[microseconds % 1000]}"
