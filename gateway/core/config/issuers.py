"""The section `issuers[]`: whose access tokens are accepted."""

from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec.structs import force_setattr, replace

from gateway.core.config.backchannel_logout import BackchannelLogout
from gateway.core.config.fetch import Fetch
from gateway.core.config.introspection import Introspection
from gateway.core.config.keys_of import KeysOf
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc
from gateway.core.config.userinfo import UserInfoSection

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


#: what the preset of this name knows of the cluster that the gateway itself runs in
KUBERNETES = "kubernetes"
KUBERNETES_ORIGIN = "https://kubernetes.default.svc"
KUBERNETES_KEYS = "/openid/v1/jwks"
#: of the gateway's own pod: the cluster's authorities, and a token that is renewed every hour
KUBERNETES_POD = "/var/run/secrets/kubernetes.io/serviceaccount"


def _nobody_else(path: str) -> str:
    """An issuer that no other in the list is."""
    return f"https://{''.join(filter(str.isdigit, path))}.unreadable.invalid"


class Issuer(Section, frozen=True, kw_only=True):
    """One issuer of access tokens. `issuer` is compared with `iss` as an exact string, once a tenant is filled in."""

    issuer: Annotated[
        str,
        _doc(
            "compared with iss as an exact string, the last slash included; {CLAIM} as one segment of the path: see "
            "tenants",
            stand_in=_nobody_else,
            variable="GATEWAY_ISSUER",
        ),
    ]
    audience: Annotated[
        str | tuple[str, ...],
        _doc("what aud must name; of a list, any one", stand_in="unreadable", variable="GATEWAY_AUDIENCE"),
    ]
    tenants: Annotated[
        tuple[str, ...] | Literal["any"] | None,
        _doc(
            "where issuer has a claim in braces, as in https://login.microsoftonline.com/{tid}/v2.0: the tenants whose "
            "tokens count; UNSAFE any: whoever can have a tenant there, which needs jwks_url"
        ),
    ] = None
    name: Annotated[str | None, _doc("label in metrics and logs; default: the host of the issuer")] = None
    preset: Annotated[
        str | None, _doc("what is known of the provider's tokens; never guessed", variable="GATEWAY_PRESET")
    ] = None
    algorithms: Annotated[tuple[str, ...], _doc("accepted signature algorithms", variable="GATEWAY_ALGORITHMS")] = (
        ALGORITHMS
    )
    leeway: Annotated[Seconds, _doc("how far clocks may differ, at most 5m")] = default(Seconds(30))
    max_lifetime: Annotated[Seconds | None, _doc("longest iat to exp; tokens without iat are then refused")] = None
    require_typ: Annotated[bool, _doc("accept only tokens whose header says typ: at+jwt")] = False
    allow_unclassified: Annotated[bool, _doc("UNSAFE: accept tokens that nothing marks as access tokens")] = False
    audience_claims: Annotated[tuple[str, ...], _doc("claims that name the audience; the first present decides")] = (
        "aud",
    )
    clients: Annotated[tuple[str, ...], _doc("clients that may call; empty: any")] = ()
    scope_claims: Annotated[
        tuple[str | KeysOf, ...] | None,
        _doc("claims with scopes, {keys_of: CLAIM} for the keys of an object; default: scope, scp, or the preset's"),
    ] = None
    discovery_url: Annotated[
        str | None,
        _doc("where discovery is, when the issuer is not reachable as such", stand_in="https://unreadable.invalid"),
    ] = None
    jwks_url: Annotated[
        str | None,
        _doc(
            "where the keys are; no discovery then",
            stand_in="https://unreadable.invalid/jwks",
            variable="GATEWAY_JWKS_URL",
        ),
    ] = None
    jwks_file: Annotated[
        str | None,
        _doc(
            "file with the keys; nothing is fetched then",
            stand_in="unreadable",
            file="key set",
            variable="GATEWAY_JWKS_FILE",
        ),
    ] = None
    jwks_refresh: Annotated[
        Seconds | None,
        _doc("longest life of a key set, at least 30s; null: 10m, or what Cache-Control says from 1m to 1h"),
    ] = None
    jwks_max_stale: Annotated[Seconds, _doc("how long old keys serve while the issuer is unreachable")] = default(
        Seconds(24 * 3600)
    )
    ca_file: Annotated[
        str | None,
        _doc(
            "PEM file of authorities, replacing the system's, for this issuer; certificates need no key identifiers",
            file="authorities",
            variable="GATEWAY_CA_FILE",
        ),
    ] = None
    allow_http: Annotated[
        bool,
        _doc(
            "UNSAFE: fetch discovery and keys over http from other hosts too",
            stand_in=True,
            variable="GATEWAY_ALLOW_HTTP",
        ),
    ] = False
    binding: Annotated[
        Literal["any", "dpop", "mtls", "bound"],
        _doc(
            "what its tokens must be bound to: dpop: a key, mtls: a client certificate, bound: one of both; any: those "
            "that are bound to nothing pass as well"
        ),
    ] = "any"
    fetch: Annotated[Fetch | None, _doc("how it is asked; null: directly, and with nothing to show")] = None
    introspection: Annotated[
        Introspection | None, _doc("tokens that the issuer is asked about (RFC 7662); null: none")
    ] = None
    backchannel_logout: Annotated[
        BackchannelLogout | None,
        _doc("where the issuer tells that somebody has logged out; needs revocation; null: nowhere"),
    ] = None
    userinfo: Annotated[
        UserInfoSection | None, _doc("claims that tokens lack, which the issuer is asked for; null: never")
    ] = None

    def __post_init__(self) -> None:
        """What preset kubernetes says of where keys are counts as if it stood in the file, unless that says so."""
        if self.preset != KUBERNETES or (self.jwks_url, self.jwks_file, self.discovery_url) != (None, None, None):
            return
        given = self.fetch or Fetch()
        origin = KUBERNETES_ORIGIN if given.origin is None else given.origin
        token = given.authorization or Secret(file=f"{KUBERNETES_POD}/token")
        for name, value in (
            ("jwks_url", origin + KUBERNETES_KEYS),
            ("ca_file", f"{KUBERNETES_POD}/ca.crt" if self.ca_file is None else self.ca_file),
            ("fetch", replace(given, authorization=token, origin=origin)),
        ):
            force_setattr(self, name, value)


def issuer_name(issuer: Issuer) -> str:
    """The label of an issuer: its `name`, else its host in lower case, else the issuer itself."""
    if issuer.name is not None:
        return issuer.name
    try:
        return urlsplit(issuer.issuer).hostname or issuer.issuer
    except ValueError:
        return issuer.issuer


def distinct_issuers(issuers: Sequence[Issuer]) -> tuple[Issuer, ...]:
    """Each issuer once: of several entries with the same one, which only add keys to it, the first."""
    found: dict[str, Issuer] = {}
    for issuer in issuers:
        found.setdefault(issuer.issuer, issuer)
    return tuple(found.values())


def adds_to_another(issuers: Sequence[Issuer], index: int) -> bool:
    """Whether an entry only adds keys to an issuer that stands before it."""
    return any(issuers[index].issuer == other.issuer for other in issuers[:index])


def proxy_of(issuer: Issuer) -> str | None:
    """By which proxy an issuer is asked; None: directly."""
    return None if issuer.fetch is None else issuer.fetch.proxy


def audiences_of(issuer: Issuer) -> tuple[str, ...]:
    """The audiences of which a token must name one."""
    return (issuer.audience,) if isinstance(issuer.audience, str) else issuer.audience
