"""A Python that has imported what a gateway imports, and forks into one as often as it is asked to (prepared.py asks).

To import all of it takes most of the processor's time of a start. Run by its text, with the number of a socket: each
message on that is what a program is to be run with, as JSON, and the descriptors of its output, of where its process id
and its exit code are told, and of the sockets that it is passed.
"""

import fcntl
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import gateway

#: bytes of a message, and descriptors with it
MOST, MOST_DESCRIPTORS = 1 << 18, 32
#: runs when it is imported, and what is no part of a gateway that serves
LEFT_OUT = ("gateway.__main__", "gateway.demo")
#: where sd_listen_fds(3) finds the first socket, and above what nobody holds one by chance
FIRST, APART = 3, 200


def prepare() -> None:
    """What every gateway imports, what some of them do later, and what is worked out once of the configuration's types."""
    for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not found.name.startswith(LEFT_OUT):
            import_module(found.name)
    import_module("gateway.settings.settings").load(None, {})
    # Neither looked through by those that it forks into, nor copied.
    gc.collect()
    gc.freeze()


def serve(control: socket.socket) -> None:
    """Forks until nobody asks any more; in what it forked into, runs that program."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    #: by descriptor of a process: that process, and who hears of its end
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ready, _ in poll.poll():
            if ready != control.fileno():
                poll.unregister(ready)
                pid, told = running.pop(ready)
                tell(told, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(told)
                os.close(ready)
                continue
            said, held, _, _ = socket.recv_fds(control, MOST, MOST_DESCRIPTORS)
            if not said:
                return
            output, told, *passed = held
            if (pid := os.fork()) == 0:
                become(json.loads(said), output, passed)
            tell(told, pid)
            its = os.pidfd_open(pid)
            running[its] = pid, told
            poll.register(its, select.POLLIN)
            for descriptor in (output, *passed):
                os.close(descriptor)


def tell(told: int, number: int) -> None:
    """One line. Who asked may be gone."""
    with suppress(BrokenPipeError):
        os.write(told, b"%d\n" % number)


def become(wanted: dict[str, Any], output: int, passed: list[int]) -> NoReturn:
    """Is from now on what `python -m gateway` with these arguments and variables is, in that folder."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    kept = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, APART) for descriptor in passed]
    os.closerange(FIRST, APART)
    for place, descriptor in enumerate(kept, FIRST):
        os.dup2(descriptor, place)
        os.close(descriptor)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    if passed:
        os.environ["LISTEN_PID"] = str(os.getpid())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[1:] = wanted["arguments"]
    runpy.run_module("gateway", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    # Who interrupts the tests does not mean this one, which ends with whoever asked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare()
    serve(socket.socket(fileno=int(sys.argv[1])))
