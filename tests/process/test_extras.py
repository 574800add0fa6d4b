"""What comes with an extra is there where it is configured, and not even imported where it is not."""

import json
import subprocess
import sys
from pathlib import Path

import grpc.aio
import pytest

from gateway.decisions.grpc_messages import CheckRequest, CheckResponse
from gateway.process.app import Gateway
from gateway.process.listening import CannotStart
from tests.wire import Start, config_for, good_token

CHECK = "/envoy.service.auth.v3.Authorization/Check"
HEALTH = "/grpc.health.v1.Health/Check"

_LOADS = """
import json, sys
import gateway.commands.serve, gateway.process.app, gateway.process.worker

print(json.dumps([name for name in ("grpc", "google.protobuf", "opentelemetry") if name in sys.modules]))
"""


def test_what_serves_without_them_imports_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADS], capture_output=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert json.loads(done.stdout) == []


def question(token: str | None) -> bytes:
    message = CheckRequest()
    http = message.attributes.request.http
    http.method, http.path, http.host, http.scheme = "GET", "/", "api.test", "http"
    if token is not None:
        http.header_map.headers.add(key="authorization", raw_value=f"Bearer {token}".encode())
    body: bytes = message.SerializeToString()
    return body


async def test_envoy_asks_the_gateway_that_serves(start: Start) -> None:
    gateway = await start(decisions_grpc="127.0.0.1:0", trusted_proxies=("127.0.0.1",))
    address = gateway.gateway.extras.grpc_address
    assert f"decisions over gRPC on {address}" in gateway.stderr.getvalue()
    async with grpc.aio.insecure_channel(address) as channel:
        ask = channel.unary_unary(CHECK)
        assert CheckResponse.FromString(await ask(question(good_token()))).status.code == 0
        assert CheckResponse.FromString(await ask(question(None))).status.code == 16
        assert await channel.unary_unary(HEALTH)(b"") == b"\x08\x01"
        gateway.gateway.drain()
        assert await channel.unary_unary(HEALTH)(b"") == b"\x08\x02"
        # It serves on, until it is told to stop.
        assert CheckResponse.FromString(await ask(question(good_token()))).status.code == 0
    records = await gateway.stdout.records(3)
    assert [record["status"] for record in records] == [200, 401, 200]
    assert [record["client"] for record in records] == ["127.0.0.1"] * 3


async def test_an_address_that_is_taken_is_told_and_nothing_is_left(start: Start) -> None:
    gateway = await start(decisions_grpc="127.0.0.1:0", trusted_proxies=("127.0.0.1",))
    address = gateway.gateway.extras.grpc_address
    with pytest.raises(CannotStart, match="decisions_grpc"):
        await Gateway(config_for("http://127.0.0.1:1", "/nonexistent", decisions_grpc=address)).start()
    taken = {"listen": gateway.gateway.address, "decisions_grpc": "127.0.0.1:0"}
    with pytest.raises(CannotStart, match="Address already in use"):
        await Gateway(config_for("http://127.0.0.1:1", "/nonexistent", **taken)).start()
