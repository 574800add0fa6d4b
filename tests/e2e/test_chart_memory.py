"""The limit of memory in helm/bearer-gateway's values carries as many connections as the chart lets in."""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from process import GatewayProcess, serving

from gateway.demo.issuer import DemoIssuer
from gateway.settings.document import parse_document
from tests.chart import CHART

MIB = 1 << 20
AUDIENCE = "https://api.example.com"


def promised() -> tuple[int, int]:
    """Connections that the chart lets in, and its limit of memory in MiB."""
    limit = parse_document((CHART / "values.yaml").read_text()).values["resources"]["limits"]["memory"]
    template = (CHART / "templates" / "_config.tpl").read_text()
    found = re.search(r'"connections" (\d+)', template)
    assert found is not None
    return int(found[1]), int(limit.removesuffix("Mi"))


def peak(gateway: GatewayProcess) -> float:
    """The most that was resident, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{gateway.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


@contextmanager
def api(response: bytes) -> Iterator[int]:
    """The port of an API that sends `response` to whoever connects, as fast as it is taken, and reads nothing."""
    held: list[socket.socket] = []

    def send(wire: socket.socket) -> None:
        try:
            wire.recv(65536)
            while response:
                wire.sendall(response)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            held.append(wire)
            threading.Thread(target=send, args=(wire,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
    for wire in held:
        wire.close()


RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n" + bytes(MIB)


@pytest.mark.parametrize(
    ("body", "response"),
    [(16 * 1024, b""), (0, RESPONSE)],
    ids=["requests that the API does not respond to", "responses that the client does not take"],
)
async def test_as_many_connections_as_the_chart_lets_in_fit_into_its_memory(
    body: int, response: bytes, tmp_path: Path
) -> None:
    connections, limit = promised()
    issuer = DemoIssuer()
    await issuer.start()
    with api(response) as upstream:
        path = tmp_path / "gateway.yaml"
        config = {
            "upstreams": {"default": {"url": f"http://127.0.0.1:{upstream}", "pool_timeout": "60s"}},
            "issuers": [{"issuer": issuer.url, "audience": AUDIENCE, "allow_http": True}],
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "log": {"access": "none"},
            "limits": {
                "connections": connections,
                "body_timeout": "60s",
                "send_timeout": "60s",
                "drain": 0,
                "drain_delay": 0,
            },
        }
        path.write_text(json.dumps(config))
        async with serving(config=str(path), anew=True) as gateway:
            await gateway.ready()
            port = int(gateway.url.rpartition(":")[2])

            def fill() -> list[socket.socket]:
                wires = []
                for number in range(connections):
                    token = issuer.access_token(alg="ES256", aud=AUDIENCE, sub=f"user-{number}", padding="x" * 1500)
                    lines = [
                        f"POST /{number} HTTP/1.1",
                        "Host: a",
                        f"Authorization: Bearer {token}",
                        f"Content-Length: {body}",
                    ]
                    wires.append(socket.create_connection(("127.0.0.1", port)))
                    wires[-1].sendall("\r\n".join([*lines, "", ""]).encode() + bytes(body))
                return wires

            wires = await asyncio.to_thread(fill)
            async with asyncio.timeout(20):
                while True:
                    _, page = await gateway.admin("/metrics")
                    found = re.search(r"^gateway_requests_in_flight (\d+)", page, re.MULTILINE)
                    if found is not None and int(found[1]) >= connections - 50:
                        break
            most = peak(gateway)
            print(f"{connections} connections: {most:.0f} MiB of {limit}")  # noqa: T201
            for wire in wires:
                wire.close()
            assert most < 0.75 * limit
    await issuer.stop()
