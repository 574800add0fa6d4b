"""A gateway in this process: an assembly behind listeners. Starts, drains and stops; decides nothing about requests."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from select import PIPE_BUF
from types import MappingProxyType
from typing import Final

from gateway.admin.pages import Admin
from gateway.admin.readiness import Readiness, readiness_of
from gateway.assembly import Assembly, Current, Former
from gateway.compose import build
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.secret import Secret
from gateway.events import CertificateKnown
from gateway.observe.access import BATCH, AccessLog
from gateway.observe.log import flush_log
from gateway.observe.metrics.metrics import Metrics
from gateway.observe.metrics.program_metrics import ProgramMetrics
from gateway.observe.observers import Observers
from gateway.process.consoled import Console, console_of, teller_of
from gateway.process.endings import AskedStreams, RevokedStreams, WithdrawnStreams
from gateway.process.extras import Extras
from gateway.process.listening import (
    ADMIN_CONNECTIONS,
    AT_ONCE,
    DECISION_CONNECTIONS,
    Acceptor,
    Bound,
    CannotStart,
    Listeners,
    bind_listeners,
)
from gateway.process.memory import room_for_connections
from gateway.process.pulse import Pulse
from gateway.process.replacing import Replacing, Wanted
from gateway.process.revoking import RevokingSocket, open_journal
from gateway.process.secure import FollowedFiles, secured
from gateway.process.summary import counted, summary
from gateway.relay.client.server import Server
from gateway.reloading import Reloads
from gateway.sampled import Sampler
from gateway.settings.digests import authorities
from gateway.store.revocations import Keeper

#: seconds from the last connection that the kernel lets in to the end of idle ones; halfway the listeners close
LAST_WORDS: Final = 0.5

log = logging.getLogger("gateway")


class Gateway:
    """A whole gateway in this process, or one worker of several."""

    def __init__(
        self,
        config: Config,
        *,
        secrets: Mapping[Secret, str] = MappingProxyType({}),
        inherited: Listeners | None = None,
        passed: Mapping[str, Bound] = MappingProxyType({}),
        keeper: Keeper | None = None,
        let_go: Callable[[], None] = lambda: None,
    ) -> None:
        """`config` is sound: nothing is checked here. `secrets`: what was read for each that it names.

        `inherited`: what somebody else has bound, and other processes share. `passed`: what `take_passed` found.
        `keeper`: of what is revoked, where that is somebody else's. `let_go`: frees what a reload leaves.
        """
        self._keeper = keeper
        self._let_go = let_go
        self._revoking: RevokingSocket | None = None
        self._config = config
        self._secrets = secrets
        self._inherited = inherited
        self._passed = passed
        self._acceptors: list[Acceptor] = []
        self._servers: list[Server] = []
        self._admin: Admin | None = None
        self._admin_server: Server | None = None
        self._admin_acceptor: Acceptor | None = None
        #: other processes will accept on the same sockets when this one stops
        self.others_go_on = inherited is not None
        #: passes drain_delay, once it drains without having been told to stop
        self._draining: asyncio.Task[None] | None = None
        self._is_stopping = False
        #: None: nothing can be revoked
        self._revoked_streams: RevokedStreams | None = None
        self._asked_streams: AskedStreams | None = None
        self.extras = Extras(lambda: self.assembly)
        self._program: ProgramMetrics | None = None
        self._pulse: Pulse | None = None
        #: who has the configuration read anew; None: nobody does
        self.reloads: Reloads | None = None
        #: where it listens, once it does
        self.address = ""
        self.decisions_address = ""
        self.admin_address = ""
        #: None: there is none, or it is the supervisor's
        self.console: Console | None = None

    async def start(self) -> None:  # noqa: PLR0915 -- one part behind the other
        """Listens, and begins to fetch keys; waits for nobody else. CannotStart."""
        config = self._config
        issuers, reports, logouts = counted(config)
        self._metrics = Metrics(issuers, report_routes=reports, logouts=logouts)
        # Several processes write to one pipe: what is no larger is not torn apart (write(2), pipe(7)).
        batch = BATCH if self._inherited is None else PIPE_BUF
        self._access = AccessLog(config.log, batch=batch, dropped=self._metrics.access_lines_dropped)
        keeper = self._keeper if self._inherited is not None else open_journal(config)
        try:
            self.observer, self.sampler = self._observing(config)
            assembly = build(
                config,
                observer=self.observer,
                secrets=self._secrets,
                keeper=keeper,
                sampler=self.sampler,
                files=authorities(config),
            )
        except ValueError as error:
            if keeper is not None:
                await keeper.close()
            raise CannotStart(str(error)) from None
        self._current = Current(assembly)
        try:
            self._secure = secured(config)
            if assembly.revocations is not None and self._inherited is None:
                self._revoking = await RevokingSocket.start(assembly.revocations, config)
            if self.teller is not None and self._inherited is None:
                self.console = await console_of(self, self.teller, self._secure)
            listeners = await self._bind(config)
        except CannotStart:
            await self._stop_asides()
            await assembly.close()
            raise
        if self._secure is not None:
            self._tell_certificate(self._secure)
        room = room_for_connections(config)
        self._metrics.connections_limit(room)
        self._server = Server(
            self._current.traffic, config, max_connections=room, observer=self.observer, secure=self._secure
        )
        self._serve(listeners.traffic, self._server)
        self.address = listeners.traffic.where
        if listeners.decisions is not None:
            self._serve(
                listeners.decisions,
                Server(self._current.questions, config, max_connections=DECISION_CONNECTIONS, observer=None),
            )
            self.decisions_address = listeners.decisions.where
        if listeners.admin is not None:
            self._serve_admin(listeners.admin, assembly)
        await assembly.start()
        self._withdrawn_streams = WithdrawnStreams(self._server, lambda: self.assembly)
        self._follow_streams(assembly, before=None)
        looks: list[Callable[[float], None]] = [self._access.look, self._look]
        if self.teller is not None:
            self.teller.attach(lambda: self.assembly, self._server, self._secure)
        if self.console is not None:
            self.console.look(0.0)
            looks.append(self.console.look)
        self._pulse = Pulse(self._metrics.loop_lagged, looks)
        self._listeners = listeners
        self.replacing = Replacing(self, let_go=self._let_go)
        if self._inherited is None:
            log.info("%s", self.summary())

    def _observing(self, config: Config) -> tuple[Observers, Sampler | None]:
        """Who hears of requests, and which are traced. ValueError: a file was spoilt after it was checked."""
        #: None: there is no console
        self.teller = teller_of(config, self._metrics, self._access)
        refused = None if self.teller is None else self.teller.refused
        return self.extras.observing(config, self._metrics, self._access, refused=refused)

    async def _bind(self, config: Config) -> Listeners:
        if self._inherited is not None:
            return self._inherited
        await self.extras.listen(config, self._current, is_ready=self._is_ready)
        return bind_listeners(config, self._passed)

    def _look(self, now: float) -> None:
        flush_log()
        if self._secure is not None and (changed := self._secure.look(now)):
            self._tell_certificate(self._secure)
            if "client_ca" in changed:
                self._server.make_last()
        for streams in (self._revoked_streams, self._asked_streams):
            if streams is not None:
                streams.look(now)
        self.assembly.look(now)

    def _follow_streams(self, assembly: Assembly, *, before: Assembly | None) -> None:
        """Ends streams by what this assembly knows of tokens."""
        if assembly.revocations is not None and (before is None or before.revocations is not assembly.revocations):
            if self._revoked_streams is not None:
                self._revoked_streams.stop()
            self._revoked_streams = RevokedStreams(self._server, assembly.revocations)
            assembly.revocations.subscribe(self._revoked_streams.changed)
        if self._asked_streams is not None:
            self._asked_streams.stop()
        self._asked_streams = None
        if assembly.introspections is not None:
            verifier = assembly.gate.verifier
            self._asked_streams = AskedStreams(self._server, reask=verifier.reask, is_due=verifier.is_due)

    def use(self, assembly: Assembly, *, secure: FollowedFiles | None) -> Former:
        """From now on this serves; what served before, whose requests end as they began. See `Replacing`."""
        config, former = assembly.config, self._current.replace(assembly)
        self._config = config
        room = room_for_connections(config)
        self._metrics.connections_limit(room)
        issuers, reports, logouts = counted(config)
        self._metrics.reconfigure(issuers, report_routes=reports, logouts=logouts)
        self._access.reconfigure(config.log)
        logging.getLogger().setLevel(config.log.level.upper())
        for server, most in zip(self._servers, (room, DECISION_CONNECTIONS), strict=False):
            server.reconfigure(config, max_connections=most)
        if self._secure is not None and secure is not None:
            if self._secure.become(secure):
                self._server.make_last()
            self._tell_certificate(self._secure)
        if self._admin is not None and self._program is not None:
            self._program.reconfigure(config)
            self._admin.reconfigure(
                key_set=None if assembly.signer is None else assembly.signer.published, probes=config.probes
            )
        self._follow_streams(assembly, before=former.assembly)
        self._withdrawn_streams.changed()
        return former

    async def replace(self, wanted: Wanted) -> Sequence[str]:
        """Has another configuration used, or says in sentences why not."""
        if problems := await self.replacing.prepare(wanted):
            return problems
        await self.replacing.commit()
        return ()

    def reloaded(self, *, is_sound: bool) -> None:
        """The configuration was read anew: whether it is in use."""
        if self._program is not None:
            self._program.reloaded(is_sound=is_sound)

    def _tell_certificate(self, secure: FollowedFiles) -> None:
        self._metrics.happened(CertificateKnown("listen", secure.ends_at))

    @property
    def assembly(self) -> Assembly:
        """What serves now."""
        return self._current.assembly

    @property
    def is_draining(self) -> bool:
        """It is to end, and serves on."""
        return self._is_stopping or self._draining is not None

    def summary(self) -> str:
        """What runs here, in one line."""
        return summary(self._config, self._listeners, grpc=self.extras.grpc_address)

    def _serve(self, bound: Bound, server: Server) -> None:
        # A worker that took all there is at once would be left with it, and the others without.
        at_once = AT_ONCE if self._inherited is None else 1
        self._acceptors.append(Acceptor(bound, server, at_once=at_once, handshakes=server.handshakes))
        self._servers.append(server)

    def _serve_admin(self, bound: Bound, assembly: Assembly) -> None:
        program = self._program = ProgramMetrics(self._config, is_ready=self._is_ready)
        self._admin = Admin(
            readiness=self.readiness,
            render=lambda: program.render(program.narrowed(self._metrics.registry)),
            key_set=None if assembly.signer is None else assembly.signer.published,
            probes=self._config.probes,
        )

        self._admin_server = Server(
            self._admin, self._config, max_connections=ADMIN_CONNECTIONS, observer=None, own_pages=True
        )
        self._admin_acceptor = Acceptor(bound, self._admin_server)
        self.admin_address = bound.where

    def _is_ready(self) -> bool:
        return self._admin is not None and self._admin.is_ready

    def readiness(self) -> Readiness:
        """Whether this process can respond."""
        return self.readiness_of(self.assembly)

    def readiness_of(self, assembly: Assembly) -> Readiness:
        """Whether it could, were this what serves."""
        return readiness_of(
            assembly.issuers.status(),
            all_issuers=assembly.config.readiness == "all",
            store=assembly.store,
            tokens=() if assembly.tokens is None else assembly.tokens.status(),
            upstreams=len(upstreams_of(assembly.config)),
            asked=() if assembly.introspections is None else assembly.introspections.status(),
        )

    def tell_metrics(self) -> None:
        """Hands over what was counted: to other processes, that is. Who reads the metrics of this one need not ask."""
        self._metrics.tally.tell()

    def drain(self, *, drained: Callable[[], None] | None = None) -> bool:
        """Begins to drain, and goes on serving until it is stopped. False: it had begun already.

        Not ready, and each response ends its connection. After `drain_delay` idle connections are closed, event streams
        and tunnels ended one by one over `drain`; `drained` is called when that begins.
        """
        if self._is_stopping or self._draining is not None:
            return False
        log.info("draining: serves on, until it is told to stop")
        self._announce()
        self._draining = asyncio.create_task(self._drain(drained), name="drain")
        return True

    async def _drain(self, drained: Callable[[], None] | None) -> None:
        await asyncio.sleep(float(self._config.limits.drain_delay))
        for server in self._servers:
            server.end_idle()
            server.wind_down(seconds=float(self._config.limits.drain))
        log.info("drained: idle connections were closed, streams and tunnels are ended one by one")
        if drained is not None:
            drained()

    def _announce(self) -> None:
        """From now on it is not ready, and each response ends its connection."""
        if self._admin is not None:
            self._admin.draining = True
        for server in self._servers:
            server.draining = True

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """Serves new connections for `drain_delay`, running requests for `drain`, then stops; `hurry` cuts it short.

        Without the delay where `drain` was called before: whoever did that has seen to it.
        """
        drain_delay, drain = float(self._config.limits.drain_delay), float(self._config.limits.drain)
        hurry = hurry or asyncio.Event()
        self._is_stopping = True
        self._announce()
        if self._draining is None:
            await _pass(drain_delay, hurry)
        else:
            self._draining.cancel()
        until = asyncio.get_running_loop().time() + drain
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
            server.wind_down(seconds=drain - last_words)
        drains = (server.drain(seconds=drain - last_words, hurry=hurry) for server in self._servers)
        calls = asyncio.create_task(self.extras.stop_listening(seconds=drain - last_words, hurry=hurry))
        cut = sum(await asyncio.gather(*drains))
        await calls
        if cut:
            log.warning("%d connections were cut: their requests did not end within drain", cut)
        for acceptor in self._acceptors:
            acceptor.bound.unlink()
        if self._admin_server is not None and self._admin_acceptor is not None:
            await self._admin_acceptor.close()
            await self._admin_server.drain(seconds=0)
            self._admin_acceptor.bound.unlink()
        await self._stop_asides()
        if self._pulse is not None:
            self._pulse.stop()
        for streams in (self._revoked_streams, self._asked_streams, self._withdrawn_streams):
            if streams is not None:
                streams.stop()
        await self.replacing.stop()
        await self.extras.close(seconds=0.0 if hurry.is_set() else until - asyncio.get_running_loop().time())
        await self.assembly.close()
        self._access.close()
        self.tell_metrics()
        log.info("stopped")

    async def _stop_asides(self) -> None:
        await self.extras.stop_listening(seconds=0.0, hurry=asyncio.Event())
        if self._revoking is not None:
            await self._revoking.close()
            self._revoking = None
        if self.console is not None:
            await self.console.stop()
            self.console = None


async def _pass(seconds: float, hurry: asyncio.Event) -> None:
    """Lets the time pass, unless `hurry` is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(hurry.wait(), seconds)
