"""Whoever connects and never begins TLS holds a place for a while, and no more places than there are."""

import asyncio
import socket
import ssl
import time
from pathlib import Path

from aiohttp import web

from gateway.console.handshakes import MOST
from gateway.console.server import ConsoleServer, plain
from tests.relay.client.secured import Files
from tests.relay.upstream.test_dialing import Authority


async def test_whoever_never_begins_tls_gives_way(tmp_path: Path) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return plain(200, b"ok")

    authority = Authority(tmp_path)
    files = Files(tmp_path, authority.issue("localhost", label="console"), authority.file)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.certificate, files.key)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    running = ConsoleServer(handle, (listening,), tls=tls)
    await running.start()
    address = listening.getsockname()
    silent = [await asyncio.open_connection(*address) for _ in range(2 * MOST)]
    async with asyncio.timeout(10):
        assert await silent[0][0].read() == b""
        trusting = ssl.create_default_context(cafile=authority.file)
        reader, writer = await asyncio.open_connection(*address, ssl=trusting, server_hostname="localhost")
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await reader.readuntil(b"ok")
    left = [one for one, _ in silent if not one.at_eof()]
    assert len(left) <= MOST
    before = time.monotonic()
    await running.stop()
    assert time.monotonic() - before < 3.0
    for _, one in (*silent, (reader, writer)):
        one.close()
