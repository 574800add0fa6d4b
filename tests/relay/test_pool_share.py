"""Strangers never hold a whole upstream: requests on public routes, and tunnels, get three quarters of its connections."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from tests.relay.test_cors import preflight
from tests.relay.test_faults import CHUNKED
from tests.relay.test_tunnel import ANONYMOUS, SWITCH, handshake
from tests.relay.upstream.test_upstreams import Held
from tests.wire import OK, PATIENCE, Conversation, Message, RawClient, Running, Start, bearer, chunks, get, post, until

OPEN = (RouteSection(path="/open/*", access="public"), RouteSection(path="/*"))
#: connections to the upstream, and what strangers may have of them
MOST, SHARE = 4, 3
#: seconds
WAIT = 0.2


def anonymous(raw: bytes) -> bytes:
    return raw.replace(bearer(), b"")


async def serve_the_known(upstream: Conversation, hold: Callable[[Conversation, Message], Awaitable[None]]) -> None:
    """Responds to who comes with an identity; holds the others."""
    while True:
        head = await upstream.head()
        if not head.values(b"X-User-Id"):
            await hold(upstream, head)
            return
        await upstream.say(OK)


async def say_nothing(upstream: Conversation, head: Message) -> None:
    await upstream.until_ended()


async def begin_events(upstream: Conversation, head: Message) -> None:
    await upstream.say(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n") + chunks(b"data: 1\n\n")
    )
    await upstream.until_ended()


async def send_much(upstream: Conversation, head: Message) -> None:
    """A response that nobody takes."""
    await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    while True:
        await upstream.say(b"x" * 1_000_000)


async def begin_tunnel(upstream: Conversation, head: Message) -> None:
    await upstream.say(SWITCH)
    await upstream.until_ended()


HOLDS = {
    "uploads": (anonymous(post(b"x" * 100, target="/open/1")[:-50]), say_nothing),
    "uploads in chunks": (
        anonymous(get("/open/1", "Transfer-Encoding: chunked", method="POST")) + b"1\r\nx\r\n",
        say_nothing,
    ),
    "requests": (anonymous(get("/open/1")), say_nothing),
    "event streams": (anonymous(get("/open/1")), begin_events),
    "responses": (anonymous(get("/open/1")), send_much),
    "tunnels": (ANONYMOUS.replace(b"GET / ", b"GET /open/1 "), begin_tunnel),
}


async def crowd(gateway: Running, request: bytes, count: int) -> list[RawClient]:
    clients = []
    for _ in range(count):
        client = await gateway.client()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(request)
        clients.append(client)
    await until(lambda: len(gateway.upstream.conversations) >= min(count, 2))
    await asyncio.sleep(0.02)
    return clients


def holding(gateway: Running, hold: Callable[[Conversation, Message], Awaitable[None]]) -> None:
    gateway.upstream.behaviour = lambda upstream: serve_the_known(upstream, hold)


@pytest.mark.parametrize("kind", HOLDS)
async def test_requests_on_public_routes_never_hold_a_whole_upstream(start: Start, kind: str) -> None:
    request, hold = HOLDS[kind]
    gateway = await start(max_connections=MOST, pool_timeout=Seconds(WAIT), routes=OPEN)
    holding(gateway, hold)
    await crowd(gateway, request, 2 * MOST)
    for _ in range(3):
        response = await (await gateway.client()).ask(get("/mine"))
        assert response.status == 200, response.body


async def test_preflights_that_the_api_responds_to_never_hold_a_whole_upstream(start: Start) -> None:
    """They need no token either."""
    gateway = await start(max_connections=MOST, pool_timeout=Seconds(WAIT), cors="upstream")
    holding(gateway, say_nothing)
    await crowd(gateway, preflight("/any"), 2 * MOST)
    assert (await (await gateway.client()).ask(get("/mine"))).status == 200


@pytest.mark.parametrize(("most", "share"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (10, 7)])
async def test_the_share_is_three_quarters_and_at_least_one(start: Start, most: int, share: int) -> None:
    gateway = await start(max_connections=most, pool_timeout=Seconds(WAIT), routes=OPEN)
    holding(gateway, say_nothing)
    clients = [await gateway.client() for _ in range(most + 1)]
    for client in clients:
        await client.send(anonymous(get("/open/1")))
    await asyncio.sleep(2 * WAIT)
    assert len(gateway.upstream.conversations) == share
    refused = [client for client in clients if client.reader._buffer]  # type: ignore[attr-defined]
    assert len(refused) == most + 1 - share


async def test_a_stranger_too_many_is_told_what_anybody_is_told(start: Start) -> None:
    gateway = await start(max_connections=MOST, pool_timeout=Seconds(WAIT), routes=OPEN)
    holding(gateway, say_nothing)
    await crowd(gateway, anonymous(get("/open/1")), SHARE)
    before = asyncio.get_running_loop().time()
    client = await gateway.client()
    await client.send(anonymous(get("/open/2")))
    await asyncio.sleep(WAIT / 2)
    assert len(gateway.upstream.conversations) == SHARE
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (503, "upstream_busy")
    assert response.values(b"Retry-After")
    assert asyncio.get_running_loop().time() - before >= WAIT


async def test_the_share_is_of_each_upstream(start: Start) -> None:
    """And of all public routes together."""
    routes = (
        RouteSection(path="/open/*", access="public"),
        RouteSection(path="/more/*", access="public"),
        RouteSection(path="/*"),
    )
    gateway = await start(max_connections=MOST, pool_timeout=Seconds(WAIT), routes=routes)
    holding(gateway, say_nothing)
    await crowd(gateway, anonymous(get("/open/1")), 2)
    await crowd(gateway, anonymous(get("/more/1")), 4)
    assert len(gateway.upstream.conversations) == SHARE
    assert (await (await gateway.client()).ask(get("/mine"))).status == 200


async def test_whoever_shows_a_token_may_have_all_of_it(start: Start) -> None:
    gateway = await start(max_connections=MOST, pool_timeout=Seconds(WAIT), routes=OPEN)
    held = Held(gateway)
    clients = [await gateway.client() for _ in range(MOST)]
    for number, client in enumerate(clients):
        await client.send(get(f"/{number}"))
        await held.until_came(f"/{number}")
    for number, client in enumerate(clients):
        held.release(f"/{number}")
        assert (await client.response()).status == 200


async def test_strangers_that_wait_do_not_stand_before_others(start: Start) -> None:
    gateway = await start(max_connections=MOST, pool_timeout=Seconds(2), routes=OPEN)
    held = Held(gateway)

    async def ask(raw: bytes) -> RawClient:
        client = await gateway.client()
        await client.send(raw)
        return client

    for target in ("/open/1", "/open/2", "/open/3"):
        await ask(anonymous(get(target)))
        await held.until_came(target)
    known = await ask(get("/known"))
    await held.until_came("/known")
    await ask(anonymous(get("/open/4")))
    await asyncio.sleep(0.05)
    other = await ask(get("/other"))
    await asyncio.sleep(0.05)
    held.release("/known")
    assert (await known.response()).status == 200
    await held.until_came("/other")
    assert "/open/4" not in held.came
    held.release("/other")
    assert (await other.response()).status == 200
    # A stranger's place goes to the stranger that waits.
    held.release("/open/1")
    await held.until_came("/open/4")


@pytest.mark.parametrize("ending", ["response", "close", "reset", "client"])
async def test_a_strangers_place_is_given_back_however_it_ends(start: Start, ending: str) -> None:
    gateway = await start(max_connections=MOST, pool_timeout=Seconds(WAIT), routes=OPEN)
    go = asyncio.Event()

    async def hold(upstream: Conversation, head: Message) -> None:
        await go.wait()
        if ending == "response":
            await upstream.say(OK)
            await upstream.until_ended()
        elif ending == "close":
            await upstream.say(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        elif ending == "reset":
            upstream.reset()
        else:
            await upstream.until_ended()

    holding(gateway, hold)
    for times in range(1, 4):
        go.clear()
        known = len(gateway.upstream.conversations)
        clients = [await gateway.client() for _ in range(SHARE)]
        for client in clients:
            await client.send(anonymous(get("/open/1")))
        if ending != "response" or times == 1:
            await gateway.upstream.connected(known + SHARE)
        go.set()
        for client in clients:
            if ending != "client":
                assert (await client.response()).status == (502 if ending == "reset" else 200)
            client.reset()
        await gateway.connections(0)
        if ending == "response":
            return


# Tunnels


async def test_tunnels_get_three_quarters_of_an_upstream_whoever_opens_them(start: Start) -> None:
    gateway = await start(max_connections=MOST, pool_timeout=Seconds(WAIT))

    async def behave(upstream: Conversation) -> None:
        while True:
            head = await upstream.head()
            if head.values(b"Upgrade"):
                await upstream.say(SWITCH)
                await upstream.until_ended()
                return
            await upstream.say(OK)

    gateway.upstream.behaviour = behave
    clients = []
    for _ in range(SHARE):
        client = await gateway.client()
        assert (await client.ask(handshake())).status == 101
        clients.append(client)
    response = await (await gateway.client()).ask(handshake())
    assert response.status == 503
    assert response.values(b"Retry-After")
    assert (await (await gateway.client()).ask(get("/mine"))).status == 200
    await clients[0].close()
    async with asyncio.timeout(PATIENCE):
        while (await (await gateway.client()).ask(handshake())).status != 101:  # noqa: ASYNC110 -- asked for again
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("ending", ["close", "reset", "upstream", "refused"])
async def test_the_limit_on_tunnels_is_configured(start: Start, ending: str) -> None:
    settings: dict[str, Any] = {"limits": {"tunnels": 2}}
    gateway = await start(**settings)
    agrees = True

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        if agrees:
            await upstream.say(SWITCH)
            await upstream.until_ended()
        else:
            await upstream.say(OK)

    gateway.upstream.behaviour = behave
    for _ in range(3):
        if ending == "refused":
            # What never became a tunnel counts as none.
            agrees = False
            for _ in range(3):
                assert (await (await gateway.client()).ask(handshake())).status == 200
            agrees = True
        clients = [await gateway.client() for _ in range(2)]
        known = len(gateway.upstream.conversations)
        for client in clients:
            assert (await client.ask(handshake())).status == 101
        assert (await (await gateway.client()).ask(handshake())).status == 503
        for upstream in gateway.upstream.conversations[known:]:
            if ending == "upstream":
                upstream.writer.close()
        for client in clients:
            if ending == "reset":
                client.reset()
            elif ending != "upstream":
                await client.close()
        await until(lambda: all(upstream.ended.is_set() for upstream in gateway.upstream.conversations))
        for client in gateway.clients:
            client.reset()
        await gateway.connections(0)
