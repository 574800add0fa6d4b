"""Where a token may stand beside Authorization, read and emptied.

Every place that is named anywhere in the file is emptied on every request, before anything else looks at it: the API,
rules, the log and whoever else reads the request see it without. What stood there is judged on the routes that name
the place.
"""

from collections.abc import Iterator
from typing import Final

from gateway.core.config.credentials import Credentials, places_in
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import MisplacedToken, MissingCredential, MultipleCredentials, Refusal, TokenTooLarge
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.grammar import is_token68
from gateway.core.http.header_names import fold
from gateway.core.http.placed import Place, Placed
from gateway.core.memory import NameMemo
from gateway.core.token.credential import find_credential
from gateway.core.trail import CREDENTIAL, Trail

#: what becomes of a header line, by its name
_KEPT: Final = 0
_HEADER: Final = 1
#: another spelling of one that is read, which an API may take for it
_DROPPED: Final = 2


class Places:
    """Every place that the file names, to be emptied."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self._headers: Final = {place.name.lower().encode("ascii"): place for place in places if place.kind == "header"}
        self._folded: Final = frozenset(map(fold, self._headers))
        self._meanings: Final[NameMemo[int]] = NameMemo(self._meaning)

    def emptied(self, facts: Facts) -> Facts:
        """The same request without what stands in any of these places, which is in `placed`. Never raises."""
        placed: list[Placed] = []
        kept: list[HeaderLine] = []
        for line in facts.headers:
            meaning = self._meanings[line[0]]
            if meaning == _KEPT:
                kept.append(line)
            elif meaning == _HEADER:
                placed.append(Placed(self._headers[line[0].lower()], line[1]))
        if len(kept) == len(facts.headers):
            return facts
        return facts.emptied(target=facts.target, headers=tuple(kept), placed=tuple(placed))

    def _meaning(self, name: bytes) -> int:
        lower = name.lower()
        if lower in self._headers:
            return _HEADER
        return _DROPPED if fold(name) in self._folded else _KEPT


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
        self._shown: Final = ", ".join(names + sorted(place.shown for place in self._places))

    def choose(self, facts: Facts, trail: Trail) -> Facts:
        """The same request, with the one token that it has as a Bearer in `authorization`, and its place in `place`.

        Without any, `authorization` is as it was, or empty where the route does not read that. MultipleCredentials:
        more than one place has something, be it equal. MisplacedToken, TokenTooLarge. What Authorization has must be
        good, whatever stands elsewhere: what `find_credential` raises. MissingCredential: none, and one is needed.
        `trail` stands at the step of the credential where one of these is raised.
        """
        try:
            return self._chosen(facts)
        except Refusal:
            trail.enter(CREDENTIAL)
            raise

    def _chosen(self, facts: Facts) -> Facts:
        others = [placed for placed in facts.placed if placed.place in self._places]
        standing = [placed.place.shown for placed in others]
        if self._authorization and self._has_token(facts):
            standing.insert(0, "Authorization")
        if len(standing) > 1:
            raise MultipleCredentials(f"a credential in each of {', '.join(standing)}")
        if others:
            return self._credited(facts, others[0])
        if self._authorization and facts.authorization:
            return facts
        if self._is_optional:
            return facts.credited((), place="Authorization")
        raise MissingCredential(f"no credential in {self._shown}")

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


def _places_of(credentials: Credentials) -> Iterator[Place]:
    for _, kind, name in places_in(credentials):
        # Names of headers are the same in any case.
        yield Place(kind, name.title() if kind == "header" else name)
