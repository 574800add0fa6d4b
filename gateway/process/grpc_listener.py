"""Where Envoy asks over gRPC: the server with its TLS, whose files are read anew when they have changed.

Imported only where `decisions_grpc` is configured: the library comes with the extra.
"""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc

from gateway.core.addresses import parse_address
from gateway.core.config.decisions_grpc import GrpcDecisions, GrpcTls
from gateway.decisions.calls import Call
from gateway.decisions.grpc_server import CannotListen, CheckServer
from gateway.process.listening import CannotStart
from gateway.settings.files import MAX_FILE, check_client_certificate, read_named, read_trust

log = logging.getLogger("gateway")


class FollowedTls:
    """What connections begin with: what the files hold, and what they held last when they cannot be used."""

    def __init__(self, tls: GrpcTls) -> None:
        """ValueError: a file cannot be used; the sentence begins with its key."""
        self._tls: Final = tls
        self._wrong = ""
        self._stamps = self._stamp()
        self.first: Final = self._read()

    def credentials(self) -> Any:
        """As the library has them."""
        return grpc.dynamic_ssl_server_credentials(
            self.first, self.renewed, require_client_authentication=self._tls.client_ca is not None
        )

    def renewed(self) -> Any:
        """What the next connection begins with; None: the same as the one before. Called by threads of the library."""
        stamps = self._stamp()
        if stamps == self._stamps:
            return None
        try:
            made = self._read()
        except ValueError as error:
            if str(error) != self._wrong:
                self._wrong = str(error)
                log.warning("%s; what was read before stays in use", error)
            return None
        self._stamps, self._wrong = stamps, ""
        log.info("new files of decisions_grpc.tls are in use")
        return made

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        paths = (self._tls.certificate, self._tls.key, self._tls.client_ca)
        return tuple(None if path is None else _stamp_of(path) for path in paths)

    def _read(self) -> Any:
        tls = self._tls
        try:
            check_client_certificate(tls.certificate, tls.key)
            pair = (read_named(tls.key, MAX_FILE), read_named(tls.certificate, MAX_FILE))
        except ValueError as error:
            raise ValueError(f"decisions_grpc.tls.certificate {error}") from None
        try:
            trusted = None
            if tls.client_ca is not None:
                read_trust(tls.client_ca)
                trusted = read_named(tls.client_ca, MAX_FILE)
        except ValueError as error:
            raise ValueError(f"decisions_grpc.tls.client_ca {error}") from None
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=trusted)


def _stamp_of(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino


async def start_grpc(
    asked: GrpcDecisions, serve: Callable[[Call], Awaitable[None]], *, is_ready: Callable[[], bool]
) -> CheckServer:
    """The server, which listens. CannotStart. As `CheckServer` has its arguments."""
    server = CheckServer(serve, is_ready=is_ready)
    try:
        credentials = None if asked.tls is None else FollowedTls(asked.tls).credentials()
        await server.start(parse_address(asked.address), credentials=credentials)
    except (CannotListen, ValueError) as error:
        raise CannotStart(str(error)) from None
    return server
