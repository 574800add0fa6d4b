"""A real Envoy asks over gRPC: the policy table, and what it makes of a yes and a no."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from proxies import API, DECISIONS, ENVOY_GRPC, GRPC, TRAFFIC, proxy

from gateway.core.config.cors import Cors
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.limits import Limits
from gateway.core.config.rates import Rate
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from tests.policy_table import ISSUERS, KEYS, Row, authorization, config_of, part_of, parts
from tests.signer import public_jwk
from tests.wire import Message, RawClient, RawUpstream, Running, config_for, demo_issuer, get, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FORGED = (
    *("X-User-Id: forged", "x_user_id: forged", "X-Client.Id: forged", "X-Token-Scopes: forged"),
    *("X-Gateway-Assertion: forged", "x_token_scopes: forged"),
)
#: where there are many rows that differ in little, a part of them stands for all
NAMES = sorted({name for name, _ in parts()})
PARTS = [(name, part) for name, part in parts() if name not in {"matrix", "walls"} or part == 0]


@asynccontextmanager
async def behind(config: Config, upstream: RawUpstream, folder: Path) -> AsyncIterator[tuple[Running, str]]:
    """A gateway, and an Envoy that asks it, with its address."""
    async with running(config, upstream) as gateway:
        ports = {
            GRPC: gateway.gateway.extras.grpc_address.rpartition(":")[2],
            TRAFFIC: gateway.gateway.address.rpartition(":")[2],
            API: upstream.url.rpartition(":")[2],
            DECISIONS: "1",
        }
        async with proxy(ENVOY_GRPC, folder, ports) as address:
            yield gateway, address


async def ask(gateway: Running, address: str, request: bytes, method: str = "GET") -> tuple[Message, list[Message]]:
    """The response, and what reached the API."""
    gateway.upstream.response = OK
    before = len(gateway.upstream.requests)
    client = await RawClient.connect(address)
    try:
        response = await client.ask(request, method)
    finally:
        await client.close()
    return response, gateway.upstream.requests[before:]


def written(row: Row, now: int) -> bytes:
    lines = [f"{row.method} {row.target} HTTP/1.1", f"Host: {row.host}", *FORGED]
    lines += [f"Authorization: {line.decode()}" for line in authorization(row.client, now)]
    return "\r\n".join([*lines, "", ""]).encode()


def is_envoys_own(response: Message) -> bool:
    """It takes no such request, and asks nobody."""
    return response.status >= 400 and not response.values(b"X-Gateway-Reason")


def differences(row: Row, response: Message, sent: list[Message]) -> list[str]:
    """What is not as the table says; nothing where Envoy itself takes no such request."""
    if is_envoys_own(response):
        return ["it reached the API"] if sent else []
    expected: dict[str, tuple[object, object]] = {
        "status": (response.status, row.status),
        "requests that reached the API": (len(sent), int(row.forwarded is not None)),
    }
    if row.forwarded is None:
        expected["reason"] = (response.values(b"X-Gateway-Reason"), [(row.reason or "").encode()])
        if row.method != "HEAD":
            expected["body"] = (response.problem["reason"], row.reason)
        if row.status == 401:
            expected["challenge"] = (len(response.values(b"WWW-Authenticate")), 1)
    elif sent:
        values = {name.lower() for name, value in sent[0].lines if value == b"forged"}
        user = [value.decode() for value in sent[0].values(b"X-User-Id")]
        basic = row.client == "basic" and row.user is None and row.verdict == "admitted"
        expected |= {
            "request line": (sent[0].start.decode(), f"{row.method} {row.target} HTTP/1.1"),
            "Host": (sent[0].values(b"Host"), [row.host.encode()]),
            "X-User-Id": (user, [row.user] if row.user else []),
            "forged": (values, set()),
            "Authorization": (len(sent[0].values(b"Authorization")), int(basic)),
        }
    return [f"{what}: {found!r}, not {wanted!r}" for what, (found, wanted) in expected.items() if found != wanted]


@pytest.mark.parametrize("name", NAMES)
async def test_envoy_does_what_the_table_says(tmp_path: Path, name: str) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public_jwk(key) for key in KEYS]}))
    nobody = {"jwks_url": "http://127.0.0.1:1/jwks", "allow_http": True}
    upstream = RawUpstream()
    await upstream.start()
    config = config_of(
        name,
        upstream=upstream.url,
        issuers={label: {"jwks_file": str(jwks)} for label in ISSUERS} | {"down": nobody},
        listen="127.0.0.1:0",
        admin="127.0.0.1:0",
        decisions_grpc="127.0.0.1:0",
        trusted_proxies=("127.0.0.1",),
        limits=Limits(drain_delay=Seconds(0), drain=Seconds(5)),
    )
    wrong: dict[str, list[str]] = {}
    by_envoy = 0
    rows = [row for label, part in PARTS if label == name for row in part_of(name, part)]
    async with behind(config, upstream, tmp_path) as (gateway, address):
        now = int(time.time())
        for row in rows:
            response, sent = await ask(gateway, address, written(row, now), row.method)
            by_envoy += is_envoys_own(response)
            if told := differences(row, response, sent):
                wrong[str(row)] = told
    assert not wrong
    assert by_envoy <= 1 + len(rows) // 10


@asynccontextmanager
async def a_world(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Running, str]]:
    jwks = tmp_path / "keys.json"
    jwks.write_text(json.dumps(demo_issuer().jwks()))
    upstream = RawUpstream()
    await upstream.start()
    settings = {"decisions_grpc": "127.0.0.1:0", "trusted_proxies": ("127.0.0.1",), **settings}
    async with behind(config_for(upstream.url, str(jwks), **settings), upstream, tmp_path) as world:
        yield world


async def test_what_a_yes_changes_of_the_request_and_of_the_response(tmp_path: Path) -> None:
    async with a_world(
        tmp_path,
        routes=(RouteSection(path="/*"),),
        cors=Cors(origins=("https://app.test",)),
        rates=(Rate(name="all", per="subject", limit=100),),
        identity_headers={
            "X-User-Id": IdentityHeader(claim="sub"),
            "X-Name": IdentityHeader(claim="name", encoding="none"),
            "X-Roles": IdentityHeader(claim="roles", format="repeat"),
        },
    ) as (gateway, address):
        token = demo_issuer().access_token(alg="ES256", exp=4_000_000_000, name="Zoe Smith", roles=["a,b", "c"])
        request = get("/orders/%41?x=%2F&y=a+b", *FORGED, "X-HTTP-Method-Override: DELETE", "Origin: https://app.test")
        request = request.replace(b"X-HTTP-Method", b"X-Name: forged\r\nX-HTTP-Method")
        first, _, rest = request.partition(b"Authorization: Bearer ")
        request = first + b"Authorization: Bearer " + token.encode() + b"\r\n" + rest.partition(b"\r\n")[2]
        gateway.upstream.response = OK
        client = await RawClient.connect(address)
        response = await client.ask(request)
        await client.close()
        assert response.status == 200, response
        (sent,) = gateway.upstream.requests
        assert sent.start == b"GET /orders/%41?x=%2F&y=a+b HTTP/1.1"
        assert [sent.values(name) for name in (b"X-User-Id", b"X-Name", b"X-Roles")] == [
            [b"alice"],
            [b"Zoe Smith"],
            [b"a%2Cb, c"],
        ]
        assert not {name.lower() for name, value in sent.lines if value in {b"forged", b"DELETE"}}
        assert sent.values(b"Authorization") == []
        assert response.values(b"Access-Control-Allow-Origin") == [b"https://app.test"]
        assert response.values(b"RateLimit-Policy") == [b'"all";q=100;w=60']


async def test_a_no_is_the_one_of_the_traffic_port(tmp_path: Path) -> None:
    async with a_world(
        tmp_path,
        routes=(RouteSection(path="/orders/*", methods=("GET",), scopes=("admin",)),),
        cors=Cors(origins=("https://app.test",)),
    ) as (gateway, address):
        for request in (
            get("/orders/1", "Origin: https://app.test"),
            get("/orders/1", method="DELETE"),
            get("/orders/1", "Authorization: Bearer other"),
            b"GET /orders/1 HTTP/1.1\r\nHost: a\r\n\r\n",
            get("/orders/..%2F1"),
        ):
            denied, sent = await ask(gateway, address, request)
            client = await gateway.client()
            own = await client.ask(request)
            assert sent == []
            assert (denied.status, denied.body) == (own.status, own.body)
            for name in (
                b"WWW-Authenticate",
                b"Allow",
                b"Cache-Control",
                b"Content-Type",
                b"Access-Control-Allow-Origin",
            ):
                assert denied.values(name) == own.values(name), name
            assert denied.values(b"X-Gateway-Reason") == [own.problem["reason"].encode()]


async def test_one_that_is_not_trusted_lets_nobody_through(tmp_path: Path) -> None:
    async with a_world(tmp_path, trusted_proxies=("192.0.2.1",)) as (gateway, address):
        response, sent = await ask(gateway, address, get("/"))
        assert (response.status, response.problem["reason"], sent) == (400, "bad_request", [])


async def test_a_gateway_that_drains_is_not_healthy_and_one_that_is_gone_lets_nobody_through(tmp_path: Path) -> None:
    async with a_world(tmp_path) as (gateway, address):
        assert (await ask(gateway, address, get("/")))[0].status == 200
        await gateway.stop()
        response, sent = await ask(gateway, address, get("/"))
        assert (response.status, response.problem["reason"], sent) == (503, "gateway_unavailable", [])
        assert response.values(b"Retry-After") == [b"5"]
