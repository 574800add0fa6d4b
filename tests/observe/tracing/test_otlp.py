"""A batch of spans and what a collector may say to it, on a real socket."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.observe.tracing.otlp import Collector, NotTaken
from gateway.observe.tracing.spans import Span
from tests.collector import CollectorServer, collecting, rejecting

TRACE, SPAN, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7", b"b7ad6b7169203331"
ONE = Span(
    name="GET /orders/*",
    kind="server",
    trace_id=TRACE,
    span_id=SPAN,
    parent_id=PARENT,
    started=1_000_000_000,
    ended=2_000_000_000,
    attributes={"http.response.status_code": 502, "http.route": "/orders/*"},
    events=(("route", 1_000_000_001), ("upstream", 1_500_000_000)),
    is_error=True,
)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[CollectorServer]:
    async with collecting() as made:
        yield made


def collector(endpoint: str, *, headers: dict[str, str] | None = None, timeout: float = 5.0) -> Collector:
    return Collector(endpoint, resource={"service.name": "g"}, headers=lambda: headers or {}, timeout=timeout)


async def test_a_span_arrives_as_it_is(server: CollectorServer) -> None:
    made = collector(server.url, headers={"X-Key": "k1"})
    assert await made.send([ONE] * 100) == 0
    await made.close()
    assert (server.path, server.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
    assert (server.headers["x-key"], server.headers["user-agent"]) == ("k1", "bearer-gateway")
    assert len(server.taken) == 100
    taken = server.taken[0]
    assert (taken.name, taken.trace.encode(), taken.id.encode(), taken.parent.encode()) == (
        ONE.name,
        TRACE,
        SPAN,
        PARENT,
    )
    assert (taken.span.start_time_unix_nano, taken.span.end_time_unix_nano) == (ONE.started, ONE.ended)
    assert taken.attributes == ONE.attributes
    assert [(event.name, event.time_unix_nano) for event in taken.span.events] == list(ONE.events)
    assert (taken.is_server, taken.is_error, taken.resource) == (True, True, {"service.name": "g"})


async def test_a_path_of_its_own_is_kept(server: CollectorServer) -> None:
    made = collector(f"{server.url}/otlp/traces")
    await made.send([ONE])
    await made.close()
    assert server.path == "/otlp/traces"


async def test_some_may_not_be_wanted(server: CollectorServer) -> None:
    server.response = rejecting(3)
    made = collector(server.url)
    assert await made.send([ONE]) == 3
    server.response = b"\xff no message"
    assert await made.send([ONE]) == 0
    await made.close()


@pytest.mark.parametrize(
    ("status", "again"),
    [(301, False), (307, False), (400, False), (401, False), (404, False), (413, False), (429, True), (500, False),
     (502, True), (503, True), (504, True)],
)  # fmt: skip
async def test_what_it_says_decides_whether_it_is_asked_again(
    server: CollectorServer, status: int, *, again: bool
) -> None:
    server.status, server.said = status, {"Retry-After": "7", "Location": "/elsewhere"}
    made = collector(server.url)
    with pytest.raises(NotTaken, match=f"the response has status {status}") as told:
        await made.send([ONE])
    await made.close()
    assert (told.value.again, told.value.after) == (again, 7.0)
    assert len(server.bodies) == 1


async def test_one_that_is_not_there_or_says_nothing_may_be_later(server: CollectorServer) -> None:
    server.awake.clear()
    made = collector(server.url, timeout=0.1)
    with pytest.raises(NotTaken, match=r"no response within 0\.1 s") as told:
        await made.send([ONE])
    assert told.value.again
    await server.stop()
    with pytest.raises(NotTaken, match="it cannot be asked") as told:
        await made.send([ONE])
    assert told.value.again
    await made.close()


async def test_no_proxy_of_the_environment_is_asked(server: CollectorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-forged=1")
    made = collector(server.url)
    await made.send([ONE])
    await made.close()
    assert "x-forged" not in server.headers
    assert len(server.taken) == 1
