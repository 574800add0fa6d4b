"""Several workers on the same sockets: started, watched, replaced when they die, and stopped together.

Serves nothing but the admin listener, which speaks for all of them. What a worker does is `worker`.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gateway.admin.pages import Admin
from gateway.admin.readiness import Readiness, readiness_of_all
from gateway.compose import signing_keys, signing_keys_behind
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.observe.log import flush_log
from gateway.observe.metrics import shared_metrics
from gateway.observe.metrics.program_metrics import ProgramMetrics
from gateway.process.consoled import SharedConsole, shared_console_of
from gateway.process.decided import Deciding
from gateway.process.listening import ADMIN_CONNECTIONS, Acceptor, Bound, CannotStart, bind_listeners
from gateway.process.notify import UNHEARD, Notifier
from gateway.process.reloader import Reloader
from gateway.process.reloads import Asked, reloading
from gateway.process.replacing import Wanted
from gateway.process.sharing import Sharing, sharing_for
from gateway.process.signals import on_drain, on_signals
from gateway.process.summary import summary
from gateway.process.supervised import SILENT, Worker
from gateway.process.title import DRAINED, DRAINS, SERVES, call_process
from gateway.process.worker import DRAIN, HEARTBEAT, HURRY, STOP, Job
from gateway.relay.client.server import Server
from gateway.settings.settings import Loaded
from gateway.settings.source import Source

#: heartbeats without a report after which a worker was not heard of lately: one may be late
LATELY: Final = 2
#: seconds within which so many deaths, and two for each worker, are a crash loop
LOOP_SECONDS: Final = 30.0
LOOP_DEATHS: Final = 5
#: seconds beyond drain_delay and drain after which a worker that has not ended is killed
MARGIN: Final = 5.0
log = logging.getLogger("gateway")


class Supervisor:
    """All workers of one program."""

    def __init__(
        self,
        config: Config,
        *,
        secrets: Mapping[Secret, str] = MappingProxyType({}),
        passed: Mapping[str, Bound] = MappingProxyType({}),
        notifier: Notifier = UNHEARD,
        heartbeat: float = HEARTBEAT,
        silent: int = SILENT,
        source: Source | None = None,
        loaded: Loaded | None = None,
    ) -> None:
        """`config` is sound: nothing is checked here. `secrets`: what was read for each that it names.

        `passed`: sockets that take the place of configured addresses. `notifier`: hears of it.
        `heartbeat`: seconds between two signs of life of a worker, of which `silent` may stay away. `source`: what is
        read anew when that is asked for, and `loaded` what it said; None: nothing can be.
        """
        self._source = source
        self._loaded = loaded
        self._deciding = Deciding(lambda: tuple(self._workers.values()))
        self._passed = passed
        self._notifier = notifier
        self._heartbeat = heartbeat
        self._silent = silent
        self._config = config
        self._secrets = secrets
        self._workers: dict[int, Worker] = {}
        self._sharing: Sharing | None = None
        self._console: SharedConsole | None = None
        self.reloader: Reloader | None = None
        self._deaths: deque[float] = deque()
        self._is_draining = self._is_stopping = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failed = False

    async def run(self) -> int:
        """Serves until a signal says stop, then drains; a second one cuts the draining short.

        Returns the exit code: 1 when workers kept dying. CannotStart.
        """
        config = self._config
        asked = Asked()
        on_signals(self.stop, hang_up=asked.ask)
        with contextlib.ExitStack() as stack:
            try:
                self._directory = stack.enter_context(shared_metrics.directory())
            except OSError as error:
                raise CannotStart(
                    f"the workers cannot write their metrics: {error.strerror}; "
                    f"{shared_metrics.VARIABLE} names a directory where they can"
                ) from None
            try:
                self._signer = signing_keys(config)
            except ValueError as error:
                raise CannotStart(str(error)) from None
            self._listeners = bind_listeners(config, self._passed)
            for bound in self._listeners.all():
                stack.callback(bound.unlink)
                stack.callback(bound.close)
            assert self._listeners.admin is not None  # bound right here
            program = self._program = ProgramMetrics(config, is_ready=lambda: self._admin.is_ready, workers=self._pids)
            self._admin = Admin(
                readiness=self.readiness,
                render=lambda: program.render(shared_metrics.render(self._directory, program.narrowed)),
                key_set=None if self._signer is None else self._signer.published,
                probes=config.probes,
            )
            server = Server(self._admin, config, max_connections=ADMIN_CONNECTIONS, observer=None, own_pages=True)
            acceptor = Acceptor(self._listeners.admin, server)
            if self._signer is not None:
                await self._signer.start()
            on_drain(self.drain)
            call_process(SERVES)
            self._console = self._console_made()
            if self._console is not None:
                await self._console.start()
            log.info("%s", summary(config, self._listeners))
            try:
                async with (
                    sharing_for(config, lambda: tuple(self._workers.values())) as self._sharing,
                    self._notifier.serving(
                        summary=summary(config, self._listeners), readiness=self.readiness, is_alive=self.is_alive
                    ),
                    reloading(
                        self._source, config, self._replace, self._loaded, asked=asked, notifier=self._notifier,
                        summary=lambda: summary(self._config, self._listeners), reloaded=program.reloaded,
                    ) as self.reloader,
                ):  # fmt: skip
                    if self._console is not None:
                        self._console.reload_by(self.reloader)
                    await self._serve()
            finally:
                if self._console is not None:
                    await self._console.stop()
                if self._signer is not None:
                    await self._signer.stop()
                await acceptor.close()
                await server.drain(seconds=0)
        log.info("stopped")
        return 1 if self._failed else 0

    def _console_made(self) -> SharedConsole | None:
        bound = {"listen": self._listeners.traffic, "decisions": self._listeners.decisions}
        bound["admin"] = self._listeners.admin
        return shared_console_of(
            lambda: self._config,
            workers=lambda: tuple(worker for worker in self._workers.values() if worker.readiness is not None),
            readiness=self.readiness,
            is_draining=lambda: self._is_draining or self._is_stopping,
            addresses={key: one.where for key, one in bound.items() if one is not None},
            secrets=self._secrets,
        )

    async def _replace(self, wanted: Wanted) -> Sequence[str]:
        """Has another configuration used by all workers, or says in sentences why not."""
        if self._is_stopping:
            return ("the gateway is stopping",)
        before, config = self._config, wanted.config
        try:
            signer = signing_keys_behind(self._signer, before, config)
        except ValueError as error:
            return (str(error),)
        problems = await self._deciding.prepare(wanted)
        if problems:
            self._deciding.abort()
            return problems
        # Before anybody is told: a worker that starts now is given it.
        self._config, self._secrets = config, wanted.secrets
        self._deciding.commit()
        logging.getLogger().setLevel(config.log.level.upper())
        if self._signer is not None and self._signer is not signer:
            await self._signer.stop()
        if signer is not None and signer is not self._signer:
            await signer.start()
        self._signer = signer
        self._program.reconfigure(config)
        self._admin.reconfigure(key_set=None if signer is None else signer.published, probes=config.probes)
        # Whoever asked for it may look at once.
        await self._deciding.until_used()
        return ()

    def drain(self) -> None:
        """Has the workers drain, and serve on: those that are started later as well. May be called again."""
        if self._is_draining or self._is_stopping:
            return
        log.info("draining: serves on, until it is told to stop")
        self._is_draining = self._admin.draining = True
        call_process(DRAINS)
        for worker in self._workers.values():
            worker.tell(DRAIN)
        # The workers have been told now, and pass the same time.
        asyncio.get_running_loop().call_later(float(self._config.limits.drain_delay), call_process, DRAINED)

    def stop(self) -> None:
        """Begins to stop; when called again, cuts that short."""
        (self._hurry if self._stop.is_set() else self._stop).set()

    def is_alive(self) -> bool:
        """Whether one worker at least was heard of lately, or all are to end."""
        heard = (worker for worker in self._workers.values() if worker.readiness is not None)
        return self._is_stopping or any(worker.silent <= LATELY for worker in heard)

    def _pids(self) -> tuple[int, ...]:
        return tuple(worker.pid for worker in tuple(self._workers.values()))

    def readiness(self) -> Readiness:
        """Whether the workers, taken together, can respond."""
        told = [worker for worker in self._workers.values() if worker.readiness is not None]
        proven = [worker for worker in told if worker.was_ready] or told
        return readiness_of_all(worker.readiness for worker in proven if worker.readiness is not None)

    async def _serve(self) -> None:
        places = [asyncio.create_task(self._keep(place)) for place in range(self._config.workers)]
        watching = asyncio.create_task(self._watch())
        hurrying = asyncio.create_task(self._pass_on_hurry())
        try:
            await self._stop.wait()
            log.info("stopping: draining")
            if self.reloader is not None:
                self.reloader.stop()
            self._notifier.stopping()
            self._is_stopping = self._admin.draining = True
            for worker in self._workers.values():
                worker.tell(STOP)
            # The workers go on with the sockets: the last one to close them refuses who comes after.
            for bound in (self._listeners.traffic, self._listeners.decisions):
                if bound is not None:
                    bound.close()
            limits = self._config.limits
            _, left = await asyncio.wait(places, timeout=limits.drain_delay + limits.drain + MARGIN)
            if left:
                log.warning("%d workers did not end within drain: killed", len(left))
                for worker in self._workers.values():
                    worker.kill()
            await asyncio.gather(*places)
        finally:
            for task in (watching, hurrying):
                task.cancel()
            await asyncio.gather(watching, hurrying, return_exceptions=True)

    def _stops(self) -> bool:
        """Whether the program is about to end: may have changed across any wait."""
        return self._is_stopping

    async def _keep(self, place: int) -> None:
        """A worker in this place, and another one when it dies, until the program stops."""
        while not self._stops():
            job = self._job(place)
            try:
                worker = await Worker.start(
                    job, environment={**os.environ, shared_metrics.VARIABLE: str(self._directory)}
                )
            except OSError as error:
                log.error("no worker can be started: %s", error.strerror)  # noqa: TRY400
                self._count_death()
                await asyncio.sleep(self._heartbeat)
                continue
            self._workers[place] = worker
            if job.config is not self._config:
                # Another one was decided on while it was started, and nobody could tell it.
                worker.replace()
            if self._sharing is not None:
                self._sharing.greet(worker)
            if self._is_draining:
                worker.tell(DRAIN)
            if self._is_stopping:
                worker.tell(HURRY if self._hurry.is_set() else STOP)
            code = await worker.ended(self._sharing, self._deciding, self._console)
            if self._console is not None:
                self._console.gone(worker)
            del self._workers[place]
            shared_metrics.forget(self._directory, place)
            if code == 0 or worker.is_replaced:
                if not self._is_stopping:
                    why = "has to begin anew" if worker.is_replaced else "was told to end by somebody else"
                    log.warning("worker %d (process %d) %s: replaced", place, worker.pid, why)
                continue
            log.error("worker %d (process %d) died: %s", place, worker.pid, _cause(code))
            self._count_death()

    def _job(self, place: int) -> Job:
        traffic, decisions = self._listeners.traffic, self._listeners.decisions
        return Job(
            place=place,
            config=self._config,
            secrets=dict(self._secrets),
            traffic=traffic.handed_on(),
            decisions=None if decisions is None else decisions.handed_on(),
            heartbeat=self._heartbeat,
        )

    def _count_death(self) -> None:
        """Ends the program when it goes on like that."""
        now = asyncio.get_running_loop().time()
        self._deaths.append(now)
        while self._deaths[0] < now - LOOP_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) >= max(LOOP_DEATHS, 2 * self._config.workers) and not self._is_stopping:
            log.error("workers died %d times within %g s: giving up", len(self._deaths), LOOP_SECONDS)
            self._failed = self._is_stopping = True
            self._stop.set()

    async def _watch(self) -> None:
        """Kills whoever does not show that it lives."""
        while True:
            await asyncio.sleep(self._heartbeat)
            flush_log()
            if self._sharing is not None:
                self._sharing.revocations.look()
            if self._console is not None:
                self._console.look(asyncio.get_running_loop().time())
            for place, worker in self._workers.items():
                if worker.is_silent(self._silent):
                    log.error("worker %d (process %d) has not been heard of for too long: killed", place, worker.pid)
                    worker.kill()

    async def _pass_on_hurry(self) -> None:
        await self._hurry.wait()
        for worker in self._workers.values():
            worker.tell(HURRY)


def _cause(code: int) -> str:
    return f"exit code {code}" if code > 0 else signal.strsignal(-code) or f"signal {-code}"
