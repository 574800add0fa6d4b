"""The configuration file as frozen structs: the public contract, key by key.

Knows nothing of files, variables or YAML (that is `settings`), and nothing of what the values are used for.
"""

from typing import Literal

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


class Seconds(float):
    """A duration. In the file: a number of seconds, or a number with ms, s, m or h."""


class Size(int):
    """A number of bytes. In the file: a whole number, or a number with B, KiB, MiB or GiB."""


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every section shares: frozen, keyword-only, strict about names."""


class IdentityHeader(_Struct, frozen=True, kw_only=True, rename={"source": "from"}):
    """What stands in one identity header. Exactly one of `claim`, `source` and `claims` is given."""

    claim: str | tuple[str, ...] | None = None
    source: Literal["client", "scopes"] | None = None
    claims: Literal["all"] | None = None
    format: Literal["auto", "csv", "space", "json", "repeat"] = "auto"
    encoding: Literal["percent", "base64url", "none"] = "percent"
    required: bool = False
    max_bytes: Size = Size(4096)
    too_large: Literal["refuse", "omit"] = "refuse"


#: The identity headers when the key is not given; these names are stripped from requests in any case.
DEFAULT_IDENTITY_HEADERS: dict[str, IdentityHeader] = {
    "X-User-Id": IdentityHeader(claim="sub"),
    "X-Client-Id": IdentityHeader(source="client"),
    "X-Token-Scopes": IdentityHeader(source="scopes"),
}


class Issuer(_Struct, frozen=True, kw_only=True):
    """One issuer of access tokens. `issuer` is compared with `iss` as an exact string."""

    issuer: str
    audience: str | tuple[str, ...]
    name: str | None = None
    preset: str | None = None
    algorithms: tuple[str, ...] = ALGORITHMS
    leeway: Seconds = Seconds(30)
    max_lifetime: Seconds | None = None
    require_typ: bool = False
    allow_unclassified: bool = False
    audience_claims: tuple[str, ...] = ("aud",)
    clients: tuple[str, ...] = ()
    scope_claims: tuple[str, ...] | None = None
    discovery_url: str | None = None
    jwks_url: str | None = None
    jwks_file: str | None = None
    jwks_max_stale: Seconds = Seconds(24 * 3600)
    ca_file: str | None = None
    allow_http: bool = False


class Limits(_Struct, frozen=True, kw_only=True):
    """Bounds on what a client may send and hold."""

    header_bytes: Size = Size(32 * 1024)
    header_count: int = 100
    uri_bytes: Size = Size(16 * 1024)
    token_bytes: Size = Size(16 * 1024)
    header_timeout: Seconds = Seconds(10)
    keepalive: Seconds = Seconds(75)
    connections: int = 10_000
    drain_delay: Seconds = Seconds(5)
    drain: Seconds = Seconds(20)


class Log(_Struct, frozen=True, kw_only=True):
    """What is logged, how, and how much of the subject."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"
    access: Literal["all", "refused", "none"] = "all"
    subject: Literal["plain", "hashed", "off"] = "hashed"


class Config(_Struct, frozen=True, kw_only=True):
    """The whole file."""

    upstream: str
    issuers: tuple[Issuer, ...]
    listen: str = "0.0.0.0:8080"
    admin: str = "0.0.0.0:9090"
    identity_headers: dict[str, str | tuple[str, ...] | IdentityHeader] | None = None
    trusted_proxies: tuple[str, ...] = ()
    readiness: Literal["any", "all"] = "any"
    limits: Limits = Limits()
    log: Log = Log()
    realm: str = "api"
    via: bool = False
