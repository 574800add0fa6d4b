"""How many connections there may be, and what is left when they are gone."""

from tests.wire import (
    Running,
    Start,
    get,
    post,
    until,
)


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
