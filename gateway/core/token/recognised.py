"""Which provider an issuer is of, by its URL and by what its discovery document says of itself.

Advice for whoever writes a configuration: nothing that judges a token asks here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.core.token.presets import suggest_preset

#: presets whose issuers may have any host: their documents know better than their URLs
_ANYWHERE: Final = frozenset({"keycloak", "forgerock", "curity", "authentik", "cloudfoundry-uaa", "clerk"})


@dataclass(frozen=True, slots=True)
class Recognised:
    """A provider, and what spoke for it."""

    preset: str
    #: such as `its token_endpoint ends with /protocol/openid-connect/token`
    by: str


@dataclass(frozen=True, slots=True)
class _Sign:
    """What only one provider's discovery documents say."""

    preset: str
    #: member to how the path of its URL ends; all of them must
    paths: Mapping[str, str]
    #: members that must be there, whatever they say
    members: tuple[str, ...] = ()


#: the first that fits; what is more particular stands before what is less
_SIGNS: Final = (
    _Sign("keycloak", {"token_endpoint": "/protocol/openid-connect/token"}),
    _Sign("entra", {"token_endpoint": "/oauth2(?:/v2[.]0)?/token"}, ("tenant_region_scope",)),
    _Sign("entra", {"token_endpoint": "/oauth2(?:/v2[.]0)?/token"}, ("cloud_instance_name",)),
    _Sign("entra-b2c", {"token_endpoint": "/oauth2/v2[.]0/token", "jwks_uri": "/discovery/v2[.]0/keys"}),
    _Sign("auth0", {"mfa_challenge_endpoint": "/mfa/challenge", "token_endpoint": "/oauth/token"}),
    _Sign("okta", {"token_endpoint": "/oauth2(?:/[^/]+)?/v1/token", "jwks_uri": "/oauth2(?:/[^/]+)?/v1/keys"}),
    _Sign("zitadel", {"token_endpoint": "/oauth/v2/token", "jwks_uri": "/oauth/v2/keys"}),
    _Sign("ory-hydra", {"end_session_endpoint": "/oauth2/sessions/logout"}),
    _Sign("ory-hydra", {"authorization_endpoint": "/oauth2/auth"}, ("credentials_endpoint_draft_00",)),
    _Sign("fusionauth", {"device_authorization_endpoint": "/oauth2/device_authorize"}),
    _Sign("wso2", {"jwks_uri": "/oauth2/jwks", "end_session_endpoint": "/oidc/logout"}),
    _Sign("spring", {"jwks_uri": "/oauth2/jwks", "end_session_endpoint": "/connect/logout"}),
    # Without OpenID Connect, and before 1.1: another that has these has its own UserInfo endpoint below /oauth2.
    _Sign("spring", {"introspection_endpoint": "/oauth2/introspect", "userinfo_endpoint": "(?<!/oauth2)/userinfo"}),
    _Sign("pingone", {"token_endpoint": "/as/token", "jwks_uri": "/as/jwks"}),
    _Sign("pingfederate", {"token_endpoint": "/as/token[.]oauth2"}),
    _Sign("forgerock", {"token_endpoint": "/oauth2/(?:.+/)?access_token", "jwks_uri": "/connect/jwk_uri"}),
    _Sign("curity", {"jwks_uri": "/oauth-anonymous/jwks"}),
    _Sign("oracle", {"token_endpoint": "/oauth2/v1/token", "jwks_uri": "/admin/v1/SigningCert/jwk"}),
    _Sign("salesforce", {"token_endpoint": "/services/oauth2/token"}),
    _Sign("supabase", {"jwks_uri": "/auth/v1/[.]well-known/jwks[.]json"}),
    _Sign("authentik", {"jwks_uri": "/application/o/[^/]+/jwks/?"}),
    _Sign("authelia", {"token_endpoint": "/api/oidc/token"}),
    _Sign("duende", {"token_endpoint": "/connect/token", "jwks_uri": "/[.]well-known/openid-configuration/jwks"}),
    _Sign("cloudfoundry-uaa", {"token_endpoint": "/oauth/token", "jwks_uri": "/token_keys"}),
    _Sign("logto", {"token_endpoint": "/oidc/token", "authorization_endpoint": "/oidc/auth", "jwks_uri": "/oidc/jwks"}),
    _Sign("kinde", {"userinfo_endpoint": "/oauth2/(?:v2/)?user_profile"}),
    _Sign("kubernetes", {"jwks_uri": "/openid/v1/jwks"}),
)  # fmt: skip


def recognise(issuer: str, document: Mapping[str, Any]) -> Recognised | None:
    """The provider of an issuer with this discovery document; None: no preset is known to be for it.

    A host that belongs to one provider decides; elsewhere the document does, and then the path of the issuer.
    """
    suggested = suggest_preset(issuer)
    if suggested is not None and suggested not in _ANYWHERE:
        return Recognised(suggested, "its URL")
    for sign in _SIGNS:
        if all(_ends(document.get(name), path) for name, path in sign.paths.items()) and all(
            name in document for name in sign.members
        ):
            return Recognised(sign.preset, f"its {' and '.join((*sign.paths, *sign.members))}")
    if _is_cluster(document):
        return Recognised("kubernetes", "what it calls its grants")
    return None if suggested is None else Recognised(suggested, "its URL")


def _ends(value: object, path: str) -> bool:
    """Whether a URL of a stranger has a path that ends like this."""
    if not isinstance(value, str):
        return False
    try:
        found = urlsplit(value).path
    except ValueError:
        return False
    return re.search(rf"(?:{path})\Z", found) is not None


def _is_cluster(document: Mapping[str, Any]) -> bool:
    """Whether tokens come out of Kubernetes itself, as issuers of managed clusters say."""
    grants = document.get("grant_types_supported")
    named = [document.get("authorization_endpoint"), *(grants if isinstance(grants, list) else ())]
    return any(isinstance(name, str) and name.startswith("urn:kubernetes:") for name in named)
