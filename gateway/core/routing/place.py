"""What can be taken at one place: the routes whose paths fit, and of those whose hosts fit, the one for a method."""

from collections.abc import Sequence
from typing import Final

from gateway.core.routing.route import Route

#: stands for every method that no route names
_ANY_OTHER: Final = ""
#: what is remembered of hosts, over all places: a file may name a thousand of both
MAX_CHOICES: Final = 20_000


class Choice:
    """The routes that fit a path and a host."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        """`routes`: in the order of the file."""
        self.routes: Final = routes
        self._named: Final = frozenset(method for route in routes for method in route.methods or ())
        self._taken: Final[dict[str, Route]] = {}

    def take(self, method: str) -> Route | None:
        """The route that a method takes, or None."""
        taken = self._taken.get(method)
        return taken if taken is not None else self._decide(method)

    def _decide(self, method: str) -> Route | None:
        # Whatever methods requests have: none is remembered but those of the file.
        known = method if method in self._named or method == "HEAD" else _ANY_OTHER
        taken = self._taken.get(known)
        if taken is None:
            taken = next((route for route in self.routes if route.takes_method(method)), None)
            if taken is not None:
                self._taken[known] = taken
        return taken

    def allow(self) -> list[str]:
        """The methods that some route takes, of those that are named (RFC 9110 section 10.2.1)."""
        return sorted(method for method in self._named | {"HEAD"} if self.take(method) is not None)


class Place:
    """The routes that fit a path."""

    def __init__(self, routes: Sequence[Route], remembered: "ChoicesByHost") -> None:
        """`routes`: in the order of the file. `remembered`: what was chosen, here and elsewhere."""
        self.routes: Final = tuple(routes)
        self._by_host: Final[dict[str | None, list[int]]] = {}
        for index, route in enumerate(routes):
            for host in route.hosts or (None,):
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
        return Choice(tuple([self.routes[index] for index in sorted(places)]))


#: a place and the hosts of a request to what can be taken there
ChoicesByHost = dict[tuple[Place, tuple[str, ...]], Choice]
