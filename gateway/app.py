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
from gateway.assertions import Assertions
from gateway.core.addresses import Address, parse_address
from gateway.core.config import Config, audiences_of, issuer_name, route_name, upstreams_of
from gateway.decisions import Decisions
from gateway.gate import Gate
from gateway.observe.access import AccessLog
from gateway.observe.metrics import Metrics
from gateway.observe.witness import Witness
from gateway.relay.server import Server
from gateway.relay.upstream import MAX_CONNECTIONS, HttpUpstreams
from gateway.remote.issuers import RemoteIssuers
from gateway.remote.signing_keys import SigningKeys

#: descriptors for everything that is neither a client's nor the upstream's connection
RESERVED_DESCRIPTORS: Final = 64
#: connections to the admin listener: a scraper, a kubelet, a curious person
ADMIN_CONNECTIONS: Final = 64
#: connections to the decision listener: those that a few proxies keep
DECISION_CONNECTIONS: Final = 1024
#: pending connections that the kernel holds for us
BACKLOG: Final = 1024

log = logging.getLogger("gateway")


class CannotStart(Exception):
    """An address cannot be bound, or a key not be read; the sentence says which and why."""


class Gateway:
    """A whole gateway in this process."""

    def __init__(self, config: Config) -> None:
        """`config` is sound: nothing is checked here."""
        self._config = config
        self._listeners: list[asyncio.Server] = []
        self._servers: list[Server] = []
        self._signing_keys: SigningKeys | None = None
        #: sockets in the file system, and their inodes: a successor may have put its own in the place
        self._unix_paths: list[tuple[Path, int]] = []
        #: where it listens, once it does
        self.address = ""
        self.decisions_address = ""
        self.admin_address = ""

    async def start(self) -> None:
        """Listens, and begins to fetch keys; waits for nobody else. CannotStart."""
        config = self._config
        assertions = None
        if config.assertion is not None:
            try:
                self._signing_keys = SigningKeys(config.assertion)
            except ValueError as error:
                raise CannotStart(f"assertion.key.file {error}") from None
            assertions = Assertions(config, signer=self._signing_keys)
        metrics = Metrics(
            tuple(issuer_name(issuer) for issuer in config.issuers),
            report_routes=sum(route.mode == "report" for route in config.routes),
        )
        witness = Witness(metrics, AccessLog(config.log))
        self.issuers = RemoteIssuers(config.issuers, observer=witness)
        self._upstream = HttpUpstreams(upstreams_of(config))
        gate = Gate(config, issuers=self.issuers, upstream=self._upstream, observer=witness, assertions=assertions)
        self._admin = Admin(
            registry=metrics.registry,
            issuers=self.issuers.status,
            all_issuers=config.readiness == "all",
            key_set=None if self._signing_keys is None else self._signing_keys.published,
        )
        self._server = Server(gate, config, max_connections=_connections(config), observer=witness)
        self._servers = [self._server]
        if config.decisions is not None:
            decisions = Decisions(gate, config)
            self._servers.append(Server(decisions, config, max_connections=DECISION_CONNECTIONS, observer=None))
        self._admin_server = Server(self._admin, config, max_connections=ADMIN_CONNECTIONS, observer=None)
        try:
            self.address = await self._listen(parse_address(config.listen), self._server)
            if config.decisions is not None:
                self.decisions_address = await self._listen(parse_address(config.decisions), self._servers[1])
            self.admin_address = await self._listen(parse_address(config.admin), self._admin_server)
        except CannotStart:
            await self._let_go()
            raise
        await self.issuers.start()
        if self._signing_keys is not None:
            await self._signing_keys.start()
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
        upstreams = ", ".join(upstream.url for upstream in upstreams_of(config).values())
        public = [route_name(route) for route in config.routes if route.access == "public"]
        reporting = [route_name(route) for route in config.routes if route.mode == "report"]
        return (
            f"bearer-gateway {__version__} listens on {self.address}, admin on {self.admin_address}, "
            + (f"decisions on {self.decisions_address}, " if self.decisions_address else "")
            + f"in front of {upstreams}; "
            + (f"{len(config.routes)} routes; " if config.routes else "every path needs an access token; ")
            + (f"PUBLIC: {', '.join(public)}; " if public else "")
            + (f"REPORTS ONLY: {', '.join(reporting)}; " if reporting else "")
            + f"issuers: {issuers}"
        )

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """Serves new connections for `drain_delay`, running requests for `drain`, then stops; `hurry` cuts it short."""
        limits = self._config.limits
        hurry = hurry or asyncio.Event()
        self._admin.draining = True
        for server in self._servers:
            server.draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), float(limits.drain_delay))
        for listener in self._listeners[: len(self._servers)]:
            listener.close()
        for server in self._servers:
            server.close_idle()
        drains = (server.drain(seconds=float(limits.drain), hurry=hurry) for server in self._servers)
        cut = sum(await asyncio.gather(*drains))
        if cut:
            log.warning("%d connections were cut: their requests did not end within drain", cut)
        await self._let_go()
        log.info("stopped")

    async def _let_go(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for server in (*self._servers, self._admin_server):
            await server.drain(seconds=0)
        for path, inode in self._unix_paths:
            if _inode(path) == inode:
                path.unlink(missing_ok=True)
        await self.issuers.stop()
        if self._signing_keys is not None:
            await self._signing_keys.stop()
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
            raise CannotStart(f"cannot listen on {where}: {wrong}") from None
        self._listeners.append(listener)
        bound = listener.sockets[0].getsockname()
        return f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else -1


def _connections(config: Config) -> int:
    """How many client connections may be open: as configured, or what the process's descriptors leave."""
    wanted = config.limits.connections
    needed = wanted + MAX_CONNECTIONS + ADMIN_CONNECTIONS + RESERVED_DESCRIPTORS
    needed += DECISION_CONNECTIONS if config.decisions is not None else 0
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
    """Serves until SIGTERM or SIGINT, then drains; a second signal cuts the draining short. CannotStart."""
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
