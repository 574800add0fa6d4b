"""What a header's name says of it, in whatever spelling: hop-by-hop, forwarding, overriding. Knows no configuration."""

from collections.abc import Iterable
from typing import Final

from gateway.core.http.facts import HeaderLine

#: CGI, WSGI and PHP map X_User_Id, X.User.Id and x-user-id to one variable: compare names as they do.
_FOLD: Final = bytes(
    ord(chr(byte).lower()) if chr(byte).isascii() and chr(byte).isalnum() else ord("-") for byte in range(256)
)

#: RFC 9110 section 7.6.1
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
#: what changes method or path behind a gateway that decided on them (Symfony, Rails, IIS, Envoy)
OVERRIDES: Final = frozenset(
    {
        b"x-http-method-override",
        b"x-http-method",
        b"x-method-override",
        b"x-original-url",
        b"x-original-uri",
        b"x-original-method",
        b"x-rewrite-url",
        b"x-envoy-original-path",
    }
)
#: names that begin so are the gateway's own
OURS_PREFIX: Final = b"x-gateway-"
_FORWARDING: Final = frozenset({b"forwarded", b"x-real-ip", b"x-forwarded"})
_FORWARDING_PREFIX: Final = b"x-forwarded-"
#: In which proxies pass on the certificate of a client: RFC 9440; nginx, Apache, HAProxy, ingress-nginx; Azure, Google,
#: AWS, Cloudflare. X-Forwarded-Client-Cert and X-Forwarded-Tls-Client-Cert are forwarding ones.
_CERTIFICATE: Final = frozenset({b"client-cert", b"client-cert-chain", b"x-arr-clientcert"})
_CERTIFICATE_PREFIXES: Final = (
    b"x-client-cert",
    b"x-ssl-client-",
    b"ssl-client-",
    b"x-amzn-mtls-clientcert",
    b"cf-client-cert",
)
#: What a Connection header cannot name away (RFC 9110 section 7.6.1: only hop-by-hop fields are to be nominated).
_NEVER_NOMINATED: Final = (
    frozenset({b"host", b"cookie", b"authorization", b"x-request-id", b"origin"}) | _FORWARDING | _CERTIFICATE
)
_NEVER_NOMINATED_PREFIXES: Final = (
    b"content-",
    b"access-control-",
    _FORWARDING_PREFIX,
    OURS_PREFIX,
    *_CERTIFICATE_PREFIXES,
)
#: Values of Connection that are options of the connection, and name no header that would be kept.
CONNECTION_OPTIONS: Final = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close", b"upgrade", b"Upgrade"})


def fold(name: bytes) -> bytes:
    """A header name as the loosest of upstreams would read it: lower case, every other byte a hyphen."""
    return name.translate(_FOLD)


def is_forwarding(name: bytes) -> bool:
    """Whether a name is that of a forwarding header, in any spelling: what only proxies say of their clients.

    That is where a client is, what it asked for, and the certificate that it showed.
    """
    folded = fold(name)
    return folded in _FORWARDING or folded.startswith(_FORWARDING_PREFIX) or is_certificate(folded)


def is_certificate(folded: bytes) -> bool:
    """Whether a folded name is that of a header with a client's certificate, or with what was read in one."""
    return folded in _CERTIFICATE or folded.startswith(_CERTIFICATE_PREFIXES)


def nominated(headers: Iterable[HeaderLine]) -> frozenset[bytes]:
    """Lower-case names that Connection headers declare hop-by-hop, less those that are nobody's to nominate."""
    options = {option for name, value in headers if name.lower() == b"connection" for option in value.split(b",")}
    names = {option.strip(b" \t").lower() for option in options} - _NEVER_NOMINATED - {b""}
    return frozenset(name for name in names if not name.startswith(_NEVER_NOMINATED_PREFIXES))
