"""The section `upstreams.NAME`: one API behind the gateway, how it is reached, and what it is told of us."""

from typing import Annotated, Literal

from gateway.core.config.secret import SOME_SECRET, Secret
from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange

#: the upstream of a route that names none
DEFAULT_UPSTREAM = "default"
#: in place of a token endpoint that could not be read
_SOMEWHERE = "https://unreadable.invalid/token"


class BasicCredential(Section, frozen=True, kw_only=True):
    """A name and a password (RFC 7617)."""

    unquoted = "{user: NAME, password: SECRET}"

    user: Annotated[str, _doc("name, without colon", stand_in="unreadable")]
    password: Annotated[Secret, _doc("where the password is", stand_in=SOME_SECRET)]


class UpstreamCredential(Section, frozen=True, kw_only=True):
    """What the API is shown instead of the client's credential. Exactly one of these is given."""

    unquoted = "{bearer: SECRET}, {basic: {user: NAME, password: SECRET}}, {client_credentials: ...} or {exchange: ...}"

    bearer: Annotated[
        Secret | None, _doc("where the token is that follows the word Bearer", stand_in=SOME_SECRET, holds="bearer")
    ] = None
    basic: Annotated[
        BasicCredential | None,
        _doc("name and password", stand_in=BasicCredential(user="unreadable", password=SOME_SECRET)),
    ] = None
    client_credentials: Annotated[
        ClientCredentials | None,
        _doc("a token of the gateway's own, fetched ahead", stand_in=ClientCredentials(token_endpoint=_SOMEWHERE)),
    ] = None
    exchange: Annotated[
        TokenExchange | None,
        _doc("a token in exchange for the caller's", stand_in=TokenExchange(token_endpoint=_SOMEWHERE)),
    ] = None
    assertion: Annotated[
        Literal["alone", "beside"] | None,
        _doc(
            "the proof of origin as Bearer: alone, as by the word assertion, or beside the header of its own",
            stand_in="alone",
        ),
    ] = None


class UpstreamTls(Section, frozen=True, kw_only=True):
    """How the gateway knows an API that speaks https, and how the API knows the gateway."""

    ca_file: Annotated[
        str | None,
        _doc(
            "PEM file of authorities, replacing the system's, for this API; certificates need no key identifiers",
            file="authorities",
        ),
    ] = None
    certificate: Annotated[
        str | None,
        _doc(
            "PEM file with the gateway's own certificate and its chain",
            stand_in="unreadable",
            file="client certificate",
        ),
    ] = None
    key: Annotated[
        str | None,
        _doc(
            "PEM file with the private key of certificate, not encrypted",
            stand_in="unreadable",
            file="key of a certificate",
        ),
    ] = None
    server_name: Annotated[
        str | None, _doc("name that the API's certificate must have, sent as SNI; default: the host of url")
    ] = None
    allow_insecure: Annotated[bool, _doc("UNSAFE: take any certificate, of anybody")] = False


class UpstreamSection(Section, frozen=True, kw_only=True):
    """One API behind the gateway, in the long form."""

    url: Annotated[
        str, _doc("http://host:port, https://host:port or unix:/path", stand_in="https://unreadable.invalid")
    ]
    connect_timeout: Annotated[Seconds, _doc("time for a connection, TLS included")] = default(Seconds(5))
    response_timeout: Annotated[
        Seconds, _doc("time from the last byte of a request to the head of its response; then the longest silence")
    ] = default(Seconds(60))
    keepalive: Annotated[Seconds, _doc("how long an idle connection is kept for the next request")] = default(
        Seconds(60)
    )
    max_age: Annotated[
        Seconds | None,
        _doc("age of a connection from which a new one is preferred, so that a name that moved is followed; null: any"),
    ] = default(Seconds(300))
    max_connections: Annotated[int, _doc("connections at a time")] = 256
    pool_timeout: Annotated[Seconds, _doc("how long a request waits when all connections are busy")] = default(
        Seconds(5)
    )
    host: Annotated[Literal["preserve", "upstream"], _doc("Host as the client sent it, or that of the url")] = (
        "preserve"
    )
    tls: Annotated[UpstreamTls | None, _doc("for https: authorities, client certificate, name")] = None
    authorization: Annotated[
        Literal["drop", "keep", "assertion"] | UpstreamCredential,
        _doc(
            "what the API gets as Authorization: drop: not the token; UNSAFE: keep hands it the token; assertion: the "
            "proof of origin as Bearer, in place of the header of its own; or another credential than the client's"
        ),
    ] = "drop"
    headers: Annotated[
        dict[str, str | Secret],
        _doc("header name to text or a secret: added to each request, in place of the client's", holds="header"),
    ] = default({})


def asserted_of(upstream: UpstreamSection) -> Literal["alone", "beside"] | None:
    """Whether the proof of origin is the API's Authorization, and whether it has the header of its own beside that."""
    own = upstream.authorization
    if isinstance(own, str):
        return "alone" if own == "assertion" else None
    return own.assertion


def token_requests_of(upstream: UpstreamSection) -> dict[str, ClientCredentials | TokenExchange]:
    """Key of `authorization` to the section that gets tokens for this API; none for most."""
    own = upstream.authorization
    if isinstance(own, str):
        return {}
    found = {"client_credentials": own.client_credentials, "exchange": own.exchange}
    return {key: section for key, section in found.items() if section is not None}
