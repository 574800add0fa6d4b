"""One route, compiled: what it takes, what it asks for, and what it does to the target.

Knows nothing of other routes (`routing`) and of how an identity is judged (`policy`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.core.claims import ClaimName
from gateway.core.config.condition import Condition, read_condition
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.keys_of import asked_of
from gateway.core.config.rates import Rate
from gateway.core.config.routes import NO_CLAIMS, RouteSection, route_name
from gateway.core.errors import Asked
from gateway.core.http.cors import CrossOrigin, compile_cors
from gateway.core.http.hosts import plain_host
from gateway.core.http.paths import parse_path
from gateway.core.rates.rules import RateRule, compile_rates
from gateway.core.routing.demands import Demands, demands_of
from gateway.core.routing.pattern import variables_of
from gateway.core.routing.resource import Resource, told_of, with_implied
from gateway.core.token.places import RoutePlaces


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the file, compiled."""

    name: str
    public: bool
    #: without any credential a request passes as nobody's; with one it is judged as anywhere
    optional: bool
    #: None: every method
    methods: frozenset[str] | None
    #: lower case, without port and the dot of the root zone, `*.` before what names all below it; None: every host
    hosts: frozenset[str] | None
    #: all of these
    scopes: tuple[str, ...]
    #: at least one of these, unless there are none
    any_scope: tuple[str, ...]
    #: claim to the values of which it must have one
    claims: Mapping[ClaimName, tuple[Any, ...]]
    #: None: every one
    clients: frozenset[str] | None
    issuers: frozenset[str] | None
    #: counts and logs would-be refusals instead of refusing
    reports: bool
    upstream: str
    #: how many segments at the beginning of the path the upstream does not see
    stripped: int
    #: seconds, or None: as the upstream has it
    timeout: float | None
    #: None: no page of another origin may call
    cors: CrossOrigin | None = None
    #: which of its requests the access log has: all, refused, none; None: as `log.access` says
    log: str | None = None
    #: what its requests are counted by
    rates: tuple[RateRule, ...] = ()
    #: what it asks of the token's audience, and of the login; None: nothing
    demands: Demands | None = None
    #: what must be true of the whole request; None: nothing
    condition: Condition | None = None
    #: identifier of the resource that it belongs to; None: of none
    resource: str | None = None
    #: what its challenges tell of that
    asked: Asked | None = None
    #: name of a variable in its path to the segment that it is, from 0
    variables: Mapping[str, int] = field(default_factory=dict)
    #: variable to the claim, or `subject` or `client`, that it must equal
    where: Mapping[str, str] = field(default_factory=dict)
    #: an encoded slash is a character of its segment
    keeps_slashes: bool = False
    #: where a token may stand; None: in Authorization alone
    places: RoutePlaces | None = None

    @property
    def asked_claims(self) -> tuple[ClaimName, ...]:
        """The claims that are asked for, by whatever key."""
        return (*self.claims, *(claim for claim in self.where.values() if claim not in NO_CLAIMS))

    def takes_method(self, method: str) -> bool:
        """Whether a request with this method may take the route; who may GET may HEAD (RFC 9110 section 9.3.2)."""
        return self.methods is None or method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def variables_of(self, target: bytes) -> dict[str, str]:
        """What the variables of its path are in a target that takes the route, decoded."""
        if not self.variables:
            return {}
        segments = parse_path(target, refuse_ambiguous=False)
        return {name: segments[place] for name, place in self.variables.items()}

    def forwarded_target(self, target: bytes) -> bytes:
        """The target for the upstream: as it is, or without the first segments; it begins with exactly one slash."""
        if not self.stripped:
            return target
        path, mark, query = target.partition(b"?")
        segments = path.split(b"/", self.stripped + 1)
        rest = segments[self.stripped + 1] if len(segments) > self.stripped + 1 else b""
        return b"/" + rest.lstrip(b"/") + mark + query

    def prefix_of(self, target: bytes) -> bytes:
        """What `forwarded_target` takes away, as it was sent; empty when nothing."""
        if not self.stripped:
            return b""
        segments = target.partition(b"?")[0].split(b"/")
        return b"/".join(segments[: self.stripped + 1])


def compile_route(
    route: RouteSection,
    *,
    cors: CrossOrigin | None = None,
    rates: tuple[Rate, ...] = (),
    has_rates: bool = False,
    resource: Resource | None = None,
    places: RoutePlaces | None = None,
    dpop: DPoPSection | None = None,
) -> Route:
    """A route of the file as what matching and policy need.

    `cors`, `rates`, `dpop`: those of the whole file. `has_rates`: there are some, here or elsewhere. `resource`,
    `places`: its own.
    """
    route = route if resource is None else with_implied(route, resource)
    return Route(
        name=route_name(route),
        public=route.access == "public",
        optional=route.access == "optional",
        methods=frozenset(route.methods) or None,
        hosts=frozenset(map(plain_host, route.hosts)) or None,
        scopes=route.scopes,
        any_scope=route.any_scope,
        claims=asked_of(route.claims),
        clients=frozenset(route.clients) or None,
        issuers=frozenset(route.issuers) or None,
        reports=route.mode == "report",
        upstream=route.upstream,
        stripped=len([segment for segment in (route.strip_prefix or "").split("/") if segment]),
        timeout=None if route.timeout is None else float(route.timeout),
        log=route.log,
        demands=demands_of(route, name=route_name(route)),
        condition=None if route.condition is None else read_condition(route.condition),
        rates=compile_rates(rates, route.rates, public=route.access == "public"),
        variables=variables_of(route.path),
        where=route.where,
        keeps_slashes=route.encoded_slashes == "allow",
        cors=cors if route.cors == "inherit" else compile_cors(route.cors, has_rates=has_rates, dpop=dpop),
        resource=None if resource is None else resource.identifier,
        asked=None if resource is None else told_of(route, resource),
        places=places,
    )
