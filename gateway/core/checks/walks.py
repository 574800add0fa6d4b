"""Requests that get around a route: what a reader of the file takes to be protected by it, and a laxer route takes.

Nothing is guessed: each request is given to the very table that serves, and what it says is told. For `check`; whoever
starts a gateway does without, since a file may have a thousand routes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product, zip_longest
from typing import Final
from urllib.parse import quote

from msgspec.structs import replace

from gateway.core.checks.lax import laxity
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.errors import Refusal
from gateway.core.http.facts import Facts
from gateway.core.routing.pattern import Pattern, is_within, parse_pattern
from gateway.core.routing.route import Route
from gateway.core.routing.table import RouteTable

#: requests that are told of all routes; of one there are as many as there are kinds
MOST: Final = 20
#: requests that are tried in all
MOST_TRIED: Final = 20_000
#: those of RFC 9110 and PATCH that an API may have handlers for
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
#: hosts of the file that are tried for one route
_MOST_HOSTS: Final = 8
#: methods and hosts with which one that a route takes is looked for
_MOST_USUAL: Final = 32
#: prefixes that are tried for one route
_MOST_PREFIXES: Final = 32
#: one that no file names
_STRANGER: Final = "other.invalid"
#: what many frameworks read a name with as that name: Rails, Spring and ASP.NET know formats
_BEHIND: Final = (".json", ".", ";x", "%20", "%3Fx", "%23x")
#: stands for a variable, and for what is below
_SAMPLE: Final = "1"
_SAFE: Final = "!$&'()*+,:=@"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that could be sent."""

    method: str
    path: str
    #: None: one that every route takes
    host: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {'' if self.host is None else f'http://{self.host}'}{self.path}"

    def facts(self) -> Facts:
        """As the table is given it."""
        return Facts(
            method=self.method,
            target=self.path.encode(),
            version=(1, 1),
            headers=(),
            authorization=(),
            host=(self.host or _STRANGER).encode(),
            content_length=None,
            chunked=False,
            scheme="http",
            peer="127.0.0.1",
            trusted=False,
            request_id="",
        )


@dataclass(frozen=True, slots=True)
class _Try:
    """A request, and what of it differs from one that the route takes."""

    request: Request
    #: method, host, case, suffix, slash, encoded, prefix or sibling
    kind: str
    #: the segment that differs; None: none
    place: int | None = None


class Walker:
    """Goes around the routes of a sound configuration."""

    def __init__(self, config: Config, *, most_tried: int = MOST_TRIED) -> None:
        """Compiles the routes as the gateway does, each named by its number."""
        self._routes: Final = config.routes
        self._hosts = config.hosts
        numbered = tuple(replace(route, name=str(index)) for index, route in enumerate(config.routes))
        self._table = RouteTable(replace(config, routes=numbered))
        ignore_case = config.path_case == "insensitive"
        self._patterns = [parse_pattern(route.path, ignore_case=ignore_case) for route in config.routes]
        self._named = sorted({host for route in config.routes for host in route.hosts})[:_MOST_HOSTS]
        self._methods = dict.fromkeys([*_METHODS, *(method for route in config.routes for method in route.methods)])
        self._has_encoded = any(route.encoded_slashes == "allow" for route in config.routes)
        self._urls = {name: upstream.url for name, upstream in upstreams_of(config).items()}
        #: requests that may still be tried
        self.left = most_tried

    def around(self, index: int) -> Iterator[tuple[Request, int | None, str]]:
        """Requests that get around a route: which one takes each (None: a token is enough), and what that does without.

        One of each kind, since what helps against one helps against all.
        """
        wanted = self._routes[index]
        if wanted.access != "token" or wanted.mode != "enforce":
            return
        usual = self._usual(index)
        demanded = None if usual is None else self._taker(usual)
        if usual is None or demanded is None:
            return
        told: set[str] = set()
        for attempt in self._tries(index, usual):
            if attempt.kind in told:
                continue
            taker = self._taker(attempt.request)
            lax = None if taker is None else laxity(taker, demanded)
            if taker is None or lax is None:
                continue
            number = _number_of(taker)
            if number is None or not self._is_meant(index, number, attempt):
                told.add(attempt.kind)
                yield attempt.request, number, lax

    def _taker(self, request: Request) -> Route | None:
        """The route that takes a request; None: it is refused."""
        self.left -= 1
        try:
            return self._table.match(request.facts())
        except Refusal:
            return None

    def _usual(self, index: int) -> Request | None:
        """A request that the route takes, as it is meant; None: there is none, since others come first."""
        route, pattern = self._routes[index], self._patterns[index]
        hosts: list[str | None] = [_plain(host) for host in (route.hosts or self._hosts)] or [None]
        methods = route.methods or tuple(self._methods)
        below = ((*pattern.segments, _SAMPLE),) if pattern.below else ()
        for method, host in islice(product(methods, hosts), _MOST_USUAL):
            for segments in (pattern.segments, *below):
                usual = Request(method, _path(segments), host)
                taker = self._taker(usual)
                if taker is not None and _number_of(taker) == index:
                    return usual
        return None

    def _tries(self, index: int, usual: Request) -> Iterator[_Try]:
        """What a reader expects to be protected as `usual` is, until enough was tried."""
        for attempt in self._all_tries(index, usual):
            if self.left <= 0:
                return
            yield attempt

    def _all_tries(self, index: int, usual: Request) -> Iterator[_Try]:
        route, pattern = self._routes[index], self._patterns[index]
        for method in self._methods:
            yield _Try(Request(method, usual.path, usual.host), "method")
        others = (*map(_plain, self._hosts[:_MOST_HOSTS]), _STRANGER) if route.hosts else ()
        for host in (*map(_plain, self._named), *others):
            yield _Try(Request(usual.method, usual.path, host), "host")
        segments = pattern.segments
        for place in range(len(segments)):
            if (text := segments[place]) is None:
                continue
            for other in (text.capitalize(), text.upper(), text.title()):
                yield self._spelled(usual, segments, place, quote(other, safe=_SAFE), "case")
            for behind in _BEHIND if place == len(segments) - 1 else ():
                yield self._spelled(usual, segments, place, quote(text, safe=_SAFE) + behind, "suffix")
        for path in (f"{usual.path}/", f"/{usual.path}", f"{usual.path}//", f"/.{usual.path}"):
            yield _Try(Request(usual.method, path, usual.host), "slash")
        yield from self._joined(index, usual)
        yield from self._prefixed(index, usual)
        yield from self._siblings(index, usual)

    def _spelled(self, usual: Request, segments: tuple[str | None, ...], place: int, written: str, kind: str) -> _Try:
        """The path with one segment written otherwise."""
        before, after = _path(segments[:place]).rstrip("/"), _path(segments[place + 1 :]).rstrip("/")
        return _Try(Request(usual.method, f"{before}/{written}{after}", usual.host), kind, place)

    def _joined(self, index: int, usual: Request) -> Iterator[_Try]:
        """The path with a slash encoded. A route that has such segments itself says how its API reads them."""
        if not self._has_encoded or self._routes[index].encoded_slashes == "allow":
            return
        names = usual.path.split("/")[1:]
        if self._patterns[index].below and len(names) == len(self._patterns[index].segments):
            names.append(_SAMPLE)
        for place in range(1, len(names)):
            path = f"/{'/'.join(names[:place])}%2F{'/'.join(names[place:])}"
            yield _Try(Request(usual.method, path, usual.host), "encoded")

    def _prefixed(self, index: int, usual: Request) -> Iterator[_Try]:
        """The paths by which other routes, with another prefix or none, ask the API for the same."""
        own = self._routes[index]
        api, asked = self._urls[own.upstream], self._table.match(usual.facts()).forwarded_target(usual.path.encode())
        prefixes = {"", *(route.strip_prefix or "" for route in self._routes if self._urls[route.upstream] == api)}
        for prefix in sorted(prefixes - {own.strip_prefix or ""})[:_MOST_PREFIXES]:
            path = (_path(parse_pattern(prefix).segments) if prefix else "") + asked.decode()
            request = Request(usual.method, path, usual.host)
            taker = self._taker(request)
            if (
                taker is not None
                and self._urls.get(taker.upstream) == api
                and taker.forwarded_target(path.encode()) == asked
            ):
                yield _Try(request, "prefix")

    def _siblings(self, index: int, usual: Request) -> Iterator[_Try]:
        """Paths of the route that another pattern names too, where neither is within the other."""
        own = self._patterns[index]
        for other in self._patterns:
            shared = None if is_within(other, own) or is_within(own, other) else _shared(own, other)
            if shared is not None:
                yield _Try(Request(usual.method, _path(shared), usual.host), "sibling")

    def _is_meant(self, index: int, taker: int, attempt: _Try) -> bool:
        """Whether the file plainly says that the laxer route is to have this request."""
        route, own, theirs = self._routes[taker], self._patterns[index], self._patterns[taker]
        if attempt.kind == "method":
            # Who may GET may HEAD.
            method = (
                "GET" if attempt.request.method == "HEAD" and "HEAD" not in route.methods else attempt.request.method
            )
            return method in route.methods and is_within(theirs, own)
        if attempt.kind == "host":
            return bool(route.hosts) and is_within(theirs, own)
        place = attempt.place
        return place is not None and place < len(theirs.segments) and theirs.segments[place] is not None


def _number_of(route: Route) -> int | None:
    """Where a route stands in the file; None: no route was taken, and a token is enough."""
    return int(route.name) if route.name.isdigit() else None


def _plain(host: str) -> str:
    """A host of the file as a request may have it."""
    return f"x.{host[2:]}" if host.startswith("*.") else host


def _shared(one: Pattern, other: Pattern) -> list[str | None] | None:
    """A path that two patterns name; None: there is none."""
    shorter, longer = sorted((one, other), key=lambda pattern: len(pattern.segments))
    if len(shorter.segments) < len(longer.segments) and not shorter.below:
        return None
    shared: list[str | None] = []
    for mine, theirs in zip_longest(shorter.segments, longer.segments):
        if mine is not None and theirs is not None and mine != theirs:
            return None
        shared.append(theirs if mine is None else mine)
    return shared


def _path(segments: Sequence[str | None]) -> str:
    return "/" + "/".join(_SAMPLE if text is None else quote(text, safe=_SAFE) for text in segments)


def walks(config: Config, *, most_tried: int = MOST_TRIED) -> list[ConfigProblem]:
    """The requests that get around the routes of a sound configuration, each with who takes it; bounded in number."""
    walker = Walker(config, most_tried=most_tried)
    found: list[ConfigProblem] = []
    more = 0
    for index, route in enumerate(config.routes):
        if walker.left <= 0:
            sentence = f"{len(config.routes) - index} of them were not tried: {most_tried} requests are, in all"
            found.append(ConfigProblem("routes", sentence))
            break
        requests = list(walker.around(index))
        if len(found) >= MOST:
            more += bool(requests)
            continue
        for request, taker, lax in requests:
            where = "unmatched" if taker is None else f"{joined('routes', taker)} {config.routes[taker].path}"
            sentence = f"{request}  is taken by {where} ({lax})"
            found.append(ConfigProblem(f"{joined('routes', index)} {route.path}", sentence))
    if more:
        noun = "route is" if more == 1 else "routes are"
        found.append(ConfigProblem("routes", f"{more} more {noun} gotten around; these come first"))
    return found
