"""A decided yes: by which route, who, and what the upstream gets."""

from typing import Final

from gateway.core.http.facts import HeaderLine
from gateway.core.routing.route import Route
from gateway.core.token.identity import Identity


class Admission:
    """A decided yes: by which route, who, and what the upstream gets."""

    __slots__ = ("headers", "identity", "preflight", "route", "target")

    def __init__(
        self,
        *,
        route: Route,
        identity: Identity | None,
        target: bytes,
        headers: tuple[HeaderLine, ...],
        preflight: tuple[HeaderLine, ...] | None = None,
    ) -> None:
        self.route: Final = route
        #: None on public routes, and where a token was not admitted in full and the route only reports
        self.identity: Final = identity
        self.target: Final = target
        self.headers: Final = headers
        #: header lines of our own response, when this is a preflight that the upstream does not get
        self.preflight: Final = preflight

    def __repr__(self) -> str:
        return f"Admission(route {self.route.name}, identity {self.identity})"
