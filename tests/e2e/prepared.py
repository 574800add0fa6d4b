"""Gateways that need not import anything: forked from a Python that has done so once (prepared_program.py).

What is run, its output, its exit code and its signals are those of `python -m gateway` in a process of its own.
"""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_PROGRAM = Path(__file__).with_name("prepared_program.py")
ROOT = Path(__file__).parents[2]
#: that a command may take
SECONDS = 60.0
#: beginnings of variables that are heeded when a program is executed or imports: whoever sets those begins anew
_HEEDED_EARLY = ("LD_", "FAKETIME", "PYTHON", "SSL_", "OPENSSL_", "MALLOC_", "GLIBC_")


class Running:
    """One such gateway: what of asyncio.subprocess.Process is used of it."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, told: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._ends = asyncio.ensure_future(self._end(told))

    async def _end(self, told: asyncio.StreamReader) -> int:
        # Nothing: the program that it was forked from has been killed.
        self.returncode = int(await told.read() or -signal.SIGKILL)
        return self.returncode

    async def wait(self) -> int:
        """Its exit code, once it has ended; of a signal: the negative of that."""
        return await asyncio.shield(self._ends)

    def send_signal(self, signum: int) -> None:
        """ProcessLookupError: it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Prepared:
    """The program that forks."""

    def __init__(self) -> None:
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._program = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.read_text(), str(its.fileno())],
                pass_fds=[its.fileno()], cwd=ROOT, stdout=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith(_HEEDED_EARLY)} | _HERE,
            )  # fmt: skip

    def fork(self, said: bytes, descriptors: Sequence[int]) -> None:
        socket.send_fds(self._control, [said], descriptors)

    def end(self) -> None:
        self._control.close()
        self._program.wait()


@cache
def _prepared(_: int) -> _Prepared:
    """Of this process: those that are forked from it have their own."""
    prepared = _Prepared()
    atexit.register(prepared.end)
    return prepared


def _heeded(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_HEEDED_EARLY)}


#: of the tests, and so of the program that forks; a test may have variables of its own later
_HERE = _heeded(os.environ)


def can_be_prepared(env: Mapping[str, str]) -> bool:
    """Whether a program with these variables would import what others do, and run it alike."""
    return _heeded(env) == _HERE


async def forked(
    arguments: Sequence[str], env: Mapping[str, str], passed: Sequence[int] = (), *, cwd: Path = ROOT
) -> Running:
    """`python -m gateway` with these arguments and variables. `passed`: sockets, as systemd passes them."""
    stdout, output = await _pipe()
    told, telling = await _pipe()
    said = json.dumps({"arguments": list(arguments), "env": dict(env), "cwd": str(cwd)}).encode()
    _prepared(os.getpid()).fork(said, [output, telling, *passed])
    os.close(output)
    os.close(telling)
    return Running(int(await told.readline()), stdout, told)


async def ran(*arguments: str, cwd: Path = ROOT) -> tuple[int, str]:
    """Exit code and output of a command, both streams as a terminal has them."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = await forked(arguments, env, cwd=cwd)
    async with asyncio.timeout(SECONDS):
        said = (await process.stdout.read()).decode()
        return await process.wait(), said


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    """Its end here, and the one for somebody else."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )
    return reader, writing
