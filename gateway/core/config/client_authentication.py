"""What sections share that say how the gateway authenticates itself at an issuer, as the client that it is there."""

from typing import Annotated, Final, Literal, get_args

from gateway.core.config.secret import SOME_SECRET, Secret
from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc

#: RFC 6749 section 2.3.1, OpenID Connect Core section 9, RFC 8705 section 2, RFC 6750; none: the address suffices
AuthMethod = Literal[
    "client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "bearer", "none"
]
AUTH_METHODS: Final[tuple[str, ...]] = get_args(AuthMethod)


class ClientCertificate(Section, frozen=True, kw_only=True):
    """The gateway's own certificate, as the issuer knows it (RFC 8705)."""

    certificate: Annotated[
        str, _doc("PEM file with the certificate and its chain", stand_in="unreadable", file="client certificate")
    ]
    key: Annotated[
        str,
        _doc("PEM file with its private key, not encrypted", stand_in="unreadable", file="key of a certificate"),
    ]


class ClientAuthentication(Section, frozen=True, kw_only=True):
    """How the gateway shows an issuer which of its clients it is. What fits together: `core.checks`."""

    client_id: Annotated[str | None, _doc("what the issuer knows the gateway by", stand_in="unreadable")] = None
    client_secret: Annotated[
        Secret | None,
        _doc("where the secret is, for client_secret_basic and client_secret_post", stand_in=SOME_SECRET),
    ] = None
    auth: Annotated[
        AuthMethod | None,
        _doc("how the gateway authenticates itself; default: by what is given of client_secret, key, tls and bearer"),
    ] = None
    key: Annotated[
        Secret | None,
        _doc(
            "where the private key is that signs for private_key_jwt (RFC 7523): PEM or JWK, RSA, EC or Ed25519; a "
            "certificate beside it in the PEM is named in what is signed",
            stand_in=SOME_SECRET,
            holds="client key",
        ),
    ] = None
    key_id: Annotated[
        str | None, _doc("kid of that key at the issuer; default: the JWK's own, else its RFC 7638 thumbprint")
    ] = None
    assertion_audience: Annotated[
        str | None, _doc("aud of what private_key_jwt signs, where the issuer wants another than by default")
    ] = None
    tls: Annotated[ClientCertificate | None, _doc("client certificate, for tls_client_auth")] = None
    bearer: Annotated[
        Secret | None,
        _doc("where the token is that the gateway shows, for bearer", stand_in=SOME_SECRET, holds="bearer"),
    ] = None


def auth_of(section: ClientAuthentication) -> AuthMethod:
    """The method that is configured, or that what is given is for; client_secret_basic where nothing is."""
    if section.auth is not None:
        return section.auth
    if section.key is not None:
        return "private_key_jwt"
    if section.tls is not None and section.client_secret is None:
        return "tls_client_auth"
    return "bearer" if section.bearer is not None else "client_secret_basic"
