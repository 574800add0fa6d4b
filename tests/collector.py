"""A collector of spans: OTLP over HTTP, on a socket of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.wire import until


def attributes_of(pairs: Any) -> dict[str, str | int]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@dataclass
class Taken:
    """A span that arrived."""

    span: Span
    resource: dict[str, str | int]

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def trace(self) -> str:
        return self.span.trace_id.hex()

    @property
    def id(self) -> str:
        return self.span.span_id.hex()

    @property
    def parent(self) -> str:
        return self.span.parent_span_id.hex()

    @property
    def attributes(self) -> dict[str, str | int]:
        return attributes_of(self.span.attributes)

    @property
    def is_server(self) -> bool:
        return self.span.kind == Span.SPAN_KIND_SERVER

    @property
    def is_error(self) -> bool:
        return bool(self.span.status.code)

    @property
    def events(self) -> list[str]:
        return [event.name for event in self.span.events]


@dataclass
class CollectorServer:
    """Takes spans, or responds as it is told."""

    taken: list[Taken] = field(default_factory=list)
    #: all bodies that came, whatever became of them, and the headers of the last
    bodies: list[bytes] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""
    status: int = 200
    said: dict[str, str] = field(default_factory=dict)
    response: bytes = b""
    #: set: it responds; cleared: it does not
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        self.awake.set()
        app = web.Application(client_max_size=16 << 20)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        if self._runner is not None:
            self.awake.set()
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        self.path = request.path
        await self.awake.wait()
        if self.status == 200:
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = attributes_of(group.resource.attributes)
                self.taken += [Taken(span, resource) for scope in group.scope_spans for span in scope.spans]
        return web.Response(status=self.status, body=self.response, headers=self.said)

    async def until(self, count: int) -> list[Taken]:
        """So many spans, or more."""
        await until(lambda: len(self.taken) >= count)
        return self.taken

    def named(self, name: str) -> list[Taken]:
        return [taken for taken in self.taken if taken.name == name]


def rejecting(count: int) -> bytes:
    """What a collector says that did not want some of a batch."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = count
    body: bytes = response.SerializeToString()
    return body


@asynccontextmanager
async def collecting() -> AsyncIterator[CollectorServer]:
    collector = CollectorServer()
    await collector.start()
    try:
        yield collector
    finally:
        await collector.stop()
