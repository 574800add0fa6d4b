"""An API that knows nothing of tokens and shows what it received: for the demo and the tests."""

import socket
from collections.abc import Sequence

from aiohttp import web

#: bytes of a request body that is read and counted
MAX_BODY = 16 * 1024 * 1024


async def echo(request: web.Request) -> web.Response:
    """Method, target and header lines as they arrived, and the length of the body, as JSON."""
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers]
    body = await request.read()
    return web.json_response(
        {"method": request.method, "target": request.raw_path, "headers": headers, "body_bytes": len(body)}
    )


class EchoApi:
    """The echo API on a socket of its own."""

    def __init__(self) -> None:
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", echo)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self.url = ""

    async def start(self, port: int = 0) -> None:
        """Listens on loopback; port 0 takes a free one. OSError: the address is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def start_on(self, bound: Sequence[socket.socket]) -> None:
        """Serves on sockets that listen already."""
        await self._runner.setup()
        for listener in bound:
            await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Closes the socket and every connection."""
        await self._runner.cleanup()
