"""What a listener with TLS asks of whoever knows its files, and what a client showed of itself when TLS began."""

import asyncio
import ssl
from typing import Protocol

from gateway.core.proof.certificate_header import thumbprint_of
from gateway.relay.client.peer import Peer


class Secure(Protocol):
    """How TLS begins on a listener, as its files have it now."""

    @property
    def context(self) -> ssl.SSLContext:
        """For the next connection."""

    @property
    def asks(self) -> bool:
        """Clients are asked for certificates."""


class TlsCertificate:
    """The certificate of one connection's client, read when it is first asked for. It cannot change meanwhile."""

    __slots__ = ("_thumbprint", "_transport")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        """`transport`: of a connection whose TLS has begun."""
        self._transport: asyncio.BaseTransport | None = transport
        self._thumbprint: str | None = None

    def __repr__(self) -> str:
        return f"<TlsCertificate{'' if self._transport is None else ', not read yet'}>"

    def thumbprint(self) -> str | None:
        """SHA-256 of it (RFC 8705 section 3.1), which was verified; None: the client showed none."""
        if self._transport is not None:
            tls: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
            certificate = None if tls is None else tls.getpeercert(binary_form=True)
            self._thumbprint = thumbprint_of(certificate) if certificate else None
            self._transport = None
        return self._thumbprint


def secured(peer: Peer, transport: asyncio.BaseTransport, *, asks: bool) -> Peer:
    """The same peer, of a connection whose TLS has begun. `asks`: clients are asked for certificates."""
    certificate = TlsCertificate(transport) if asks else None
    return Peer(peer.address, peer.trusted, scheme="https", certificate=certificate)
