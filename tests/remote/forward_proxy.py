"""A forward proxy on loopback: tunnels by CONNECT, passes requests in absolute form on, and writes down what it saw."""

import asyncio
import contextlib
from urllib.parse import urlsplit


class ForwardProxy:
    """RFC 9110 section 9.3.6 and RFC 9112 section 3.2.2, as much of it as clients ask for."""

    def __init__(self) -> None:
        #: heads of requests, as they came
        self.heads: list[str] = []
        #: what CONNECT gets instead of a tunnel
        self.refusal = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def asked(self) -> list[str]:
        """Method and target of each."""
        return [head.rsplit(" ", 1)[0] for head in (head.partition("\r\n")[0] for head in self.heads)]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve_one(reader, writer)
        writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        method, target, _ = head.partition("\r\n")[0].split(" ")
        if self.refusal:
            writer.write(f"HTTP/1.1 {self.refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            parts = urlsplit(target)
            there = await asyncio.open_connection(parts.hostname, parts.port or 80)
            path = target[len(f"{parts.scheme}://{parts.netloc}") :] or "/"
            lines = [f"{method} {path} HTTP/1.1", *head.split("\r\n")[1:]]
            there[1].write("\r\n".join(lines).encode("latin-1"))
        await asyncio.gather(_pass(reader, there[1]), _pass(there[0], writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
