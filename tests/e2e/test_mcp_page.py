"""docs/mcp.md from its first line to its last command: what it says is what happens.

Ports are free ones, and the issuer is one of the tests whose keys are in a file; everything else is run as it stands.
"""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from process import ROOT, START_SECONDS, STOP_SECONDS
from proxies import free_port

from gateway.demo.issuer import DemoIssuer

PAGE: Final = (ROOT / "docs" / "mcp.md").read_text()
ISSUER, IDENTIFIER = "https://login.example.com", "https://api.example.com/mcp"


def block(language: str) -> str:
    """The first of that language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def commands() -> Iterator[tuple[str, str]]:
    """Each command, and what the page shows of its output."""
    for text in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


async def listening(port: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=1):
                return
            await asyncio.sleep(0.05)


@pytest.fixture
def ports() -> dict[str, str]:
    return {"9000": free_port(), "8080": free_port(), "9090": free_port()}


async def test_every_command_of_the_page_does_what_it_says(ports: dict[str, str], tmp_path: Path) -> None:
    def moved(text: str) -> str:
        return re.sub(r"\b(9000|8080|9090)\b", lambda match: ports[match[0]], text)

    issuer = DemoIssuer(url=ISSUER, audience=IDENTIFIER)
    (tmp_path / "jwks.json").write_text(json.dumps(issuer.jwks()))
    (tmp_path / "token.txt").write_text(issuer.access_token(scope="tools:call"))
    (tmp_path / "server.py").write_text(moved(block("python")))
    # Nobody is at the page's issuer.
    keys = f"issuer: {ISSUER}\n    jwks_file: {tmp_path / 'jwks.json'}\n"
    (tmp_path / "gateway.yaml").write_text(moved(block("yaml")).replace(f"issuer: {ISSUER}\n", keys))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "GATEWAY_LISTEN": f"127.0.0.1:{ports['8080']}",
        "GATEWAY_ADMIN": f"127.0.0.1:{ports['9090']}",
    }
    running: list[asyncio.subprocess.Process] = []
    waits = {"python server.py": "9000", "bearer-gateway serve": "8080"}
    seen = 0
    try:
        for command, shown in commands():
            seen += 1
            told = moved(command).removesuffix(" &")
            process = await asyncio.create_subprocess_exec(
                "/bin/bash", "-o", "pipefail", "-c", f"exec {told}" if command.endswith("&") else told,
                cwd=tmp_path, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            if command.endswith("&"):
                running.append(process)
                await listening(next(ports[port] for name, port in waits.items() if command.startswith(name)))
                continue
            async with asyncio.timeout(START_SECONDS):
                said, _ = await process.communicate()
            output = said.decode()
            assert process.returncode == 0, (command, output)
            if shown:
                assert re.sub(r"\r", "", output) == moved(shown), command
    finally:
        for process in running:
            process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await process.communicate()
            if process.returncode is None:
                process.kill()
                await process.communicate()
    assert seen == 7
