"""Connections to an upstream have an age: an API that moved behind its name is found, however steady the traffic is."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.core.config.section import Seconds
from tests.relay.leaps import Leaps, leaping
from tests.relay.test_faults import CHUNKED
from tests.relay.test_tunnel import SWITCH, handshake
from tests.relay.upstream.test_dialing import NAME, Place, places, resolve
from tests.wire import Conversation, RawClient, Running, Start, chunks, get, post, until

#: seconds: by default
MAX_AGE = 300.0
#: seconds between two requests: never idle for long
STEADY = 5.0
OLD, NEW = "127.0.0.1", "127.0.0.2"


@pytest_asyncio.fixture
async def clock() -> AsyncIterator[Leaps]:
    async with leaping() as leaps:
        yield leaps


def stay_open(found: dict[str, Place]) -> None:
    """Connections do: their age is what ends them."""
    for place in found.values():
        place.upstream.response = place.upstream.response.replace(b"Connection: close\r\n", b"")


async def steadily(clock: Leaps, client: RawClient, raw: bytes, *, seconds: float) -> list[str]:
    """Where each request went."""
    went = []
    for _ in range(int(seconds / STEADY)):
        response = await client.ask(raw)
        assert response.status == 200
        went.append(response.body.decode())
        await clock.on(STEADY)
    return went


@pytest.mark.parametrize("raw", [get(), post(b"abc")], ids=["GET", "POST"])
async def test_an_api_that_moved_is_found_under_steady_traffic(
    clock: Leaps, start: Start, monkeypatch: pytest.MonkeyPatch, raw: bytes
) -> None:
    async with places(OLD, NEW) as (port, found):
        stay_open(found)
        resolve(monkeypatch, OLD)
        gateway = await start(upstream=f"http://{NAME}:{port}")
        client = await gateway.client()
        assert set(await steadily(clock, client, raw, seconds=60)) == {OLD}
        resolve(monkeypatch, NEW)
        went = await steadily(clock, client, raw, seconds=2 * MAX_AGE)
        assert went[-1] == NEW
        # One change, within the age of a connection and the time for which addresses are remembered.
        assert went == sorted(went)
        assert went.count(OLD) * STEADY <= MAX_AGE + 20
        assert found[OLD].count == 1


async def test_a_connection_is_replaced_after_five_minutes_and_not_before(clock: Leaps, gateway: Running) -> None:
    client = await gateway.client()
    for passed in range(0, int(3 * MAX_AGE), 10):
        assert (await client.ask(get())).status == 200
        assert len(gateway.upstream.conversations) <= 1 + passed // MAX_AGE
        await clock.on(10)
    assert len(gateway.upstream.conversations) == 3
    # Of the old ones nothing is left.
    assert [conversation.ended.is_set() for conversation in gateway.upstream.conversations] == [True, True, False]


async def test_the_age_is_configured(clock: Leaps, start: Start) -> None:
    gateway = await start(max_age=Seconds(20))
    client = await gateway.client()
    for _ in range(21):
        assert (await client.ask(get())).status == 200
        await clock.on(5)
    assert 4 <= len(gateway.upstream.conversations) <= 6


async def test_with_many_clients_all_of_them_move(clock: Leaps, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async with places(OLD, NEW) as (port, found):
        stay_open(found)
        resolve(monkeypatch, OLD)
        gateway = await start(upstream=f"http://{NAME}:{port}", max_connections=4)
        clients = [await gateway.client() for _ in range(8)]

        async def round_of() -> set[bytes]:
            responses = await asyncio.gather(*(client.ask(get()) for client in clients))
            assert {response.status for response in responses} == {200}
            return {response.body for response in responses}

        assert await round_of() == {OLD.encode()}
        resolve(monkeypatch, NEW)
        for _ in range(int((MAX_AGE + 20) / 10)):
            await clock.on(10)
            last = await round_of()
        assert last == {NEW.encode()}
        assert found[OLD].count <= 4


async def test_a_pool_of_one_makes_room_for_the_new_connection(clock: Leaps, start: Start) -> None:
    gateway = await start(max_connections=1, pool_timeout=Seconds(1))
    client = await gateway.client()
    for _ in range(int((MAX_AGE + 20) / 10)):
        assert (await client.ask(get())).status == 200
        await clock.on(10)
    assert len(gateway.upstream.conversations) == 2


async def test_an_old_connection_is_no_reason_for_a_second_try(clock: Leaps, gateway: Running) -> None:
    """What may have been acted on is sent once; what is old is left before it is asked."""
    client = await gateway.client()
    for _ in range(int((MAX_AGE + 20) / 10)):
        assert (await client.ask(post(b"abc"))).status == 200
        await clock.on(10)
    assert len(gateway.upstream.requests) == int((MAX_AGE + 20) / 10)
    assert len(gateway.upstream.conversations) == 2


async def test_who_waits_is_not_given_an_old_connection(clock: Leaps, start: Start) -> None:
    gateway = await start(max_connections=1, response_timeout=Seconds(3600), pool_timeout=Seconds(3600))
    go = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        while True:
            if (await upstream.request()).start.startswith(b"GET /slow"):
                await go.wait()
            await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    gateway.upstream.behaviour = behave
    slow, other = await gateway.client(), await gateway.client()
    await slow.send(get("/slow"))
    await until(lambda: gateway.upstream.requests)
    await other.send(get("/other"))
    await clock.on(MAX_AGE + 10)
    go.set()
    assert (await slow.response()).status == 200
    assert (await other.response()).status == 200
    assert len(gateway.upstream.conversations) == 2


# What is under way goes on, however old its connection becomes


async def test_a_download_is_not_cut_by_age(clock: Leaps, gateway: Running) -> None:
    go = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(CHUNKED)
        for _ in range(int(2 * MAX_AGE / 30)):
            await upstream.say(chunks(b"x"))
            await go.wait()
            go.clear()
        await upstream.say(b"0\r\n\r\n")

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(get())
    for _ in range(int(2 * MAX_AGE / 30)):
        await clock.on(30)
        go.set()
    await clock.on(1)
    go.set()
    response = await client.response()
    assert response.body == b"x" * int(2 * MAX_AGE / 30)


@pytest.mark.parametrize("kind", ["tunnel", "event stream"])
async def test_a_stream_is_not_cut_by_age(clock: Leaps, gateway: Running, kind: str) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        events = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n")
        await upstream.say(SWITCH if kind == "tunnel" else events)
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(handshake() if kind == "tunnel" else get())
    await client.head()
    await clock.on(2 * MAX_AGE)
    assert not gateway.upstream.conversations[0].ended.is_set()
    await gateway.upstream.conversations[0].say(chunks(b"still here"))
    assert await client.reader.readexactly(len(chunks(b"still here"))) == chunks(b"still here")
