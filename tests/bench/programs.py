"""Programs under load: started on one core each, asked of the kernel what they use, and ended with all they started."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
#: the program under test has this core for itself
TESTED: Final = 0
#: the load and the API behind have this one
LOAD: Final = 1

#: seconds that a program may take to listen
START_SECONDS: Final = 20.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class CannotMeasure(Exception):
    """A row cannot be measured, or its figures would mean nothing; the sentence says why."""


def core_seconds(core: int) -> tuple[float, float]:
    """Seconds that processes have used a core so far, and seconds that the hypervisor gave it to others (proc(5))."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _, _, _, _, steal, *_ = (int(field) / _TICKS for field in line.split()[1:])
            return user + nice + system, steal
    raise CannotMeasure(f"there is no core {core}")


def find_program(name: str) -> str:
    """A program of Debian, or of the environment this runs in. CannotMeasure: there is none."""
    path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    found = shutil.which(name, path=path)
    if found is None:
        raise CannotMeasure(f"{name} is not installed: make bench installs it")
    return found


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Program:
    """A running program and what it has printed."""

    name: str
    process: subprocess.Popen[bytes]
    #: its standard output: the access log, where it has one
    output: Path
    #: its standard error
    errors: Path

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def complaint(self) -> str:
        """The end of what it said on standard error."""
        return self.errors.read_text("utf-8", "replace")[-2000:].strip()

    def _pids(self) -> Iterator[int]:
        """The process and all that descend from it."""
        pids = [self.process.pid]
        for pid in pids:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    pids += map(int, (task / "children").read_text().split())
        return iter(pids)

    def _status(self, field: str) -> float:
        """A field of /proc/PID/status that is in kB, in MiB, summed over all processes."""
        found = 0
        for pid in self._pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith(field + ":"):
                        found += int(line.split()[1])
        return found / 1024

    def resident(self) -> float:
        """MiB resident now."""
        return self._status("VmRSS")

    def highest_resident(self) -> float:
        """MiB resident at most since `forget_highest`."""
        return self._status("VmHWM")

    def forget_highest(self) -> None:
        """proc(5), clear_refs: 5 resets the peak to what is resident now."""
        for pid in self._pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def processor_seconds(self) -> float:
        """Seconds of processor time so far, user and system."""
        ticks = 0
        for pid in self._pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS

    def empty_output(self) -> None:
        """Forgets what was printed: a run of minutes would fill the disk with its access log."""
        os.truncate(self.output, 0)

    def stop(self) -> None:
        """Ends it at once: there is nothing to save."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(
    name: str, command: Sequence[str], directory: Path, *, core: int, env: Mapping[str, str] | None = None
) -> Program:
    """Starts a program pinned to a core, in a session of its own; its output goes into `directory`."""
    output, errors = directory / f"{name}.out", directory / f"{name}.err"
    # Appending: the file may be emptied while the program has it open. What a predecessor left goes.
    output.unlink(missing_ok=True)
    with output.open("ab") as out, errors.open("ab") as err:
        process = subprocess.Popen(
            [find_program("taskset"), "-c", str(core), *command],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    return Program(name, process, output, errors)


def wait_until_it_listens(program: Program, port: int) -> None:
    """Waits until connections are accepted. CannotMeasure: it ended, or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while program.running and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise CannotMeasure(f"{program.name} does not listen: {program.complaint()}")
