"""One worker as its supervisor sees it: a process of its own, what it says, and how it ends."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Mapping
from typing import Final

from gateway.admin.readiness import Readiness
from gateway.process.consoled import SharedConsole
from gateway.process.decided import RESPONSE, Deciding
from gateway.process.revoking import MAX_LINE
from gateway.process.sharing import Sharing
from gateway.process.worker import Job, parse_report

#: heartbeats that may stay away: of a worker that serves, and of one that starts
SILENT: Final = 15
SILENT_AT_START: Final = 60
#: A fresh interpreter that finds its modules where this one did, whatever the directory it starts in.
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gateway.process.worker import main; sys.exit(main(int(sys.argv[2])))"
)


class Worker:
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
        #: it was ended on purpose, and says nothing of those that die
        self.is_replaced = False

    @classmethod
    async def start(cls, job: Job, *, environment: Mapping[str, str]) -> "Worker":
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

    @property
    def serves(self) -> bool:
        """It was heard of."""
        return self.readiness is not None

    def replace(self) -> None:
        """Ends it now: another one takes its place."""
        self.is_replaced = True
        self.kill()

    async def ended(self, sharing: Sharing | None, deciding: Deciding, console: SharedConsole | None) -> int:
        """Listens to it until it ends; its exit code, negative for a signal. The others hear what is no report."""
        with contextlib.suppress(ConnectionError):
            while line := await self._reader.readline():
                with contextlib.suppress(ValueError):
                    if line.startswith(RESPONSE):
                        deciding.hear(self, line)
                        continue
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
        deciding.ended(self)
        return code

    def is_silent(self, most: int) -> bool:
        """To be asked once a heartbeat: whether more stayed away than may. Counted: a frozen machine is no death."""
        self.silent += 1
        return self.silent > (SILENT_AT_START if self.readiness is None else most)

    def kill(self) -> None:
        """Ends it now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
