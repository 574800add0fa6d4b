"""The configuration file as frozen structs: the public contract, key by key.

Knows nothing of files, variables or YAML (that is `settings`), and nothing of what the values are used for.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

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

T = TypeVar("T")


class Seconds(float):
    """A duration. In the file: a number of seconds, or a number with ms, s, m or h."""


class Size(int):
    """A number of bytes. In the file: a whole number, or a number with B, KiB, MiB or GiB."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something in the configuration to be corrected, or to be known: where, and a sentence."""

    #: key path such as `issuers[0].audience`, name of a variable, or empty for the file as a whole
    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}" if self.path else self.sentence


def _doc(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


def _default(value: T) -> T:
    """A default that msgspec cannot write into a JSON Schema by itself: `gateway.core.schema` does."""
    return msgspec.field(default_factory=lambda: value)


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every section shares: frozen, keyword-only, strict about names."""


class IdentityHeader(_Struct, frozen=True, kw_only=True, rename={"source": "from"}):
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
    max_bytes: Annotated[Size, _doc("longest encoded value")] = _default(Size(4096))
    too_large: Annotated[Literal["refuse", "omit"], _doc("what to do with a longer value")] = "refuse"


#: The identity headers when the key is not given; these names are stripped from requests in any case.
DEFAULT_IDENTITY_HEADERS: dict[str, IdentityHeader] = {
    "X-User-Id": IdentityHeader(claim="sub"),
    "X-Client-Id": IdentityHeader(source="client"),
    "X-Token-Scopes": IdentityHeader(source="scopes"),
}


class Issuer(_Struct, frozen=True, kw_only=True):
    """One issuer of access tokens. `issuer` is compared with `iss` as an exact string."""

    issuer: Annotated[str, _doc("compared with iss as an exact string, the last slash included")]
    audience: Annotated[str | tuple[str, ...], _doc("what aud must name; of a list, any one")]
    name: Annotated[str | None, _doc("label in metrics and logs; default: the host of the issuer")] = None
    preset: Annotated[str | None, _doc("what is known of the provider's tokens; never guessed")] = None
    algorithms: Annotated[tuple[str, ...], _doc("accepted signature algorithms")] = ALGORITHMS
    leeway: Annotated[Seconds, _doc("how far clocks may differ, at most 5m")] = _default(Seconds(30))
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
    jwks_max_stale: Annotated[Seconds, _doc("how long old keys serve while the issuer is unreachable")] = _default(
        Seconds(24 * 3600)
    )
    ca_file: Annotated[str | None, _doc("PEM file of authorities, replacing the system's, for this issuer")] = None
    allow_http: Annotated[bool, _doc("UNSAFE: fetch discovery and keys over http from other hosts too")] = False


class Limits(_Struct, frozen=True, kw_only=True):
    """Bounds on what a client may send and hold."""

    header_bytes: Annotated[Size, _doc("head of a request, request line included")] = _default(Size(32 * 1024))
    header_count: Annotated[int, _doc("header lines of a request")] = 100
    uri_bytes: Annotated[Size, _doc("request target")] = _default(Size(16 * 1024))
    token_bytes: Annotated[Size, _doc("access token")] = _default(Size(16 * 1024))
    header_timeout: Annotated[Seconds, _doc("time for the head of a request to arrive")] = _default(Seconds(10))
    keepalive: Annotated[Seconds, _doc("how long an idle client connection stays open")] = _default(Seconds(75))
    connections: Annotated[int, _doc("client connections at a time")] = 10_000
    drain_delay: Annotated[Seconds, _doc("time between not being ready and refusing, at the end")] = _default(
        Seconds(5)
    )
    drain: Annotated[Seconds, _doc("time for requests in flight to end, after drain_delay")] = _default(Seconds(20))


class Log(_Struct, frozen=True, kw_only=True):
    """What is logged, how, and how much of the subject."""

    level: Annotated[Literal["debug", "info", "warning", "error"], _doc("of everything but the access log")] = "info"
    format: Annotated[Literal["json", "text"], _doc("of everything but the access log, which is JSON")] = "json"
    access: Annotated[Literal["all", "refused", "none"], _doc("which requests the access log has")] = "all"
    subject: Annotated[Literal["plain", "hashed", "off"], _doc("how the access log names the subject")] = "hashed"


class Config(_Struct, frozen=True, kw_only=True):
    """The whole file."""

    upstream: Annotated[str, _doc("the API: http://host:port, https://host:port or unix:/path")]
    issuers: Annotated[tuple[Issuer, ...], _doc("whose access tokens are accepted; at least one")]
    listen: Annotated[str, _doc("address:port, [::]:8080, :0 or unix:/path")] = "0.0.0.0:8080"
    admin: Annotated[str, _doc("address:port of /livez, /readyz and /metrics")] = "0.0.0.0:9090"
    identity_headers: Annotated[
        dict[str, str | tuple[str, ...] | IdentityHeader] | None,
        _doc("header name to a claim, a path of claims, or the long form; replaces the three default headers"),
    ] = None
    trusted_proxies: Annotated[tuple[str, ...], _doc("CIDRs, or unix, whose forwarding headers are believed")] = ()
    readiness: Annotated[Literal["any", "all"], _doc("ready when any or all issuers have keys")] = "any"
    limits: Annotated[Limits, _doc("bounds on what a client may send and hold")] = _default(Limits())
    log: Annotated[Log, _doc("what is logged, and how")] = _default(Log())
    realm: Annotated[str, _doc("the realm in challenges, a constant")] = "api"
    via: Annotated[bool, _doc("add Via; it makes some upstreams change their answers")] = False


def issuer_name(issuer: Issuer) -> str:
    """The label of an issuer: its `name`, else its host in lower case, else the issuer itself."""
    if issuer.name is not None:
        return issuer.name
    try:
        return urlsplit(issuer.issuer).hostname or issuer.issuer
    except ValueError:
        return issuer.issuer


def audiences_of(issuer: Issuer) -> tuple[str, ...]:
    """The audiences of which a token must name one."""
    return (issuer.audience,) if isinstance(issuer.audience, str) else issuer.audience


def identity_headers_of(config: Config) -> dict[str, IdentityHeader]:
    """Header name to its long form, in the order of the file; the three default headers when the key is absent."""
    if config.identity_headers is None:
        return DEFAULT_IDENTITY_HEADERS.copy()
    return {
        name: value if isinstance(value, IdentityHeader) else IdentityHeader(claim=value)
        for name, value in config.identity_headers.items()
    }
