"""A decided yes: by which route, who, and what the upstream gets."""

from typing import Final

from gateway.core.http.facts import HeaderLine
from gateway.core.http.outgoing import Outgoing
from gateway.core.routing.route import Route
from gateway.core.token.identity import Identity


class Admission:
    """A decided yes: by which route, who, and what the upstream gets."""

    __slots__ = ("by_gateway", "identity", "lines", "route", "target")

    def __init__(
        self,
        *,
        route: Route,
        identity: Identity | None,
        target: bytes,
        lines: Outgoing,
        by_gateway: bool = False,
    ) -> None:
        self.route: Final = route
        #: None on public routes, where a token is optional and there is none, and where it was not admitted in full and
        #: the route only reports
        self.identity: Final = identity
        self.target: Final = target
        self.lines: Final = lines
        #: a preflight that the gateway itself responds to: the upstream does not get it
        self.by_gateway: Final = by_gateway

    @property
    def headers(self) -> tuple[HeaderLine, ...]:
        """The lines as names and values."""
        return self.lines.headers

    def __repr__(self) -> str:
        return f"Admission(route {self.route.name}, identity {self.identity})"
