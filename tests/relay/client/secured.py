"""A gateway that speaks TLS itself, and clients with certificates of their own."""

import asyncio
import contextlib
import ssl
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.core.config.tls import ListenerTls
from tests.relay.test_faults import a_gateway
from tests.relay.upstream.test_dialing import Authority
from tests.wire import RawClient, Running, demo_issuer

Pair = tuple[Path, Path]


class Files:
    """Certificate, key and authorities of clients, as they are mounted: replaced as a whole, file by file."""

    def __init__(self, directory: Path, pair: Pair, clients: Path | None = None) -> None:
        self.certificate, self.key = directory / "tls.crt", directory / "tls.key"
        self.client_ca = directory / "clients.pem"
        self.put(*pair)
        if clients is not None:
            self.put_authorities(clients)

    def put(self, certificate: Path, key: Path) -> None:
        self._put(certificate, self.certificate)
        self._put(key, self.key)

    def put_authorities(self, *sources: Path) -> None:
        beside = self.client_ca.with_suffix(".new")
        beside.write_bytes(b"".join(source.read_bytes() for source in sources))
        beside.rename(self.client_ca)

    @staticmethod
    def _put(source: Path, target: Path) -> None:
        beside = target.with_suffix(".new")
        beside.write_bytes(source.read_bytes())
        beside.rename(target)


class Secured:
    """The traffic of a gateway that speaks TLS."""

    def __init__(self, gateway: Running, authority: Authority, files: Files) -> None:
        self.gateway = gateway
        self.files = files
        self._authority = authority.file
        port = gateway.gateway.address.rpartition(":")[2]
        self._port = int(port) if port.isdecimal() else 0

    def context(self, shows: Pair | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._authority))
        if shows is not None:
            context.load_cert_chain(*shows)
        return context

    async def client(self, shows: Pair | None = None, *, context: ssl.SSLContext | None = None) -> RawClient:
        context = context or self.context(shows)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=context, limit=1 << 22)
        client = RawClient(reader, writer)
        self.gateway.clients.append(client)
        return client

    async def silent(self) -> RawClient:
        """One that connects and says nothing."""
        client = await RawClient.connect(self.gateway.gateway.address)
        self.gateway.clients.append(client)
        return client


@contextlib.asynccontextmanager
async def secured(
    directory: Path,
    authority: Authority,
    *,
    clients: Authority | None = None,
    asks: str = "optional",
    pair: Pair | None = None,
    **settings: Any,
) -> AsyncIterator[Secured]:
    """`clients`: who vouches for them; `asks`: what they are asked for then; `pair`: what the gateway shows."""
    own = directory / "mounted"
    own.mkdir(exist_ok=True)
    pair = pair or authority.issue("127.0.0.1", label="gateway")
    files = Files(own, pair, None if clients is None else clients.file)
    asked = {} if clients is None else {"client_ca": str(files.client_ca), "client_certificates": asks}
    tls = ListenerTls(certificate=str(files.certificate), key=str(files.key), **asked)  # type: ignore[arg-type]
    async with a_gateway(directory, listener_tls=tls, **settings) as gateway:
        it = Secured(gateway, authority, files)
        try:
            yield it
        finally:
            for client in gateway.clients:
                client.writer.transport.abort()
            gateway.clients.clear()
            await gateway.connections(0)


def bound_to(pair: Pair) -> str:
    """The line of a request with a token that is bound to this certificate."""
    digest = sha256(ssl.PEM_cert_to_DER_cert(pair[0].read_text())).digest()
    cnf = {"x5t#S256": urlsafe_b64encode(digest).rstrip(b"=").decode()}
    return f"Authorization: Bearer {demo_issuer().access_token(alg='ES256', exp=4_000_000_000, cnf=cnf)}"


def under_way(it: Secured) -> int:
    """How many are in a handshake."""
    assert it.gateway.server.handshakes is not None
    return it.gateway.server.handshakes.under_way


def failures(it: Secured, reason: str) -> float | None:
    """How many handshakes failed for it."""
    registry = it.gateway.gateway._metrics.registry
    return registry.get_sample_value("gateway_tls_handshakes_failed_total", {"reason": reason})
