"""Sockets to listen on, bound once by whoever starts the program, and the accepting of connections on them.

Several processes may accept on one socket: none is left with connections that nobody takes when another ends.
"""

import asyncio
import contextlib
import errno
import grp
import logging
import os
import socket
import stat
import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.core.addresses import Address, parse_address
from gateway.core.config.file import Config
from gateway.relay.client.handshakes import Handshakes
from gateway.relay.keepalive import keep_asking

#: pending connections that the kernel holds for us
BACKLOG: Final = 1024
#: connections to the admin listener: a scraper, a kubelet, a curious person
ADMIN_CONNECTIONS: Final = 64
#: connections to the decision listener: those that a few proxies keep
DECISION_CONNECTIONS: Final = 1024
#: connections taken at a time by a process that has the socket to itself
AT_ONCE: Final = 64
#: the same where each begins with TLS, which takes more of the loop
HANDSHAKES_AT_ONCE: Final = 8
#: seconds without accepting when the machine has no descriptor or memory left for a connection
PAUSE: Final = 1.0
#: the machine has no such addresses: the others of a name will do
_MISSING: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})

#: socket(7); Python has no name for it
_SO_ATTACH_FILTER: Final = 26
#: struct sock_filter and struct sock_fprog of linux/filter.h
_INSTRUCTION: Final = struct.Struct("=HBBI")
_PROGRAM: Final = struct.Struct("@HP")
#: Classic BPF over the TCP header: load its flags, keep SYN and ACK; SYN alone is dropped, all else passes whole.
_IGNORE_SYN: Final = (
    (0x30, 0, 0, 13),
    (0x54, 0, 0, 0x12),
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)

log = logging.getLogger("gateway")


class CannotStart(Exception):
    """An address cannot be bound, or a key not be read; the sentence says which and why."""


#: as a person would write it, the descriptors, and whether they are the program's own
HandedOn = tuple[str, tuple[int, ...], bool]


class _NoGroup(Exception):
    """The system knows no group of the configured name."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One configured address, and the sockets that listen there."""

    #: as a person would write it
    where: str
    sockets: tuple[socket.socket, ...]
    #: False: somebody else goes on to listen on them when all processes of this program have ended
    is_ours: bool = True
    #: a socket in the file system and its inode: a successor may have put its own in the place
    _file: tuple[Path, int] | None = field(default=None)

    @property
    def is_unix(self) -> bool:
        """Whether it is a socket of this machine alone (unix(7))."""
        return self.sockets[0].family == socket.AF_UNIX

    def descriptors(self) -> tuple[int, ...]:
        """The sockets, for a process that inherits them."""
        return tuple(bound.fileno() for bound in self.sockets)

    def handed_on(self) -> HandedOn:
        """All that a process which inherits the sockets needs to know."""
        return self.where, self.descriptors(), self.is_ours

    @classmethod
    def inherited(cls, where: str, descriptors: Sequence[int], is_ours: bool = True) -> "Bound":  # noqa: FBT001, FBT002
        """What another process has handed on."""
        return cls(where, tuple(_nonblocking(socket.socket(fileno=descriptor)) for descriptor in descriptors), is_ours)

    def turn_away(self) -> None:
        """Has the kernel pass over whoever asks for a connection, here and in every process that shares the sockets.

        Who was let in, or is about to be, stays. A connection in the kernel's queue when the last socket is closed
        would be reset; thus none is. Whoever was passed over asks again a second later, and is refused then.
        Sockets that are not ours stay as they are: the next program on them would be deaf.
        """
        if not self.is_ours:
            return
        filters = array("B", b"".join(_INSTRUCTION.pack(*instruction) for instruction in _IGNORE_SYN))
        program = _PROGRAM.pack(len(_IGNORE_SYN), filters.buffer_info()[0])
        for listener in self.sockets:
            if listener.family != socket.AF_UNIX and listener.fileno() >= 0:
                with contextlib.suppress(OSError):
                    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def close(self) -> None:
        """Lets go of the sockets in this process. May be called twice."""
        for bound in self.sockets:
            bound.close()

    def unlink(self) -> None:
        """Removes what we put into the file system, if it is still ours. May be called twice."""
        if self._file is not None and _inode(self._file[0]) == self._file[1]:
            self._file[0].unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Where a gateway listens."""

    traffic: Bound
    decisions: Bound | None
    #: None in a worker: the pages are the supervisor's
    admin: Bound | None

    def all(self) -> tuple[Bound, ...]:
        """Those that there are."""
        return tuple(bound for bound in (self.traffic, self.decisions, self.admin) if bound is not None)


def bind(address: Address) -> Bound:
    """Listens there, and accepts nothing yet. CannotStart."""
    try:
        if address.path is not None:
            return _bind_unix(Path(address.path), mode=address.mode, group=_group_id(address.group))
        sockets = _bind_tcp(address)
    except _NoGroup:
        raise CannotStart(f"cannot listen on unix:{address.path}: there is no group of that name here") from None
    except OSError as error:
        where = f"unix:{address.path}" if address.path else f"{address.host}:{address.port}"
        # Names that cannot be resolved have numbers of their own.
        wrong = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise CannotStart(f"cannot listen on {where}: {wrong}") from None
    if not address.host and len(sockets) > 1:
        return Bound(f":{sockets[0].getsockname()[1]}", sockets)
    return Bound(written(sockets[0]), sockets)


def written(listener: socket.socket) -> str:
    """Where it listens, as a person would write it."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        # unix(7): an abstract name begins with NUL, and comes as bytes.
        path = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
        return f"unix:{path.replace(chr(0), '@')}"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind_all(addresses: Sequence[Address]) -> tuple[Bound, ...]:
    """All of them or none. CannotStart."""
    bound: list[Bound] = []
    try:
        for address in addresses:
            bound.append(bind(address))  # noqa: PERF401 -- what was bound must be known when the next fails
    except CannotStart:
        for listener in bound:
            listener.close()
            listener.unlink()
        raise
    return tuple(bound)


def bind_listeners(config: Config, passed: Mapping[str, Bound] = MappingProxyType({})) -> Listeners:
    """Binds all there are or none. CannotStart. `passed`: what takes the place of the address under the same key."""
    configured = {"listen": config.listen, "decisions": config.decisions, "admin": config.admin}
    addresses = {key: parse_address(text) for key, text in configured.items() if text is not None}
    for name in passed:
        if name not in addresses:
            raise CannotStart(f"a socket named {name} was passed in, and the configuration has no {name}")
    if "decisions" in passed and (addresses["decisions"].path is None) == passed["decisions"].is_unix:
        # What trusted_proxies must have, which was checked, depends on it.
        raise CannotStart(
            "the socket passed in as decisions must be of the kind that the configuration says: TCP or unix"
        )
    ours = [key for key in addresses if key not in passed]
    found = {**passed, **dict(zip(ours, bind_all([addresses[key] for key in ours]), strict=True))}
    return Listeners(found["listen"], found.get("decisions"), found["admin"])


def _bind_tcp(address: Address) -> tuple[socket.socket, ...]:
    # With port 0 every address family would get a port of its own.
    host = address.host or (None if address.port else "0.0.0.0")  # noqa: S104 -- documented default
    found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, _, _, _, where in dict.fromkeys(found):
        try:
            sockets.append(_listening(family, where))
        except OSError as error:
            missing = error
            if error.errno not in _MISSING:
                break
    else:
        if sockets:
            return tuple(sockets)
    for listener in sockets:
        listener.close()
    raise missing or OSError(errno.EADDRNOTAVAIL, "")


def _listening(family: int, where: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Or it would take the IPv4 address of the same port as well.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        keep_asking(listener)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return _nonblocking(listener)


def _bind_unix(path: Path, *, mode: int | None, group: int) -> Bound:
    """`group` -1: as the process has it."""
    with contextlib.suppress(FileNotFoundError):
        # Left behind by somebody who was killed; what is no socket is not ours to remove.
        if stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    try:
        # Nobody can connect before it listens: whatever the umask made of it until now has let nobody in.
        if group != -1:
            os.chown(path, -1, group)
        if mode is not None:
            path.chmod(mode)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        path.unlink(missing_ok=True)
        raise
    return Bound(f"unix:{path}", (_nonblocking(listener),), _file=(path, _inode(path)))


def _group_id(group: str | None) -> int:
    """-1: none is named. _NoGroup."""
    if group is None:
        return -1
    try:
        return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise _NoGroup from None


def _nonblocking(listener: socket.socket) -> socket.socket:
    listener.setblocking(False)
    return listener


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else -1


class Acceptor:
    """Takes the connections of one address, and hands each to a protocol of its own."""

    def __init__(
        self,
        bound: Bound,
        factory: Callable[[], asyncio.Protocol],
        *,
        at_once: int = AT_ONCE,
        handshakes: Handshakes | None = None,
    ) -> None:
        """Needs a running loop. `at_once` 1: of processes that share the socket, the less busy one comes first.

        `handshakes`: with what connections begin.
        """
        self.bound = bound
        self._handshakes = handshakes
        self._factory = factory
        self._at_once = at_once if handshakes is None else min(at_once, HANDSHAKES_AT_ONCE)
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[object]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._told = False
        #: takes some in the next turn
        self._is_put_off = False
        self._resume()

    async def close(self, *, others_go_on: bool = False) -> None:
        """Listens no more, and takes whoever the kernel has let in already, unless others do. May be called twice."""
        self._pause()
        for listener in self.bound.sockets:
            for _ in range(0 if others_go_on or not self.bound.is_ours else BACKLOG + 1):
                if listener.fileno() < 0 or not self._accept(listener):
                    break
        self._pause()
        self.bound.close()
        if self._handshakes is None:
            await asyncio.gather(*self._opening, return_exceptions=True)

    def _resume(self) -> None:
        self._resuming = None
        for listener in self.bound.sockets:
            self._loop.add_reader(listener.fileno(), self._accept_some, listener)

    def _pause(self) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
            self._resuming = None
        for listener in self.bound.sockets:
            if listener.fileno() >= 0:
                self._loop.remove_reader(listener.fileno())

    def _accept_some(self, listener: socket.socket) -> None:
        """Some of those who are here. Where they would push out others, these are heard first."""
        if self._handshakes is None or self._handshakes.have_room(self._at_once):
            self._accept_most(listener)
        elif not self._is_put_off:
            self._is_put_off = True
            self._loop.call_soon(self._accept_behind, listener)

    def _accept_behind(self, listener: socket.socket) -> None:
        """All that came in the turn before was heard."""
        self._is_put_off = False
        if listener.fileno() >= 0:
            self._accept_most(listener)

    def _accept_most(self, listener: socket.socket) -> None:
        for _ in range(self._at_once):
            is_behind = self._handshakes is not None and self._handshakes.pace.is_behind
            if is_behind or not self._accept(listener):
                return

    def _accept(self, listener: socket.socket) -> bool:
        """Takes one connection; False when nobody is there, or nobody can be let in."""
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionError:
            # It came and went.
            return True
        except OSError as error:
            # No descriptor or memory is left for it; whatever else it may be is no reason to try again at once.
            if not self._told:
                self._told = True
                log.error("no connection can be accepted for now: %s", error.strerror)  # noqa: TRY400
            self._pause()
            self._resuming = self._loop.call_later(PAUSE, self._resume)
            return False
        connection.setblocking(False)
        opening: asyncio.Task[object] = self._loop.create_task(self._open(connection))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: socket.socket) -> None:
        if self._handshakes is not None:
            await self._handshakes.run(connection)
            return
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:
            # It went before it was heard.
            connection.close()
