"""A token endpoint on loopback that grants tokens, or says what a test wants it to say."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.wire import PATIENCE


class TokenEndpoint:
    """Grants token-1, token-2, ... to whoever asks, unless it is told otherwise."""

    def __init__(self) -> None:
        #: members of what it grants, besides the token
        self.granted: dict[str, Any] = {"token_type": "Bearer", "expires_in": 300}
        #: what it says instead: status, body and headers
        self.says: tuple[int, object, Mapping[str, str]] | None = None
        #: what it was asked: form and headers
        self.asked: list[tuple[dict[str, str], dict[str, str]]] = []
        #: while it is not set, nobody gets a response
        self.free = asyncio.Event()
        self.free.set()
        self._news = asyncio.Event()

    async def start(self) -> None:
        application = web.Application()
        application.router.add_post("/token", self._respond)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/token"

    async def stop(self) -> None:
        self.free.set()
        await self._runner.cleanup()

    @property
    def forms(self) -> list[dict[str, str]]:
        return [form for form, _ in self.asked]

    def say(self, status: int, body: object, **headers: str) -> None:
        """From now on: a body of bytes as it is, anything else as JSON."""
        self.says = (status, body, {name.replace("_", "-"): value for name, value in headers.items()})

    async def was_asked(self, count: int) -> None:
        """Waits until it was asked so often."""
        async with asyncio.timeout(PATIENCE):
            while len(self.asked) < count:
                self._news.clear()
                await self._news.wait()

    async def _respond(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((form, dict(request.headers)))
        number = len(self.asked)
        self._news.set()
        await self.free.wait()
        status, body, headers = self.says or (200, {"access_token": f"token-{number}", **self.granted}, {})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(status=status, body=content, headers={"Content-Type": "application/json", **headers})
