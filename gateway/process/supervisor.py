"""Several workers on the same sockets: started, watched, replaced when they die, and stopped together.

Serves nothing but the admin listener, which speaks for all of them. What a worker does is `worker`.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.admin.pages import Admin
from gateway.admin.probes import Probes
from gateway.admin.readiness import Readiness, readiness_of_all
from gateway.compose import signing_keys
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.observe.log import flush_log
from gateway.observe.metrics import shared_metrics
from gateway.observe.metrics.program_metrics import ProgramMetrics
from gateway.process.consoled import SharedConsole, shared_console_of
from gateway.process.listening import ADMIN_CONNECTIONS, Acceptor, Bound, CannotStart, bind_listeners
from gateway.process.notify import UNHEARD, Notifier
from gateway.process.revoking import MAX_LINE
from gateway.process.sharing import Sharing, sharing_for
from gateway.process.signals import on_drain, on_signals
from gateway.process.summary import summary
from gateway.process.title import DRAINED, DRAINS, SERVES, call_process
from gateway.process.worker import DRAIN, HEARTBEAT, HURRY, STOP, Job, parse_report
from gateway.relay.client.server import Server

#: heartbeats that may stay away: of a worker that serves, and of one that starts
SILENT: Final = 15
SILENT_AT_START: Final = 60
#: heartbeats without a report after which a worker was not heard of lately: one may be late
LATELY: Final = 2
#: seconds within which so many deaths, and two for each worker, are a crash loop
LOOP_SECONDS: Final = 30.0
LOOP_DEATHS: Final = 5
#: seconds beyond drain_delay and drain after which a worker that has not ended is killed
MARGIN: Final = 5.0
#: A fresh interpreter that finds its modules where this one did, whatever the directory it starts in.
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gateway.process.worker import main; sys.exit(main(int(sys.argv[2])))"
)

log = logging.getLogger("gateway")


class _Worker:
    """One process that serves, as its supervisor sees it."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        #: heartbeats since it was last heard of
        self.silent = 0
        #: what it last said; None: nothing yet
        self.readiness: Readiness | None = None
        #: it could respond at least once: one that was just replaced is no reason to leave service
        self.was_ready = False
        #: see sharing.Sharer
        self.confirmed: int | None = None
        self.heard = asyncio.Event()
        self.is_gone = False

    @classmethod
    async def start(cls, job: Job, *, environment: Mapping[str, str]) -> "_Worker":
        """A new process with the job in its hands. OSError: the machine does not let us."""
        ours, its = socket.socketpair()
        inherited = (*job.traffic[1], *(() if job.decisions is None else job.decisions[1]))
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-c", _START, json.dumps(sys.path), str(its.fileno()),
                pass_fds=(its.fileno(), *inherited), env=environment, stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError:
            ours.close()
            raise
        finally:
            its.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        writer.write(job.written())
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, what: bytes) -> None:
        """DRAIN, STOP or HURRY, or what is revoked."""
        self._writer.write(what)

    async def ended(self, sharing: Sharing | None, console: SharedConsole | None) -> int:
        """Listens to it until it ends; its exit code, negative for a signal. The others hear what is no report."""
        with contextlib.suppress(ConnectionError):
            while line := await self._reader.readline():
                with contextlib.suppress(ValueError):
                    if console is not None and console.hear(self, line):
                        continue
                    if sharing is not None and not line.startswith(b"{"):
                        sharing.hear(self, line)
                        continue
                    self.readiness = parse_report(line)
                    self.was_ready = self.was_ready or self.readiness.ready
                    self.silent = 0
        self._writer.close()
        code = await self._process.wait()
        self.is_gone = True
        self.heard.set()
        return code

    def is_silent(self, most: int) -> bool:
        """To be asked once a heartbeat: whether more stayed away than may. Counted: a frozen machine is no death."""
        self.silent += 1
        return self.silent > (SILENT_AT_START if self.readiness is None else most)

    def kill(self) -> None:
        """Ends it now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


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
    ) -> None:
        """`config` is sound: nothing is checked here. `secrets`: what was read for each that it names.

        `passed`: sockets that take the place of configured addresses. `notifier`: hears of it.
        `heartbeat`: seconds between two signs of life of a worker, of which `silent` may stay away.
        """
        self._passed = passed
        self._notifier = notifier
        self._heartbeat = heartbeat
        self._silent = silent
        self._config = config
        self._secrets = secrets
        self._workers: dict[int, _Worker] = {}
        self._sharing: Sharing | None = None
        self._console: SharedConsole | None = None
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
        on_signals(self.stop, hang_up=self._stop.set)
        with contextlib.ExitStack() as stack:
            try:
                self._directory = stack.enter_context(shared_metrics.directory())
            except OSError as error:
                raise CannotStart(
                    f"the workers cannot write their metrics: {error.strerror}; "
                    f"{shared_metrics.VARIABLE} names a directory where they can"
                ) from None
            try:
                signer = signing_keys(config)
            except ValueError as error:
                raise CannotStart(str(error)) from None
            self._listeners = bind_listeners(config, self._passed)
            for bound in self._listeners.all():
                stack.callback(bound.unlink)
                stack.callback(bound.close)
            assert self._listeners.admin is not None  # bound right here
            program = ProgramMetrics(config, is_ready=lambda: self._admin.is_ready, workers=self._pids)
            self._admin = Admin(
                readiness=self.readiness,
                render=lambda: program.render(shared_metrics.render(self._directory)),
                key_set=None if signer is None else signer.published,
                probes=Probes(config.probes),
            )
            server = Server(self._admin, config, max_connections=ADMIN_CONNECTIONS, observer=None, own_pages=True)
            acceptor = Acceptor(self._listeners.admin, server)
            if signer is not None:
                await signer.start()
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
                ):
                    await self._serve()
            finally:
                if self._console is not None:
                    await self._console.stop()
                if signer is not None:
                    await signer.stop()
                await acceptor.close()
                await server.drain(seconds=0)
        log.info("stopped")
        return 1 if self._failed else 0

    def _console_made(self) -> SharedConsole | None:
        bound = {"listen": self._listeners.traffic, "decisions": self._listeners.decisions}
        bound["admin"] = self._listeners.admin
        return shared_console_of(
            self._config,
            workers=lambda: tuple(worker for worker in self._workers.values() if worker.readiness is not None),
            readiness=self.readiness,
            is_draining=lambda: self._is_draining or self._is_stopping,
            addresses={key: one.where for key, one in bound.items() if one is not None},
            secrets=self._secrets,
        )

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

    async def _keep(self, place: int) -> None:
        """A worker in this place, and another one when it dies, until the program stops."""
        while not self._is_stopping:
            try:
                worker = await _Worker.start(
                    self._job(place), environment={**os.environ, shared_metrics.VARIABLE: str(self._directory)}
                )
            except OSError as error:
                log.error("no worker can be started: %s", error.strerror)  # noqa: TRY400
                self._count_death()
                await asyncio.sleep(self._heartbeat)
                continue
            self._workers[place] = worker
            if self._sharing is not None:
                self._sharing.greet(worker)
            if self._is_draining:
                worker.tell(DRAIN)
            if self._is_stopping:
                worker.tell(HURRY if self._hurry.is_set() else STOP)
            code = await worker.ended(self._sharing, self._console)
            if self._console is not None:
                self._console.gone(worker)
            del self._workers[place]
            shared_metrics.forget(self._directory, place)
            if code == 0:
                if not self._is_stopping:
                    log.warning("worker %d (process %d) was told to end by somebody else: replaced", place, worker.pid)
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
