"""The admin listener: live, ready, metrics, and nothing else."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.admin import pages as admin_module
from gateway.core.config.issuers import Issuer
from tests.wire import PATIENCE, Running, Start, get, starting

BROKEN = Issuer(issuer="https://broken.test", audience="a", jwks_file="/nonexistent/jwks.json")


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with starting(tmp_path) as starts:
        yield starts


@pytest_asyncio.fixture
async def gateway(start: Start) -> Running:
    return await start()


async def test_it_is_live(gateway: Running) -> None:
    response = await gateway.admin("/livez")
    assert (response.status, json.loads(response.body)) == (200, {"live": True})


async def test_it_is_ready_with_keys(gateway: Running) -> None:
    response = await gateway.admin("/readyz")
    assert (response.status, json.loads(response.body)) == (200, {"ready": True, "missing": []})
    assert response.values(b"Content-Type") == [b"application/json"]


async def test_one_of_two_issuers_is_enough_unless_all_are_asked_for(start: Start, tmp_path: Path) -> None:
    good = Issuer(issuer="https://issuer.test", audience="a", jwks_file=str(tmp_path / "jwks.json"))
    for readiness, status in (("any", 200), ("all", 503)):
        gateway = await start(issuers=(good, BROKEN), readiness=readiness)
        response = await gateway.admin("/readyz")
        found = json.loads(response.body)
        assert (response.status, found["ready"]) == (status, status == 200)
        assert [missing["issuer"] for missing in found["missing"]] == ["broken.test"]
        assert found["missing"][0]["reason"]


async def test_without_any_key_it_is_not_ready_and_live(start: Start) -> None:
    gateway = await start(issuers=(BROKEN,))
    assert (await gateway.admin("/readyz")).status == 503
    assert (await gateway.admin("/livez")).status == 200
    assert b"\ngateway_ready 0.0\n" in (await gateway.admin("/metrics")).body


async def test_the_metrics_are_in_the_format_of_prometheus(gateway: Running) -> None:
    client = await gateway.client()
    await client.ask(get())
    response = await gateway.admin("/metrics")
    assert response.values(b"Content-Type")[0].startswith(b"text/plain; version=0.0.4")
    assert b'gateway_requests_total{outcome="admitted",reason="-",route="default",status="2xx"} 1.0\n' in response.body
    assert b"gateway_connections_open 1.0\n" in response.body


async def test_metrics_are_rendered_anew_after_a_second_at_most(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await gateway.admin("/metrics")).body
    client = await gateway.client()
    await client.ask(get())
    assert (await gateway.admin("/metrics")).body == before
    monkeypatch.setattr(admin_module, "METRICS_KEPT", 0.0)
    assert (await gateway.admin("/metrics")).body != before


async def test_other_paths_and_methods_are_refused(gateway: Running) -> None:
    assert (await gateway.admin("/")).status == 404
    assert (await gateway.admin("/livez/")).status == 404
    assert (await gateway.admin("/livez", method="POST")).status == 405
    assert (await gateway.admin("/livez?probe=1")).status == 200


async def test_head_has_the_length_and_no_body(gateway: Running) -> None:
    response = await gateway.admin("/livez", method="HEAD")
    assert (response.status, response.values(b"Content-Length"), response.body) == (200, [b"14"], b"")


async def test_a_malformed_admin_request_is_answered_as_on_the_traffic_port(gateway: Running) -> None:
    client = await gateway.client(gateway.gateway.admin_address)
    response = await client.ask(b"GET / HTTP/1.1\r\nX y\r\n\r\n")
    assert (response.status, response.problem["reason"], response.values(b"Server")) == (400, "bad_request", [])


async def test_the_pages_are_not_on_the_traffic_port(gateway: Running) -> None:
    client = await gateway.client()
    for page in ("/livez", "/readyz", "/metrics"):
        assert (await client.ask(f"GET {page} HTTP/1.1\r\nHost: a\r\n\r\n".encode())).status == 401
        assert (await client.ask(get(page))).body == b"ok"


async def test_admin_requests_are_neither_logged_nor_counted(gateway: Running) -> None:
    await gateway.admin("/livez")
    metrics = (await gateway.admin("/metrics")).body
    assert b"gateway_requests_total{" not in metrics
    assert b"gateway_connections_open 0.0" in metrics
    assert gateway.stdout.getvalue() == ""


async def test_scrapers_that_vanish_are_no_error(gateway: Running) -> None:
    for _ in range(20):
        client = await gateway.client(gateway.gateway.admin_address)
        await client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        client.reset()
    assert (await gateway.admin("/livez")).status == 200
    assert gateway.errors() == []


async def test_liveness_waits_for_nothing_that_another_page_waits_for(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It responds within a second, or not at all: not behind a scrape that takes its time."""
    admin = gateway.gateway._admin
    assert admin is not None
    rendering, release = threading.Event(), threading.Event()

    def render() -> bytes:
        rendering.set()
        assert release.wait(PATIENCE)
        return b""

    monkeypatch.setattr(admin, "_render_now", render)
    scraping = asyncio.create_task(gateway.admin("/metrics"))
    await asyncio.to_thread(rendering.wait, PATIENCE)
    async with asyncio.timeout(1.0):
        assert (await gateway.admin("/livez")).status == 200
        assert (await gateway.admin("/readyz")).status == 200
    assert not scraping.done()
    release.set()
    assert (await scraping).status == 200
