"""Which route a request takes: the first, in the order of the file, whose path, host and method fit.

Compiled into a tree of segments at start, so that a thousand routes cost what ten do. Knows nothing of tokens.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import BadRequest, MethodNotAllowed, NoRoute, Refusal
from gateway.core.http.cors import compile_cors, requested_method
from gateway.core.http.facts import Facts
from gateway.core.http.paths import parse_path
from gateway.core.routing.resource import Resources
from gateway.core.routing.route import Route, compile_route

_ODD_HOST: Final = re.compile(rb"%|\.\.|\A\.")
#: the label of what no route names
DEFAULT_NAME: Final = "default"


#: routes and their places in the file, by host; None: those for every host
_ByHost = dict[str | None, list[tuple[int, Route]]]


@dataclass(slots=True)
class _Node:
    """One segment deep: routes that end here, routes for everything below, and what comes next."""

    exact: _ByHost = field(default_factory=dict)
    below: _ByHost = field(default_factory=dict)
    next: dict[str, "_Node"] = field(default_factory=dict)


def parse_pattern(path: str, *, ignore_case: bool = False) -> tuple[tuple[str, ...], bool]:
    """A route's path as decoded segments, and whether everything below belongs to it too. AmbiguousPath."""
    below = path.endswith("/*")
    return parse_path(path.removesuffix("*" if below else "").encode(), ignore_case=ignore_case), below


class RouteTable:
    """The routes of a configuration."""

    def __init__(self, config: Config) -> None:
        """`config` is sound: every path can be parsed, every name exists."""
        self._ignore_case = config.path_case == "insensitive"
        self._refuse_ambiguous = config.ambiguous_paths == "refuse"
        self._refuse_unmatched = config.unmatched == "refuse"
        self._refuse_methods = config.unmatched_methods == "refuse"
        #: that of requests without a route
        has_rates = bool(config.rates) or any(route.rates for route in config.routes)
        self.cors = compile_cors(config.cors, has_rates=has_rates)
        self._has_cors = self.cors is not None or any(route.cors not in {None, "inherit"} for route in config.routes)
        resources = Resources(config)
        unmatched = RouteSection(path="/*", name=DEFAULT_NAME)
        self._default = compile_route(unmatched, cors=self.cors, rates=config.rates, resource=resources.find(unmatched))
        self._root = _Node()
        self._has_routes = bool(config.routes)
        self._has_hosts = any(route.hosts for route in config.routes)
        self._in_order: list[Route] = []
        for index, configured in enumerate(config.routes):
            segments, below = parse_pattern(configured.path, ignore_case=self._ignore_case)
            node = self._root
            for segment in segments:
                node = node.next.setdefault(segment, _Node())
            route = compile_route(
                configured, cors=self.cors, rates=config.rates, has_rates=has_rates, resource=resources.find(configured)
            )
            self._in_order.append(route)
            for host in route.hosts or (None,):
                (node.below if below else node.exact).setdefault(host, []).append((index, route))

    def find_preflight(self, facts: Facts) -> tuple[Route, str] | None:
        """The route with `cors` that a preflight asks about, and the method; None: it is a request like any other."""
        if not self._has_cors or facts.chunked or facts.content_length:
            return None
        method = requested_method(facts.method, facts.headers)
        if method is None:
            return None
        try:
            route = self.match(facts, method=method)
        except Refusal:
            return None
        return (route, method) if route.cors is not None else None

    def match(self, facts: Facts, *, method: str | None = None) -> Route:
        """The route of a request. AmbiguousPath; NoRoute; MethodNotAllowed: the path is named, the method nowhere.

        `method`: the one that a preflight announces, in place of its own.
        """
        if not self._has_routes:
            return self._unmatched("there are no routes")
        if facts.target == b"*":
            return self._unmatched("the target is *")
        places = self._places(facts)
        host = None
        if self._has_hosts and facts.host is not None:
            if _ODD_HOST.search(facts.host):
                raise BadRequest("the host has a percent escape or an empty label, and routes have hosts")
            host = host_of(facts.host)
        method = facts.method if method is None else method
        named = _candidates(places, host)
        taken: tuple[int, Route] | None = None
        for candidate in named:
            if (taken is None or candidate[0] < taken[0]) and candidate[1].takes_method(method):
                taken = candidate
        if taken is not None:
            return taken[1]
        if named:
            if not self._refuse_methods:
                return self._default
            allowed = {other for _, route in named for other in route.methods or ()}
            allowed |= {"HEAD"} if "GET" in allowed else set()
            raise MethodNotAllowed(f"{method} is on no route for this path", allow=sorted(allowed))
        return self._unmatched("no route names this path")

    def _unmatched(self, evidence: str) -> Route:
        if self._refuse_unmatched:
            raise NoRoute(evidence)
        return self._default

    def _places(self, facts: Facts) -> list[_ByHost]:
        """The routes that this path leads to, for whatever host. AmbiguousPath."""
        if facts.target == b"*":
            return []
        places = []
        node = self._root
        for segment in parse_path(facts.target, refuse_ambiguous=self._refuse_ambiguous, ignore_case=self._ignore_case):
            places.append(node.below)
            if segment not in node.next:
                return places
            node = node.next[segment]
        places.append(node.below)
        places.append(node.exact)
        return places

    def passed_over(self, facts: Facts) -> list[tuple[str, str]]:
        """The routes that a request does not take before the one it takes, or all of them, each with why not.

        AmbiguousPath.
        """
        if not self._has_routes:
            return []
        places = self._places(facts)
        on_path = {index for place in places for routes in place.values() for index, _ in routes}
        named = {index for index, _ in _candidates(places, host_of(facts.host))}
        skipped: list[tuple[str, str]] = []
        for index, route in enumerate(self._in_order):
            if index not in on_path:
                skipped.append((route.name, "another path"))
            elif index not in named:
                skipped.append((route.name, "another host"))
            elif not route.takes_method(facts.method):
                skipped.append((route.name, f"not for {facts.method}"))
            else:
                break
        return skipped


def _candidates(places: Iterable[_ByHost], host: str | None) -> list[tuple[int, Route]]:
    """The routes among these that a host may take, in no order."""
    hosts = (None,) if host is None else (None, host)
    return [candidate for place in places for one in hosts for candidate in place.get(one, ())]


def host_of(authority: bytes | None) -> str | None:
    """The host of an authority in lower case, without its port and the dot of the root zone; IPv6 in brackets."""
    if authority is None:
        return None
    text = authority.decode("latin-1").lower()
    host, colon, port = text.rpartition(":")
    return (host if colon and (port.isdigit() or not port) and not host.endswith(":") else text).removesuffix(".")
