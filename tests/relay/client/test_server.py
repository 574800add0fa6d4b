"""How many connections there may be, and what is left when they are gone."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.errors import Refusal
from gateway.messages import OwnResponse
from gateway.ports import Exchange
from gateway.relay.client.server import Server
from gateway.relay.sweep import Clock
from tests.wire import RawClient, Running, Start, get, post, until


async def test_beyond_the_connection_limit_an_idle_one_gives_way(start: Start) -> None:
    gateway = await start(limits={"connections": 2})
    clients = [await gateway.client() for _ in range(2)]
    for client in clients:
        assert (await client.ask(get())).status == 200
    third = await gateway.client()
    assert (await third.ask(get())).status == 200
    assert await clients[0].is_closed()
    assert (await clients[1].ask(get())).status == 200


async def test_beyond_the_connection_limit_there_is_a_response(start: Start) -> None:
    gateway = await start(limits={"connections": 2})
    clients = [await gateway.client() for _ in range(2)]
    for client in clients:
        assert (await client.ask(get())).status == 200
        # A body that is owed: who has sent no more than a part of a head gives way.
        await client.send(post(b"ab")[:-1])
    await until(lambda: len(gateway.upstream.requests) == 4)
    third = await gateway.client()
    response = await third.response()
    assert (response.status, response.problem["reason"]) == (503, "overloaded")
    assert response.values(b"Connection") == [b"close"]
    assert response.values(b"Retry-After")
    assert await third.is_closed()
    assert (await gateway.ended(3))["reason"] == "overloaded"
    clients[0].reset()
    await gateway.connections(1)
    fourth = await gateway.client()
    assert (await fourth.ask(get())).status == 200


async def test_hundreds_of_connections_leave_nothing_behind(gateway: Running) -> None:
    clients = [await gateway.client() for _ in range(200)]
    for number, client in enumerate(clients):
        await client.send(get() if number % 2 else get()[:50])
    for number, client in enumerate(clients):
        if number % 2:
            assert (await client.response()).status == 200
        client.reset()
    await gateway.connections(0)


async def test_gauges_are_back_at_nothing_when_everybody_is_gone(gateway: Running) -> None:
    gateway.upstream.response = b""
    for raw in (get(), post(b"x"), get()[:30], b"x\r\n\r\n", post(b"abc")[:-1]):
        client = await gateway.client()
        await client.send(raw)
    await gateway.connections(5)
    await gateway.upstream.connected(2)
    for client in gateway.clients:
        client.reset()
    await gateway.connections(0)
    metrics = (await gateway.admin("/metrics")).body
    assert b"gateway_requests_in_flight 0.0\n" in metrics
    assert b"gateway_connections_open 0.0\n" in metrics


class Hello:
    """Responds to everything."""

    async def handle(self, exchange: Exchange) -> None:
        try:
            exchange.read_facts()
        except Refusal as refusal:
            await exchange.refuse(refusal)
            return
        await exchange.respond(OwnResponse(200, b"OK", ((b"Content-Length", b"2"),), b"ok"))


class Time:
    """A clock; looks are taken whenever it is moved on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._turns = asyncio.Queue[float]()

    async def sleep(self, seconds: float) -> None:
        self.now += await self._turns.get()

    async def on(self, seconds: float) -> None:
        self._turns.put_nowait(seconds)
        await until(self._turns.empty)
        await asyncio.sleep(0)


@pytest_asyncio.fixture
async def timed() -> AsyncIterator[tuple[Time, Server, str]]:
    """A server of its own, and its address."""
    time = Time()
    config = Config(upstream="http://a", issuers=(Issuer(issuer="https://a.test", audience="a"),))
    clock = Clock(now=lambda: time.now, sleep=time.sleep)
    server = Server(Hello(), config, max_connections=3, observer=None, clock=clock)
    bound = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    yield time, server, f"127.0.0.1:{bound.sockets[0].getsockname()[1]}"
    bound.close()
    server.close_idle()
    await server.drain(seconds=0)


HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_each_state_has_its_time(timed: tuple[Time, Server, str]) -> None:
    """By default: 10 s for a head, to begin one as well; 75 s between two requests."""
    time, server, address = timed
    idle, silent, begun = [await RawClient.connect(address) for _ in range(3)]
    assert (await idle.ask(HELLO)).body == b"ok"
    await begun.send(HELLO[:-2])
    await until(lambda: "2 idle, 1 begun" in repr(server))
    await time.on(9)
    assert "3 open" in repr(server)
    await time.on(2)
    assert await silent.is_closed()
    assert (await begun.response()).status == 408
    assert await begun.is_closed()
    await time.on(63)
    assert (await idle.ask(HELLO)).body == b"ok"
    await time.on(74)
    assert "1 idle" in repr(server)
    await time.on(2)
    assert await idle.is_closed()
    for client in (idle, silent, begun):
        await client.close()
