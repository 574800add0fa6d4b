"""One worker of several: a fresh process that serves on inherited sockets, and tells its supervisor how it is.

It is told what to do over the socket by which it was given its job. When that ends, its supervisor is gone: it drains.
"""

import asyncio
import contextlib
import logging
import pickle
import signal
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import uvloop

from gateway.admin.readiness import Readiness
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.observe.log import set_up_logging
from gateway.observe.metrics.shared_metrics import share
from gateway.process.app import Gateway
from gateway.process.consoled import Consulted, consulted_of
from gateway.process.decided import Obeying
from gateway.process.listening import Bound, CannotStart, HandedOn, Listeners
from gateway.process.memory import let_go, settle_memory
from gateway.process.revoking import MAX_LINE
from gateway.process.sharing import SuppliedList, is_shared
from gateway.process.signals import ignore_drain, ignore_hang_up
from gateway.process.title import WORKER, call_process

#: seconds between two reports to the supervisor
HEARTBEAT: Final = 1.0
#: looks at what changed, in that time
_LOOKS: Final = 10
#: length of the job in bytes
_LENGTH: Final = struct.Struct("!Q")
#: what the supervisor may say
DRAIN: Final = b"drain\n"
STOP: Final = b"stop\n"
HURRY: Final = b"hurry\n"

log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a worker is given: it reads no file and no variable of the configuration itself."""

    #: its place among the others, from 0; that of its predecessor, if it has one
    place: int
    config: Config
    secrets: Mapping[Secret, str] = field(repr=False)
    traffic: HandedOn
    decisions: HandedOn | None
    #: seconds between two reports to the supervisor
    heartbeat: float = HEARTBEAT

    def written(self) -> bytes:
        """The job on its way to the worker."""
        content = pickle.dumps(self)
        return _LENGTH.pack(len(content)) + content


def encode_report(readiness: Readiness) -> bytes:
    """A line from a worker to its supervisor."""
    return msgspec.json.encode(readiness) + b"\n"


def parse_report(line: bytes) -> Readiness:
    """What stands in one. ValueError."""
    return msgspec.json.decode(line, type=Readiness)


def main(descriptor: int) -> int:
    """Serves until told to stop; returns the exit code. `descriptor`: the socket to the supervisor."""
    # Ctrl-C reaches every process of a terminal; what it means is the supervisor's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # So is this, where all processes of the program get it.
    ignore_drain()
    ignore_hang_up()
    call_process(WORKER)
    supervisor = socket.socket(fileno=descriptor)
    job = _read_job(supervisor)
    if job is None:
        supervisor.close()
        return 1
    set_up_logging(job.config.log, worker=job.place)
    share(job.place)
    try:
        uvloop.run(_serve(job, supervisor))
    except CannotStart as error:
        log.error("%s", error)  # noqa: TRY400 -- the sentence is the whole story
        return 1
    return 0


def _read_job(supervisor: socket.socket) -> Job | None:
    """None: the supervisor is gone already."""
    # Nothing beyond it is read: what the supervisor says next is for the loop to hear.
    length = supervisor.recv(_LENGTH.size, socket.MSG_WAITALL)
    if len(length) < _LENGTH.size:
        return None
    size = _LENGTH.unpack(length)[0]
    content = supervisor.recv(size, socket.MSG_WAITALL)
    if len(content) < size:
        return None
    job = pickle.loads(content)  # noqa: S301 -- written by the process that started this one
    assert isinstance(job, Job)
    return job


async def _serve(job: Job, supervisor: socket.socket) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    # A manager may signal every process of the program: it asks for what the supervisor will ask for as well.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    reader, writer = await asyncio.open_connection(sock=supervisor, limit=MAX_LINE)
    supplied = SuppliedList(writer.write) if is_shared(job.config) else None
    if supplied is not None and not await supplied.supplied(reader):
        return
    gateway = Gateway(
        job.config,
        secrets=job.secrets,
        inherited=Listeners(
            traffic=Bound.inherited(*job.traffic),
            decisions=None if job.decisions is None else Bound.inherited(*job.decisions),
            admin=None,
        ),
        keeper=supplied,
        let_go=let_go,
    )
    await gateway.start()
    settle_memory()
    log.info("worker %d serves", job.place)
    consulted = consulted_of(gateway.teller, writer.write)
    reporting = asyncio.create_task(_report(gateway, writer, consulted, heartbeat=job.heartbeat))
    obeying = Obeying(gateway.replacing, writer.write, give_up=stop.set)
    listening = asyncio.create_task(_listen(reader, gateway, stop, hurry, supplied, consulted, obeying))
    await stop.wait()
    await obeying.stop()
    await gateway.stop(hurry=hurry)
    for task in (reporting, listening):
        task.cancel()
    await asyncio.gather(reporting, listening, return_exceptions=True)
    writer.close()


async def _listen(
    reader: asyncio.StreamReader,
    gateway: Gateway,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    supplied: SuppliedList | None,
    consulted: Consulted | None,
    obeying: Obeying,
) -> None:
    """Does as the supervisor says, and stops when there is none any more: so do all the others then."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        said = [] if supplied is None else supplied.unheard
        while line := said.pop(0) if said else await reader.readline():
            if supplied is not None and supplied.hear(line):
                continue
            if consulted is not None and consulted.hear(line):
                continue
            if line == DRAIN:
                gateway.drain()
                continue
            if await obeying.hears(line, reader):
                continue
            gateway.others_go_on = False
            if line == HURRY:
                hurry.set()
            stop.set()
    if supplied is not None:
        supplied.lost()
    if consulted is not None:
        consulted.stop()
    if not stop.is_set():
        log.warning("the supervisor is gone: draining")
    gateway.others_go_on = False
    stop.set()


async def _report(
    gateway: Gateway, writer: asyncio.StreamWriter, consulted: Consulted | None, *, heartbeat: float
) -> None:
    """Says how it is, at once when that changes and once a heartbeat when it does not."""
    told = None
    with contextlib.suppress(ConnectionError):
        while True:
            for _ in range(_LOOKS):
                now = gateway.readiness()
                if now != told:
                    break
                await asyncio.sleep(heartbeat / _LOOKS)
            told = now
            gateway.tell_metrics()
            writer.write(encode_report(now))
            if consulted is not None:
                consulted.tell(pause=heartbeat)
            await writer.drain()
