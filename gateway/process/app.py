"""The composition root: a Config becomes listeners. Starts, drains and stops; decides nothing about requests."""

import asyncio
import contextlib
import ctypes
import gc
import logging
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from select import PIPE_BUF
from types import MappingProxyType
from typing import Final

from prometheus_client import generate_latest

from gateway import __version__, gate
from gateway.admin.pages import Admin
from gateway.admin.readiness import Readiness, readiness_of
from gateway.core.addresses import parse_address
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.issuers import audiences_of, issuer_name
from gateway.core.config.routes import route_name
from gateway.core.config.upstreams import Secret
from gateway.decisions.http import Decisions
from gateway.gate import Gate
from gateway.observe.access import BATCH, AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.observe.metrics.shared_metrics import keep_private
from gateway.observe.observers import Witness
from gateway.ports import Observer
from gateway.process.listening import AT_ONCE, Acceptor, Bound, CannotStart, bind_all
from gateway.relay.client.server import Server
from gateway.relay.upstream.pool import HttpUpstreams
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.signing.assertions import SignedAssertions
from gateway.signing.signing_keys import SigningKeys

#: descriptors for everything that is neither a client's nor the upstream's connection
RESERVED_DESCRIPTORS: Final = 64
#: connections to the admin listener: a scraper, a kubelet, a curious person
ADMIN_CONNECTIONS: Final = 64
#: connections to the decision listener: those that a few proxies keep
DECISION_CONNECTIONS: Final = 1024
#: seconds from the last connection that the kernel lets in to the end of idle ones; halfway the listeners close
LAST_WORDS: Final = 0.5

#: whether the modules on the way of every request are C, as in a wheel, or the source, as in a clone
IS_COMPILED: Final = not str(gate.__file__).endswith(".py")
#: objects more than were freed again, before the collector of cycles looks at the young ones; Python's own is 700
COLLECTED_AFTER: Final = 20_000

#: bytes of freed memory that the process keeps for what comes next
KEPT_FREE: Final = 16 * 1024 * 1024
#: bytes from which an object gets memory of its own from the kernel
MAPPED_FROM: Final = 1024 * 1024
#: malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Where a gateway listens."""

    traffic: Bound
    decisions: Bound | None
    #: None in a worker: the pages are the supervisor's
    admin: Bound | None

    def all(self) -> tuple[Bound, ...]:
        """Those that there are."""
        return tuple(bound for bound in (self.traffic, self.decisions, self.admin) if bound is not None)


class Gateway:
    """A whole gateway in this process, or one worker of several."""

    def __init__(
        self,
        config: Config,
        *,
        secrets: Mapping[Secret, str] = MappingProxyType({}),
        inherited: Listeners | None = None,
    ) -> None:
        """`config` is sound: nothing is checked here. `secrets`: what was read for each that it names.

        `inherited`: what somebody else has bound, and other processes share.
        """
        self._config = config
        self._secrets = secrets
        self._inherited = inherited
        self._acceptors: list[Acceptor] = []
        self._servers: list[Server] = []
        self._admin: Admin | None = None
        self._admin_server: Server | None = None
        self._admin_acceptor: Acceptor | None = None
        self._signing_keys: SigningKeys | None = None
        #: other processes will accept on the same sockets when this one stops
        self.others_go_on = inherited is not None
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
            assertions = SignedAssertions(config, signer=self._signing_keys)
        metrics = Metrics(
            tuple(issuer_name(issuer) for issuer in config.issuers),
            report_routes=sum(route.mode == "report" for route in config.routes),
        )
        # Several processes write to one pipe: what is no larger is not torn apart (write(2), pipe(7)).
        self._access = AccessLog(config.log, batch=BATCH if self._inherited is None else PIPE_BUF)
        self._tally = metrics.tally
        witness = Witness(metrics, self._access)
        self.issuers = RemoteIssuers(config.issuers, observer=witness)
        self._upstream = _upstreams(config, witness)
        gate = Gate(
            config,
            issuers=self.issuers,
            upstream=self._upstream,
            observer=witness,
            assertions=assertions,
            secrets=self._secrets,
        )
        try:
            listeners = bind_listeners(config) if self._inherited is None else self._inherited
        except CannotStart:
            await self._upstream.close()
            raise
        self._server = Server(gate, config, max_connections=_connections(config), observer=witness)
        self._serve(listeners.traffic, self._server)
        self.address = listeners.traffic.where
        if listeners.decisions is not None:
            server = Server(Decisions(gate, config), config, max_connections=DECISION_CONNECTIONS, observer=None)
            self._serve(listeners.decisions, server)
            self.decisions_address = listeners.decisions.where
        if listeners.admin is not None:
            self._admin = Admin(
                readiness=self.readiness,
                render=partial(generate_latest, metrics.registry),
                key_set=None if self._signing_keys is None else self._signing_keys.published,
            )
            self._admin_server = Server(self._admin, config, max_connections=ADMIN_CONNECTIONS, observer=None)
            self._admin_acceptor = Acceptor(listeners.admin, self._admin_server)
            self.admin_address = listeners.admin.where
        await self.issuers.start()
        if self._signing_keys is not None:
            await self._signing_keys.start()
        self._listeners = listeners
        if self._inherited is None:
            log.info("%s", self.summary())

    def summary(self) -> str:
        """What runs here, in one line."""
        return summary(self._config, self._listeners)

    def _serve(self, bound: Bound, server: Server) -> None:
        # A worker that took all there is at once would be left with it, and the others without.
        self._acceptors.append(Acceptor(bound, server, at_once=AT_ONCE if self._inherited is None else 1))
        self._servers.append(server)

    def readiness(self) -> Readiness:
        """Whether this process can respond."""
        return readiness_of(self.issuers.status(), all_issuers=self._config.readiness == "all")

    def tell_metrics(self) -> None:
        """Hands over what was counted: to other processes, that is. Who reads the metrics of this one need not ask."""
        self._tally.tell()

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """Serves new connections for `drain_delay`, running requests for `drain`, then stops; `hurry` cuts it short."""
        drain_delay, drain = float(self._config.limits.drain_delay), float(self._config.limits.drain)
        hurry = hurry or asyncio.Event()
        if self._admin is not None:
            self._admin.draining = True
        for server in self._servers:
            server.draining = True
        await _pass(drain_delay, hurry)
        last_words = min(LAST_WORDS, drain)
        if not self.others_go_on:
            for acceptor in self._acceptors:
                acceptor.bound.turn_away()
        await _pass(last_words / 2, hurry)
        for acceptor in self._acceptors:
            await acceptor.close(others_go_on=self.others_go_on)
        # Of who was let in last, the first request may still be on its way.
        await _pass(last_words / 2, hurry)
        for server in self._servers:
            server.close_idle()
        drains = (server.drain(seconds=drain - last_words, hurry=hurry) for server in self._servers)
        cut = sum(await asyncio.gather(*drains))
        if cut:
            log.warning("%d connections were cut: their requests did not end within drain", cut)
        for acceptor in self._acceptors:
            acceptor.bound.unlink()
        if self._admin_server is not None and self._admin_acceptor is not None:
            await self._admin_acceptor.close()
            await self._admin_server.drain(seconds=0)
            self._admin_acceptor.bound.unlink()
        await self.issuers.stop()
        if self._signing_keys is not None:
            await self._signing_keys.stop()
        await self._upstream.close()
        self._access.flush()
        self.tell_metrics()
        log.info("stopped")


async def _pass(seconds: float, hurry: asyncio.Event) -> None:
    """Lets the time pass, unless `hurry` is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(hurry.wait(), seconds)


def bind_listeners(config: Config) -> Listeners:
    """Binds all there are or none. CannotStart."""
    if config.decisions is None:
        traffic, admin = bind_all((parse_address(config.listen), parse_address(config.admin)))
        return Listeners(traffic, None, admin)
    return Listeners(*bind_all(tuple(map(parse_address, (config.listen, config.decisions, config.admin)))))


def summary(config: Config, listeners: Listeners) -> str:
    """What runs where, in one line."""
    traffic, decisions, admin = listeners.traffic, listeners.decisions, listeners.admin
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
        f"bearer-gateway {__version__} {'(compiled) ' if IS_COMPILED else ''}listens on {traffic.where}, "
        + (f"admin on {admin.where}, " if admin else "")
        + (f"decisions on {decisions.where}, " if decisions else "")
        + f"in front of {upstreams}; "
        + (f"{len(config.routes)} routes; " if config.routes else "every path needs an access token; ")
        + (f"PUBLIC: {', '.join(public)}; " if public else "")
        + (f"REPORTS ONLY: {', '.join(reporting)}; " if reporting else "")
        + f"issuers: {issuers}"
        + (f"; {config.workers} workers" if config.workers > 1 else "")
    )


def _upstreams(config: Config, observer: Observer) -> HttpUpstreams:
    timeouts = tuple(float(route.timeout) for route in config.routes if route.timeout is not None)
    try:
        return HttpUpstreams(upstreams_of(config), timeouts=timeouts, observer=observer)
    except ValueError as error:
        raise CannotStart(str(error)) from None


def _connections(config: Config) -> int:
    """How many client connections may be open: as configured, or what the process's descriptors leave."""
    wanted = config.limits.connections
    needed = wanted + sum(upstream.max_connections for upstream in upstreams_of(config).values())
    needed += ADMIN_CONNECTIONS + RESERVED_DESCRIPTORS
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


def settle_memory() -> None:
    """Spares the collector of cycles what lives as long as the process, and has it look at the rest less often.

    Requests leave next to no cycles, but many short-lived objects: at Python's own threshold it ran every few requests.
    And keeps some of the memory that was freed (docs/decisions.md, 27).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
    # glibc only, mallopt(3). Else it gives pieces of large bodies back and gets them anew, page fault by page fault.
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, KEPT_FREE)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM)


async def run(
    config: Config,
    *,
    secrets: Mapping[Secret, str] = MappingProxyType({}),
    started: Callable[[Gateway], None] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains; a second signal cuts the draining short. CannotStart."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, lambda: hurry.set() if stop.is_set() else stop.set())
    keep_private()
    gateway = Gateway(config, secrets=secrets)
    await gateway.start()
    settle_memory()
    if started is not None:
        started(gateway)
    await stop.wait()
    log.info("stopping: draining")
    await gateway.stop(hurry=hurry)
