"""The configuration file as frozen structs: the public contract, key by key.

Knows nothing of files, variables or YAML (that is `settings`), and nothing of what the values are used for.
"""

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from gateway.core.section import Seconds, Section, Size, default
from gateway.core.section import described as _doc
from gateway.core.upstream_config import BasicCredential, Secret, Upstream, UpstreamCredential, UpstreamTls

__all__ = ["BasicCredential", "Seconds", "Secret", "Size", "Upstream", "UpstreamCredential", "UpstreamTls"]

#: RFC 7518 section 3.1, RFC 8037, RFC 9864: every asymmetric algorithm that the gateway can verify.
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)

#: the upstream of a route that names none
DEFAULT_UPSTREAM = "default"
#: the header of the assertion when none is named; stripped from requests in any case
ASSERTION_HEADER = "X-Gateway-Assertion"


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something in the configuration to be corrected, or to be known: where, and a sentence."""

    #: key path such as `issuers[0].audience`, name of a variable, or empty for the file as a whole
    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}" if self.path else self.sentence


class IdentityHeader(Section, frozen=True, kw_only=True, rename={"source": "from"}):
    """What stands in one identity header. Exactly one of `claim`, `from` and `claims` is given."""

    claim: Annotated[
        str | tuple[str, ...] | None,
        _doc("name of a claim; a JSON Pointer when it starts with / and is no claim's name; or a list, a path"),
    ] = None
    source: Annotated[Literal["client", "scopes"] | None, _doc("the client's identifier, or the scopes")] = None
    claims: Annotated[Literal["all"] | None, _doc("the whole payload; needs format json, encoding base64url")] = None
    format: Annotated[
        Literal["auto", "csv", "space", "json", "repeat"],
        _doc("auto: strings as they are, numbers and booleans as JSON, arrays as csv, objects as json"),
    ] = "auto"
    encoding: Annotated[
        Literal["percent", "base64url", "none"],
        _doc("percent: bytes of the UTF-8 outside printable ASCII, and % itself; none: non-ASCII is refused"),
    ] = "percent"
    required: Annotated[bool, _doc("refuse tokens without the claim, instead of leaving the header out")] = False
    max_bytes: Annotated[Size, _doc("longest encoded value")] = default(Size(4096))
    too_large: Annotated[Literal["refuse", "omit"], _doc("what to do with a longer value")] = "refuse"


#: The identity headers when the key is not given; these names are stripped from requests in any case.
DEFAULT_IDENTITY_HEADERS: dict[str, IdentityHeader] = {
    "X-User-Id": IdentityHeader(claim="sub"),
    "X-Client-Id": IdentityHeader(source="client"),
    "X-Token-Scopes": IdentityHeader(source="scopes"),
}


class Issuer(Section, frozen=True, kw_only=True):
    """One issuer of access tokens. `issuer` is compared with `iss` as an exact string."""

    issuer: Annotated[str, _doc("compared with iss as an exact string, the last slash included")]
    audience: Annotated[str | tuple[str, ...], _doc("what aud must name; of a list, any one")]
    name: Annotated[str | None, _doc("label in metrics and logs; default: the host of the issuer")] = None
    preset: Annotated[str | None, _doc("what is known of the provider's tokens; never guessed")] = None
    algorithms: Annotated[tuple[str, ...], _doc("accepted signature algorithms")] = ALGORITHMS
    leeway: Annotated[Seconds, _doc("how far clocks may differ, at most 5m")] = default(Seconds(30))
    max_lifetime: Annotated[Seconds | None, _doc("longest iat to exp; tokens without iat are then refused")] = None
    require_typ: Annotated[bool, _doc("accept only tokens whose header says typ: at+jwt")] = False
    allow_unclassified: Annotated[bool, _doc("UNSAFE: accept tokens that nothing marks as access tokens")] = False
    audience_claims: Annotated[tuple[str, ...], _doc("claims that name the audience; the first present decides")] = (
        "aud",
    )
    clients: Annotated[tuple[str, ...], _doc("clients that may call; empty: any")] = ()
    scope_claims: Annotated[
        tuple[str, ...] | None, _doc("claims with scopes; default: scope, scp, or the preset's")
    ] = None
    discovery_url: Annotated[str | None, _doc("where discovery is, when the issuer is not reachable as such")] = None
    jwks_url: Annotated[str | None, _doc("where the keys are; no discovery then")] = None
    jwks_file: Annotated[str | None, _doc("file with the keys; nothing is fetched then")] = None
    jwks_max_stale: Annotated[Seconds, _doc("how long old keys serve while the issuer is unreachable")] = default(
        Seconds(24 * 3600)
    )
    ca_file: Annotated[str | None, _doc("PEM file of authorities, replacing the system's, for this issuer")] = None
    allow_http: Annotated[bool, _doc("UNSAFE: fetch discovery and keys over http from other hosts too")] = False


class Cors(Section, frozen=True, kw_only=True):
    """Which pages of other origins may call, and what they may send and read. Tokens are judged all the same."""

    origins: Annotated[
        tuple[str, ...], _doc("scheme://host:port, or https://*.example.com for any one label; or * alone")
    ]
    methods: Annotated[tuple[str, ...], _doc("methods; empty: all that the routes take")] = ()
    headers: Annotated[tuple[str, ...], _doc("request headers, beside Authorization and Content-Type")] = ()
    expose: Annotated[tuple[str, ...], _doc("response headers, beside WWW-Authenticate and Retry-After")] = ()
    max_age: Annotated[Seconds, _doc("how long a browser remembers a preflight, at most 24h")] = default(Seconds(600))
    credentials: Annotated[bool, _doc("let browsers send cookies; bearer tokens need none")] = False


class Route(Section, frozen=True, kw_only=True):
    """Who may do what. The first route whose path, host and method fit decides."""

    path: Annotated[str, _doc("/health: this path, also with a slash at the end; /orders/*: it and all below it")]
    methods: Annotated[tuple[str, ...], _doc("methods; GET includes HEAD; empty: all")] = ()
    hosts: Annotated[tuple[str, ...], _doc("hosts, without port; empty: all")] = ()
    access: Annotated[Literal["token", "public"], _doc("public: no token is asked for or read")] = "token"
    scopes: Annotated[tuple[str, ...], _doc("scopes, all of which the token must have")] = ()
    any_scope: Annotated[tuple[str, ...], _doc("scopes, one of which the token must have")] = ()
    claims: Annotated[
        dict[str, str | int | float | bool | tuple[str | int | float | bool, ...]],
        _doc("claim or JSON Pointer to a value or a list of values; of an array one member must match"),
    ] = default({})
    clients: Annotated[tuple[str, ...], _doc("clients that may call; empty: any")] = ()
    issuers: Annotated[tuple[str, ...], _doc("names of issuers whose tokens count; empty: any")] = ()
    name: Annotated[str | None, _doc("label in metrics and logs; default: made from the path")] = None
    upstream: Annotated[str, _doc("name of the upstream")] = "default"
    strip_prefix: Annotated[
        str | None, _doc("whole segments at the beginning of the path that the API does not see")
    ] = None
    timeout: Annotated[Seconds | None, _doc("overrides response_timeout")] = None
    mode: Annotated[
        Literal["enforce", "report"], _doc("UNSAFE: report lets refused requests pass, and counts them")
    ] = "enforce"
    cors: Annotated[
        Cors | Literal["inherit", "upstream"] | None, _doc("instead of cors at the top; null: no cross-origin calls")
    ] = "inherit"


class KeyFile(Section, frozen=True, kw_only=True):
    """Where a private key is; never the key itself."""

    file: Annotated[str, _doc("PEM file or JWK with a private key: EC P-256 or Ed25519; looked at again while running")]


class Assertion(Section, frozen=True, kw_only=True):
    """A signed proof of origin for the API: a short-lived JWT about the caller, in a header."""

    issuer: Annotated[str, _doc("its iss: what the API knows the gateway by")]
    audience: Annotated[str | None, _doc("its aud; default: the name of the upstream")] = None
    key: Annotated[KeyFile | None, _doc("what signs it; default: made at start, for one replica only")] = None
    lifetime: Annotated[Seconds, _doc("10s to 1h; it never outlives the token")] = default(Seconds(300))
    claims: Annotated[
        tuple[str, ...], _doc("claims of the token, or JSON Pointers, that it has as well, each under that name")
    ] = ()
    header: Annotated[str, _doc("the header that carries it")] = ASSERTION_HEADER


class Limits(Section, frozen=True, kw_only=True):
    """Bounds on what a client may send and hold."""

    header_bytes: Annotated[Size, _doc("head of a request, request line included")] = default(Size(32 * 1024))
    header_count: Annotated[int, _doc("header lines of a request")] = 100
    uri_bytes: Annotated[Size, _doc("request target")] = default(Size(16 * 1024))
    token_bytes: Annotated[Size, _doc("access token")] = default(Size(16 * 1024))
    body_bytes: Annotated[Size | None, _doc("body of a request; null: any")] = None
    header_timeout: Annotated[Seconds, _doc("time for the head of a request to arrive")] = default(Seconds(10))
    body_timeout: Annotated[Seconds, _doc("longest silence of a client that owes a body")] = default(Seconds(30))
    send_timeout: Annotated[Seconds, _doc("how long a client may take nothing of its response")] = default(Seconds(30))
    keepalive: Annotated[Seconds, _doc("how long an idle client connection stays open")] = default(Seconds(75))
    connections: Annotated[int, _doc("client connections at a time")] = 10_000
    drain_delay: Annotated[Seconds, _doc("time between not being ready and refusing, at the end")] = default(Seconds(5))
    drain: Annotated[Seconds, _doc("time for requests in flight to end, after drain_delay")] = default(Seconds(20))


class Log(Section, frozen=True, kw_only=True):
    """What is logged, how, and how much of the subject."""

    level: Annotated[Literal["debug", "info", "warning", "error"], _doc("of everything but the access log")] = "info"
    format: Annotated[Literal["json", "text"], _doc("of everything but the access log, which is JSON")] = "json"
    access: Annotated[Literal["all", "refused", "none"], _doc("which requests the access log has")] = "all"
    subject: Annotated[Literal["plain", "hashed", "off"], _doc("how the access log names the subject")] = "hashed"


class Config(Section, frozen=True, kw_only=True):
    """The whole file."""

    issuers: Annotated[tuple[Issuer, ...], _doc("whose access tokens are accepted; at least one")]
    upstream: Annotated[
        str | None, _doc("the API: http://host:port, https://host:port or unix:/path; or upstreams.default")
    ] = None
    upstreams: Annotated[dict[str, Upstream], _doc("APIs by name, in the long form")] = default({})
    listen: Annotated[str, _doc("address:port, [::]:8080, :0 or unix:/path")] = "0.0.0.0:8080"
    admin: Annotated[str, _doc("address:port of /livez, /readyz and /metrics")] = "0.0.0.0:9090"
    decisions: Annotated[
        str | None, _doc("address:port of the decision API, for proxies that only ask; needs trusted_proxies")
    ] = None
    workers: Annotated[
        int, _doc("processes, for one machine with many cores; several replicas are better where that is possible")
    ] = 1
    identity_headers: Annotated[
        dict[str, str | tuple[str, ...] | IdentityHeader] | None,
        _doc("header name to a claim, a path of claims, or the long form; replaces the three default headers"),
    ] = None
    routes: Annotated[tuple[Route, ...], _doc("who may do what; the first that fits decides")] = ()
    unmatched: Annotated[
        Literal["token", "refuse"], _doc("a path that no route names: a valid token and nothing more, or 404")
    ] = "token"
    unmatched_methods: Annotated[
        Literal["refuse", "token"], _doc("a path that some route names, with a method that none names: 405, or token")
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
    trusted_proxies: Annotated[tuple[str, ...], _doc("CIDRs, or unix, whose forwarding headers are believed")] = ()
    readiness: Annotated[Literal["any", "all"], _doc("ready when any or all issuers have keys")] = "any"
    limits: Annotated[Limits, _doc("bounds on what a client may send and hold")] = default(Limits())
    log: Annotated[Log, _doc("what is logged, and how")] = default(Log())
    assertion: Annotated[Assertion | None, _doc("signed proof of origin for the API; null: none")] = None
    realm: Annotated[str, _doc("the realm in challenges, a constant")] = "api"
    cors: Annotated[
        Cors | Literal["upstream"] | None,
        _doc("pages of other origins that may call; upstream: the API responds to preflights, which need no token"),
    ] = None
    via: Annotated[bool, _doc("add Via; it makes some upstreams change their responses")] = False


def issuer_name(issuer: Issuer) -> str:
    """The label of an issuer: its `name`, else its host in lower case, else the issuer itself."""
    if issuer.name is not None:
        return issuer.name
    try:
        return urlsplit(issuer.issuer).hostname or issuer.issuer
    except ValueError:
        return issuer.issuer


def route_name(route: Route) -> str:
    """The label of a route in metrics and logs: as configured, else its path with the methods it is for."""
    return route.name or (f"{','.join(route.methods)} {route.path}" if route.methods else route.path)


def upstreams_of(config: Config) -> dict[str, Upstream]:
    """Every upstream by name, the short form among them."""
    short = {} if config.upstream is None else {DEFAULT_UPSTREAM: Upstream(url=config.upstream)}
    return {**short, **config.upstreams}


def audiences_of(issuer: Issuer) -> tuple[str, ...]:
    """The audiences of which a token must name one."""
    return (issuer.audience,) if isinstance(issuer.audience, str) else issuer.audience


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
