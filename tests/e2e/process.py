"""Runs the real program, keeps all it prints, and knows the tokens that must not be among it."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from prepared import ROOT, Running, can_be_prepared, forked
from yarl import URL

__all__ = ["ROOT"]

START_SECONDS = 40.0
STOP_SECONDS = 20.0
#: characters: shorter runs of base64 occur by chance
PIECE = 16

_LISTENS = re.compile(r"listens on (\S+), admin on (\S+),")


@dataclass
class GatewayProcess:
    """`bearer-gateway serve` in a process of its own."""

    process: asyncio.subprocess.Process | Running
    output: bytearray = field(default_factory=bytearray)
    #: whatever answered a client, as far as the gateway wrote it
    responses: bytearray = field(default_factory=bytearray)
    secrets: list[str] = field(default_factory=list)
    url: str = ""
    admin_url: str = ""
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, pattern: str) -> re.Match[str]:
        """Waits until the output has `pattern`."""
        async with asyncio.timeout(START_SECONDS):
            while not (found := re.search(pattern, self.output.decode("utf-8", "replace"))):
                self._told.clear()
                await self._told.wait()
                # Under load it says hundreds of lines a second: they are looked through together.
                await asyncio.sleep(0.01)
        return found

    async def read(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(65536):
            self.output += chunk
            self._told.set()
        self._told.set()

    async def ready(self) -> None:
        """Waits until /readyz says so."""
        async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"{self.admin_url}/readyz") as response:
                    if response.status == 200:
                        return
                # What it waits for takes longer than to ask, and needs the processor.
                await asyncio.sleep(0.05)

    async def ask(
        self,
        token: str | None = None,
        *,
        path: str = "/",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, JSON body and headers of a response. The token may not turn up anywhere."""
        sent = dict(headers or {})
        if token is not None:
            self.secrets.append(token)
            sent["Authorization"] = f"Bearer {token}"
        url = URL(self.url + path, encoded=True)
        async with aiohttp.ClientSession() as session, session.request(method, url, headers=sent) as response:
            body = await response.read()
            if response.content_type == "application/problem+json":
                self.responses += body + repr(response.headers).encode()
            return response.status, json.loads(body) if body else {}, response.headers

    async def raw(self, request: bytes) -> bytes:
        """Everything that responds these bytes, until the gateway closes."""
        host, port = self.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        async with asyncio.timeout(START_SECONDS):
            response = await reader.read()
        writer.close()
        self.responses += response
        return response

    def workers(self) -> list[int]:
        """Process ids of those that it started."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def admin(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the admin listener."""
        async with aiohttp.ClientSession() as session, session.get(self.admin_url + path) as response:
            return response.status, await response.text()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            return await self.process.wait()

    def leaked(self) -> list[str]:
        """Pieces of the tokens that stand in the output or in a response of the gateway's own."""
        text = (self.output + b"\n" + self.responses).decode("latin-1")
        pieces = {secret[start : start + PIECE] for secret in self.secrets for start in range(len(secret) - PIECE + 1)}
        # Only what consists of their characters can be one; most of it stands in each line again.
        characters = re.escape("".join(sorted(set("".join(self.secrets)))) or " ")
        runs = set(re.findall(f"[{characters}]{{{PIECE},}}", text))
        return [
            run[start : start + PIECE]
            for run in runs
            for start in range(len(run) - PIECE + 1)
            if run[start : start + PIECE] in pieces
        ]


@asynccontextmanager
async def serving(
    *,
    config: str | None = None,
    env: Mapping[str, str] | None = None,
    passed: Mapping[str, socket.socket] | None = None,
    anew: bool = False,
) -> AsyncIterator[GatewayProcess]:
    """A gateway that serves; `config`: the path of a file. Fails when it printed a piece of a token it was sent.

    `passed`: sockets by name, handed over as systemd does. `anew`: an interpreter of its own, which imports everything
    itself, as `env` may ask for as well; without sockets.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")} | dict(env or {})
    arguments = ["serve", *(["--config", config] if config else [])]
    if passed:
        environ |= {"LISTEN_FDS": str(len(passed)), "LISTEN_FDNAMES": ":".join(passed)}
    process: asyncio.subprocess.Process | Running
    if anew or not can_be_prepared(environ):
        assert not passed
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments,
            cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    else:
        process = await forked(arguments, environ, [held.fileno() for held in (passed or {}).values()])
    gateway = GatewayProcess(process)
    assert process.stdout is not None
    reading = asyncio.create_task(gateway.read(process.stdout))
    try:
        found = await gateway.wait_for(_LISTENS.pattern)
        gateway.url, gateway.admin_url = f"http://{found[1]}", f"http://{found[2]}"
        yield gateway
        await gateway.stop()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
    assert gateway.leaked() == []


def sidecar(*, upstream: str, issuer: str, audience: str, **more: str) -> dict[str, str]:
    """The three variables of a sidecar, on free ports; `more`: further GATEWAY_* variables, without the prefix."""
    return {
        "GATEWAY_UPSTREAM": upstream,
        "GATEWAY_ISSUER": issuer,
        "GATEWAY_AUDIENCE": audience,
        "GATEWAY_LISTEN": "127.0.0.1:0",
        "GATEWAY_ADMIN": "127.0.0.1:0",
        **{f"GATEWAY_{name.upper()}": value for name, value in more.items()},
    }
