"""Asks the console of a gateway in this process, as a browser or a script would."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp

from gateway.core.config.console import ConsoleSection
from gateway.process.console.key import ask_key
from tests.wire import Running


class Told(NamedTuple):
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Asking:
    url: str
    key: str
    gateway: Running
    sent: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, gateway: Running, socket: str) -> "Asking":
        """`socket`: as in the configuration."""
        section = ConsoleSection(address="127.0.0.1:0", socket=socket)
        url, key = await asyncio.to_thread(ask_key, section, os.environ)
        return cls(url, key, gateway)

    async def ask(
        self, path: str, body: Any = None, *, method: str | None = None, key: str | None = None, **headers: str
    ) -> Told:
        """`body`: sent as JSON. `key`: another one than that of the console; empty: none."""
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        if key != "":
            lines = {"Authorization": f"Bearer {key or self.key}", **lines}
        data = None
        if body is not None or (method or "GET") not in {"GET", "HEAD"}:
            lines.setdefault("Content-Type", "application/json")
            data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        async with (
            aiohttp.ClientSession(skip_auto_headers=("Content-Type",)) as session,
            session.request(method, self.url.rstrip("/") + path, data=data, headers=lines) as response,
        ):
            text = await response.read()
            is_json = response.content_type == "application/json"
            return Told(response.status, json.loads(text) if is_json and text else text, response.headers)

    async def until(self, path: str, seen: Any) -> Any:
        """The body of `path`, once `seen` says that it is there."""
        async with asyncio.timeout(15.0):
            while not seen(body := (await self.ask(path)).body):  # noqa: ASYNC110 -- it tells nobody
                await asyncio.sleep(0.05)
        return body
