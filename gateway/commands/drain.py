"""`bearer-gateway drain`: has a running gateway drain and serve on, and waits until it may be stopped: a preStop hook.

Finds it by what its process is called (`process.title`), and signals none that would not hear: SIGUSR1 ends a process.
"""

import os
import signal
import sys
import time

from gateway.commands.quick import Option, add_options, seconds
from gateway.process.title import DRAINED, TITLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from types import SimpleNamespace

HELP = "have a running gateway drain and serve on, and wait until it may be stopped"
DESCRIPTION = (
    "Have a running gateway on this machine or in this container drain (SIGUSR1): it is not ready any more, and each "
    "response ends its connection, but it serves on until SIGTERM. Then wait until limits.drain_delay is over. "
    "Exit code 0: it is, or the gateway has ended; 1: no gateway was found, or not within --timeout."
)
#: seconds between two looks at the gateway
_LOOK = 0.05
#: seconds to wait for at most; drain_delay is seldom more than some
_PATIENCE = 300.0


def _process_id(word: str) -> int:
    """The number of a process. ValueError says what it must be."""
    if not word.isdecimal() or int(word[:9]) == 0:
        raise ValueError("the number of a process")
    return int(word[:9])


OPTIONS = (
    Option(
        "pid",
        "N",
        "process id of the gateway; default: process 1 if it is one, else the only one there is",
        convert=_process_id,
    ),
    Option(
        "timeout",
        "SECONDS",
        f"to wait for at most; 0: tell it, and do not wait; default: {_PATIENCE:g}",
        convert=seconds,
        default=_PATIENCE,
    ),
)


def add_arguments(parser: "ArgumentParser") -> None:
    """What it takes."""
    add_options(OPTIONS, parser)


def run(arguments: "Namespace | SimpleNamespace") -> int:
    """Tells it, and waits; 1 when there is none, or not one, or it takes too long."""
    try:
        pid = find_gateway(_processes()) if arguments.pid is None else _checked(arguments.pid)
        begun = _started(pid)
        os.kill(pid, signal.SIGUSR1)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    except OSError as error:
        print(f"process {pid} cannot be told: {error.strerror}", file=sys.stderr)
        return 1
    if not arguments.timeout:
        print(f"process {pid} was told to drain")
        return 0
    ends = time.monotonic() + arguments.timeout
    while begun and _started(pid) == begun and _read(pid, "comm").strip() != DRAINED:
        if time.monotonic() >= ends:
            print(f"process {pid} still drains after {arguments.timeout:g} s", file=sys.stderr)
            return 1
        time.sleep(_LOOK)
    print(f"process {pid} has drained")
    return 0


def find_gateway(pids: list[int]) -> int:
    """Process 1 if it is a gateway, as in a container, else the only one that may be signalled. LookupError."""
    found = sorted(pid for pid in pids if is_gateway(pid))
    if not found:
        raise LookupError("no gateway serves here that may be told to drain")
    if len(found) > 1 and found[0] != 1:
        raise LookupError(f"several gateways serve here, processes {', '.join(map(str, found))}: say which with --pid")
    return found[0]


def is_gateway(pid: int) -> bool:
    """Whether it is a gateway that serves, hears SIGUSR1, and may be signalled."""
    if _read(pid, "comm").strip() not in TITLES:
        return False
    # Of `bearer-gateway check` the kernel thinks no different; but it would die.
    for line in _read(pid, "status").splitlines():
        if line.startswith("SigCgt:") and not int(line.split()[1], 16) >> (signal.SIGUSR1 - 1) & 1:
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 -- as below


def _checked(pid: int) -> int:
    if not is_gateway(pid):
        raise LookupError(f"process {pid} is no gateway that serves, or may not be signalled")
    return pid


def _started(pid: int) -> str:
    """When it started, which tells it from a later process of the same number; empty: it has ended."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    # proc(5), fields 3 and 22: a zombie has ended.
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _read(pid: int, name: str) -> str:
    """A file about a process; empty: there is no such process, or no such file."""
    try:
        with open(f"/proc/{pid}/{name}", encoding="latin-1") as file:  # noqa: PTH123 -- pathlib takes longer than the rest
            return file.read()
    except OSError:
        return ""
