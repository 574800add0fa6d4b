"""The configuration file as frozen structs: the public contract, key by key.

Reads no file and no variable (that is `settings`), and knows nothing of what the values are used for.
"""

from typing import Annotated, Literal

from gateway.core.config.assertion import ASSERTION_HEADER, AssertionSection
from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.console import ConsoleSection
from gateway.core.config.cors import Cors
from gateway.core.config.credentials import USUAL, Credentials
from gateway.core.config.decisions_grpc import GrpcDecisions
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS, IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.probes import ContainerProbes
from gateway.core.config.rates import BadTokensSection, Rate
from gateway.core.config.resources import ResourceSection
from gateway.core.config.revocation import Revocation
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Section, default
from gateway.core.config.section import described as _doc
from gateway.core.config.store import StoreSection
from gateway.core.config.tls import ListenerTls
from gateway.core.config.tracing import TracingSection
from gateway.core.config.upstreams import DEFAULT_UPSTREAM, UpstreamSection


class Config(Section, frozen=True, kw_only=True):
    """The whole file."""

    issuers: Annotated[tuple[Issuer, ...], _doc("whose access tokens are accepted; at least one", stand_in=())]
    upstream: Annotated[
        str | None,
        _doc(
            "the API: http://host:port, https://host:port or unix:/path; or upstreams.default",
            stand_in="http://unreadable.invalid",
            variable="GATEWAY_UPSTREAM",
        ),
    ] = None
    upstreams: Annotated[dict[str, UpstreamSection], _doc("APIs by name, in the long form")] = default({})
    listen: Annotated[
        str,
        _doc("address:port, :8080 (every interface, IPv4 and IPv6), :0 or unix:/path", variable="GATEWAY_LISTEN"),
    ] = ":8080"
    tls: Annotated[ListenerTls | None, _doc("TLS toward clients, on listen; null: something else ends it")] = None
    admin: Annotated[str, _doc("address:port of /livez, /readyz and /metrics", variable="GATEWAY_ADMIN")] = ":9090"
    decisions: Annotated[
        str | None, _doc("address:port of the decision API, for proxies that only ask; needs trusted_proxies")
    ] = None
    console: Annotated[
        str | ConsoleSection | None,
        _doc("address:port of the operator's console, or the long form; null: none", variable="GATEWAY_CONSOLE"),
    ] = None
    decisions_grpc: Annotated[
        str | GrpcDecisions | None,
        _doc(
            "address:port where Envoy asks over gRPC, or the long form; needs trusted_proxies and the extra grpc",
            stand_in="127.0.0.1:1",
        ),
    ] = None
    external_url: Annotated[
        str | tuple[str, ...] | None,
        _doc(
            "where clients find the gateway: scheme, host, and the path that a proxy takes away; several: chosen by "
            "host; null: by Host, where hosts has it",
            variable="GATEWAY_EXTERNAL_URL",
        ),
    ] = None
    hosts: Annotated[
        tuple[str, ...],
        _doc("hosts that are served, without port; *.example.com: any below; another is 421; empty: every host is"),
    ] = ()
    decisions_sources: Annotated[
        Literal["headers", "all"],
        _doc(
            "where the decision API takes tokens from: headers; UNSAFE: all, also places that a proxy which only asks "
            "leaves as they are"
        ),
    ] = "headers"
    workers: Annotated[
        int,
        _doc(
            "processes, for one machine with many cores; several replicas are better where that is possible",
            variable="GATEWAY_WORKERS",
        ),
    ] = 1
    reload: Annotated[
        Literal["signal", "watch"],
        _doc(
            "when this file is read anew: signal: at SIGHUP; watch: also when it has changed, or a file with a secret "
            "or authorities that it names",
            variable="GATEWAY_RELOAD",
        ),
    ] = "signal"
    identity_headers: Annotated[
        dict[str, str | tuple[str, ...] | IdentityHeader] | None,
        _doc(
            "header name to a claim, a path of claims, or the long form; replaces the three default headers",
            variable="GATEWAY_IDENTITY_HEADERS",
        ),
    ] = None
    routes: Annotated[tuple[RouteSection, ...], _doc("who may do what; the first that fits decides")] = ()
    resources: Annotated[
        dict[str, ResourceSection],
        _doc("APIs by name, as their clients know them: what is published of each, and told in its challenges"),
    ] = default({})
    unmatched: Annotated[
        Literal["token", "refuse"], _doc("a path that no route names: a valid token and nothing more, or 404")
    ] = "token"
    unmatched_methods: Annotated[
        Literal["refuse", "token", "next"],
        _doc(
            "a method that no route of the path has, nor a wider one that demands as much: 405, or a valid token; "
            "next, UNSAFE: any wider one takes it, else 405"
        ),
    ] = "refuse"
    path_case: Annotated[
        Literal["sensitive", "insensitive"], _doc("insensitive: for APIs that ignore case in paths")
    ] = "sensitive"
    ambiguous_paths: Annotated[
        Literal["refuse", "allow"], _doc("paths that two programs may read differently; without routes none is refused")
    ] = "refuse"
    pass_override_headers: Annotated[
        bool, _doc("UNSAFE with routes: let X-HTTP-Method-Override and its kin through")
    ] = False
    trusted_proxies: Annotated[
        tuple[str, ...],
        _doc("CIDRs, or unix, whose forwarding headers are believed", variable="GATEWAY_TRUSTED_PROXIES"),
    ] = ()
    client_certificate_header: Annotated[
        ClientCertificateHeader | None,
        _doc("where trusted_proxies pass on the certificate of a client, for tokens that are bound to one"),
    ] = None
    readiness: Annotated[Literal["any", "all"], _doc("ready when any or all issuers have keys")] = "any"
    limits: Annotated[Limits, _doc("bounds on what a client may send and hold")] = default(Limits())
    log: Annotated[Log, _doc("what is logged, and how")] = default(Log())
    tracing: Annotated[TracingSection | None, _doc("spans of requests, for OpenTelemetry; null: none")] = None
    assertion: Annotated[AssertionSection | None, _doc("signed proof of origin for the API; null: none")] = None
    realm: Annotated[str, _doc("the realm in challenges, a constant")] = "api"
    credentials: Annotated[
        Credentials,
        _doc("where a token may stand: authorization, and others, each of which is emptied on every request"),
    ] = USUAL
    cors: Annotated[
        Cors | Literal["upstream"] | None,
        _doc("pages of other origins that may call; upstream: the API responds to preflights, which need no token"),
    ] = None
    store: Annotated[StoreSection, _doc("what replicas and workers share")] = default(StoreSection())
    revocation: Annotated[Revocation | None, _doc("tokens that stop before they expire; null: none can be revoked")] = (
        None
    )
    dpop: Annotated[
        DPoPSection | None,
        _doc("tokens that are bound to a key of their client (RFC 9449); needs external_url or hosts; null: refused"),
    ] = None
    rates: Annotated[
        tuple[Rate, ...], _doc("how often somebody may call, over all routes together; per: route: each of them")
    ] = ()
    bad_tokens: Annotated[
        BadTokensSection | Literal["off"] | None,
        _doc(
            "how many bad tokens a client address may send; null: counted where issuers are asked about tokens and "
            "trusted_proxies say whose address counts"
        ),
    ] = None
    via: Annotated[bool, _doc("add Via; it makes some upstreams change their responses")] = False
    probes: Annotated[
        dict[str, ContainerProbes],
        _doc("by container: what admin's /probe/CONTAINER/KIND asks of an API that listens on loopback"),
    ] = default({})


def upstreams_of(config: Config) -> dict[str, UpstreamSection]:
    """Every upstream by name, in the order of the file; behind them the short form, where it is used."""
    if config.upstream is None or DEFAULT_UPSTREAM in config.upstreams:
        return config.upstreams.copy()
    return {**config.upstreams, DEFAULT_UPSTREAM: UpstreamSection(url=config.upstream)}


def grpc_decisions_of(config: Config) -> GrpcDecisions | None:
    """Where Envoy asks over gRPC, in the long form; None: nowhere."""
    asked = config.decisions_grpc
    return GrpcDecisions(address=asked) if isinstance(asked, str) else asked


def is_asked(config: Config) -> bool:
    """Whether proxies ask, and forward by themselves."""
    return config.decisions is not None or config.decisions_grpc is not None


def external_urls_of(config: Config) -> tuple[str, ...]:
    """Every `external_url`, as written."""
    urls = config.external_url
    return () if urls is None else (urls,) if isinstance(urls, str) else urls


def takes_certificates(config: Config) -> bool:
    """Whether a token that is bound to a client certificate can pass: TLS or a proxy shows it (RFC 8705 section 3)."""
    return config.client_certificate_header is not None or (config.tls is not None and config.tls.asks)


def asks_issuers(config: Config) -> bool:
    """Whether issuers are asked about tokens, so that each token that is sent may cost a call."""
    return any(issuer.introspection is not None for issuer in config.issuers)


def bad_tokens_of(config: Config) -> BadTokensSection | None:
    """How bad tokens are counted; None: they are not. Where issuers are asked, they are unless somebody says off."""
    if config.bad_tokens is None:
        return BadTokensSection() if asks_issuers(config) and config.trusted_proxies else None
    return config.bad_tokens if isinstance(config.bad_tokens, BadTokensSection) else None


def has_rates(config: Config) -> bool:
    """Whether any request counts against a rate."""
    return bool(config.rates) or any(route.rates for route in config.routes)


def counts_senders(config: Config) -> bool:
    """Whether something is counted by client address when a token is judged."""
    return asks_issuers(config) or bad_tokens_of(config) is not None


def assertion_header_of(config: Config) -> str:
    """The header that carries, or would carry, the assertion."""
    return ASSERTION_HEADER if config.assertion is None else config.assertion.header


def identity_headers_of(config: Config) -> dict[str, IdentityHeader]:
    """Header name to its long form, in the order of the file; the three default headers when the key is absent."""
    if config.identity_headers is None:
        return DEFAULT_IDENTITY_HEADERS.copy()
    return {
        name: value if isinstance(value, IdentityHeader) else IdentityHeader(claim=value)
        for name, value in config.identity_headers.items()
    }
