"""What a named provider's tokens look like where that differs from what is true of all providers.

A preset changes the evidence of the class verdict, the header types that may pass, and where scopes and the client
are read. It never names an issuer or an audience, and is never applied because an issuer looks like it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.claims import ClaimName, keys_of
from gateway.core.token.markers import ACCESS, ID, OTHER, PAYLOAD, SURE, Marker, Shape, Verdict, words


@dataclass(frozen=True, slots=True)
class Preset:
    """One provider. `source`: the documentation or source code that the entry rests on."""

    name: str
    source: str
    #: what the issuer URL of this provider looks like; None where customers choose it freely
    host: re.Pattern[str] | None = None
    #: header types beside JWT and at+jwt, lower case and without `application/`
    types: frozenset[str] = frozenset()
    #: claims with scopes, a string or a list; one that starts with `/` is a JSON Pointer, in which `{audience}` is each
    #: configured audience
    scope_claims: tuple[str, ...] = ("scope", "scp")
    #: claims that are objects with scopes as their keys, in which `{audience}` is each configured audience
    scope_objects: tuple[str, ...] = ()
    #: and those that a route may ask for by one of their keys
    objects: re.Pattern[str] | None = None
    #: claims with the client, the first one present counts
    client_claims: tuple[str, ...] = ("client_id", "azp", "cid", "appid")
    #: claims with how the user has logged in, a string or a list: any one counts
    acr_claims: tuple[str, ...] = ("acr",)
    #: evidence that means something only where this provider is known to be the issuer
    markers: tuple[Marker, ...] = ()
    #: how an API comes into `aud` there, in words; empty where nothing is known
    audience: str = ""
    #: whether `iss` ends with a slash there; None: that is not the same everywhere
    slash: bool | None = None
    #: the verdict on every token, of a provider that has no JWT access tokens
    refuses: Verdict | None = None


def _host(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\Ahttps?://(?:{pattern})(?::\d+)?(?:/|\Z)", re.IGNORECASE)


def _path(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\Ahttps?://[^/?#]+(?:{pattern})", re.IGNORECASE)


def _access(
    name: str, expected: Shape | frozenset[str] | re.Pattern[str], source: str, **rest: tuple[str, ...]
) -> Marker:
    """Evidence for access: `beside` and `without` name claims that must be there, or absent, as well."""
    beside = tuple((claim, Shape.ANY) for claim in rest.get("beside", ()))
    return Marker(ACCESS, PAYLOAD, name, expected, source, beside, rest.get("without", ()))


_PROVIDERS: Iterable[Preset] = (
    Preset(
        "auth0",
        "auth0.com/docs: access token profiles, get access tokens, RBAC, rich authorization requests",
        host=_host(r"[^/]+\.auth0\.com"),
        scope_claims=("scope", "permissions"),
        client_claims=("azp", "client_id"),
        audience="the client sends the parameter audience with the identifier of the API",
        slash=True,
        markers=(
            # ID token structure: Auth0 puts the client into aud alone.
            _access("azp", Shape.TEXT, "Auth0: default access token profile", without=("nonce",)),
            _access("client_id", Shape.TEXT, "Auth0: RFC 9068 access token profile", without=("nonce",)),
        ),
    ),
    Preset(
        "okta",
        "developer.okta.com: token claims for access tokens and ID tokens; typ as Okta's org server writes it",
        host=_host(r"[^/]+\.(?:okta|oktapreview|okta-emea|okta-gov)\.com"),
        types=frozenset({"okta-internal-at+jwt"}),
        scope_claims=("scp", "scope"),
        client_claims=("cid", "client_id"),
        audience="a custom authorization server has it in its settings; the org server has none for an API",
        slash=False,
        markers=(_access("cid", Shape.TEXT, "Okta: only access tokens have cid"),),
    ),
    Preset(
        "keycloak",
        "github.com/keycloak/keycloak: AccessToken.java, TokenUtil.java",
        host=_path(r"(?:/auth)?/realms/[^/?#]+"),
        scope_claims=("scope", "/realm_access/roles", "/resource_access/{audience}/roles"),
        client_claims=("azp", "client_id"),
        audience="the client, or a client scope of it, needs an audience mapper",
        slash=False,
        markers=(
            # OIDCAttributeMapperHelper.java: no mapper can set typ, and any other name is free for mappers.
            Marker(SURE, PAYLOAD, "typ", words("Bearer", "DPoP"), "Keycloak: TokenUtil.java"),
            Marker(OTHER, PAYLOAD, "typ", re.compile(r"\A(?!(?i:bearer|dpop|at\+jwt)\Z)"), "Keycloak: TokenUtil.java"),
        ),
    ),
    Preset(
        "entra",
        "learn.microsoft.com: access token claims reference, ID token claims reference",
        host=_host(r"login\.microsoftonline\.(?:com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net"),
        scope_claims=("scp", "roles"),
        client_claims=("azp", "appid"),
        # Authentication contexts of Conditional Access; acr is in tokens of version 1.0 only.
        acr_claims=("acrs", "acr"),
        audience="the client asks for a scope of the API, such as api://ID/name",
        markers=(_access("appid", Shape.TEXT, "Entra: access tokens of version 1.0 name the client so"),),
    ),
    Preset(
        "entra-b2c",
        "learn.microsoft.com: Azure AD B2C, overview of tokens: azp and scp are not in ID tokens",
        host=_host(r"[^/]+\.(?:b2clogin\.com|ciamlogin\.com)"),
        scope_claims=("scp",),
        client_claims=("azp", "appid"),
        audience="the client asks for a scope of the API",
        markers=(_access("azp", Shape.TEXT, "Azure AD B2C: access tokens name the client so", without=("nonce",)),),
    ),
    Preset(
        "cognito",
        "docs.aws.amazon.com: Amazon Cognito, using the access token and using the ID token",
        host=_host(r"cognito-idp(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?"),
        client_claims=("client_id",),
        audience="access tokens have none, unless the client asks with the parameter resource; "
        "audience_claims: [client_id] takes the app client for it",
        slash=False,
    ),
    Preset(
        "google",
        "developers.google.com/identity: access tokens are opaque; every JWT is an ID token",
        host=re.compile(r"\A(?:https://)?accounts\.google\.com/?\Z"),
        refuses=Verdict(ID, "preset google: every JWT that Google issues is an ID token"),
    ),
    Preset(
        "zitadel",
        "zitadel.com/docs: claims, what ID and access tokens carry; github.com/zitadel/oidc: pkg/oidc/token.go",
        host=_host(r"[^/]+\.zitadel\.cloud"),
        # A role is the key of an object, and its value where it was given. An API's audience is the id of its project.
        scope_objects=("urn:zitadel:iam:org:project:roles", "urn:zitadel:iam:org:project:{audience}:roles"),
        objects=re.compile(r"urn:zitadel:iam:org:project:(?:[^:]+:)?roles"),
        client_claims=("client_id", "azp"),
        audience="the client asks for the scope urn:zitadel:iam:org:project:id:PROJECT:aud",
        slash=False,
        markers=(
            _access(
                "jti",
                Shape.TEXT,
                "ZITADEL: claims; ID tokens have amr and auth_time, and no jti",
                without=("amr", "auth_time", "nonce"),
            ),
        ),
    ),
    Preset(
        "ory-hydra",
        "ory.sh/docs: JWT access tokens; OAuth2 webhooks for the claims of a session",
        host=_host(r"[^/]+\.projects\.oryapis\.com"),
        scope_claims=("scp", "scope"),
        client_claims=("client_id",),
        audience="the client may have it among its audiences, and sends the parameter audience",
        markers=(_access("client_id", Shape.TEXT, "Hydra: ID tokens have no client_id", without=("nonce",)),),
    ),
    Preset(
        "pingone",
        "developer.pingidentity.com: PingOne, token claims",
        host=_host(r"auth\.pingone\.(?:com|eu|asia|ca|com\.au|sg)"),
        client_claims=("client_id",),
        audience="the client asks for a scope of the resource that stands for the API",
        slash=False,
        markers=(_access("client_id", Shape.TEXT, "PingOne: listed for access tokens only", without=("nonce",)),),
    ),
    Preset(
        "pingfederate",
        "docs.pingidentity.com: PingFederate, JSON token management",
        client_claims=("client_id",),
        markers=(_access("client_id", Shape.TEXT, "PingFederate: client id claim name", beside=("scope",)),),
    ),
    Preset(
        "forgerock",
        "docs.pingidentity.com: PingAM and Advanced Identity Cloud, client-side tokens, idtokeninfo",
        host=_path(r"/(?:am|openam)/oauth2(?:/|\Z)"),
        client_claims=("client_id", "azp"),
    ),
    Preset(
        "curity",
        "curity.io/resources: JWT access tokens; ID token with purpose",
        host=_path(r"/[^?#]*oauth-anonymous\Z"),
        client_claims=("client_id", "azp"),
    ),
    Preset(
        "oracle",
        "docs.oracle.com: Identity Cloud Service, Access Token and Identity Token",
        host=_host(r"identity\.oraclecloud\.com|[^/]+\.identity\.oraclecloud\.com"),
        client_claims=("client_id",),
    ),
    Preset(
        "wso2",
        "is.docs.wso2.com and wso2.com/asgardeo: JWT access token attributes, draft-oauth-ai-agents-on-behalf-of-user",
        host=_host(r"api\.(?:[a-z]+\.)?asgardeo\.io"),
        client_claims=("client_id", "azp"),
    ),
    Preset(
        "salesforce",
        "help.salesforce.com: JWT-based access tokens; tty in the header",
        host=_host(r"login\.salesforce\.com|test\.salesforce\.com|[^/]+\.my\.salesforce\.com"),
        scope_claims=("scp",),
        client_claims=("client_id",),
    ),
    Preset(
        "supabase",
        "github.com/supabase/auth: internal/tokens/service.go, AccessTokenClaims and IDTokenClaims",
        host=_host(r"[a-z0-9]+\.supabase\.(?:co|in)"),
        client_claims=("client_id",),
        audience="it is authenticated, for everybody who is signed in",
        markers=(_access("session_id", Shape.TEXT, "Supabase: required in every session JWT", beside=("role",)),),
    ),
    Preset(
        "workos",
        "workos.com/docs: AuthKit sessions, access token claims",
        host=_host(r"api\.workos\.com|[^/]+\.authkit\.app"),
        client_claims=("client_id", "azp"),
        markers=(
            _access("sid", re.compile(r"\A(?:app_)?session_"), "WorkOS: access token claims", without=("nonce",)),
        ),
    ),
    Preset(
        "clerk",
        "clerk.com/docs: session tokens, JWT templates",
        host=_host(r"[^/]+\.clerk\.accounts\.dev|clerk\.[^/]+"),
        client_claims=("client_id",),
        audience="session tokens have none, unless their customization or a JWT template adds one",
        markers=(
            _access("sid", re.compile(r"\Asess_"), "Clerk: session token claims", without=("nonce",)),
            _access("azp", re.compile(r"\Ahttps?://"), "Clerk: azp is the Origin that asked, in JWT templates too"),
        ),
    ),
    Preset(
        "fusionauth",
        "fusionauth.io/docs: OAuth tokens. Since 1.24 only access tokens have applicationId; ID tokens have scope too",
        host=_host(r"[^/]+\.fusionauth\.io"),
        audience="it is the id of the application, in ID tokens too",
        client_claims=("client_id", "applicationId"),
        markers=(_access("applicationId", Shape.TEXT, "FusionAuth: access token claims", without=("nonce",)),),
    ),
    Preset(
        "authentik",
        "github.com/goauthentik/authentik: providers/oauth2/id_token.py, to_access_token",
        host=_path(r"/application/o/[^/?#]+"),
        client_claims=("azp",),
        audience="it is the client's id, in ID tokens too",
        slash=True,
        markers=(_access("uid", Shape.TEXT, "authentik: only access tokens get azp and uid", beside=("azp",)),),
    ),
    Preset(
        "authelia",
        "github.com/authelia/authelia: internal/oidc/session.go",
        scope_claims=("scope", "scp"),
        client_claims=("client_id",),
    ),
    Preset(
        "duende",
        "docs.duendesoftware.com, docs.identityserver.io: JWT access tokens",
        client_claims=("client_id",),
        audience="it is the API resource that has the scope which the client asks for",
        markers=(_access("client_id", Shape.TEXT, "IdentityServer: ID tokens have no client_id", without=("nonce",)),),
    ),
    Preset(
        "cloudfoundry-uaa",
        "github.com/cloudfoundry/uaa: UAA-Tokens.md, IdToken.java; SAP XSUAA is made from it",
        host=_path(r"/(?:uaa/)?oauth/token\Z"),
        client_claims=("client_id", "cid", "azp"),
    ),
    Preset(
        "spring",
        "github.com/spring-projects/spring-authorization-server: JwtGenerator.java; nbf in access tokens only, azp in "
        "ID tokens only",
        scope_claims=("scope",),
        audience="it is the client's id, unless an OAuth2TokenCustomizer of the server sets it",
        markers=(
            Marker(ID, PAYLOAD, "azp", Shape.TEXT, "Spring Authorization Server: JwtGenerator.java", without=("nbf",)),
            _access("nbf", Shape.ANY, "Spring Authorization Server: JwtGenerator.java", without=("azp", "nonce")),
        ),
    ),
    Preset(
        "logto",
        "docs.logto.io and github.com/panva/node-oidc-provider: lib/models/formats/jwt.js",
        host=_host(r"[^/]+\.logto\.app"),
        client_claims=("client_id",),
        audience="the client asks with the parameter resource; without it the token is opaque",
    ),
    Preset(
        "stytch",
        "stytch.com/docs: session JWTs",
        host=re.compile(r"\A(?:https://)?(?:stytch\.com/project-|[^/]+\.stytch\.com)"),
        markers=(_access("https://stytch.com/session", Shape.OBJECT, "Stytch: session JWTs"),),
    ),
    Preset(
        "descope",
        "docs.descope.com: session and refresh JWTs, drn",
        host=_host(r"api\.(?:[a-z0-9]+\.)?descope\.com"),
        client_claims=("client_id", "azp"),
    ),
    Preset(
        "kinde",
        "docs.kinde.com: about access tokens, about ID tokens, M2M token structure",
        host=_host(r"[^/]+\.kinde\.com"),
        scope_claims=("scp", "scope"),
        client_claims=("azp",),
        audience="the client sends the parameter audience with that of an API it may call",
    ),
    Preset(
        "propelauth",
        "docs.propelauth.com: access token, user_id and org_id_to_org_member_info",
        host=_host(r"[^/]+\.propelauthtest\.com"),
        markers=(_access("user_id", Shape.TEXT, "PropelAuth: user of the access token", without=("nonce",)),),
    ),
    Preset(
        "kubernetes",
        "kubernetes.io/docs: managing service accounts, bound tokens; legacy ones have no kubernetes.io object",
        host=_host(r"kubernetes\.default(?:\.svc(?:\.[^/]+)?)?"),
        audience="the caller's pod mounts a projected volume with a serviceAccountToken for it",
        markers=(_access("kubernetes.io", Shape.OBJECT, "Kubernetes: projected tokens of service accounts"),),
    ),
    Preset(
        "cloudflare-access",
        "developers.cloudflare.com: Cloudflare One, application token; type app, against org for the global session",
        host=_host(r"[^/]+\.cloudflareaccess\.com"),
        audience="it is the AUD tag of the application",
        slash=False,
        markers=(_access("type", words("app"), "Cloudflare Access: application token"),),
    ),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _PROVIDERS}


def scope_claims_of(preset: Preset, audiences: Iterable[str]) -> tuple[ClaimName, ...]:
    """Where scopes are read when these audiences are configured: paths instead of `{audience}`."""
    found: list[ClaimName] = []
    for name in preset.scope_claims:
        if "{audience}" not in name:
            found.append(name)
            continue
        path = name.removeprefix("/").split("/")
        found += [tuple(audience if part == "{audience}" else part for part in path) for audience in audiences]
    for name in preset.scope_objects:
        names = [name.replace("{audience}", audience) for audience in audiences] if "{audience}" in name else [name]
        found += map(keys_of, names)
    return tuple(found)


def suggest_preset(issuer: str) -> str | None:
    """The preset whose provider has issuer URLs like this one, or None; for advice only."""
    return next((p.name for p in PRESETS.values() if p.host is not None and p.host.match(issuer)), None)
