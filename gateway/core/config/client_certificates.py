"""The section `client_certificate_header`: where a proxy says with which certificate its client came."""

from typing import Annotated, Literal

from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc


class ClientCertificateHeader(Section, frozen=True, kw_only=True):
    """The header in which `trusted_proxies` pass on the certificate of a client whose TLS they end."""

    name: Annotated[
        str, _doc("name of the header; it never goes to an upstream, whoever sent it", stand_in="X-Unreadable")
    ]
    format: Annotated[
        Literal["xfcc", "rfc9440", "pem", "base64_der"],
        _doc(
            "xfcc: X-Forwarded-Client-Cert of Envoy and Istio; rfc9440: Client-Cert; pem: percent-encoded, as nginx "
            "and AWS write it; base64_der: as Traefik, HAProxy and Caddy do",
            stand_in="pem",
        ),
    ]
    element: Annotated[
        Literal["first", "last"] | int | None,
        _doc(
            "of several, which is the client's (xfcc, base64_der): 1 is the first, -1 the last; null: one must stand "
            "alone"
        ),
    ] = None
