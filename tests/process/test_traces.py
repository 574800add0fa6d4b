"""Whole gateways that trace: one trace through two of them, and nobody outside who says what is recorded."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiohttp import web

from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer
from gateway.core.config.rates import Rate
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreSection
from gateway.core.config.tracing import TracingSection
from gateway.core.config.upstream_tokens import TokenExchange
from gateway.core.config.upstreams import UpstreamCredential
from tests.collector import CollectorServer, collecting
from tests.issuer import HostileIssuer
from tests.redis_server import SECRET, RedisServer, redis
from tests.token_endpoint import TokenEndpoint
from tests.wire import Message, Start, get, good_token, until

__all__ = ["redis"]

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = f"traceparent: 00-{TRACE}-{PARENT}-01"


@pytest_asyncio.fixture
async def collector() -> AsyncIterator[CollectorServer]:
    async with collecting() as made:
        yield made


def tracing(collector: CollectorServer, sample: float = 1.0) -> TracingSection:
    return TracingSection(endpoint=collector.url, sample=sample)


def told(sent: Message) -> list[str]:
    return [value.decode() for name, value in sent.lines if name.lower() == b"traceparent"]


async def test_two_gateways_in_a_row_make_one_trace(start: Start, collector: CollectorServer) -> None:
    inner = await start(tracing=tracing(collector, 0.0), trusted_proxies=("127.0.0.0/8",))
    outer = await start(tracing=tracing(collector), upstream=f"http://{inner.gateway.address}", authorization="keep")
    client = await outer.client()
    response = await client.ask(get("/orders?secret=1", "tracestate: a=1", "baggage: b=2"))
    assert response.status == 200
    await outer.stop()
    await inner.stop()
    spans = {span.id: span for span in await collector.until(4)}
    assert len(collector.taken) == 4
    (root,) = [span for span in spans.values() if not span.parent]
    chain = [root]
    while children := [span for span in spans.values() if span.parent == chain[-1].id]:
        (child,) = children
        chain.append(child)
    assert [span.is_server for span in chain] == [True, False, True, False]
    assert {span.trace for span in chain} == {root.trace}
    assert told(inner.upstream.last) == [f"00-{root.trace}-{chain[-1].id}-01"]
    # It said nothing of a trace: what it noted of one is of another.
    assert inner.upstream.last.values(b"tracestate") == []
    assert inner.upstream.last.values(b"baggage") == [b"b=2"]
    assert [event for event in root.events if event in {"route", "signature", "upstream"}] == [
        "route",
        "signature",
        "upstream",
    ]
    record = await outer.ended()
    assert record["trace_id"] == root.trace
    assert "secret" not in repr(collector.bodies)
    for text in (good_token(), "alice"):
        assert text[:40].encode() not in b"".join(collector.bodies)


async def test_a_client_cannot_have_itself_recorded_and_keeps_its_trace(
    start: Start, collector: CollectorServer
) -> None:
    gateway = await start(tracing=tracing(collector, 0.0))
    client = await gateway.client()
    for line in (CALLER, CALLER.upper().replace("TRACEPARENT: ", "TraceParent: ").lower()):
        await client.ask(get("/", line, "tracestate: a=1"))
        (sent,) = told(gateway.upstream.last)
        assert sent.startswith(f"00-{TRACE}-")
        assert sent.endswith("-00")
        assert PARENT not in sent
        assert gateway.upstream.last.values(b"tracestate") == [b"a=1"]
    # Neither does one that names two, or another spelling.
    await client.ask(get("/", CALLER, CALLER))
    (sent,) = told(gateway.upstream.last)
    assert TRACE not in sent
    await gateway.stop()
    assert collector.bodies == []


async def test_whoever_is_trusted_decides_either_way(start: Start, collector: CollectorServer) -> None:
    gateway = await start(tracing=tracing(collector), trusted_proxies=("127.0.0.1",))
    client = await gateway.client()
    await client.ask(get("/", CALLER.replace("-01", "-00")))
    assert told(gateway.upstream.last)[0].endswith("-00")
    await client.ask(get("/", CALLER))
    await gateway.stop()
    upstream, server = await collector.until(2)
    assert (server.trace, server.parent, upstream.parent) == (TRACE, PARENT, server.id)
    assert told(gateway.upstream.last) == [f"00-{TRACE}-{upstream.id}-01"]


async def test_without_tracing_what_the_client_says_is_left_as_it_is(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    await client.ask(get("/", CALLER, CALLER, "tracestate: a=1"))
    assert [f"traceparent: {value}" for value in told(gateway.upstream.last)] == [CALLER, CALLER]
    await client.ask(get("/"))
    assert told(gateway.upstream.last) == []


async def test_refusals_and_what_cannot_be_read_are_spans_too(start: Start, collector: CollectorServer) -> None:
    gateway = await start(tracing=tracing(collector), routes=(RouteSection(path="/orders/*", scopes=("admin",)),))
    assert (await (await gateway.client()).ask(get("/orders/7"))).status == 403
    assert (await (await gateway.client()).ask(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")).status == 400
    await gateway.stop()
    by_name = {span.name: span for span in await collector.until(2)}
    refused, unread = by_name["GET /orders/*"], by_name["HTTP"]
    assert refused.attributes["bearer_gateway.reason"] == "insufficient_scope"
    assert unread.attributes["bearer_gateway.reason"] == "bad_request"


async def test_what_the_store_was_asked_is_a_part(start: Start, collector: CollectorServer, redis: RedisServer) -> None:
    seal = Secret(file="seal")
    gateway = await start(
        tracing=tracing(collector),
        store=StoreSection(url=redis.url, secrets=(seal,)),
        secrets={seal: SECRET},
        rates=(Rate(limit=100, per="subject", name="all"),),
    )
    await (await gateway.client()).ask(get())
    await gateway.stop()
    (server,) = [span for span in await collector.until(3) if span.is_server]
    stores = [span for span in collector.taken if span.name == "store rates"]
    assert [span.parent for span in stores] == [server.id]
    assert stores[0].attributes["db.system.name"] == "redis"


async def test_a_collector_that_stands_still_costs_a_request_nothing_and_the_end_little(
    start: Start, collector: CollectorServer
) -> None:
    gateway = await start(tracing=tracing(collector), limits={"drain": Seconds(0.2)})
    collector.awake.clear()
    client = await gateway.client()
    for _ in range(20):
        assert (await client.ask(get())).status == 200
    await until(lambda: collector.bodies)
    began = time.monotonic()
    client.reset()
    await gateway.stop()
    assert time.monotonic() - began < 2.5
    counted = gateway.gateway._metrics.registry.get_sample_value
    assert counted("gateway_trace_spans_total", {"result": "dropped"}) == 40
    assert counted("gateway_trace_spans_total", {"result": "sent"}) == 0


async def test_a_decision_is_a_span_without_one_of_the_api(start: Start, collector: CollectorServer) -> None:
    gateway = await start(tracing=tracing(collector), trusted_proxies=("127.0.0.1",), decisions="127.0.0.1:0")
    client = await gateway.client(gateway.gateway.decisions_address)
    response = await client.ask(get("/envoy/orders", CALLER))
    assert response.status == 200
    assert response.values(b"traceparent") == []
    await gateway.stop()
    (server,) = await collector.until(1)
    assert (server.trace, server.parent) == (TRACE, PARENT)


async def test_whoever_was_asked_on_behalf_of_a_request_is_a_part_of_it(
    start: Start, collector: CollectorServer
) -> None:
    issuer, endpoint = HostileIssuer(), TokenEndpoint()
    await issuer.start()
    await endpoint.start()
    word = Secret(file="word")
    active = {"active": True, "iss": issuer.url, "aud": issuer.audience}
    issuer.response_by("/introspect", lambda request: told_as_json(active))
    client: dict[str, Any] = {"client_id": "gateway", "client_secret": word}
    try:
        gateway = await start(
            tracing=tracing(collector),
            issuers=(
                Issuer(
                    issuer=issuer.url,
                    audience=issuer.audience,
                    introspection=Introspection(tokens="all", endpoint=f"{issuer.url}/introspect", **client),
                ),
            ),
            authorization=UpstreamCredential(exchange=TokenExchange(token_endpoint=endpoint.url, **client)),
            secrets={word: "secret-word"},
        )
        issuer.rotate()
        token = issuer.access_token(exp=4_000_000_000)
        request = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
        assert (await (await gateway.client()).ask(request.encode())).status == 200, await gateway.ended()
        # What is remembered is asked of nobody.
        assert (await (await gateway.client()).ask(request.encode())).status == 200
        await gateway.stop()
    finally:
        await issuer.stop()
        await endpoint.stop()
    await collector.until(7)
    first = next(span for span in collector.taken if span.name == "POST token").parent
    parts = [span.name for span in collector.taken if span.parent == first]
    assert parts == ["GET keys", "POST introspection", "POST token", "GET"]
    (second,) = [span for span in collector.taken if span.is_server and span.id != first]
    assert [span.name for span in collector.taken if span.parent == second.id] == ["GET"]
    said = b"".join(collector.bodies)
    assert b"secret-word" not in said
    assert token.encode()[-40:] not in said


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[HostileIssuer]:
    made = HostileIssuer()
    await made.start()
    yield made
    await made.stop()


def login(provider: HostileIssuer) -> Issuer:
    return Issuer(issuer=provider.url, audience=provider.audience, name="login")


async def test_keys_that_no_request_waits_for_have_a_trace_of_their_own(
    start: Start, collector: CollectorServer, provider: HostileIssuer
) -> None:
    gateway = await start(tracing=tracing(collector), issuers=(login(provider),))
    root, *parts = sorted(
        await collector.until(3), key=lambda span: (bool(span.parent), span.span.start_time_unix_nano)
    )
    assert (root.name, root.is_server, root.is_error) == ("fetch keys", False, False)
    assert root.attributes == {"bearer_gateway.use": "keys", "bearer_gateway.issuer": "login"}
    assert [(span.name, span.parent, span.trace) for span in parts] == [
        ("GET discovery", root.id, root.trace),
        ("GET keys", root.id, root.trace),
    ]
    # What comes to nothing says so; and a request that is traced does it within its own.
    provider.response("/jwks", "{}")
    await gateway.gateway.assembly.issuers.refresh("login")
    await until(lambda: len(collector.named("fetch keys")) == 2)
    failed = collector.named("fetch keys")[1]
    assert (failed.is_error, failed.attributes["error.type"]) == (True, "UnusableKeySet")
    assert failed.trace != root.trace
    await gateway.stop()


async def test_where_nothing_begins_here_that_is_traced_fetches_are_not(
    start: Start, collector: CollectorServer, provider: HostileIssuer
) -> None:
    gateway = await start(tracing=tracing(collector, 0.0), issuers=(login(provider),))
    await gateway.gateway.assembly.issuers.refresh("login")
    await gateway.stop()
    assert collector.taken == []


async def told_as_json(document: object) -> web.Response:
    return web.json_response(document)
