"""The sections of an upstream's `authorization` that get tokens for the API: the gateway's own, or in exchange."""

from typing import Annotated, Literal

from gateway.core.config.client_authentication import ClientAuthentication
from gateway.core.config.section import Seconds, default
from gateway.core.config.section import described as _doc


class TokenRequest(ClientAuthentication, frozen=True, kw_only=True):
    """What both kinds have: where a token for the API is asked for, as which client, and for what."""

    token_endpoint: Annotated[str, _doc("address that gives the tokens", stand_in="https://unreadable.invalid/token")]
    audience: Annotated[str | None, _doc("audience that the token is to have, where the provider asks for one")] = None
    resource: Annotated[str | None, _doc("URI of the API (RFC 8707), where the provider asks for that")] = None
    scope: Annotated[str | None, _doc("scopes that the token is to have, separated by blanks")] = None
    timeout: Annotated[Seconds, _doc("time for a response of the token endpoint, at most 1m")] = default(Seconds(5))
    ca_file: Annotated[
        str | None,
        _doc(
            "PEM file of authorities, replacing the system's, for the token endpoint; certificates need "
            "no key identifiers",
            file="authorities",
        ),
    ] = None
    proxy: Annotated[
        str | None,
        _doc(
            "http://host:port of the proxy by which the token endpoint is asked; null: directly",
            stand_in="http://unreadable.invalid:3128",
        ),
    ] = None
    allow_http: Annotated[
        bool, _doc("UNSAFE: ask over http on other hosts too: the credentials are sent in the clear", stand_in=True)
    ] = False


class ClientCredentials(TokenRequest, frozen=True, kw_only=True):
    """A token of the gateway's own (RFC 6749 section 4.4), fetched ahead in the background: one for all requests."""


class TokenExchange(TokenRequest, frozen=True, kw_only=True):
    """A token for the API in exchange for the caller's: RFC 8693, or the on-behalf-of flow of Microsoft Entra."""

    kind: Annotated[
        Literal["rfc8693", "on_behalf_of"],
        _doc("on_behalf_of: of Microsoft Entra (jwt-bearer with requested_token_use)"),
    ] = "rfc8693"
    cache: Annotated[
        Seconds, _doc("how long a token is kept for the same caller, never beyond its end; 0s: each request asks")
    ] = default(Seconds(300))
