"""The socket on which a gateway is told what to revoke: its owner's alone, for `bearer-gateway revoke`.

A request is lines: what to do, an entry each, an empty one. So is the response: entries, and how it ended.
"""

import asyncio
import contextlib
import logging
import pwd
import socket
import struct
import time
from collections.abc import Iterable
from typing import Final, Literal

from gateway.core.addresses import Address
from gateway.core.config.file import Config
from gateway.core.config.revocation import socket_of
from gateway.core.revocation.entry import Entry, parse_entry, written
from gateway.process.listening import Bound, CannotStart, bind
from gateway.store.journal import Journal, JournalKeeper
from gateway.store.revocations import CannotRevoke, Revocations

Deed = Literal["add", "lift", "list"]

#: bytes of a line: see store.journal
MAX_LINE: Final = 1 << 18
#: entries of a request
MAX_ENTRIES: Final = 64
#: seconds for a request to arrive, and connections at a time
PATIENCE: Final = 10.0
CONNECTIONS: Final = 16
#: entries that are written without letting others have their turn
_AT_ONCE: Final = 1000
#: how a response ends
_DONE: Final = "done"
_WRONG: Final = "wrong"
#: struct ucred of unix(7)
_PEER: Final = struct.Struct("iII")

log = logging.getLogger("gateway")


def open_journal(config: Config) -> JournalKeeper | None:
    """What keeps the list of this program, where that is a file. CannotStart."""
    if config.revocation is None or config.revocation.file is None or config.store.url is not None:
        return None
    try:
        return JournalKeeper(*Journal.open(config.revocation.file, now=time.time()))
    except ValueError as error:
        raise CannotStart(f"revocation.file {error}") from None


class RevokingSocket:
    """Listens until it is closed. After `start` you must call `close`."""

    def __init__(self, revocations: Revocations, bound: Bound) -> None:
        self._revocations = revocations
        self._bound = bound
        self._open = 0
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(cls, revocations: Revocations, config: Config) -> "RevokingSocket | None":
        """None: there is no journal beside which it would stand. CannotStart."""
        if config.revocation is None or config.revocation.file is None or config.store.url is not None:
            return None
        made = cls(revocations, bind(Address("", 0, socket_of(config.revocation.file), 0o600)))
        made._server = await asyncio.start_unix_server(made._accepted, sock=made._bound.sockets[0], limit=MAX_LINE)
        return made

    async def close(self) -> None:
        """Listens no more."""
        assert self._server is not None  # it was started
        self._bound.unlink()
        self._server.close()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS:
                who = _who(writer.get_extra_info("socket"))
                writer.write(f"{await self._response(reader, writer, who)}\n".encode())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _response(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str) -> str:
        """Does what is asked; the last line of the response."""
        try:
            async with asyncio.timeout(PATIENCE):
                deed, entries = await _read(reader)
        except TimeoutError:
            return f"{_WRONG} the request did not arrive in time"
        except ValueError as error:
            return f"{_WRONG} {error}"
        if deed == "list":
            return f"{_DONE} {await self._list(writer)}"
        try:
            changed = 0
            for entry in entries:
                said = Entry(
                    entry.kind, entry.issuer, entry.value, until=entry.until, before=entry.before,
                    at=time.time(), reason=entry.reason, who=who,
                )  # fmt: skip
                if deed == "lift":
                    changed += await self._revocations.lift(said, who=who)
                else:
                    changed += await self._revocations.add(said, source="command")
        except CannotRevoke as error:
            return f"{_WRONG} {error}"
        return f"{_DONE} {changed}"

    async def _list(self, writer: asyncio.StreamWriter) -> int:
        entries = self._revocations.entries()
        for number, entry in enumerate(entries):
            writer.write(written(entry) + b"\n")
            if number % _AT_ONCE == 0:
                await writer.drain()
                await asyncio.sleep(0)
        return len(entries)


async def _read(reader: asyncio.StreamReader) -> tuple[str, list[Entry]]:
    """What is asked. ValueError says what is wrong with it."""
    deed = (await reader.readline()).strip().decode("ascii", "replace")
    if deed not in ("add", "lift", "list"):
        raise ValueError("the request is none")
    entries: list[Entry] = []
    while (line := await reader.readline()) != b"\n":
        if not line.endswith(b"\n") or len(entries) == MAX_ENTRIES:
            raise ValueError("the request has no end")
        entries.append(parse_entry(line[:-1]))
    return deed, entries


def _who(connection: socket.socket) -> str:
    """Who is at the other end, as the kernel knows them."""
    _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return user_name(uid)


def user_name(uid: int) -> str:
    """What the system calls a user."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"


def request_of(deed: Deed, entries: Iterable[Entry]) -> bytes:
    """What to send."""
    return b"".join((f"{deed}\n".encode(), *(written(entry) + b"\n" for entry in entries), b"\n"))


def parse_response(lines: Iterable[bytes]) -> tuple[list[Entry], int]:
    """The entries of a response, and how many it is about.

    CannotRevoke: the gateway says why. ValueError: it is no response, or not a whole one.
    """
    entries: list[Entry] = []
    for line in lines:
        if line.startswith(b"{"):
            entries.append(parse_entry(line.rstrip(b"\n")))
            continue
        word, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
        if word == _WRONG:
            raise CannotRevoke(rest)
        if word == _DONE and rest.isdecimal():
            return entries, int(rest)
        break
    raise ValueError("the gateway ended the connection before it said how that went")
