"""What can be taken at one place: the routes whose paths fit, and of those whose hosts fit, the one for a method.

One route's words hold for everything it names: a method that it does not take falls through to a route for more paths
or hosts only where that demands at least as much.
"""

from collections.abc import Sequence
from typing import Final

from gateway.core.http.hosts import names_all_hosts
from gateway.core.routing.pattern import Pattern, is_within
from gateway.core.routing.route import Route
from gateway.core.routing.strictness import is_at_least_as_strict

#: stands for every method that no route names
_ANY_OTHER: Final = ""
#: what is remembered of hosts, over all places: a file may name a thousand of both
MAX_CHOICES: Final = 20_000


class Named:
    """A route and all that it names."""

    __slots__ = ("pattern", "route")

    def __init__(self, route: Route, pattern: Pattern) -> None:
        self.route: Final = route
        self.pattern: Final = pattern

    def is_within(self, other: "Named") -> bool:
        """Whether each path and host that it names is named by the other too."""
        return is_within(self.pattern, other.pattern) and names_all_hosts(
            other.route.hosts or (), self.route.hosts or ()
        )


class Choice:
    """The routes that fit a path and a host."""

    def __init__(self, named: Sequence[Named], *, falls_through: bool) -> None:
        """`named`: in the order of the file. `falls_through`: whatever a wider route demands."""
        self.named: Final = tuple(named)
        self._falls_through: Final = falls_through
        self._methods: Final = frozenset(method for one in named for method in one.route.methods or ())
        self._taken: Final[dict[str, Route]] = {}
        self._refused: Final[set[str]] = set()

    def take(self, method: str) -> Route | None:
        """The route that a method takes, or None."""
        taken = self._taken.get(method)
        return taken if taken is not None else self._decide(method)

    def _decide(self, method: str) -> Route | None:
        # Whatever methods requests have: none is remembered but those of the file.
        known = method if method in self._methods or method == "HEAD" else _ANY_OTHER
        if known in self._refused:
            return None
        taken = self._taken.get(known)
        if taken is None:
            for one in self.named:
                if one.route.takes_method(method) and self.find_bar(one, method) is None:
                    self._taken[known] = one.route
                    return one.route
            self._refused.add(known)
        return taken

    def find_bar(self, one: Named, method: str) -> Route | None:
        """The route that a method must not pass by to take `one`, which takes it: narrower, before it, and stricter."""
        if self._falls_through:
            return None
        for other in self.named[: self.named.index(one)]:
            passed_by = not other.route.takes_method(method)
            if passed_by and not one.is_within(other) and not is_at_least_as_strict(one.route, other.route):
                return other.route
        return None

    def allow(self) -> list[str]:
        """The methods that some route takes, of those that are named (RFC 9110 section 10.2.1)."""
        return sorted(method for method in self._methods | {"HEAD"} if self.take(method) is not None)


class Place:
    """The routes that fit a path."""

    def __init__(self, named: Sequence[Named], remembered: "ChoicesByHost", *, falls_through: bool = False) -> None:
        """`named`: in the order of the file. `remembered`: what was chosen, here and elsewhere."""
        self.named: Final = tuple(named)
        self._falls_through: Final = falls_through
        self._by_host: Final[dict[str | None, list[int]]] = {}
        for index, one in enumerate(named):
            for host in one.route.hosts or (None,):
                self._by_host.setdefault(host, []).append(index)
        self._remembered: Final = remembered
        #: for hosts that no route names
        self.elsewhere: Final = self._choice(())

    def of(self, hosts: tuple[str, ...]) -> Choice:
        """Those that fit a host too. `hosts`: what it is called in the file, as a name and by wildcards."""
        if not hosts:
            return self.elsewhere
        key = (self, hosts)
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= MAX_CHOICES:
                self._remembered.clear()
            found = self._remembered[key] = self._choice(hosts)
        return found

    def _choice(self, hosts: tuple[str, ...]) -> Choice:
        places = {index for host in (None, *hosts) for index in self._by_host.get(host, ())}
        return Choice([self.named[index] for index in sorted(places)], falls_through=self._falls_through)


#: a place and the hosts of a request to what can be taken there
ChoicesByHost = dict[tuple[Place, tuple[str, ...]], Choice]
