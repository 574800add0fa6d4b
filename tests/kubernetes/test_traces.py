"""Traces against the collector that people run: it takes what the gateway sends, and it is what was meant."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest_asyncio

from gateway.core.config.tracing import TracingSection
from tests.kubernetes.otelcol import collecting
from tests.wire import Start, get, starting, until


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with starting(tmp_path) as starts:
        yield starts


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def spans_in(taken: Path) -> list[dict[str, Any]]:
    if not taken.exists():
        return []
    return [
        span
        for line in taken.read_text().splitlines()
        for group in json.loads(line)["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]


async def test_the_collector_takes_what_is_sent(start: Start, tmp_path: Path) -> None:
    port = free_port()
    with collecting(tmp_path, port) as taken:
        await until(lambda: listens(port))
        gateway = await start(tracing=TracingSection(endpoint=f"http://127.0.0.1:{port}", sample=1.0))
        await (await gateway.client()).ask(get("/orders/1"))
        await gateway.stop()
        await until(lambda: len(spans_in(taken)) == 2)
    client, server = spans_in(taken)
    assert (client["parentSpanId"], client["traceId"]) == (server["spanId"], server["traceId"])
    assert (client["kind"], server["kind"]) == (3, 2)
    found = {one["key"]: one["value"] for one in server["attributes"]}
    assert found["url.path"] == {"stringValue": "/orders/1"}
    assert found["http.response.status_code"] == {"intValue": "200"}
    assert "upstream" in [event["name"] for event in server["events"]]
    counted = gateway.gateway._metrics.registry.get_sample_value
    assert counted("gateway_trace_spans_total", {"result": "sent"}) == 2
