"""Programs under load: started on one core each, asked of the kernel what they use, and ended with all they started."""

import contextlib
import os
import secrets
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
START_SECONDS: Final = 60.0
#: TCP_LISTEN in /proc/net/tcp
_LISTEN: Final = "0A"
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


#: where ports are taken from: below those that the kernel gives to connections (ip_local_port_range), which would take
#: one before its program is there to bind it
_PORTS: Final = range(10_240, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A port of loopback that nobody has, and that was not given out before."""
    while True:
        port = secrets.choice(_PORTS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


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
        """The end of what it said on standard error; of its output, where that is all there is."""
        return _end_of(self.errors) or _end_of(self.output)

    def _pids(self) -> Iterator[int]:
        """The process and all that descend from it."""
        pids = [self.process.pid]
        for pid in pids:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    pids += map(int, (task / "children").read_text().split())
        return iter(pids)

    def listens(self, port: int) -> bool:
        """Whether it, and not somebody else, listens on a port of IPv4 (proc(5), /proc/net/tcp)."""
        inodes = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].partition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
        for pid in self._pids():
            with contextlib.suppress(OSError):
                for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        if str(descriptor.readlink()) in inodes:
                            return True
        return False

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


def _end_of(file: Path) -> str:
    with file.open("rb") as opened:
        opened.seek(-min(2000, file.stat().st_size), os.SEEK_END)
        return opened.read().decode("utf-8", "replace").strip()


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
    """Waits until the program, and nobody else, listens. CannotMeasure: it ended, or took too long.

    Asked of the kernel, without a connection: one that is made between two sockets being bound is reset where the second
    cannot be had, and one to a port that somebody else took says nothing about the program.
    """
    deadline = time.monotonic() + START_SECONDS
    while program.running and time.monotonic() < deadline:
        if program.listens(port):
            return
        time.sleep(0.02)
    raise CannotMeasure(f"{program.name} does not listen: {program.complaint()}")
