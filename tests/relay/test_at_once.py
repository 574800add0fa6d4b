"""A request that waits for nothing is served within the call that brought it, its response within that which brought that."""

import asyncio
from typing import Any

import pytest

from gateway.core.config.section import Seconds
from gateway.prompt import PromptTask
from gateway.relay.client.connection import Connection
from gateway.relay.upstream.connection import UpstreamConnection
from tests.wire import OK, WAY, Conversation, RawClient, Running, Start, get, post, until

REFUSED = b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"


class Sides:
    """The gateway's two connections, both of which have served."""

    def __init__(self, gateway: Running, client: RawClient, connection: Connection) -> None:
        self.gateway = gateway
        self.client = client
        self.connection = connection

    @classmethod
    async def of(cls, gateway: Running, client: RawClient) -> "Sides":
        assert (await client.ask(get())).body == b"ok"
        await until(lambda: gateway.places.idle == 1)
        return cls(gateway, client, await gateway.only_connection())

    @property
    def upstream(self) -> UpstreamConnection:
        (connection,) = self.gateway.to_upstream.pool.connections
        return connection

    def hear(self, data: bytes) -> int:
        """From the client. Gives the bytes that were written to it within the call."""
        before = self.connection.wire.written
        self.connection.data_received(data)
        return self.connection.wire.written - before


@pytest.fixture
async def silent(gateway: Running) -> Running:
    """Its upstream responds to the first request on a connection only."""

    async def behave(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(OK)
        while True:
            await conversation.request()

    gateway.upstream.behaviour = behave
    return gateway


@pytest.fixture
async def sides(silent: Running, client: RawClient) -> Sides:
    return await Sides.of(silent, client)


async def test_a_refusal_is_written_within_the_call_that_brought_the_request(sides: Sides) -> None:
    tasks = asyncio.all_tasks()
    assert sides.hear(REFUSED)
    assert asyncio.all_tasks() == tasks
    assert (await sides.client.response()).status == 401
    # And the next one as well: the connection is as it was.
    assert sides.hear(REFUSED[:-1]) == 0
    assert sides.hear(REFUSED[-1:])


@pytest.mark.parametrize(
    "request_", [get("/within"), post(b"whole", target="/within")], ids=["no body", "a whole body"]
)
async def test_a_request_goes_up_and_its_response_back_each_within_its_call(sides: Sides, request_: bytes) -> None:
    tasks = asyncio.all_tasks()
    upstream = sides.upstream
    assert sides.hear(request_) == 0
    assert "busy" in repr(upstream)
    before = sides.connection.wire.written
    upstream.data_received(OK)
    assert sides.connection.wire.written > before
    assert "idle" in repr(upstream)
    assert sides.connection.is_idle
    assert asyncio.all_tasks() == tasks
    assert (await sides.client.response()).body == b"ok"
    assert sides.gateway.errors() == []


async def test_a_connection_may_be_asked_again_within_its_own_response(sides: Sides) -> None:
    upstream = sides.upstream
    for _ in range(3):
        sides.hear(get("/first") + get("/second") + get("/third"))
        for response in (b"one", b"two", b"six"):
            # On a machine that is busy the next one may have to wait for its turn.
            await until(lambda: "busy" in repr(upstream))
            upstream.data_received(OK.replace(b"\r\n\r\nok", b"\r\n\r\n" + response).replace(b": 2", b": 3"))
        assert "idle" in repr(upstream)
        assert [(await sides.client.response()).body for _ in range(3)] == [b"one", b"two", b"six"]
    assert sides.gateway.errors() == []


async def test_a_response_that_comes_in_pieces_goes_on_as_it_comes(sides: Sides) -> None:
    sides.hear(get("/pieces"))
    upstream = sides.upstream
    head, _, body = OK.partition(b"\r\n\r\n")
    before = sides.connection.wire.written
    upstream.data_received(head)
    assert sides.connection.wire.written == before
    upstream.data_received(b"\r\n\r\n" + body[:1])
    written = sides.connection.wire.written
    assert written > before
    upstream.data_received(body[1:])
    assert sides.connection.wire.written == written + 1
    assert (await sides.client.response()).body == b"ok"


async def test_what_follows_a_response_unasked_reaches_nobody_who_asks_at_that_very_moment(sides: Sides) -> None:
    """The rest would be taken for the response to the request behind."""
    sides.hear(get("/first") + get("/second"))
    sides.upstream.data_received(OK + OK.replace(b"ok", b"NO"))
    assert (await sides.client.response()).body == b"ok"
    assert (await sides.client.response()).body == b"ok"
    assert len(sides.gateway.upstream.conversations) == 2


async def test_a_client_that_leaves_while_the_upstream_is_waited_for_ends_its_request(sides: Sides) -> None:
    sides.hear(get("/left"))
    sides.client.reset()
    assert (await sides.gateway.ended(2))["status"] == 499
    await until(lambda: sides.gateway.places.taken == 0)
    assert not sides.gateway.server.open


async def test_a_head_that_takes_too_long_is_refused_by_whoever_looks(start: Start) -> None:
    gateway = await start(limits={"header_timeout": Seconds(3600)})
    client = await gateway.client()
    connection = await gateway.only_connection()
    await client.send(REFUSED[:-2])
    await until(lambda: connection.has_request)
    connection.check(float("inf"))
    assert (await client.response()).status == 408


async def test_many_that_wait_for_one_connection_are_not_served_one_within_the_other(start: Start) -> None:
    """A response gives its connection back, which whoever waits may then use: in a turn of the loop of their own."""
    gateway = await start(max_connections=1)
    clients = [await gateway.client() for _ in range(40)]
    await asyncio.gather(*(client.send(get(f"/{number}")) for number, client in enumerate(clients)))
    assert {(await client.response()).status for client in clients} == {200}
    assert len(gateway.upstream.conversations) == 1


@pytest.mark.parametrize("at_once", [True, False])
async def test_the_way_of_serving_is_the_one_that_tests_ask_for(start: Start, at_once: Any) -> None:
    WAY.serves_at_once = at_once
    gateway = await start()
    client = await gateway.client()
    await client.ask(get())
    assert isinstance((await gateway.only_connection())._task, PromptTask) is at_once
