"""Clients that keep a gateway busy, and know of each request what became of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.wire import PATIENCE, Message, read_body

#: bytes of a slow upload, seconds between two, and how many there are
PIECE, PAUSE, PIECES = 1000, 0.1, 30
#: seconds between a response and the next request of a client: so many clients that always ask say no more, and take all there is
BETWEEN = 0.05


@dataclass
class Tally:
    """What became of the requests."""

    answered: int = 0
    #: connections that were not let in
    refused: int = 0
    uploaded: int = 0
    #: sent, and not answered in full
    lost: list[str] = field(default_factory=list)
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self) -> None:
        """One more response."""
        self.answered += 1
        self._progress.set()

    async def more(self, count: int) -> None:
        """Waits for as many more responses."""
        wanted = self.answered + count
        async with asyncio.timeout(PATIENCE):
            while self.answered < wanted:
                self._progress.clear()
                await self._progress.wait()


class Client:
    """One connection at a time, to `host:port`."""

    def __init__(self, address: str, token: str, tally: Tally, *, between: float = BETWEEN) -> None:
        self._host, _, port = address.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._head = f"Host: api.test\r\nAuthorization: Bearer {token}\r\n".encode()
        self._tally = tally
        self._between = between
        self._wire: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def keep_asking(self) -> None:
        """One request after the other, on a connection that is kept as long as it may be, until none is let in."""
        try:
            while await self._connected():
                await self._ask()
                await asyncio.sleep(self._between)
        finally:
            self._close()

    async def upload(self) -> None:
        """One request with a body that takes its time."""
        assert await self._connected()
        assert self._wire is not None
        reader, writer = self._wire
        try:
            writer.write(b"POST /upload HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (self._head, PIECE * PIECES))
            for _ in range(PIECES):
                writer.write(b"x" * PIECE)
                await writer.drain()
                await asyncio.sleep(PAUSE)  # this is what makes it slow
            await _response(reader)
            self._tally.uploaded += 1
        except (ConnectionError, asyncio.IncompleteReadError, AssertionError) as error:
            self._tally.lost.append(f"upload: {error!r}")
        finally:
            self._close()

    async def _connected(self) -> bool:
        """Whether there is a connection; a new one when the last was closed before anything was sent on it."""
        if self._wire is not None and self._wire[0].at_eof():
            self._close()
        if self._wire is None:
            try:
                self._wire = await asyncio.open_connection(self._host, self._port)
            except ConnectionError:
                self._tally.refused += 1
                return False
        return True

    async def _ask(self) -> None:
        assert self._wire is not None
        reader, writer = self._wire
        try:
            writer.write(b"GET / HTTP/1.1\r\n%b\r\n" % self._head)
            response = await _response(reader)
        except (ConnectionError, asyncio.IncompleteReadError, AssertionError) as error:
            self._tally.lost.append(repr(error))
            self._close()
            return
        self._tally.count()
        if response.values(b"Connection") == [b"close"]:
            self._close()

    def _close(self) -> None:
        if self._wire is not None:
            self._wire[1].close()
            self._wire = None


async def _response(reader: asyncio.StreamReader) -> Message:
    message = Message((await reader.readuntil(b"\r\n\r\n"))[:-4])
    message.body = await read_body(reader, message, bodyless=False, until_end=False)
    assert (message.status, message.body) == (200, b"ok"), message
    return message


async def _is_refused(address: str) -> bool:
    """Whether nobody is let in any more: clients hear of it when they come next."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionError:
        return True
    writer.close()
    return False


@asynccontextmanager
async def load(
    address: str, token: str, *, clients: int, uploads: int = 0, between: float = BETWEEN
) -> AsyncIterator[Tally]:
    """Load until nobody is let in any more, or until the block is left."""
    tally = Tally()
    tasks = [asyncio.create_task(Client(address, token, tally, between=between).keep_asking()) for _ in range(clients)]
    tasks += [asyncio.create_task(Client(address, token, tally).upload()) for _ in range(uploads)]
    try:
        yield tally
        if await _is_refused(address):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
