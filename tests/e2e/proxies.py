"""Runs the examples of deploy/ with the real programs: their own text, on free ports of loopback."""

import asyncio
import contextlib
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from process import ROOT, START_SECONDS, STOP_SECONDS, GatewayProcess, serving

DEPLOY = ROOT / "deploy"
#: the ports as the examples write them: where clients come, where the gateway decides, where it responds, where the API is
CLIENTS, DECISIONS, TRAFFIC, API, GRPC = "8080", "8081", "8082", "3000", "9001"

_NGINX = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {example};
}}
"""


@dataclass(frozen=True)
class Program:
    """A proxy that asks the gateway."""

    name: str
    #: below deploy/
    example: str
    #: command line for a directory and the example in it
    command: Callable[[Path, Path], list[str]]

    @property
    def text(self) -> str:
        return (DEPLOY / self.example).read_text()


def _installed(name: str) -> str:
    """A program of Debian, or of the environment that runs the tests."""
    path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    found = shutil.which(name, path=path)
    assert found, f"{name} is not installed: make test installs it"
    return found


def _nginx(directory: Path, example: Path) -> list[str]:
    main = directory / "nginx.conf"
    main.write_text(_NGINX.format(directory=directory, example=example))
    return [_installed("nginx"), "-e", "stderr", "-p", str(directory), "-c", str(main)]


def _caddy(_: Path, example: Path) -> list[str]:
    return [_installed("caddy"), "run", "--config", str(example), "--adapter", "caddyfile"]


def _envoy(directory: Path, example: Path) -> list[str]:
    return [
        _installed("envoy"), "-c", str(example), "--disable-hot-restart", "--concurrency", "1", "-l", "warning",
        "--log-path", str(directory / "envoy.log"),
    ]  # fmt: skip


NGINX = Program("nginx", "nginx/gateway.conf", _nginx)
CADDY = Program("caddy", "caddy/Caddyfile", _caddy)
ENVOY = Program("envoy", "envoy/envoy.yaml", _envoy)
ENVOY_GRPC = Program("envoy over gRPC", "envoy/envoy-grpc.yaml", _envoy)


@dataclass
class Asking:
    """A proxy that runs in front of an API, and the gateway that it asks."""

    #: host:port for clients
    address: str
    gateway: GatewayProcess


def free_port() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


async def _until_it_listens(process: asyncio.subprocess.Process, port: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert process.returncode is None, "it ended at once"
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", int(port))
                writer.close()
                return
            await asyncio.sleep(0.02)


def decisions_file(directory: Path, *, api: str, issuer: str, dead_issuer: str) -> str:
    """The gateway's example on free ports, for the issuer of the test and one that cannot be reached."""
    text = (DEPLOY / "gateway.yaml").read_text()
    text = re.sub(r"127\.0\.0\.1:(?:8081|8082|9090)\b", "127.0.0.1:0", text)
    text = text.replace("http://127.0.0.1:3000", api).replace("https://tenant.eu.auth0.com/", issuer)
    # Beside what the example has, a resource: clients find the way to that by what is published.
    text = text.replace(
        "audience: https://api.example.com\n", "audience: [https://api.example.com, https://api.test/mcp]\n"
    )
    text = text.replace("unmatched:", "  - {path: /mcp, scopes: [tools]}\nunmatched:")
    dead = f"  - {{issuer: {dead_issuer}, audience: https://api.example.com, name: dead}}"
    text = text.replace("routes:", f"{dead}\nresources: {{tools: {{identifier: https://api.test/mcp}}}}\nroutes:")
    path = directory / "gateway.yaml"
    path.write_text(text + "decisions_grpc: 127.0.0.1:0\nlimits: {drain_delay: 0}\n")
    return str(path)


@asynccontextmanager
async def proxy(program: Program, directory: Path, ports: Mapping[str, str]) -> AsyncIterator[str]:
    """The proxy with its example, and where it listens; killed at the end. `ports`: in place of those of the example."""
    port = free_port()
    found = {**ports, CLIENTS: port}
    example = directory / Path(program.example).name
    example.write_text(re.sub(r"\b(?:8080|8081|8082|3000|9001)\b", lambda match: found[match[0]], program.text))
    with (directory / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *program.command(directory, example),
            cwd=directory,
            env={"HOME": str(directory), "PATH": "/usr/bin:/bin"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            await _until_it_listens(process, port)
            yield f"127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.terminate()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STOP_SECONDS / 4):
                        await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def asking(program: Program, directory: Path, *, config: str, api: str) -> AsyncIterator[Asking]:
    """The proxy with its example, the gateway and the API; the proxy is killed at the end."""
    async with serving(config=config) as gateway:
        await gateway.ready()
        ports = {
            DECISIONS: (await gateway.wait_for(r"decisions on \S+:(\d+),"))[1],
            GRPC: (await gateway.wait_for(r"decisions over gRPC on \S+:(\d+),"))[1],
            TRAFFIC: gateway.url.rpartition(":")[2],
            API: api.rpartition(":")[2],
        }
        async with proxy(program, directory, ports) as address:
            yield Asking(address, gateway)
