"""Which claim or header member shows what kind of token a JWT is: the table that `token_class` reads.

Only markers that no provider is known to use differently stand in `MARKERS`; what needs to know the provider stands
in `presets`. Knows nothing of the order in which kinds are weighed, nor of keys, audiences and times.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from sys import intern
from typing import Final

from gateway.core.errors import IdToken, RefreshToken


class Verdict:
    """What kind of token this is, and why."""

    __slots__ = ("evidence", "kind")

    def __init__(self, kind: str, evidence: str) -> None:
        #: access, id, refresh, logout, other or unclassified
        self.kind: Final = kind
        #: the marker that decided, in words; there are few, and each is kept once
        self.evidence: Final = intern(evidence)


class Shape(StrEnum):
    """What a value must look like to count. A value that is empty never counts, and null is absent."""

    TEXT = "a string"
    TEXTS = "a string, or a list with a string"
    LIST = "a list"
    OBJECT = "an object"
    BOOLEAN = "true or false"
    ANY = "present"


#: A shape, a set of lower-case words (any string of the claim may be one), or a pattern for any string of the claim.
Expected = Shape | frozenset[str] | re.Pattern[str]

HEADER: Final = "header"
PAYLOAD: Final = "payload"

#: decisive kinds, as in `Verdict.kind`; `hint` is evidence for access that gives way to a nonce; `sure` is evidence for
#: access that all others but an ID token's give way to, in a preset only
ID: Final = "id"
REFRESH: Final = "refresh"
LOGOUT: Final = "logout"
OTHER: Final = "other"
ACCESS: Final = "access"
HINT: Final = "hint"
SURE: Final = "sure"


class Marker:
    """One piece of evidence: `kind` is shown by member `name` of `where`, if it is as `expected`."""

    __slots__ = ("beside", "expected", "kind", "name", "source", "where", "without")

    def __init__(
        self,
        kind: str,
        where: str,
        name: str,
        expected: Expected,
        source: str,
        beside: tuple[tuple[str, Expected], ...] = (),
        without: tuple[str, ...] = (),
    ) -> None:
        """`beside`: payload claims that must be there too; `without`: those that must be absent."""
        self.kind: Final = kind
        self.where: Final = where
        self.name: Final = name
        self.expected: Final = expected
        self.source: Final = source
        self.beside: Final = beside
        self.without: Final = without


def words(*values: str) -> frozenset[str]:
    """Values of a marker; compared without case."""
    return frozenset(value.lower() for value in values)


def each(kind: str, names: Iterable[str], expected: Expected, source: str) -> tuple[Marker, ...]:
    """The same evidence under several payload names."""
    return tuple(Marker(kind, PAYLOAD, name, expected, source) for name in names)


# The values below are what providers write into their own claims. Two of them happen to be spelled like reasons of
# this gateway; `errors` is the one place where those are spelled, so they are taken from there.
_ID_VALUES = words("id", "id-token", IdToken.reason)
_REFRESH_VALUES = words("refresh", "refresh-token", RefreshToken.reason)
_ACCESS_VALUES = words("access", "access-token", "access_token")
_UAA: tuple[tuple[str, Expected], ...] = tuple((name, Shape.TEXT) for name in ("cid", "client_id", "grant_type"))
_AS_REQUEST = "RFC 9101 section 4, OpenID Connect Core section 6.1: a request object"

MARKERS: tuple[Marker, ...] = (
    # ID tokens
    *each(ID, ("at_hash", "c_hash"), Shape.TEXT, "OpenID Connect Core sections 3.1.3.6 and 3.3.2.11"),
    *each(ID, ("s_hash",), Shape.TEXT, "OpenID FAPI 1.0 Advanced section 5.1"),
    *each(ID, ("sub_jwk",), Shape.OBJECT, "OpenID Connect Core section 7.4: self-issued"),
    *each(
        ID,
        ("urn:openid:params:jwt:claim:auth_req_id", "urn:openid:params:jwt:claim:rt_hash"),
        Shape.TEXT,
        "OpenID CIBA Core section 10.3.1",
    ),
    Marker(ID, PAYLOAD, "typ", words("ID", "Serialized-ID"), "Keycloak: TokenUtil.java"),
    Marker(ID, PAYLOAD, "token_use", _ID_VALUES, "Amazon Cognito: using the ID token"),
    Marker(ID, PAYLOAD, "tokenName", _ID_VALUES, "ForgeRock AM and PingAM: idtokeninfo endpoint"),
    Marker(ID, PAYLOAD, "org.forgerock.openidconnect.ops", Shape.TEXT, "ForgeRock AM: ID token example"),
    Marker(ID, PAYLOAD, "purpose", _ID_VALUES, "Curity; PagerDuty: user OAuth token, ID token"),
    Marker(ID, PAYLOAD, "tok_type", words("IT"), "Oracle IDCS and OCI IAM: Identity Token"),
    Marker(ID, PAYLOAD, "token_type", _ID_VALUES, "the same words under the name RFC 6749 section 5.1 gives them"),
    Marker(ID, PAYLOAD, "oi_tkn_typ", _ID_VALUES, "OpenIddict: OpenIddictConstants.Claims.Private"),
    Marker(ID, PAYLOAD, "jti", re.compile(r"\AID\."), "Okta: ID token claims", (("ver", Shape.ANY),)),
    *each(ID, ("firebase",), Shape.OBJECT, "Firebase Authentication: verify ID tokens"),
    Marker(ID, PAYLOAD, "nonce_supported", Shape.BOOLEAN, "Sign in with Apple: identity token claims"),
    # Refresh tokens
    Marker(REFRESH, HEADER, "typ", words("oi_reft+jwt", "rt+jwt"), "OpenIddict: JsonWebTokenTypes.Private"),
    Marker(REFRESH, PAYLOAD, "typ", words("Refresh", "Offline"), "Keycloak: TokenUtil.java"),
    *each(REFRESH, ("token_use", "tokenName", "purpose"), _REFRESH_VALUES, "as for the ID token of the same provider"),
    *each(REFRESH, ("token_type", "type"), _REFRESH_VALUES, "djangorestframework-simplejwt, Flask-JWT-Extended"),
    *each(REFRESH, ("tokenType", "TokenType"), _REFRESH_VALUES, "Casdoor: object/token_jwt.go"),
    Marker(REFRESH, PAYLOAD, "oi_tkn_typ", _REFRESH_VALUES, "OpenIddict: OpenIddictConstants.Claims.Private"),
    Marker(REFRESH, PAYLOAD, "tok_type", words("RT"), "Oracle IDCS: Supported Tokens"),
    Marker(REFRESH, PAYLOAD, "drn", words("DSR"), "Descope: session management, refresh token"),
    Marker(REFRESH, PAYLOAD, "ati", Shape.TEXT, "Spring Security OAuth: AccessTokenConverter.ATI, refresh tokens only"),
    Marker(REFRESH, PAYLOAD, "granted_scopes", Shape.TEXTS, "Cloud Foundry UAA: RefreshTokenCreator.java"),
    Marker(REFRESH, PAYLOAD, "jti", re.compile(r"-r\Z"), "UAA: REFRESH_TOKEN_SUFFIX", (("cid", Shape.TEXT),)),
    Marker(
        REFRESH,
        PAYLOAD,
        "cid",
        Shape.TEXT,
        "Cloud Foundry UAA: UAA-Tokens.md, the refresh token has cid and no client_id",
        (("grant_type", Shape.TEXT),),
        ("client_id",),
    ),
    # Logout tokens and security events
    Marker(LOGOUT, PAYLOAD, "events", Shape.OBJECT, "RFC 8417 section 2.2, OpenID Back-Channel Logout section 2.4"),
    Marker(LOGOUT, PAYLOAD, "typ", words("Logout"), "Keycloak: TokenUtil.java"),
    Marker(LOGOUT, HEADER, "typ", words("logout+jwt"), "OpenID Back-Channel Logout section 2.4"),
    # Others of the family
    Marker(OTHER, PAYLOAD, "token_introspection", Shape.OBJECT, "RFC 9701 section 5"),
    Marker(OTHER, PAYLOAD, "active", Shape.BOOLEAN, "RFC 7662 section 2.2", (("token_type", Shape.TEXT),)),
    *each(OTHER, ("response_type", "redirect_uri", "code_challenge", "id_token_hint"), Shape.TEXT, _AS_REQUEST),
    *each(
        OTHER,
        ("client_notification_token", "login_hint_token", "binding_message"),
        Shape.TEXT,
        "OpenID CIBA Core section 7.1.1: a signed authentication request",
    ),
    Marker(
        OTHER,
        PAYLOAD,
        "login_hint",
        Shape.TEXT,
        "OpenID CIBA Core section 7.1.1: a signed authentication request",
        (("scope", Shape.TEXTS),),
        ("sub",),
    ),
    Marker(OTHER, PAYLOAD, "code", Shape.TEXT, "JARM section 2.1", (("state", Shape.TEXT),)),
    *each(
        OTHER, ("access_token", IdToken.reason, RefreshToken.reason), Shape.TEXT, "JARM section 2.1: carries a token"
    ),
    Marker(OTHER, PAYLOAD, "htm", Shape.TEXT, "RFC 9449 section 4.2", (("htu", Shape.TEXT),)),
    Marker(OTHER, PAYLOAD, "wth", Shape.TEXT, "WIMSE workload proof token"),
    *each(OTHER, ("redirect_uris", "authority_hints"), Shape.LIST, "RFC 7591 section 2.3, OpenID Federation section 3"),
    *each(OTHER, ("software_id", "software_statement"), Shape.TEXT, "RFC 7591 section 2: a software statement"),
    Marker(OTHER, PAYLOAD, "jwks", Shape.OBJECT, "OpenID Federation section 3; RFC 7591 section 2"),
    *each(OTHER, ("trust_mark_id", "trust_mark_type"), Shape.TEXT, "OpenID Federation section 7"),
    *each(OTHER, ("vc", "vp", "credentialSubject"), Shape.OBJECT, "W3C VC Data Model 1.1 section 6.3.1"),
    *each(OTHER, ("vct", "_sd_alg", "sd_hash"), Shape.TEXT, "RFC 9901; SD-JWT VC section 2.2.2"),
    Marker(OTHER, PAYLOAD, "_sd", Shape.LIST, "RFC 9901 section 4.2.4.1"),
    *each(OTHER, ("tctx", "rctx"), Shape.OBJECT, "OAuth Transaction Tokens section 5"),
    Marker(OTHER, PAYLOAD, "jti", re.compile(r"\AIDAAG\."), "Okta: identity assertion authorization grant"),
    *each(OTHER, ("target_audience", "assertion", "request_nonce"), Shape.TEXT, "Google, Microsoft: token requests"),
    Marker(OTHER, PAYLOAD, "box_sub_type", Shape.TEXT, "Box: JWT assertion"),
    Marker(
        OTHER,
        PAYLOAD,
        "aud",
        re.compile(r"\Ahttps?://[^?#]*/token\Z"),
        "RFC 7523 section 3: assertions are for the token endpoint",
        without=("client_id", "azp", "cid"),
    ),
    Marker(OTHER, HEADER, "signer", re.compile(r"\Aarn:"), "AWS Application Load Balancer: x-amzn-oidc-data"),
    Marker(
        OTHER,
        PAYLOAD,
        "typ",
        words(
            *("InitialAccessToken", "RegistrationAccessToken", "verify-email", "update-email", "reset-credentials"),
            *("execute-actions", "idp-verify-account-via-email", "ORGIVT"),
        ),
        "Keycloak: ClientRegistrationTokenUtils.java, authentication/actiontoken",
    ),
    # Access tokens
    Marker(ACCESS, HEADER, "typ", words("at+jwt"), "RFC 9068 section 2.1"),
    Marker(ACCESS, PAYLOAD, "typ", words("Bearer", "DPoP", "at+jwt"), "Keycloak: TokenUtil.java"),
    Marker(ACCESS, PAYLOAD, "token_use", _ACCESS_VALUES, "Amazon Cognito: using the access token"),
    Marker(ACCESS, PAYLOAD, "tokenName", _ACCESS_VALUES, "ForgeRock AM and PingAM: client-side access token"),
    Marker(ACCESS, PAYLOAD, "purpose", _ACCESS_VALUES, "Curity: access token JWT"),
    Marker(ACCESS, PAYLOAD, "tok_type", words("AT"), "Oracle IDCS and OCI IAM: Access Token"),
    Marker(ACCESS, PAYLOAD, "oi_tkn_typ", _ACCESS_VALUES, "OpenIddict: OpenIddictConstants.Claims.Private"),
    Marker(ACCESS, PAYLOAD, "jti", re.compile(r"\AAT\."), "Okta: access token claims", (("ver", Shape.ANY),)),
    Marker(ACCESS, PAYLOAD, "drn", words("DS"), "Descope: session management, session token"),
    Marker(ACCESS, PAYLOAD, "aut", words("APPLICATION", "APPLICATION_USER", "AGENT"), "WSO2 IS and Asgardeo"),
    *each(ACCESS, ("appidacr", "azpacr"), words("0", "1", "2"), "Microsoft Entra: access token claims reference"),
    Marker(ACCESS, PAYLOAD, "idtyp", words("app", "user", "device"), "Microsoft Entra: optional claims, access tokens"),
    Marker(ACCESS, HEADER, "tty", words("sfdc-core-token"), "Salesforce: JWT-based access tokens"),
    Marker(ACCESS, HEADER, "pi.atm", Shape.TEXT, "PingFederate: JWT access token manager"),
    Marker(
        ACCESS,
        PAYLOAD,
        "aal",
        words("aal1", "aal2", "aal3"),
        "github.com/supabase/auth: internal/tokens/service.go, AccessTokenClaims",
        (("session_id", Shape.TEXT), ("role", Shape.TEXT)),
    ),
    # UAA's ID tokens carry cid, client_id, grant_type and scope too, but that scope is openid alone and aud the client.
    Marker(
        ACCESS,
        PAYLOAD,
        "scope",
        re.compile(r"\A(?!(?:openid|profile|email|phone|address|roles|user_attributes)\Z)"),
        "Cloud Foundry UAA, SAP XSUAA: UAA-Tokens.md, IdToken.java",
        _UAA,
    ),
    Marker(ACCESS, PAYLOAD, "aud", words("openid"), "Cloud Foundry UAA: aud is made from the scopes", _UAA),
    # Hints of access: they give way to a nonce
    *each(HINT, ("scp", "permissions"), Shape.TEXTS, "Okta, Entra; Auth0: RBAC, WorkOS, Kinde"),
    Marker(HINT, PAYLOAD, "permissions", Shape.OBJECT, "FusionAuth: entity grants, by target entity"),
    Marker(HINT, PAYLOAD, "authorization_details", Shape.LIST, "RFC 9396 section 9.1"),
    Marker(HINT, PAYLOAD, "gty", Shape.TEXT, "Auth0: client credentials flow, token exchange"),
    # a list names every grant (FusionAuth, in ID tokens too); with client credentials there is no user to identify
    Marker(HINT, PAYLOAD, "gty", words("client_credentials"), "Kinde: machine-to-machine tokens"),
    Marker(HINT, PAYLOAD, "sl", Shape.BOOLEAN, "Ory Hydra: stateless JWT access tokens", (("scope", Shape.TEXTS),)),
    *each(HINT, ("token_type",), words("Bearer", "DPoP", *_ACCESS_VALUES), "RFC 6749 section 7.1; simplejwt"),
    *each(HINT, ("type", "tokenType", "TokenType"), _ACCESS_VALUES, "Flask-JWT-Extended; Casdoor"),
    Marker(HINT, PAYLOAD, "https://stytch.com/session", Shape.OBJECT, "Stytch: session JWTs"),
    Marker(
        HINT, PAYLOAD, "sid", re.compile(r"\Asess_"), "Clerk: session tokens", (("azp", re.compile(r"\Ahttps?://")),)
    ),
    Marker(HINT, PAYLOAD, "sid", re.compile(r"\Asession_"), "WorkOS AuthKit", (("sub", re.compile(r"\Auser_")),)),
    Marker(
        HINT,
        PAYLOAD,
        "applicationId",
        Shape.TEXT,
        "FusionAuth: access tokens; ID tokens lost it in 1.24 and have at_hash",
        (("authenticationType", Shape.TEXT),),
    ),
    Marker(
        HINT,
        PAYLOAD,
        "org_id_to_org_member_info",
        Shape.OBJECT,
        "PropelAuth: access tokens",
        (("user_id", Shape.TEXT),),
    ),
)
