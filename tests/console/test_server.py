"""A crowd is bounded, and who has proven nothing gives way. What is no request: tests/console/test_api.py."""

import asyncio
import contextlib
import socket

from aiohttp import web

from gateway.console import server
from gateway.console.server import CONNECTIONS, ConsoleServer, Crowd, plain


def bound() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


async def test_when_all_have_proven_something_nobody_else_is_let_in() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        request.protocol.is_proven = True  # type: ignore[attr-defined]
        return plain(200, b"ok")

    listening = bound()
    running = ConsoleServer(handle, (listening,))
    await running.start()
    address = listening.getsockname()
    opened = []
    for _ in range(CONNECTIONS):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await reader.readuntil(b"ok")
        opened.append(writer)
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    for one in (*opened, writer):
        one.close()
    await running.stop()


async def test_whoever_takes_too_long_is_ended(monkeypatch: object) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return plain(200)

    listening = bound()
    crowd = Crowd(handle)
    serving = await asyncio.get_running_loop().create_server(crowd, sock=listening)
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    while not crowd.connections:  # noqa: ASYNC110 -- it tells nobody
        await asyncio.sleep(0)
    crowd.look()
    assert len(crowd.connections) == 1
    crowd.connections[0].made_at -= server.PROVE_WITHIN + 1  # type: ignore[attr-defined]
    crowd.look()
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    serving.close()
