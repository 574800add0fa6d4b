"""Which route a request takes: the first, in the order of the file, whose path, host and method fit.

Compiled at start, so that a thousand routes cost what ten do. Knows nothing of tokens.
"""

from typing import Final

from gateway.core.config.file import Config, has_rates
from gateway.core.config.routes import RouteSection
from gateway.core.errors import AmbiguousPath, BadRequest, MethodNotAllowed, NoRoute, Refusal, UnknownHost
from gateway.core.http.cors import compile_cors, requested_method
from gateway.core.http.facts import Facts
from gateway.core.http.hosts import HostNames, host_of, is_odd
from gateway.core.http.paths import ENCODED_SEPARATOR, has_slash, parse_path
from gateway.core.routing.pattern import parse_pattern
from gateway.core.routing.place import Choice, ChoicesByHost, Named, Place
from gateway.core.routing.readings import may_be_cut, other_places
from gateway.core.routing.resource import Resources
from gateway.core.routing.route import Route, compile_route
from gateway.core.routing.strictness import is_at_least_as_strict
from gateway.core.routing.tree import Tree
from gateway.core.shown import shown
from gateway.core.token.places import route_places_of

#: the label of what no route names
DEFAULT_NAME: Final = "default"
_UNNAMED: Final = "no route names this path"
#: no two programs need read a path alike
_READ_OTHERWISE: Final = (
    "read without case, with + as a blank, without blanks and dots at the end of a segment, or up to an escaped ? or #,"
)
_ODD_HOST: Final = "the host has a percent escape or an empty label, and hosts are named"


class RouteTable:
    """The routes of a configuration."""

    def __init__(self, config: Config) -> None:
        """`config` is sound: every path can be parsed, every name exists."""
        self._ignore_case = config.path_case == "insensitive"
        self._refuse_ambiguous = config.ambiguous_paths == "refuse"
        self._keeps_slashes = self._refuse_ambiguous and any(r.encoded_slashes == "allow" for r in config.routes)
        self._refuse_unmatched = config.unmatched == "refuse"
        self._refuse_methods = config.unmatched_methods != "token"
        self._falls_through = config.unmatched_methods == "next"
        #: that of requests without a route
        counts = has_rates(config)
        self.cors = compile_cors(config.cors, has_rates=counts, dpop=config.dpop)
        self._has_cors = self.cors is not None or any(route.cors not in {None, "inherit"} for route in config.routes)
        resources = Resources(config)
        unmatched = RouteSection(path="/*", name=DEFAULT_NAME)
        self._default = compile_route(
            unmatched,
            cors=self.cors,
            rates=config.rates,
            resource=resources.find(unmatched),
            places=route_places_of(unmatched, config),
        )
        self._has_routes = bool(config.routes)
        self._served = HostNames(config.hosts) if config.hosts else None
        self._hosts = HostNames(host for route in config.routes for host in route.hosts)
        self._has_hosts = any(route.hosts for route in config.routes)
        self._routes = [
            compile_route(
                route,
                cors=self.cors,
                rates=config.rates,
                has_rates=counts,
                resource=resources.find(route),
                places=route_places_of(route, config),
                dpop=config.dpop,
            )
            for route in config.routes
        ]
        patterns = [parse_pattern(route.path, ignore_case=self._ignore_case) for route in config.routes]
        self._named = [Named(route, pattern) for route, pattern in zip(self._routes, patterns, strict=True)]
        self._choices: ChoicesByHost = {}
        self._tree = Tree(patterns, place_of=self._place_of)

    def _place_of(self, indexes: tuple[int, ...]) -> Place:
        return Place([self._named[index] for index in indexes], self._choices, falls_through=self._falls_through)

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
        """The route of a request.

        UnknownHost; AmbiguousPath; NoRoute; MethodNotAllowed: the path is named, the method nowhere.
        `method`: the one that a preflight announces, in place of its own.
        """
        if self._served is not None:
            self.check_host(facts)
        if not self._has_routes:
            return self._unmatched("there are no routes")
        if facts.target == b"*":
            return self._unmatched("the target is *")
        place, is_near = self._place(facts)
        choice = self._at_host(place, facts)
        method = facts.method if method is None else method
        taken = self._find(choice, method)
        if self._keeps_slashes and has_slash(facts.target) and not _keeps_slashes(choice, taken):
            raise AmbiguousPath(ENCODED_SEPARATOR)
        if taken is None:
            if not choice.named:
                raise NoRoute(_UNNAMED)
            raise MethodNotAllowed(_why_not_allowed(choice, method), allow=choice.allow())
        if (is_near or may_be_cut(facts.target)) and self._refuse_ambiguous:
            self._check_readings(taken, facts, method)
        return taken

    def _find(self, choice: Choice, method: str) -> Route | None:
        """The route for a method, perhaps that of requests without one; None: it is refused."""
        taken = choice.take(method)
        if taken is not None:
            return taken
        refuses = self._refuse_methods if choice.named else self._refuse_unmatched
        return None if refuses else self._default

    def _check_readings(self, taken: Route, facts: Facts, method: str) -> None:
        """AmbiguousPath: whoever reads the path otherwise gets to a route that asks for more, or to another API."""
        for place in other_places(self._tree, self._segments(facts)):
            other = self._find(self._at_host(place, facts), method)
            if other is None:
                raise AmbiguousPath(f"{_READ_OTHERWISE} it is refused, and {taken.name} would take it")
            if other.upstream != taken.upstream:
                raise AmbiguousPath(f"{_READ_OTHERWISE} it is for {other.name}, which has another upstream")
            if other is not taken and not is_at_least_as_strict(taken, other):
                raise AmbiguousPath(f"{_READ_OTHERWISE} it is for {other.name}, and {taken.name} asks for less")

    def _at_host(self, place: Place, facts: Facts) -> Choice:
        """What of a place the host leads to. BadRequest."""
        if not self._has_hosts or facts.host is None:
            return place.elsewhere
        if is_odd(facts.host):
            raise BadRequest(_ODD_HOST)
        return place.of(self._hosts.find(host_of(facts.host)))

    def check_host(self, facts: Facts) -> None:
        """UnknownHost: the request is for none of `hosts` (RFC 9110 section 15.5.20). BadRequest: who can say."""
        if self._served is None:
            return
        if facts.host is None:
            raise UnknownHost("the request names no host, and only those of hosts are served")
        if is_odd(facts.host):
            raise BadRequest(_ODD_HOST)
        host = host_of(facts.host)
        if not self._served.has(host):
            raise UnknownHost(f"{shown(host)} is none of hosts")

    def _place(self, facts: Facts) -> tuple[Place, bool]:
        """The routes that this path leads to, for whatever host, and whether it missed some narrowly. AmbiguousPath."""
        return self._tree.walk(self._segments(facts))

    def _segments(self, facts: Facts) -> tuple[str, ...]:
        return parse_path(
            facts.target,
            refuse_ambiguous=self._refuse_ambiguous,
            ignore_case=self._ignore_case,
            keep_slashes=self._keeps_slashes,
        )

    def _unmatched(self, evidence: str) -> Route:
        if self._refuse_unmatched:
            raise NoRoute(evidence)
        return self._default

    def passed_over(self, facts: Facts) -> list[tuple[str, str]]:
        """The routes that a request does not take before the one it takes, or all of them, each with why not.

        AmbiguousPath.
        """
        if not self._has_routes:
            return []
        on_path: tuple[Named, ...] = ()
        fitting: tuple[Named, ...] = ()
        choice: Choice | None = None
        if facts.target != b"*":
            place, _ = self._place(facts)
            on_path = place.named
            choice = self._at_host(place, facts)
            fitting = choice.named
        skipped: list[tuple[str, str]] = []
        for one in self._named:
            route = one.route
            if one not in on_path:
                skipped.append((route.name, "another path"))
            elif choice is None or one not in fitting:
                skipped.append((route.name, "another host"))
            elif not route.takes_method(facts.method):
                skipped.append((route.name, f"not for {facts.method}"))
            elif (bar := choice.find_bar(one, facts.method)) is not None:
                skipped.append((route.name, f"asks for less than {bar.name}, which names this path"))
            else:
                break
        return skipped


def _keeps_slashes(choice: Choice, taken: Route | None) -> bool:
    """Whether the route that is taken, or one that refuses the method, has encoded slashes in its segments."""
    return taken.keeps_slashes if taken is not None else any(one.route.keeps_slashes for one in choice.named)


def _why_not_allowed(choice: Choice, method: str) -> str:
    """Why no route takes a method, of those that fit path and host."""
    for one in choice.named:
        if one.route.takes_method(method) and (bar := choice.find_bar(one, method)) is not None:
            return f"{bar.name} is not for {method}, and {one.route.name}, which is, asks for less"
    return f"{method} is on no route for this path"
