"""Where a token may stand beside Authorization, read and emptied.

Every place that is named anywhere in the file is emptied on every request, before anything else looks at it: the API,
rules, the log and whoever else reads the request see it without. What stood there is judged on the routes that name
the place.
"""

from collections.abc import Iterator
from typing import Final

from gateway.core.config.credentials import COOKIE, KINDS, Credentials, places_in
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import (
    MisplacedToken,
    MissingCredential,
    MissingElsewhere,
    MultipleCredentials,
    Refusal,
    TokenTooLarge,
)
from gateway.core.http.cookies import take_cookies
from gateway.core.http.cross_site import CrossSite
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.grammar import is_token68
from gateway.core.http.header_names import fold
from gateway.core.http.placed import Offer, Place, Placed
from gateway.core.http.query import take_parameters
from gateway.core.http.subprotocol import PROTOCOL, take_protocols
from gateway.core.memory import NameMemo
from gateway.core.token.credential import find_credential
from gateway.core.trail import CREDENTIAL, Trail

#: what becomes of a header line, by its name
_KEPT: Final = 0
_HEADER: Final = 1
#: another spelling of one that is read, which an API may take for it
_DROPPED: Final = 2
_COOKIE: Final = 3
_PROTOCOL: Final = 4
#: it tells the target once more, or that of the page before
_URL: Final = 5
_URLS: Final = frozenset(
    {b"x-forwarded-uri", b"x-original-uri", b"x-original-url", b"x-rewrite-url", b"x-envoy-original-path", b"referer"}
)
#: RFC 6750 section 2.3: a token in a URL is for requests that change nothing
_WITH_QUERY: Final = frozenset({"GET", "HEAD"})


class Places:
    """Every place that the file names, to be emptied."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        by_kind = {
            kind: {place.name.encode("ascii"): place for place in places if place.kind == kind} for kind in KINDS
        }
        self._headers: Final = {name.lower(): place for name, place in by_kind["header"].items()}
        self._folded: Final = frozenset(map(fold, self._headers))
        self._protocols: Final = by_kind["websocket"]
        self._parameters: Final = by_kind["query"]
        self._cookies: Final = by_kind["cookie"]
        self._meanings: Final[NameMemo[int]] = NameMemo(self._meaning)

    def emptied(self, facts: Facts) -> Facts:
        """The same request without what stands in any of these places, which is in `placed`. Never raises."""
        placed: list[Placed] = []
        kept: list[HeaderLine] = []
        target = self._without_parameters(facts, placed) if self._parameters else facts.target
        is_changed = target is not facts.target
        offered: list[bytes] = []
        for line in facts.headers:
            name, value = line
            meaning = self._meanings[name]
            if meaning == _KEPT:
                kept.append(line)
                continue
            left: bytes | None = None
            if meaning == _HEADER:
                placed.append(Placed(self._headers[name.lower()], value))
            elif meaning == _COOKIE:
                left, found = take_cookies(value, tuple(self._cookies))
                placed += [Placed(self._cookies[named], token) for named, token in found]
            elif meaning == _URL:
                left = take_parameters(value, tuple(self._parameters))[0]
            elif meaning == _PROTOCOL:
                offered.append(value)
                left = value
            if left is not None:
                kept.append(line if left is value else (name, left))
            is_changed = is_changed or left is not value
        if offered and (others := self._without_protocols(facts, offered, placed)) is not None:
            kept = _with_protocols(kept, others)
            is_changed = True
        return facts.emptied(target=target, headers=tuple(kept), placed=tuple(placed)) if is_changed else facts

    def has_any(self, facts: Facts) -> bool:
        """Whether something stands in one of these places, or is spelled as somebody may read it."""
        emptied = self.emptied(facts)
        return bool(emptied.placed) or _cookies_of(emptied) != _cookies_of(facts)

    def _meaning(self, name: bytes) -> int:
        lower = name.lower()
        if lower in self._headers:
            return _HEADER
        if fold(name) in self._folded:
            return _DROPPED
        if self._cookies and lower == b"cookie":
            return _COOKIE
        if self._protocols and lower == PROTOCOL.lower():
            return _PROTOCOL
        return _URL if self._parameters and lower in _URLS else _KEPT

    def _without_parameters(self, facts: Facts, placed: list[Placed]) -> bytes:
        target, found = take_parameters(facts.target, tuple(self._parameters))
        for one in found:
            wrong = one.wrong if facts.method in _WITH_QUERY else "the query has a token in GET and HEAD only"
            placed.append(Placed(self._parameters[one.name], one.value, wrong=wrong))
        return target

    def _without_protocols(self, facts: Facts, offered: list[bytes], placed: list[Placed]) -> tuple[bytes, ...] | None:
        """What is offered beside tokens; None: there are none."""
        found, others = take_protocols(offered, tuple(self._protocols))
        for one in found:
            # A proxy that asks need not tell of the upgrade.
            is_tunnel = facts.is_websocket or facts.is_question
            wrong = one.wrong if is_tunnel else "the request asks for no WebSocket"
            place = self._protocols[one.name]
            placed.append(Placed(place, one.token, wrong=wrong, offer=Offer(others, one.own)))
        return others if found else None


def _cookies_of(facts: Facts) -> list[HeaderLine]:
    return [line for line in facts.headers if line[0].lower() == b"cookie"]


def _with_protocols(lines: list[HeaderLine], others: tuple[bytes, ...]) -> list[HeaderLine]:
    """The lines with these protocols on one line, where the first of theirs was; none are not sent."""
    kept: list[HeaderLine] = []
    for line in lines:
        if line[0].lower() != PROTOCOL.lower():
            kept.append(line)
        elif others:
            kept.append((line[0], b", ".join(others)))
            others = ()
    return kept


class RoutePlaces:
    """The places in which one route looks for a token."""

    def __init__(
        self, credentials: Credentials, *, token_bytes: int, is_optional: bool = False, dpop: bool = False
    ) -> None:
        """`token_bytes`: the most that a token may have. `dpop`: Authorization may have the scheme DPoP."""
        self._token_bytes: Final = token_bytes
        self._is_optional: Final = is_optional
        self._dpop: Final = dpop
        self._authorization: Final = "authorization" in credentials
        self._places: Final = frozenset(_places_of(credentials))
        names = ["Authorization"] if self._authorization else []
        #: what they are called: one route that has fewer than another takes fewer tokens
        self.names: Final = frozenset((*names, *(place.shown for place in self._places)))
        self._shown: Final = ", ".join(names + sorted(place.shown for place in self._places))

    def choose(self, facts: Facts, trail: Trail) -> Facts:
        """The same request, with the one token that it has as a Bearer in `authorization`, and its place in `place`.

        A cookie, which browsers send without being told to, counts where nothing else stands. Without any token,
        `authorization` is as it was, or empty where the route does not read that. MultipleCredentials: more than one
        place has something, be it equal. MisplacedToken, TokenTooLarge. What Authorization has must be good, whatever
        stands elsewhere: what `find_credential` raises. MissingCredential: none, and one is needed. `trail` stands at
        the step of the credential where one of these is raised.
        """
        try:
            return self._chosen(facts)
        except Refusal:
            trail.enter(CREDENTIAL)
            raise

    def _chosen(self, facts: Facts) -> Facts:
        found = [placed for placed in facts.placed if placed.place in self._places]
        others = [placed for placed in found if placed.place.kind != COOKIE]
        standing = [placed.place.shown for placed in others]
        if self._authorization and self._has_token(facts):
            standing.insert(0, "Authorization")
        if len(standing) > 1:
            raise MultipleCredentials(f"a credential in each of {', '.join(standing)}")
        if standing:
            return self._credited(facts, others[0]) if others else facts
        if len(found) > 1:
            raise MultipleCredentials(f"{len(found)} cookies with a credential")
        if found:
            return self._credited(facts, found[0])
        if self._authorization and facts.authorization:
            return facts
        if self._is_optional:
            return facts.credited((), place="Authorization")
        missing = MissingCredential if self._authorization else MissingElsewhere
        raise missing(f"no credential in {self._shown}")

    def _has_token(self, facts: Facts) -> bool:
        """Whether Authorization has one; another scheme is none."""
        try:
            find_credential(facts.authorization, token_bytes=self._token_bytes, dpop=self._dpop)
        except MissingCredential:
            return False
        return True

    def _credited(self, facts: Facts, placed: Placed) -> Facts:
        shown = placed.place.shown
        if placed.wrong is not None:
            raise MisplacedToken(f"{shown}: {placed.wrong}")
        if not is_token68(placed.value):
            raise MisplacedToken(f"{shown}: what stands there is not one token68")
        if len(placed.value) > self._token_bytes:
            raise TokenTooLarge(f"{shown}: the token has {len(placed.value)} bytes; {self._token_bytes} are accepted")
        return facts.credited((b"Bearer " + placed.value,), place=shown)


def named_places(config: Config) -> tuple[Place, ...]:
    """Every place that is named anywhere in the file, once, Authorization left out."""
    everywhere = [config.credentials, *(route.credentials for route in config.routes if route.credentials is not None)]
    return tuple(dict.fromkeys(place for credentials in everywhere for place in _places_of(credentials)))


def places_of(config: Config) -> Places | None:
    """Compiled once at start; None: no place is named."""
    places = named_places(config)
    return Places(places) if places else None


def route_places_of(route: RouteSection, config: Config) -> RoutePlaces | None:
    """Compiled once at start; None: it reads Authorization alone, or nothing."""
    credentials = config.credentials if route.credentials is None else route.credentials
    if route.access == "public" or all(place == "authorization" for place in credentials):
        return None
    return RoutePlaces(
        credentials,
        token_bytes=config.limits.token_bytes,
        is_optional=route.access == "optional",
        dpop=config.dpop is not None,
    )


def cross_site_of(config: Config) -> CrossSite | None:
    """Compiled once at start; None: no cookie has a token."""
    return CrossSite.of(config) if any(place.kind == COOKIE for place in named_places(config)) else None


def _places_of(credentials: Credentials) -> Iterator[Place]:
    for _, kind, name in places_in(credentials):
        # Names of headers are the same in any case.
        yield Place(kind, name.title() if kind == "header" else name)
