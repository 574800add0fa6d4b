"""Sockets that whoever started the program has bound already, and passed in (sd_listen_fds(3)).

They are not ours: when this program ends they go on to listen, and who connects waits for the next one.
"""

import logging
import os
import re
import socket
from collections.abc import Mapping, MutableMapping
from typing import Final

from gateway.process.listening import Bound, CannotStart, written
from gateway.relay.keepalive import keep_asking

#: the descriptor of the first one
FIRST: Final = 3
#: what they may be called; which of them a configuration has is for `bind_listeners` to see
NAMES: Final = ("listen", "admin", "decisions", "console")
#: more than there are names is a mistake whatever they are called
_MOST: Final = 16
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_FAMILIES: Final = frozenset({socket.AF_INET, socket.AF_INET6, socket.AF_UNIX})
#: what systemd says where FileDescriptorName= does not: the socket unit, or a word of the tool's own
_UNNAMED: Final = re.compile(r"|unknown|stored|.*\.socket")

log = logging.getLogger("gateway")


def take_passed(environ: MutableMapping[str, str], *, first: int = FIRST) -> Mapping[str, Bound]:
    """The sockets by name. Removes from the environment what says so: no process started by this one has them.

    A single one without a name is `listen`. CannotStart: what was passed is not what it should be.
    """
    pid, _, count, names = (environ.pop(variable, None) for variable in _VARIABLES)
    if pid is None or count is None:
        return {}
    if pid != str(os.getpid()):
        log.warning("sockets were passed to another process (LISTEN_PID) than this one, which binds its own")
        return {}
    if _NUMBER.fullmatch(count) is None or int(count) > _MOST:
        raise CannotStart(f"LISTEN_FDS must be a number of at most {_MOST}")
    descriptors = range(first, first + int(count))
    for descriptor in descriptors:
        _keep(descriptor)
    found: dict[str, Bound] = {}
    try:
        for name, descriptor in zip(_names(names, len(descriptors)), descriptors, strict=True):
            found[name] = _bound(name, descriptor)
    except CannotStart:
        for bound in found.values():
            bound.close()
        raise
    return found


def _keep(descriptor: int) -> None:
    """Has no process that is started from now on inherit it by chance."""
    try:
        os.set_inheritable(descriptor, False)
    except OSError:
        raise CannotStart(f"no descriptor {descriptor} was passed in, which LISTEN_FDS counts") from None


def _names(text: str | None, count: int) -> list[str]:
    names = text.split(":") if text else [""] * count
    if len(names) != count:
        raise CannotStart(f"LISTEN_FDNAMES has {len(names)} names for {count} sockets")
    if count == 1 and _UNNAMED.fullmatch(names[0]):
        return ["listen"]
    for index, name in enumerate(names):
        if name not in NAMES:
            raise CannotStart(
                f"of {count} sockets passed in, number {index + 1} has a name that is none of {', '.join(NAMES)} "
                "(FileDescriptorName= of its unit)"
            )
        if name in names[:index]:
            raise CannotStart(
                f"two sockets named {name} were passed in: one ListenStream= in one unit is what it takes"
            )
    return names


def _bound(name: str, descriptor: int) -> Bound:
    try:
        # Python asks the kernel for the family and the type of what it is handed.
        passed = socket.socket(fileno=descriptor)
    except OSError:
        raise CannotStart(f"what was passed in as {name} is no socket") from None
    is_stream = passed.family in _FAMILIES and passed.type == socket.SOCK_STREAM
    if not is_stream or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        passed.close()
        raise CannotStart(f"what was passed in as {name} is no stream socket that listens")
    passed.setblocking(False)
    if passed.family != socket.AF_UNIX:
        keep_asking(passed)
    return Bound(written(passed), (passed,), is_ours=False)
