"""The section `decisions_grpc`: where Envoy asks over gRPC, in the long form."""

from typing import Annotated

from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc
from gateway.core.config.tls import ServerTls


class GrpcTls(ServerTls, frozen=True, kw_only=True):
    """TLS toward proxies that ask over gRPC. All files are looked at again while the gateway runs."""

    client_ca: Annotated[
        str | None,
        _doc(
            "PEM file of the authorities of which each proxy must show a certificate; null: none is asked for",
            stand_in="unreadable",
            file="authorities",
        ),
    ] = None


class GrpcDecisions(Section, frozen=True, kw_only=True):
    """Where Envoy asks over gRPC (ext_authz), in the long form."""

    address: Annotated[str, _doc("address:port", stand_in="127.0.0.1:1")]
    tls: Annotated[GrpcTls | None, _doc("TLS toward the proxies that ask; null: none")] = None
