"""A whole gateway whose API wants tokens of its own: who gets which, and that nobody else does."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.config.assertion import AssertionSection
from gateway.core.config.cors import Cors
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.config.upstreams import BasicCredential, UpstreamCredential, UpstreamSection
from tests.prover import bound_to, proof
from tests.redis_server import SECRET as STORE_SECRET
from tests.redis_server import RedisServer
from tests.token_endpoint import TokenEndpoint
from tests.wire import OK, Conversation, Message, RawUpstream, Running, demo_issuer, good_token, starting, until
from tests.wire import get as asking

SECRET = Secret(file="/run/secret")
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
Exchanging = Callable[..., Awaitable[Running]]


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory, endpoint: TokenEndpoint) -> AsyncIterator[Exchanging]:
    """Starts a gateway whose API gets tokens by `kind`; what differs in the section is in `section`."""
    async with starting(tmp_path_factory.getbasetemp()) as starts:

        async def start(kind: str = "exchange", section: dict[str, Any] | None = None, **settings: Any) -> Running:
            whole: dict[str, Any] = {"token_endpoint": endpoint.url, "client_id": "gateway", "client_secret": SECRET}
            whole |= section or {}
            if kind == "exchange":
                credential = UpstreamCredential(exchange=TokenExchange(**whole))
            else:
                credential = UpstreamCredential(client_credentials=ClientCredentials(**whole))
            return await starts(**{"authorization": credential, "secrets": {SECRET: "s3cret"}, **settings})

        yield start


async def ask(gateway: Running, target: str = "/", *lines: str, data: bytes | None = None) -> Message:
    client = await gateway.client()
    response = await client.ask(asking(target, *lines) if data is None else data)
    client.reset()
    return response


def shown(gateway: Running) -> list[list[bytes]]:
    """What the API got as Authorization, request by request."""
    return [request.values(b"Authorization") for request in gateway.upstream.requests]


def check_that_nothing_was_told(gateway: Running) -> None:
    gateway.silent_about(good_token(), "token-1", "token-2", "s3cret")


async def test_the_api_gets_a_token_in_exchange_and_never_the_callers(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    gateway = await start(section={"audience": "orders"})
    for _ in range(3):
        assert (await ask(gateway)).status == 200
    assert shown(gateway) == [[b"Bearer token-1"]] * 3
    assert gateway.upstream.last.values(b"X-User-Id") == [b"alice"]
    assert [(form["subject_token"], form["audience"]) for form in endpoint.forms] == [(good_token(), "orders")]
    assert good_token().encode() not in gateway.upstream.last.head
    metrics = (await gateway.admin("/metrics")).body
    assert b'gateway_exchanges_total{result="ok",upstream="default"} 1.0' in metrics
    check_that_nothing_was_told(gateway)


async def test_of_a_token_that_is_bound_to_its_clients_key_the_api_sees_neither_that_nor_the_proof(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    gateway = await start(dpop=DPoPSection(), external_url="https://api.example.com")
    token = demo_issuer().access_token(alg="ES256", exp=4_000_000_000, cnf=bound_to())
    sent = [proof(token.encode(), htu="https://api.example.com/", iat=time.time()) for _ in range(2)]
    client = await gateway.client()
    for one in (*sent, sent[0]):
        lines = [b"GET / HTTP/1.1", b"Host: api.example.com", b"Authorization: DPoP " + token.encode(), b"DPoP: " + one]
        response = await client.ask(b"\r\n".join([*lines, b"", b""]))
    assert response.status == 401
    assert response.problem["reason"] == "proof_replayed"
    client.reset()
    assert shown(gateway) == [[b"Bearer token-1"]] * 2
    assert [form["subject_token"] for form in endpoint.forms] == [token]
    heads = b"".join(request.head for request in gateway.upstream.requests)
    assert not any(secret in heads for secret in (token.encode(), *sent))
    assert gateway.upstream.last.values(b"DPoP") == []
    gateway.silent_about(token, *(one.decode() for one in sent), "token-1", "s3cret")


async def test_nothing_is_exchanged_for_who_was_not_admitted_in_full(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    routes = (
        RouteSection(path="/health", access="public"),
        RouteSection(path="/trial", scopes=("nobody:has",), mode="report"),
        RouteSection(path="/sound", mode="report"),
        RouteSection(path="/admin", scopes=("nobody:has",)),
        RouteSection(path="/small", methods=("POST",)),
    )
    gateway = await start(routes=routes, cors=Cors(origins=("https://spa.example",)), limits={"body_bytes": 1})
    anonymous = b"GET /health HTTP/1.1\r\nHost: api.test\r\nAuthorization: Basic YTpi\r\n\r\n"
    assert (await ask(gateway, data=anonymous)).status == 200
    assert (await ask(gateway, "/health")).status == 200
    assert (await ask(gateway, "/trial")).status == 200
    assert (
        await ask(gateway, data=b"GET /trial HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer x\r\n\r\n")
    ).status == 200
    assert (await ask(gateway, "/admin")).status == 403
    preflight = "OPTIONS /admin HTTP/1.1\r\nHost: a\r\nOrigin: https://spa.example\r\nAccess-Control-Request-Method: GET\r\n\r\n"
    assert (await ask(gateway, data=preflight.encode())).status == 204
    assert (await ask(gateway, data=asking("/small", "Content-Length: 2", method="POST") + b"ab")).status == 413
    assert shown(gateway) == [[]] * 4
    assert endpoint.asked == []
    # One that would have been admitted anyway is served as it will be.
    assert (await ask(gateway, "/sound")).status == 200
    assert shown(gateway)[-1] == [b"Bearer token-1"]


@pytest.mark.parametrize(
    ("says", "status", "reason", "evidence", "is_loud"),
    [
        ((400, {"error": "invalid_grant"}), 403, "exchange_refused", "the token endpoint says invalid_grant", False),
        ((401, {"error": "invalid_client"}), 503, "exchange_unavailable", "the token endpoint says invalid_client, with status 401", True),
        ((200, b"<html>"), 503, "exchange_unavailable", "the token endpoint did not respond with a JSON object", True),
        ((500, b""), 503, "exchange_unavailable", "the token endpoint says nothing that could be understood, with status 500", True),
    ],
)  # fmt: skip
async def test_no_token_is_a_refusal_and_the_api_hears_nothing(
    start: Exchanging,
    endpoint: TokenEndpoint,
    says: tuple[int, object],
    status: int,
    reason: str,
    evidence: str,
    *,
    is_loud: bool,
) -> None:
    endpoint.say(*says)
    gateway = await start()
    for _ in range(2):
        response = await ask(gateway)
        assert (response.status, response.problem["reason"]) == (status, reason)
        assert bool(response.values(b"Retry-After")) == (status == 503)
    assert (await gateway.ended(2))["evidence"] == evidence
    assert gateway.upstream.requests == []
    assert len(endpoint.asked) == 1
    assert [error["message"] for error in gateway.errors()] == (
        [f"upstream default: its token cannot be had: {evidence}"] if is_loud else []
    )
    check_that_nothing_was_told(gateway)


async def test_after_a_401_of_the_api_the_next_request_has_another(start: Exchanging, endpoint: TokenEndpoint) -> None:
    gateway = await start()
    gateway.upstream.response = UNAUTHORIZED
    assert (await ask(gateway)).status == 401
    gateway.upstream.response = OK
    assert (await ask(gateway)).status == 200
    assert (await ask(gateway)).status == 200
    assert shown(gateway) == [[b"Bearer token-1"], [b"Bearer token-2"], [b"Bearer token-2"]]


async def test_a_401_of_another_upstream_or_without_a_token_drops_nothing(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    other = RawUpstream()
    await other.start()
    routes = (RouteSection(path="/other", upstream="other"), RouteSection(path="/health", access="public"))
    try:
        gateway = await start(routes=routes, upstreams={"other": UpstreamSection(url=other.url)})
        assert (await ask(gateway)).status == 200
        other.response = gateway.upstream.response = UNAUTHORIZED
        assert (await ask(gateway, "/other")).status == 401
        assert (await ask(gateway, "/health")).status == 401
        gateway.upstream.response = OK
        assert (await ask(gateway)).status == 200
        # It is never shown to anybody but the API that it was made for.
        assert other.last.values(b"Authorization") == []
    finally:
        await other.stop()
    assert shown(gateway) == [[b"Bearer token-1"], [], [b"Bearer token-1"]]


async def test_a_websocket_and_a_request_that_is_sent_again_have_it_as_well(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    gateway = await start()

    async def once_each(upstream: Conversation) -> None:
        # Nothing comes on a connection that has served.
        for _ in range(2):
            await upstream.request()
            if len(upstream.requests) == 2:
                return
            await upstream.say(OK)

    gateway.upstream.behaviour = once_each
    client = await gateway.client()
    assert (await client.ask(asking())).status == 200
    assert (await client.ask(asking())).status == 200
    assert shown(gateway) == [[b"Bearer token-1"]] * 3

    async def refuse(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(UNAUTHORIZED)

    gateway.upstream.behaviour = refuse
    gateway.upstream.reset()
    handshake = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
    assert (await ask(gateway, "/chat", *handshake)).status == 401
    gateway.upstream.behaviour = None
    assert (await ask(gateway)).status == 200
    assert shown(gateway)[3:] == [[b"Bearer token-1"], [b"Bearer token-2"]]


async def test_a_secret_that_was_replaced_is_used_from_the_next_call_on(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    gateway = await start(section={"auth": "client_secret_post", "cache": Seconds(0)})
    assert (await ask(gateway)).status == 200
    # What the following of files does, ten seconds later.
    gateway.gateway.assembly.secrets._secrets[SECRET] = "another"
    assert (await ask(gateway)).status == 200
    assert [form["client_secret"] for form in endpoint.forms] == ["s3cret", "another"]


async def test_who_goes_away_while_the_token_is_asked_for_harms_nobody(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    gateway = await start()
    endpoint.free.clear()
    gone, stays = await gateway.client(), await gateway.client()
    await gone.send(asking())
    await stays.send(asking())
    await endpoint.was_asked(1)
    gone.reset()
    await gateway.ended(1)
    endpoint.free.set()
    assert (await stays.response()).status == 200
    assert len(endpoint.asked) == 1


# The gateway's own


async def test_the_gateways_own_token_stands_on_every_request_but_a_preflight(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    routes = (RouteSection(path="/health", access="public"),)
    gateway = await start("client_credentials", routes=routes, cors="upstream", section={"scope": "orders"})
    await endpoint.was_asked(1)
    assert (await ask(gateway)).status == 200
    assert (
        await ask(gateway, data=b"GET /health HTTP/1.1\r\nHost: api.test\r\nAuthorization: Basic YTpi\r\n\r\n")
    ).status == 200
    preflight = b"OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: GET\r\n\r\n"
    assert (await ask(gateway, data=preflight)).status == 200
    assert shown(gateway) == [[b"Bearer token-1"], [b"Bearer token-1"], []]
    assert endpoint.forms == [{"grant_type": "client_credentials", "scope": "orders"}]
    gateway.upstream.response = UNAUTHORIZED
    assert (await ask(gateway)).status == 401
    gateway.upstream.response = OK
    assert (await ask(gateway)).status == 200
    assert shown(gateway)[-1] == [b"Bearer token-2"]
    check_that_nothing_was_told(gateway)


async def test_without_it_there_is_503_and_readiness_says_so(start: Exchanging, endpoint: TokenEndpoint) -> None:
    endpoint.say(401, {"error": "invalid_client"})
    gateway = await start("client_credentials")
    await until(lambda: all(token.first_fetch_ended for token in gateway.gateway.assembly.tokens.status()))  # type: ignore[union-attr]
    response = await ask(gateway)
    assert (response.status, response.problem["reason"]) == (503, "exchange_unavailable")
    assert gateway.upstream.requests == []
    ready = await gateway.admin("/readyz")
    why = "the token endpoint says invalid_client, with status 401"
    assert (ready.status, json.loads(ready.body)["missing"]) == (503, [{"issuer": "upstream default", "reason": why}])
    endpoint.says = None
    await endpoint.was_asked(len(endpoint.asked) + 1)
    await until(lambda: gateway.gateway.readiness().ready)
    assert (await ask(gateway)).status == 200


async def test_one_upstream_without_a_token_does_not_end_the_service_of_another(
    start: Exchanging, endpoint: TokenEndpoint
) -> None:
    endpoint.say(500, b"")
    gateway = await start("client_credentials", upstreams={"other": UpstreamSection(url="http://127.0.0.1:1")})
    await until(lambda: gateway.gateway.readiness().started)
    ready = gateway.gateway.readiness()
    assert ready.ready
    assert [name for name, _ in ready.missing] == ["upstream default"]


# The assertion


@pytest.mark.parametrize(
    ("credential", "is_beside"),
    [
        ("assertion", False),
        (UpstreamCredential(assertion="alone"), False),
        (UpstreamCredential(assertion="beside"), True),
    ],
)
async def test_the_proof_of_origin_is_the_apis_authorization(
    tmp_path: Path, credential: Any, *, is_beside: bool
) -> None:
    routes = (RouteSection(path="/health", access="public"), RouteSection(path="/other", upstream="other"))
    async with starting(tmp_path) as starts:
        gateway = await starts(authorization=credential, assertion=AssertionSection(issuer="g"), routes=routes)
        for _ in range(2):
            assert (await ask(gateway)).status == 200
            (value,) = gateway.upstream.last.values(b"Authorization")
            own = gateway.upstream.last.values(b"X-Gateway-Assertion")
            assert value.startswith(b"Bearer eyJ")
            assert own == ([value.removeprefix(b"Bearer ")] if is_beside else [])
        forged = b"GET /health HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\nX-Gateway-Assertion: forged\r\n\r\n"
        assert (await ask(gateway, data=forged)).status == 200
        assert gateway.upstream.last.values(b"Authorization") == []
        assert gateway.upstream.last.values(b"X-Gateway-Assertion") == []


# The decision API


@pytest.mark.parametrize("kind", ["exchange", "client_credentials", "assertion"])
async def test_a_decision_has_the_token_for_the_api_to_copy(
    start: Exchanging, endpoint: TokenEndpoint, kind: str
) -> None:
    settings: dict[str, Any] = {"decisions": "127.0.0.1:0", "trusted_proxies": ("127.0.0.0/8",)}
    if kind == "assertion":
        settings |= {"authorization": "assertion", "assertion": AssertionSection(issuer="g")}
    routes = (RouteSection(path="/health", access="public"),)
    gateway = await start("exchange" if kind == "assertion" else kind, routes=routes, **settings)
    client = await gateway.client(gateway.gateway.decisions_address)
    head = "GET /forward HTTP/1.1\r\nHost: g\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: https\r\n"
    yes = await client.ask(f"{head}X-Forwarded-Uri: /orders\r\nAuthorization: Bearer {good_token()}\r\n\r\n".encode())
    assert yes.status == 200
    (value,) = yes.values(b"Authorization")
    assert value.startswith(b"Bearer eyJ") if kind == "assertion" else value == b"Bearer token-1"
    public = await client.ask(f"{head}X-Forwarded-Uri: /health\r\nAuthorization: Basic YTpi\r\n\r\n".encode())
    # Never the client's: where there is no token the line is empty, so that a proxy takes the client's away.
    assert public.values(b"Authorization") == [b"Bearer token-1" if kind == "client_credentials" else b""]
    endpoint.say(400, {"error": "access_denied"})
    if kind == "exchange":
        token = good_token()[:-1] + ("A" if good_token()[-1] != "A" else "B")
        no = await client.ask(f"{head}X-Forwarded-Uri: /orders\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        assert no.status == 401


async def test_a_configuration_without_tokens_asks_for_none(tmp_path: Path, endpoint: TokenEndpoint) -> None:
    credential = UpstreamCredential(basic=BasicCredential(user="a", password=SECRET))
    async with starting(tmp_path) as starts:
        gateway = await starts(authorization=credential, secrets={SECRET: "s3cret"}, upstreams={})
        assert gateway.gateway.assembly.tokens is None
        gateway.upstream.response = UNAUTHORIZED
        assert (await ask(gateway)).status == 401
    await asyncio.sleep(0)
    assert endpoint.asked == []


def test_a_token_is_kept_for_five_minutes_where_nothing_else_is_said() -> None:
    assert TokenExchange(token_endpoint="https://a").cache == Seconds(300)


async def test_replicas_share_tokens_in_a_store_that_tells_nothing(
    start: Exchanging, endpoint: TokenEndpoint, redis: RedisServer
) -> None:
    secrets = {SECRET: "s3cret", redis.section().secrets[0]: STORE_SECRET}
    gateways = [await start(store=redis.section(), secrets=secrets) for _ in range(2)]
    for gateway in gateways:
        assert (await ask(gateway)).status == 200
        assert shown(gateway) == [[b"Bearer token-1"]]
    assert len(endpoint.asked) == 1
    (name,) = (key for key in redis.dump() if b"exchange" in key)
    assert 0 < int(redis.ask("TTL", name)) <= 290
    kept = repr(redis.dump())
    for told in (good_token()[:16], good_token()[-16:], "token-1", "alice", "gateway-", endpoint.url, "s3cret"):
        assert told not in kept
    # What was refused at one is not what the other finds there.
    gateways[0].upstream.response = UNAUTHORIZED
    assert (await ask(gateways[0])).status == 401
    gateways[0].upstream.response = OK
    assert (await ask(gateways[0])).status == 200
    assert shown(gateways[0])[-1] == [b"Bearer token-2"]
    # Without it each goes on by itself.
    redis.kill()
    assert (await ask(gateways[1])).status == 200
    another = demo_issuer().access_token(alg="ES256", exp=4_000_000_000, sub="bob")
    data = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {another}\r\n\r\n".encode()
    assert (await ask(gateways[1], data=data)).status == 200
    assert shown(gateways[1])[-1] == [b"Bearer token-3"]
    await gateways[0].stop()
    await gateways[0].upstream.stop()
