"""The composition root: a Config becomes listeners. Starts, drains and stops; decides nothing about requests."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway import __version__
from gateway.admin import Admin
from gateway.core.addresses import Address, parse_address
from gateway.core.config import Config, audiences_of, issuer_name
from gateway.gate import Gate
from gateway.observe.access import AccessLog
from gateway.observe.metrics import Metrics
from gateway.observe.witness import Witness
from gateway.relay.server import Server
from gateway.relay.upstream import MAX_CONNECTIONS, HttpUpstream
from gateway.remote.issuers import RemoteIssuers

#: descriptors for everything that is neither a client's nor the upstream's connection
RESERVED_DESCRIPTORS: Final = 64
#: connections to the admin listener: a scraper, a kubelet, a curious person
ADMIN_CONNECTIONS: Final = 64
#: pending connections that the kernel holds for us
BACKLOG: Final = 1024

log = logging.getLogger("gateway")


class CannotListen(Exception):
    """An address could not be bound; the sentence says which and why."""


class Gateway:
    """A whole gateway in this process."""

    def __init__(self, config: Config) -> None:
        """`config` is sound: nothing is checked here."""
        self._config = config
        self._listeners: list[asyncio.Server] = []
        #: sockets in the file system, and their inodes: a successor may have put its own in the place
        self._unix_paths: list[tuple[Path, int]] = []
        #: where it listens, once it does
        self.address = ""
        self.admin_address = ""

    async def start(self) -> None:
        """Listens, and begins to fetch keys; waits for nobody else. CannotListen."""
        config = self._config
        metrics = Metrics(tuple(issuer_name(issuer) for issuer in config.issuers))
        witness = Witness(metrics, AccessLog(config.log))
        self.issuers = RemoteIssuers(config.issuers, observer=witness)
        self._upstream = HttpUpstream(config.upstream)
        gate = Gate(config, issuers=self.issuers, upstream=self._upstream, observer=witness)
        self._admin = Admin(
            registry=metrics.registry, issuers=self.issuers.status, all_issuers=config.readiness == "all"
        )
        self._server = Server(gate, config, max_connections=_connections(config), observer=witness)
        self._admin_server = Server(self._admin, config, max_connections=ADMIN_CONNECTIONS, observer=None)
        try:
            self.address = await self._listen(parse_address(config.listen), self._server)
            self.admin_address = await self._listen(parse_address(config.admin), self._admin_server)
        except CannotListen:
            await self._let_go()
            raise
        await self.issuers.start()
        log.info("%s", self.summary())

    def summary(self) -> str:
        """What runs here, in one line."""
        config = self._config
        issuers = "; ".join(
            f"{issuer_name(issuer)} for {', '.join(audiences_of(issuer))}"
            + (f" (preset {issuer.preset})" if issuer.preset else "")
            + (" UNCLASSIFIED TOKENS ARE ADMITTED" if issuer.allow_unclassified else "")
            for issuer in config.issuers
        )
        return (
            f"bearer-gateway {__version__} listens on {self.address}, admin on {self.admin_address}, "
            f"in front of {config.upstream}; every path needs an access token; issuers: {issuers}"
        )

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """Serves new connections for `drain_delay`, running requests for `drain`, then stops; `hurry` cuts it short."""
        limits = self._config.limits
        hurry = hurry or asyncio.Event()
        self._admin.draining = True
        self._server.draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), float(limits.drain_delay))
        for listener in self._listeners[:1]:
            listener.close()
        self._server.close_idle()
        cut = await self._server.drain(seconds=float(limits.drain), hurry=hurry)
        if cut:
            log.warning("%d connections were cut: their requests did not end within drain", cut)
        await self._let_go()
        log.info("stopped")

    async def _let_go(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for server in (self._server, self._admin_server):
            await server.drain(seconds=0)
        for path, inode in self._unix_paths:
            if _inode(path) == inode:
                path.unlink(missing_ok=True)
        await self.issuers.stop()
        await self._upstream.close()

    async def _listen(self, address: Address, server: Server) -> str:
        """Binds; returns where, as a person would write it."""
        loop = asyncio.get_running_loop()
        try:
            if address.path is not None:
                self._listeners.append(await loop.create_unix_server(server, address.path, backlog=BACKLOG))
                self._unix_paths.append((Path(address.path), _inode(Path(address.path))))
                return f"unix:{address.path}"
            # With port 0 every address family would get a port of its own.
            host = address.host or (None if address.port else "0.0.0.0")  # noqa: S104 -- documented default
            listener = await loop.create_server(server, host, address.port, backlog=BACKLOG)
        except OSError as error:
            where = f"unix:{address.path}" if address.path else f"{address.host}:{address.port}"
            # Names that cannot be resolved have numbers of their own.
            wrong = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
            raise CannotListen(f"cannot listen on {where}: {wrong}") from None
        self._listeners.append(listener)
        bound = listener.sockets[0].getsockname()
        return f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else -1


def _connections(config: Config) -> int:
    """How many client connections may be open: as configured, or what the process's descriptors leave."""
    wanted = config.limits.connections
    needed = wanted + MAX_CONNECTIONS + ADMIN_CONNECTIONS + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    left = max(1, soft - (needed - wanted))
    log.warning("limits.connections is %d, but %d file descriptors leave room for %d", wanted, soft, left)
    return left


async def run(config: Config, *, started: Callable[[Gateway], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then drains; a second signal cuts the draining short. CannotListen."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, lambda: hurry.set() if stop.is_set() else stop.set())
    gateway = Gateway(config)
    await gateway.start()
    if started is not None:
        started(gateway)
    await stop.wait()
    log.info("stopping: draining")
    await gateway.stop(hurry=hurry)
