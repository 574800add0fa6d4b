"""Pages of other origins, on the wire: preflights, responses of the API, refusals."""

import json
from typing import Any

import pytest

from gateway.core.config.cors import Cors
from gateway.core.config.routes import RouteSection
from gateway.core.config.upstreams import UpstreamSection
from tests.wire import Message, RawClient, Running, Start, bearer, get

APP = "https://app.example.com"
ORIGIN = f"Origin: {APP}"
PAGE = Cors(origins=(APP,))
ALLOWED = {
    b"Vary": b"Origin",
    b"Access-Control-Allow-Origin": APP.encode(),
    b"Access-Control-Expose-Headers": b"WWW-Authenticate, Retry-After",
}


def preflight(target: str = "/", *lines: str, method: str = "PUT", origin: str = APP) -> bytes:
    """What a browser sends: no token."""
    head = "".join(f"{line}\r\n" for line in (f"Access-Control-Request-Method: {method}", *lines))
    return f"OPTIONS {target} HTTP/1.1\r\nHost: api.test\r\nOrigin: {origin}\r\n{head}\r\n".encode()


def anonymous(target: str = "/", *lines: str, method: str = "GET") -> bytes:
    return get(target, *lines, method=method).replace(bearer(), b"")


def cors_of(response: Message) -> dict[bytes, bytes]:
    """What a response says of CORS; fails when it says something twice."""
    lines = [line for line in response.lines if line[0].lower().startswith((b"access-control-", b"vary"))]
    assert len(lines) == len({name.lower() for name, _ in lines})
    return dict(lines)


async def test_a_preflight_is_answered_without_a_token_and_the_api_hears_nothing(start: Start) -> None:
    gateway = await start(cors=PAGE)
    client = await gateway.client()
    response = await client.ask(preflight("/orders", "Access-Control-Request-Headers: authorization"), "OPTIONS")
    assert response.head == (
        b"HTTP/1.1 204 No Content\r\n"
        b"Vary: Origin\r\n"
        b"Access-Control-Allow-Origin: https://app.example.com\r\n"
        b"Access-Control-Allow-Methods: PUT\r\n"
        b"Access-Control-Allow-Headers: Authorization, Content-Type\r\n"
        b"Access-Control-Max-Age: 600"
    )
    assert (await client.ask(get())).body == b"ok"
    assert [request.start for request in gateway.upstream.requests] == [b"GET / HTTP/1.1"]


async def test_a_preflight_is_logged_and_counted_as_admitted_on_its_route(start: Start) -> None:
    gateway = await start(cors=PAGE, routes=(RouteSection(path="/orders/*", methods=("PUT",), name="orders"),))
    assert (await (await gateway.client()).ask(preflight("/orders/1"))).status == 204
    record = await gateway.ended()
    assert (record["route"], record["outcome"], record["status"]) == ("orders", "admitted", 204)
    assert "reason" not in record
    assert "upstream_ms" not in record
    counted = b'gateway_requests_total{outcome="admitted",reason="-",route="orders",status="2xx"} 1.0'
    assert counted in (await gateway.admin("/metrics")).body


async def test_a_preflight_of_another_origin_is_told_nothing(start: Start) -> None:
    gateway = await start(cors=PAGE)
    response = await (await gateway.client()).ask(preflight(origin="https://evil.example"))
    assert (response.status, cors_of(response)) == (204, {b"Vary": b"Origin"})
    assert gateway.upstream.requests == []


async def test_a_preflight_without_cors_needs_a_token_like_any_other_request(
    gateway: Running, client: RawClient
) -> None:
    response = await client.ask(preflight())
    assert (response.status, response.problem["reason"], cors_of(response)) == (401, "missing_credential", {})
    assert gateway.upstream.requests == []
    lines = (ORIGIN, "Access-Control-Request-Method: PUT")
    assert (await client.ask(get("/", *lines, method="OPTIONS"), "OPTIONS")).status == 200
    assert gateway.upstream.last.start == b"OPTIONS / HTTP/1.1"


async def test_an_options_request_that_is_no_preflight_needs_a_token(start: Start) -> None:
    gateway = await start(cors=PAGE)
    client = await gateway.client()
    for lines in ((), (ORIGIN,), (ORIGIN, "Access-Control-Request-Method: put")):
        assert (await client.ask(anonymous("/", *lines, method="OPTIONS"))).problem["reason"] == "missing_credential"
    body = preflight("/", "Content-Length: 2") + b"{}"
    assert (await client.ask(body)).problem["reason"] == "missing_credential"
    assert gateway.upstream.requests == []


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 204), ("HEAD", 204), ("PUT", 401), ("DELETE", 200), ("PATCH", 405)]
)
async def test_the_method_a_preflight_announces_chooses_the_route(start: Start, method: str, status: int) -> None:
    # PUT has no cors of its own, PATCH no route: both are OPTIONS requests like any other.
    without_options = (
        RouteSection(path="/a", methods=("GET",), cors=PAGE),
        RouteSection(path="/a", methods=("PUT",), cors=None),
        RouteSection(path="/a", methods=("DELETE",), cors="upstream"),
    )
    options = (RouteSection(path="/a", methods=("OPTIONS",), name="any"),) if method == "PUT" else ()
    gateway = await start(routes=without_options + options)
    assert (await (await gateway.client()).ask(preflight("/a", method=method), "OPTIONS")).status == status
    assert len(gateway.upstream.requests) == (status == 200)


async def test_a_refusal_can_be_read_by_the_page(start: Start) -> None:
    gateway = await start(cors=PAGE)
    client = await gateway.client()
    for request, status in (
        (anonymous("/", ORIGIN), 401),
        (anonymous("/", ORIGIN, "Authorization: Bearer"), 400),
        (anonymous("/", ORIGIN, "Authorization: Bearer a.b.c"), 401),
    ):
        response = await (await gateway.client()).ask(request)
        assert (response.status, cors_of(response)) == (status, ALLOWED)
        assert response.problem["reason"]
        assert response.values(b"WWW-Authenticate")
    assert cors_of(await client.ask(anonymous("/"))) == {b"Vary": b"Origin"}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (get("/a//b", ORIGIN), "ambiguous_path"),
        (get("/none", ORIGIN), "no_route"),
        (get("/a", ORIGIN, method="PUT"), "method_not_allowed"),
    ],
)
async def test_a_refusal_without_a_route_has_the_cors_of_the_file(start: Start, request_: bytes, reason: str) -> None:
    other = Cors(origins=("https://other.example.com",))
    gateway = await start(
        cors=PAGE, routes=(RouteSection(path="/a", methods=("GET",), cors=other),), unmatched="refuse"
    )
    response = await (await gateway.client()).ask(request_)
    assert (response.problem["reason"], cors_of(response)) == (reason, ALLOWED)


async def test_a_refusal_for_the_upstream_can_be_read_by_the_page(start: Start) -> None:
    gateway = await start(cors=PAGE, upstream="http://127.0.0.1:1")
    response = await (await gateway.client()).ask(get("/", ORIGIN))
    assert (response.problem["reason"], cors_of(response)) == ("upstream_unreachable", ALLOWED)


async def test_the_response_of_the_parser_says_nothing_to_the_page(start: Start) -> None:
    gateway = await start(cors=PAGE)
    response = await (await gateway.client()).ask(
        b"GET / HTTP/1.1\r\nHost: a\r\n" + ORIGIN.encode() + b"\r\nA B: c\r\n\r\n"
    )
    assert (response.status, cors_of(response)) == (400, {})


async def test_what_the_api_says_of_cors_is_replaced(start: Start) -> None:
    gateway = await start(cors=Cors(origins=(APP,), expose=("ETag",), credentials=True))
    gateway.upstream.response = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\nvary: Accept-Encoding\r\n"
        b"Access-Control-Allow-Credentials: false\r\naccess-control-expose-headers: *\r\nX-Kept: 1\r\n\r\nok"
    )
    client = await gateway.client()
    response = await client.ask(get("/", ORIGIN))
    assert (response.body, response.values(b"X-Kept")) == (b"ok", [b"1"])
    assert cors_of(response) == {
        b"vary": b"Accept-Encoding, Origin",
        b"Access-Control-Allow-Origin": APP.encode(),
        b"Access-Control-Allow-Credentials": b"true",
        b"Access-Control-Expose-Headers": b"WWW-Authenticate, Retry-After, ETag",
    }
    for origin in ((), ("Origin: https://evil.example",), ("Origin: null",), (ORIGIN, ORIGIN)):
        response = await client.ask(get("/", *origin))
        assert (response.status, cors_of(response)) == (200, {b"vary": b"Accept-Encoding, Origin"})


async def test_the_api_cannot_nominate_our_lines_away(start: Start) -> None:
    gateway = await start(cors=PAGE)
    gateway.upstream.response = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: vary, access-control-allow-origin\r\n\r\nok"
    )
    assert cors_of(await (await gateway.client()).ask(get("/", ORIGIN))) == ALLOWED


async def test_without_cors_the_api_speaks_for_itself(gateway: Running, client: RawClient) -> None:
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\n\r\nok"
    assert cors_of(await client.ask(get("/", ORIGIN))) == {b"Access-Control-Allow-Origin": b"*"}


# Where the API responds to preflights


@pytest.mark.parametrize(
    "settings",
    [
        {"cors": "upstream"},
        {"routes": (RouteSection(path="/*", cors="upstream", scopes=("none:has",)),), "pass_override_headers": True},
        {"routes": (RouteSection(path="/*", cors="upstream", access="public"),)},
    ],
)
async def test_an_api_that_responds_to_preflights_learns_nothing_it_could_mistake_for_an_identity(
    start: Start, settings: dict[str, Any]
) -> None:
    first = await start()  # lends its upstream
    first.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
    upstreams = {"default": UpstreamSection(url=first.upstream.url, authorization="keep")}
    gateway = await start(**settings, upstream=None, upstreams=upstreams)
    tricks = (
        bearer().decode().rstrip(),
        "X-User-Id: root",
        "x_client_id: root",
        "X-Gateway-Assertion: root",
        "X-HTTP-Method-Override: DELETE",
    )
    response = await (await gateway.client()).ask(preflight("/orders?a=1", *tricks), "OPTIONS")
    assert (response.status, cors_of(response)) == (200, {b"Access-Control-Allow-Origin": b"*"})
    sent = first.upstream.last
    assert sent.start == b"OPTIONS /orders?a=1 HTTP/1.1"
    assert {name.lower() for name, _ in sent.lines} == {
        b"host", b"origin", b"access-control-request-method", b"x-forwarded-for", b"x-forwarded-proto",
        b"x-forwarded-host", b"x-request-id",
    }  # fmt: skip
    record = await gateway.ended()
    assert (record["outcome"], record["status"]) == ("admitted", 200)
    assert "sub" not in record


async def test_with_cors_upstream_responses_are_the_apis_and_refusals_say_nothing(start: Start) -> None:
    gateway = await start(cors="upstream")
    gateway.upstream.response = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: https://x\r\nVary: Accept\r\n\r\nok"
    )
    client = await gateway.client()
    response = await client.ask(get("/", ORIGIN))
    assert cors_of(response) == {b"Access-Control-Allow-Origin": b"https://x", b"Vary": b"Accept"}
    response = await client.ask(anonymous("/", ORIGIN))
    assert (json.loads(response.body)["reason"], cors_of(response)) == ("missing_credential", {})
