"""deploy/compose on loopback: the commands and the file of its services, with this machine's addresses in place of their names."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from process import serving

from gateway import __version__
from gateway.settings.document import parse_document
from gateway.settings.settings import load

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
SERVICES: dict[str, Any] = parse_document((COMPOSE / "compose.yaml").read_text()).values["services"]


@dataclass
class Part:
    """One service in a process of its own."""

    process: asyncio.subprocess.Process
    printed: str = ""
    exit_code: int = field(default=-1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def here(text: str, ports: dict[str, int]) -> str:
    """Names of services and their ports as they are on loopback."""
    for name, port in ports.items():
        text = re.sub(rf"(?<=//){name}:\d+", f"127.0.0.1:{port}", text)
    return text


@asynccontextmanager
async def running(service: str, ports: dict[str, int]) -> AsyncIterator[Part]:
    """Its command, as soon as it has said that it listens."""
    command = [
        re.sub(r"^:\d+$", f"127.0.0.1:{ports[service]}", here(word, ports)) for word in SERVICES[service]["command"]
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *command,
        cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": ""}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    part = Part(process)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            part.printed = (await process.stdout.readline()).decode()
        yield part
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            rest, _ = await process.communicate()
        part.printed += rest.decode()
        part.exit_code = process.returncode or 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_who_has_a_token_of_the_issuer_reaches_the_api_and_nobody_else(tmp_path: Path) -> None:
    ports = {"issuer": free_port(), "api": free_port()}
    config = tmp_path / "gateway.yaml"
    config.write_text(here((COMPOSE / "gateway.yaml").read_text(), ports) + "limits: {drain_delay: 0s}\n")
    variables = {"GATEWAY_LISTEN": "127.0.0.1:0", "GATEWAY_ADMIN": "127.0.0.1:0"}
    async with (
        running("issuer", ports) as issuer,
        running("api", ports) as api,
        serving(config=str(config), env=variables) as gateway,
    ):
        await gateway.ready()
        url = f"http://127.0.0.1:{ports['issuer']}"
        async with aiohttp.ClientSession() as session:

            async def token(kind: str) -> str:
                async with session.get(f"{url}/token", params={"kind": kind}) as response:
                    return await response.text()

            status, body, _ = await gateway.ask(await token("access"), path="/orders/1")
            assert status == 200
            assert ["X-User-Id", "alice"] in body["headers"]
            status, body, _ = await gateway.ask(await token("id"))
            assert (status, body["reason"]) == (401, "id_token")
            # What their health checks ask.
            for service, port in ports.items():
                test = SERVICES[service]["healthcheck"]["test"]
                asked = re.sub(r":\d+", f":{port}", test[test.index("--url") + 1], count=1)
                async with session.get(asked) as response:
                    assert response.status == 200, service
    assert issuer.printed == f"The demo issuer {url} listens on 127.0.0.1:{ports['issuer']}\n"
    assert api.printed == f"The echo API listens on 127.0.0.1:{ports['api']}\n"
    assert (issuer.exit_code, api.exit_code) == (0, 0)


def test_its_configuration_is_sound() -> None:
    loaded = load(str(COMPOSE / "gateway.yaml"), {})
    assert loaded.problems == []
    assert [warning.path for warning in loaded.warnings] == ["issuers[0].allow_http"]
    assert loaded.config is not None
    # Who is stopped has the time that it takes.
    grace = int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s"))
    assert loaded.config.limits.drain_delay + loaded.config.limits.drain < grace


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_nothing_but_serve(service: str) -> None:
    written = SERVICES[service]
    assert written["image"] == f"${{IMAGE:-bearer-gateway:{__version__}}}"
    assert written["read_only"] is True
    assert written["cap_drop"] == ["ALL"]
    assert written["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in written.get("ports", ()))
    assert written["healthcheck"]["test"][:3] == ["CMD", "bearer-gateway", "health"]


def test_nobody_reaches_the_api_but_through_the_gateway() -> None:
    assert "ports" not in SERVICES["api"]
