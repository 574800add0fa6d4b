"""The section `tls`: TLS toward clients, on the address of `listen`."""

from typing import Annotated, Literal

from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc


class ServerTls(Section, frozen=True, kw_only=True):
    """What TLS needs where the gateway is the server. All files are looked at again while the gateway runs."""

    certificate: Annotated[
        str,
        _doc(
            "PEM file with the certificate of the gateway and its chain",
            stand_in="unreadable",
            file="server certificate",
        ),
    ]
    key: Annotated[
        str,
        _doc(
            "PEM file with the private key of certificate, not encrypted",
            stand_in="unreadable",
            file="key of a certificate",
        ),
    ]


class ListenerTls(ServerTls, frozen=True, kw_only=True):
    """TLS toward clients, on the address of `listen`. All files are looked at again while the gateway runs."""

    client_ca: Annotated[
        str | None,
        _doc(
            "PEM file of the authorities whose certificates clients may show", stand_in="unreadable", file="authorities"
        ),
    ] = None
    client_certificates: Annotated[
        Literal["none", "optional", "required"],
        _doc("whether clients are asked for a certificate; browsers that have any ask their user", stand_in="optional"),
    ] = "none"
    min_version: Annotated[Literal["1.2", "1.3"], _doc("oldest version of TLS that is spoken")] = "1.2"

    @property
    def asks(self) -> bool:
        """Clients are asked for a certificate."""
        return self.client_certificates != "none"
