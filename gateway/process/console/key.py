"""The socket that gives out the console's key: its owner's alone, in a directory that nobody else may write to.

`kubectl exec` and sudo decide who may run a program as that user; the console asks for nothing else.
"""

import asyncio
import json
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.core.addresses import MAX_UNIX_PATH, Address, parse_address
from gateway.core.config.console import ConsoleSection
from gateway.process.listening import Bound, CannotStart, bind

#: where systemd makes a directory for a service (systemd.exec(5)), and where that is for deploy/systemd
RUNTIME_DIRECTORY: Final = "RUNTIME_DIRECTORY"
_USUAL: Final = Path("/run/bearer-gateway")
#: seconds that a gateway has to respond, and bytes of what it says
PATIENCE: Final = 5.0
MAX_RESPONSE: Final = 4096
#: struct ucred of unix(7)
_PEER: Final = struct.Struct("iII")


class NoKey(Exception):
    """There is no gateway that gives its key here; a sentence."""


def own_directory(environ: Mapping[str, str]) -> Path:
    """Where this user's gateways have their sockets, made if need be. OSError: it cannot be, or is somebody else's."""
    given = environ.get(RUNTIME_DIRECTORY, "").split(":")[0]
    if given:
        return Path(given)
    path = Path(tempfile.gettempdir()) / f"bearer-gateway-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if not _is_own(path):
        raise PermissionError("it is not this user's alone")
    return path


def _is_own(directory: Path) -> bool:
    """Whether it is this user's alone, and no link. OSError."""
    found = directory.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def key_name(address: Address) -> str:
    """What the socket of a console at that address is called."""
    return f"console-{address.port}.sock" if address.path is None else "console.sock"


class KeySocket:
    """Gives out the key until it is closed."""

    def __init__(self, bound: Bound, content: bytes) -> None:
        self._bound = bound
        self._content = content
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(cls, section: ConsoleSection, address: Address, *, url: str, key: str) -> "KeySocket":
        """Listens. `address`: where the console is, with its real port. CannotStart."""
        try:
            path = Path(section.socket) if section.socket else own_directory(os.environ) / key_name(address)
            if len(os.fsencode(path)) > MAX_UNIX_PATH:
                raise OSError(0, "its path is longer than that of a socket may be")
        except OSError as error:
            raise CannotStart(
                f"there is no directory for the socket of the console's key ({error.strerror or error}): "
                "console.socket names one that is this user's alone"
            ) from None
        made = cls(bind(Address("", 0, str(path), 0o600)), json.dumps({"url": url, "key": key}).encode() + b"\n")
        made._server = await asyncio.start_unix_server(made._accepted, sock=made._bound.sockets[0], limit=1024)
        return made

    async def close(self) -> None:
        """Gives it out no more."""
        assert self._server is not None  # it was started
        self._bound.unlink()
        self._server.close()

    async def _accepted(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _uid(writer.get_extra_info("socket")) in {os.getuid(), 0}:
                writer.write(self._content)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


def _uid(connection: socket.socket) -> int:
    """Of the user at the other end, as the kernel knows them."""
    return int(_PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1])


def ask_key(section: ConsoleSection | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """URL and key of the one console that is here. NoKey. `section`: as configured; None: nobody knows."""
    found = list(dict.fromkeys(filter(None, map(_asked, _places(section, environ)))))
    if not found:
        raise NoKey(
            "no gateway with a console runs here as this user: is console configured, and is this its container?"
        )
    if len(found) > 1:
        urls = ", ".join(url for url, _ in found)
        raise NoKey(f"several gateways with a console run here ({urls}): give --config with that of one")
    return found[0]


def _places(section: ConsoleSection | None, environ: Mapping[str, str]) -> Iterator[Path]:
    if section is not None and section.socket is not None:
        yield Path(section.socket)
        return
    address = None if section is None else parse_address(section.address)
    # The port of :0 is known to nobody but who has it.
    name = "console*.sock" if address is None or (address.path is None and not address.port) else key_name(address)
    runtime = environ.get(RUNTIME_DIRECTORY, "").split(":")[0]
    own = Path(tempfile.gettempdir()) / f"bearer-gateway-{os.getuid()}"
    for directory in (*((Path(runtime),) if runtime else ()), _USUAL, own):
        try:
            found = directory.stat()
            # In a directory that others may write to anybody could pretend to be the gateway.
            if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
                continue
            # Where everybody may make one, so could they in one of this name that they had made before.
            if directory is own and not _is_own(directory):
                continue
            yield from sorted(directory.glob(name))
        except OSError:
            continue


def _asked(path: Path) -> tuple[str, str] | None:
    """URL and key; None: nobody is there, or it is not this user's."""
    try:
        if path.lstat().st_uid != os.getuid() and os.getuid() != 0:
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            with connection.makefile("rb") as file:
                told: Any = json.loads(file.read(MAX_RESPONSE))
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("url", "key")):
        return None
    return told["url"], told["key"]
