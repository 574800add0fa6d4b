"""How an upstream is reached: addresses in turn, TLS, unix sockets. Every error on the way is UpstreamUnreachable."""

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

from gateway.core.addresses import parse_upstream
from gateway.core.config.upstreams import UpstreamSection, UpstreamTls
from gateway.core.errors import UpstreamUnreachable
from gateway.relay.keepalive import keep_asking
from gateway.relay.upstream.connection import UpstreamConnection
from gateway.relay.upstream.tls import FollowedTls

#: seconds for which the addresses behind a name are remembered
ADDRESSES_KEPT: Final = 10.0
#: the same once none of them responded: the API may be elsewhere by now
DOUBTED_AFTER: Final = 1.0

Factory = Callable[[], UpstreamConnection]


class Dialer:
    """Opens connections to one upstream."""

    def __init__(self, upstream: UpstreamSection) -> None:
        """ValueError: a file of `tls` cannot be used; the sentence begins with its key."""
        self._origin = origin = parse_upstream(upstream.url)
        self._shown = upstream.url
        self._timeout = float(upstream.connect_timeout)
        tls = upstream.tls or UpstreamTls()
        self._tls = FollowedTls(tls, upstream.url) if origin.scheme == "https" else None
        self._server_name = tls.server_name or origin.host
        self._addresses: list[str] = []
        self._resolved_at = float("-inf")
        self._turn = 0
        #: none of them responded
        self._are_doubted = False
        #: seconds
        self.addresses_kept = ADDRESSES_KEPT
        self.doubted_after = DOUBTED_AFTER
        if origin.host is not None and _is_literal(origin.host):
            self._addresses = [origin.host]
            self._resolved_at = float("inf")

    async def open(self, factory: Factory) -> UpstreamConnection:
        """A new connection within `connect_timeout`. UpstreamUnreachable."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._open(factory)
        except TimeoutError:
            self._are_doubted = True
            raise self._unreachable("no connection within connect_timeout") from None
        except ssl.SSLCertVerificationError as error:
            raise self._unreachable(f"its certificate was not accepted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise self._unreachable(f"TLS failed: {error.reason}") from None
        except socket.gaierror as error:
            raise self._unreachable(f"the name cannot be resolved: {error.strerror}") from None
        except OSError as error:
            raise self._unreachable(os.strerror(error.errno) if error.errno else type(error).__name__) from None

    def look_at_files(self) -> bool:
        """Whether those of `tls` were replaced by others that can be used: connections from now on are by these."""
        return self._tls is not None and self._tls.look()

    def _unreachable(self, why: str) -> UpstreamUnreachable:
        return UpstreamUnreachable(f"{self._shown}: {why}")

    async def _open(self, factory: Factory) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        if self._origin.path is not None:
            return (await loop.create_unix_connection(factory, self._origin.path))[1]
        until = loop.time() + self._timeout
        addresses = await self._resolve(loop)
        try:
            return await self._dial_in_turn(loop, factory, addresses, until)
        except OSError as error:
            failure = error
        self._are_doubted = True
        found = addresses
        with contextlib.suppress(OSError):
            found = await self._resolve(loop)
        if set(found) <= set(addresses):
            raise failure
        return await self._dial_in_turn(loop, factory, found, until)

    async def _dial_in_turn(
        self, loop: asyncio.AbstractEventLoop, factory: Factory, addresses: list[str], until: float
    ) -> UpstreamConnection:
        first, self._turn = self._turn % len(addresses), self._turn + 1
        in_turn = addresses[first:] + addresses[:first]
        for left, address in zip(range(len(in_turn) - 1, 0, -1), in_turn, strict=False):
            # An address that does not respond leaves the others their share of the time.
            with contextlib.suppress(OSError):
                async with asyncio.timeout((until - loop.time()) / (left + 1)):
                    return await self._dial(loop, factory, address)
        return await self._dial(loop, factory, in_turn[-1])

    async def _dial(self, loop: asyncio.AbstractEventLoop, factory: Factory, address: str) -> UpstreamConnection:
        if self._tls is None:
            transport, connection = await loop.create_connection(factory, address, self._origin.port)
        else:
            transport, connection = await loop.create_connection(
                factory, address, self._origin.port, ssl=self._tls.context, server_hostname=self._server_name
            )
        # It may have ended at once.
        with contextlib.suppress(OSError, ValueError):
            if (open_socket := transport.get_extra_info("socket")) is not None:
                keep_asking(open_socket)
        return connection

    async def _resolve(self, loop: asyncio.AbstractEventLoop) -> list[str]:
        """The addresses behind the name. OSError."""
        if loop.time() - self._resolved_at > (self.doubted_after if self._are_doubted else self.addresses_kept):
            found = await loop.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
            self._addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            self._resolved_at = loop.time()
            self._are_doubted = False
        return self._addresses


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
