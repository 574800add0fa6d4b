"""Clients in the cluster's network that keep their connections and know of each request what became of it."""

import asyncio
import threading
import time
from types import TracebackType
from typing import Final, Self

from tests.kubernetes.cluster import Cluster

#: seconds for one response
PATIENCE: Final = 15.0
#: seconds between two requests of a connection: on two cores, what starts meanwhile needs some of them
_PAUSE: Final = 0.25


class Load:
    """As a context, `connections` clients of http://`address`/ that ask one request after the other, until it is left,
    each `pause` seconds after its last response.

    A connection is opened anew after `Connection: close`, or when it was closed between two requests, as clients do. A request
    that was sent and got no whole response, or another status than 200, has failed: nothing is tried again.
    """

    def __init__(
        self, cluster: Cluster, address: str, port: int, token: str, connections: int = 50, pause: float = _PAUSE
    ) -> None:
        self._cluster = cluster
        self._where = (address, port)
        self._request = f"GET /load HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        self._connections = connections
        self._pause = pause
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        self.opened = 0
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def wait_for_more(self, count: int = 200) -> None:
        """Returns when as many more requests have got their response, or one has failed."""
        wanted = self.answered + count
        self._cluster.wait_until(lambda: self.answered >= wanted or bool(self.failed), f"{count} responses", 60)

    def _run(self) -> None:
        with self._cluster.inside():
            asyncio.run(self._ask_all())

    async def _ask_all(self) -> None:
        async with asyncio.TaskGroup() as clients:
            for _ in range(self._connections):
                clients.create_task(self._keep_asking())

    async def _keep_asking(self) -> None:
        while not self._ending.is_set():
            started = time.strftime("%H:%M:%S")
            try:
                await self._ask_on_one_connection()
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.failed.append(f"opened at {started}, {time.strftime('%H:%M:%S')}: {error!r}")
                return

    async def _ask_on_one_connection(self) -> None:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*self._where), PATIENCE)
        self.opened += 1
        try:
            kept = True
            while kept and not self._ending.is_set() and not reader.at_eof():
                writer.write(self._request)
                kept = await asyncio.wait_for(self._response(reader), PATIENCE)
                self.answered += 1
                await asyncio.sleep(self._pause)
        finally:
            writer.close()

    async def _response(self, reader: asyncio.StreamReader) -> bool:
        """Whether the connection is kept after it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status, _, rest = head.partition("\r\n")
        headers = dict(line.split(": ", 1) for line in rest.strip().split("\r\n"))
        await reader.readexactly(int(headers["content-length"]))
        if " 200 " not in status:
            raise ValueError(status)
        return headers.get("connection") != "close"
