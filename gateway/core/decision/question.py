"""A proxy's question, read as the request it is about, and the yes as header lines.

Which styles there are, and what holds for all. Knows nothing of sockets and of how the gate decides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.config.condition import read_condition
from gateway.core.config.file import Config, assertion_header_of, external_urls_of, identity_headers_of, upstreams_of
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS
from gateway.core.config.limits import Limits
from gateway.core.config.routes import RouteSection
from gateway.core.config.upstreams import asserted_of, token_requests_of
from gateway.core.decision import attributes, envoy
from gateway.core.decision.attributes import Attributes
from gateway.core.decision.forward import FORWARD
from gateway.core.decision.nginx import INGRESS, nginx
from gateway.core.decision.source import Source
from gateway.core.errors import NoRoute, UnclearSubrequest, UndecidableCredential, UndecidableHeader, UntrustedProxy
from gateway.core.http.cors import requested_method
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.header_names import OVERRIDES, fold
from gateway.core.http.request_line import check_request_line
from gateway.core.token.places import Places, named_places

_TARGET = re.compile(rb"/[!-~]*")


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """How questions are read and answered: the configuration, compiled."""

    #: path of the question to where its facts are
    sources: Mapping[bytes, Source]
    #: identity headers as they are spelled in a response: configured ones, then the default ones, the assertion's and
    #: those in which tokens come, less those that a configured one folds to
    names: tuple[bytes, ...]
    #: of these, lower case: those whose several lines become one, with commas escaped
    repeated: frozenset[bytes]
    #: the names in lower case, and folded
    plain: frozenset[bytes]
    folds: frozenset[bytes]
    #: folded names that change method or path behind the proxy
    overrides: frozenset[bytes]
    limits: Limits
    #: places of a token that only the proxy could empty; None: there are none, or it is trusted to
    undecidable: Places | None = None

    @classmethod
    def of(cls, config: Config) -> "DecisionRules":
        """Compiled once at start."""
        headers = identity_headers_of(config)
        folds = {fold(name.encode()) for name in headers}
        places = named_places(config)
        placed = [place.name for place in places if place.kind == "header"]
        kept = tuple(place for place in places if place.kind != "header")
        others = [
            name
            for name in (*DEFAULT_IDENTITY_HEADERS, assertion_header_of(config), *placed)
            if fold(name.encode()) not in folds
        ]
        if any(asserted_of(upstream) or token_requests_of(upstream) for upstream in upstreams_of(config).values()):
            # A token that was made for the API reaches it only by way of the proxy.
            others.append("Authorization")
        names = tuple(name.encode() for name in (*headers, *others))
        has_hosts = (
            bool(config.hosts)
            or any(route.hosts or _asks_host(route) for route in config.routes)
            or len(external_urls_of(config)) > 1
        )
        return cls(
            sources={b"/nginx": nginx(has_hosts=has_hosts), b"/ingress-nginx": INGRESS, b"/forward": FORWARD},
            names=names,
            plain=frozenset(map(bytes.lower, names)),
            folds=frozenset(map(fold, names)),
            repeated=frozenset(name.lower().encode() for name, header in headers.items() if header.format == "repeat"),
            overrides=OVERRIDES if config.routes and not config.pass_override_headers else frozenset(),
            limits=config.limits,
            undecidable=Places(kept) if kept and config.decisions_sources != "all" else None,
        )

    def asked(self, subrequest: Facts) -> Facts:
        """The request that a subrequest asks about.

        NoRoute: no style has this address. UntrustedProxy, UnclearSubrequest, UndecidableHeader, UndecidableCredential,
        and what `check_request_line` raises.
        """
        if not subrequest.trusted:
            raise UntrustedProxy(f"{subrequest.peer} is none of trusted_proxies")
        source = self.sources.get(subrequest.target.partition(b"?")[0])
        if source is not None:
            facts = source.read(subrequest)
        elif envoy.is_asked(subrequest.target):
            facts = envoy.read(subrequest)
        else:
            raise NoRoute("the decision API has /nginx, /ingress-nginx, /forward and /envoy/...")
        self._check_target(facts)
        self._check_headers(facts)
        self._check_places(facts)
        return facts

    def asked_over_grpc(self, told: Attributes, *, peer: str, trusted: bool, new_id: str) -> Facts:
        """The request that Envoy asks about over gRPC. Every header can be taken out: none is refused for its name.

        UntrustedProxy, UndecidableCredential, and what `attributes.read` and `check_request_line` raise. `peer`: who
        asks. `new_id`: of a request that has none.
        """
        if not trusted:
            raise UntrustedProxy(f"{peer} is none of trusted_proxies")
        facts = attributes.read(told, peer=peer, trusted=trusted, limits=self.limits, new_id=new_id)
        self._check_target(facts)
        self._check_places(facts)
        return facts

    def _check_target(self, facts: Facts) -> None:
        if _TARGET.fullmatch(facts.target) is None and (facts.method, facts.target) != ("OPTIONS", b"*"):
            raise UnclearSubrequest("the target is not a path")
        check_request_line(facts.method, facts.target, self.limits)

    def _check_places(self, facts: Facts) -> None:
        if self.undecidable is not None and self.undecidable.has_any(facts):
            raise UndecidableCredential("a credential stands where the proxy that asks would leave it")

    def _check_headers(self, facts: Facts) -> None:
        # As on the traffic port: nobody has judged the method of a preflight, so nothing may change it.
        overrides = OVERRIDES if requested_method(facts.method, facts.headers) is not None else self.overrides
        for name, _ in facts.headers:
            folded = fold(name)
            if folded in overrides:
                raise UndecidableHeader(f"{folded.decode()} changes the method or the path behind the proxy")
            if folded in self.folds and name.lower() not in self.plain:
                raise UndecidableHeader(f"another spelling of {folded.decode()}, which a decision cannot strip")

    def response_lines(self, admitted: tuple[HeaderLine, ...]) -> tuple[HeaderLine, ...]:
        """Every identity header once, out of the lines of an admission: empty when it has none.

        Proxies copy one line of a name: several become one, separated by commas.
        """
        found: dict[bytes, list[bytes]] = {}
        for name, value in admitted:
            found.setdefault(name.lower(), []).append(value)
        return tuple((name, self._joined(name.lower(), found.get(name.lower(), []))) for name in self.names)

    def _joined(self, name: bytes, values: list[bytes]) -> bytes:
        if name in self.repeated:
            # Lossless: `percent` escapes its own sign, base64url has no comma, and `none` is refused by `problems`.
            values = [value.replace(b",", b"%2C") for value in values]
        return b", ".join(values)


def _asks_host(route: RouteSection) -> bool:
    """Whether the condition of a route names the host."""
    return route.condition is not None and "request.host" in read_condition(route.condition).members
