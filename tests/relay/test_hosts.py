"""Hosts that are served and others, on the wire."""

import json

import pytest

from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection
from tests.wire import Start, bearer

OPEN = (RouteSection(path="/*", access="public", name="open"),)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: API.test.:8443\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a.b.shop.test\r\n\r\n", 200),
        (b"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 200),
        (b"GET http://other.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 421),
        (b"GET http://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: other.test\r\nX-Forwarded-Host: api.test\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 421),
        (b"GET / HTTP/1.0\r\n\r\n", 421),
        (b"GET / HTTP/1.0\r\nHost: api.test\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nHost: other.test\r\n\r\n", 421),
    ],
)
async def test_a_request_for_a_host_that_is_not_served_reaches_nothing(
    start: Start, request_: bytes, status: int
) -> None:
    gateway = await start(routes=OPEN, hosts=("api.test", "*.shop.test"), trusted_proxies=("127.0.0.1",))
    response = await (await gateway.client()).ask(request_)
    assert response.status == status
    assert len(gateway.upstream.requests) == (status == 200)
    if status == 421:
        assert json.loads(response.body)["reason"] == "unknown_host"
        assert response.values(b"WWW-Authenticate") == []
        assert (await gateway.ended())["reason"] == "unknown_host"


async def test_a_token_helps_nobody_to_another_host(start: Start) -> None:
    gateway = await start(hosts=("api.test",))
    client = await gateway.client()
    head = b"GET / HTTP/1.1\r\nHost: %s\r\n" + bearer() + b"\r\n"
    assert (await client.ask(head % b"other.test")).status == 421
    # Nothing is wrong with the connection: the next request may be for another host (RFC 9110 section 15.5.20).
    assert (await client.ask(head % b"api.test")).status == 200


async def test_probes_are_served_whatever_host_they_name(start: Start) -> None:
    gateway = await start(hosts=("api.test",))
    assert (await gateway.admin("/livez")).status == 200


async def test_what_the_gateway_serves_itself_is_for_its_hosts_too(start: Start) -> None:
    gateway = await start(
        hosts=("api.test",), resources={"a": ResourceSection(identifier="https://api.test/mcp")}, routes=OPEN
    )
    client = await gateway.client()
    asked = b"GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nHost: %s\r\n\r\n"
    assert (await client.ask(asked % b"api.test")).status == 200
    assert (await client.ask(asked % b"other.test")).status == 421
