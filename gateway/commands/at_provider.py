"""What `init` knows of providers beyond their presets: what has to be set there, and what differs in the file.

docs/providers.md has the whole of it; these are its first lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core.checks.issuers import is_org_server


@dataclass(frozen=True, slots=True)
class Provider:
    """One of them."""

    name: str
    #: its section of docs/providers.md
    anchor: str
    #: what to do there, in sentences
    steps: tuple[str, ...]
    audience_claims: tuple[str, ...] = ()
    #: headers that people want besides, as lines of the file
    headers: tuple[str, ...] = ()


PROVIDERS: Final[Mapping[str, Provider]] = {
    "keycloak": Provider(
        "Keycloak",
        "keycloak",
        (
            "Client scopes, Create; Mappers, Configure a new mapper, Audience: Included Custom Audience {audience},",
            "Add to access token. Add the scope to the app's client as a default one: without it aud lacks the API.",
        ),
        headers=("X-User-Roles: {claim: /realm_access/roles, format: csv}",),
    ),
    "auth0": Provider(
        "Auth0",
        "auth0",
        (
            "Applications, APIs, Create: its identifier is {audience}. The app passes audience={audience} when it",
            "signs in: without that its access token is opaque. RBAC: Add Permissions in the Access Token.",
        ),
        headers=("X-User-Email: https://example.com/email  # a claim that an Action adds",),
    ),
    "entra": Provider(
        "Microsoft Entra ID",
        "microsoft-entra-id",
        (
            "App registrations, the API's own: Expose an API, add a scope; manifest: requestedAccessTokenVersion 2.",
            "The app asks for api://API-ID/SCOPE, never for scopes of Graph alone. aud is then the API's client id.",
        ),
        headers=("X-User-Id: oid  # the user in the tenant; sub differs from API to API",),
    ),
    "okta": Provider(
        "Okta",
        "okta",
        (
            "Security, API: an authorization server of your own (default is one), whose audience is {audience}.",
            "Tokens of the org's own server, without /oauth2/ in the issuer, can be verified by nobody else.",
        ),
    ),
    "cognito": Provider(
        "Amazon Cognito",
        "amazon-cognito",
        (
            "A resource server with scopes of its own, allowed for the app client. Access tokens have no aud: the id",
            "of the app client, in client_id, stands for the audience.",
        ),
        audience_claims=("aud", "client_id"),
        headers=('X-User-Groups: {claim: "cognito:groups", format: csv}',),
    ),
    "zitadel": Provider(
        "ZITADEL",
        "zitadel",
        (
            "The application's token settings: Auth Token Type JWT (the default is opaque). The audience is the id of",
            "the project: the app asks for the scope urn:zitadel:iam:org:project:id:{audience}:aud.",
        ),
        headers=('X-User-Roles: {claim: "urn:zitadel:iam:org:project:roles", format: json}',),
    ),
    "spring": Provider(
        "Spring Authorization Server",
        "spring-authorization-server",
        (
            "aud is the client's id there. A bean OAuth2TokenCustomizer<JwtEncodingContext> that sets the audience",
            "{audience} on access tokens gives the API a name of its own.",
        ),
    ),
    "ory-hydra": Provider(
        "Ory Hydra",
        "ory-hydra",
        (
            "strategies.access_token: jwt (the default is opaque). {audience} on the client's list of audiences, and",
            "audience={audience} when the app asks.",
        ),
    ),
    "kubernetes": Provider(
        "Kubernetes",
        "kubernetes",
        (
            "The caller's pod mounts a projected volume with a serviceAccountToken whose audience is {audience}.",
            "Never take the audience of the API server: every pod has such a token.",
        ),
        headers=("X-Namespace: /kubernetes.io/namespace",),
    ),
}


def doubt_of(issuer: str, preset: str | None) -> str | None:
    """What speaks against an issuer that is there, and says that it is the one; None: nothing."""
    if is_org_server(issuer, preset):
        return (
            "is the org's own server, and its tokens are for Okta's APIs: an authorization server of your own has "
            f"{issuer.rstrip('/')}/oauth2/default"
        )
    return None
