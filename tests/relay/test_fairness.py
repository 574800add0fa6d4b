"""What one client sends costs another no more than a moment, and nobody is locked out by who sends little or nothing."""

import asyncio
import time
from functools import partial
from statistics import median
from typing import Any

import pytest

from gateway.core.config.cors import Cors
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.relay.client.turns import LEAST, TURN, Turns
from tests.relay.floods import flooding, watched
from tests.relay.test_faults import CHUNKED
from tests.relay.test_tunnel import SWITCH, handshake
from tests.wire import OK, PATIENCE, Conversation, Message, RawClient, Running, Start, bearer, chunks, get, post, until

#: what is measured would be that of other tests as well
ALONE = pytest.mark.alone

#: requests in one go
COUNT = 9_600
#: of them, how many responses a measure waits for: some turns' worth, and less than a second's
SOME = 1_000
#: seconds: 50 ms are promised, and this machine is busy with other things as well
LONGEST = 0.1
APP = "https://app.example.com"
TRUSTED = ("127.0.0.1/32",)

#: settings, listener, request, and the status of each response, none of which waits for anybody
FLOODS: dict[str, tuple[dict[str, Any], str, bytes, bytes]] = {
    "no token": ({}, "traffic", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n", b"401"),
    "no token, HEAD": ({}, "traffic", b"HEAD / HTTP/1.1\r\nHost:a\r\n\r\n", b"401"),
    "no token, a body": ({}, "traffic", b"POST / HTTP/1.1\r\nHost:a\r\nContent-Length: 1\r\n\r\nx", b"401"),
    "no token, chunks": (
        {}, "traffic", b"POST / HTTP/1.1\r\nHost:a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", b"401",
    ),
    "no JWT": ({}, "traffic", b"GET / HTTP/1.1\r\nHost:a\r\nAuthorization: Bearer a.b.c\r\n\r\n", b"401"),
    "no route": (
        {"routes": (RouteSection(path="/a"),), "unmatched": "refuse"}, "traffic", b"GET /b HTTP/1.1\r\nHost:a\r\n\r\n", b"404",
    ),
    "no method": ({"routes": (RouteSection(path="/a", methods=("GET",)),)}, "traffic", b"PUT /a HTTP/1.1\r\nHost:a\r\n\r\n", b"405"),
    "not enough scopes": ({"routes": (RouteSection(path="/a", scopes=("nobody:has",)),)}, "traffic", get("/a"), b"403"),
    "preflights": (
        {"cors": Cors(origins=(APP,))}, "traffic",
        f"OPTIONS / HTTP/1.1\r\nHost:a\r\nOrigin: {APP}\r\nAccess-Control-Request-Method: PUT\r\n\r\n".encode(), b"204",
    ),
    "decisions, yes": (
        {"decisions": "127.0.0.1:0", "trusted_proxies": TRUSTED}, "decisions",
        b"GET /nginx HTTP/1.1\r\nHost:a\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\nX-Original-Host: a\r\n"
        + bearer() + b"\r\n", b"200",
    ),
    "decisions, no": (
        {"decisions": "127.0.0.1:0", "trusted_proxies": TRUSTED}, "decisions",
        b"GET /nginx HTTP/1.1\r\nHost:a\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\nX-Original-Host: a\r\n\r\n",
        b"401",
    ),
    "admin": ({}, "admin", b"GET /livez HTTP/1.1\r\nHost:a\r\n\r\n", b"200"),
    "admin, no page": ({}, "admin", b"GET /nothing HTTP/1.1\r\nHost:a\r\n\r\n", b"404"),
}  # fmt: skip


def address_of(gateway: Running, listener: str) -> str:
    it = gateway.gateway
    return {"traffic": it.address, "decisions": it.decisions_address, "admin": it.admin_address}[listener]


# One turn of the loop


@ALONE
@pytest.mark.parametrize("name", FLOODS)
async def test_requests_that_are_served_without_waiting_leave_the_loop_to_others(start: Start, name: str) -> None:
    settings, listener, request, status = FLOODS[name]
    gateway = await start(**settings)
    longest = []
    # What the admin listener says costs next to nothing, so it takes more of it.
    burst = request * (COUNT * 4 if listener == "admin" else COUNT)
    for _ in range(3):
        async with watched() as turns, flooding(address_of(gateway, listener), burst) as (flood,):
            await flood.until_responded(SOME * 4 if listener == "admin" else SOME)
            assert flood.first.startswith(b"HTTP/1.1 " + status)
        longest.append(turns.longest)
    assert median(longest) < LONGEST


async def test_a_long_pipeline_is_served_whole(gateway: Running) -> None:
    async with flooding(gateway.gateway.address, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * COUNT) as (flood,):
        await flood.until_responded(COUNT)


@ALONE
@pytest.mark.parametrize("piece", [b"1\r\nx\r\n", b"2\r\nxx\r\n", b"2\r\n\r\n\r\n", b"1;a\r\nx\r\n"])
async def test_a_body_in_tiny_chunks_leaves_the_loop_to_others(gateway: Running, piece: bytes) -> None:
    """A read of 256 KiB holds tens of thousands of them."""
    head = get("/", "Transfer-Encoding: chunked", method="POST")
    longest = []
    for _ in range(3):
        burst = head + piece * (400_000 // len(piece)) + b"0\r\n\r\n"
        async with watched() as turns, flooding(gateway.gateway.address, burst) as (flood,):
            await flood.until_responded(1)
        longest.append(turns.longest)
    assert median(longest) < LONGEST


@ALONE
async def test_while_one_connection_floods_a_new_client_is_served_at_once(gateway: Running) -> None:
    waited = []
    for _ in range(3):
        async with flooding(gateway.gateway.address, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * COUNT):
            before = time.perf_counter()
            client = await gateway.client()
            assert (await client.ask(get())).status == 200
            waited.append(time.perf_counter() - before)
    assert median(waited) < 2 * LONGEST


@ALONE
async def test_ten_connections_that_flood_do_not_freeze_the_others(gateway: Running) -> None:
    client = await gateway.client()
    assert (await client.ask(get())).status == 200
    waited = []
    async with flooding(gateway.gateway.address, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * COUNT, connections=10):
        for _ in range(8):
            before = time.perf_counter()
            assert (await client.ask(get())).status == 200
            waited.append(time.perf_counter() - before)
            await asyncio.sleep(0.02)
    # Each may take its turn before ours.
    assert max(waited) < 10 * LONGEST / 2


# Who gives way


#: what those who hold a listener have sent: never enough for a request
BEGUN = {
    "nothing": b"",
    "a byte": b"G",
    "most of a head": b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\r\n",
    "a line end": b"\r\n",
}
PROBES = {
    "traffic": get(),
    "decisions": b"GET /nginx HTTP/1.1\r\nHost:a\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\nX-Original-Host: a\r\n"
    + bearer()
    + b"\r\n",
    "admin": b"GET /livez HTTP/1.1\r\nHost: kubelet\r\n\r\n",
}


async def occupied(gateway: Running, listener: str, data: bytes, count: int) -> list[RawClient]:
    """So many connections, each of which has sent this."""
    address = address_of(gateway, listener)
    clients = [await gateway.client(address) for _ in range(count)]
    for client in clients:
        if data:
            await client.send(data)
    await settled()
    return clients


async def settled() -> None:
    """What was sent has been heard."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def probe(gateway: Running, listener: str) -> Message:
    """One request on a connection of its own, as a probe makes it."""
    client = await gateway.client(address_of(gateway, listener))
    response = await client.ask(PROBES[listener])
    await client.close()
    return response


async def crowded(start: Start, listener: str, **settings: Any) -> tuple[Running, int]:
    """A gateway, and how many connections this listener takes."""
    if listener == "traffic":
        return await start(limits={"connections": 64}, **settings), 64
    gateway = await start(decisions="127.0.0.1:0", trusted_proxies=TRUSTED, **settings)
    return gateway, {"decisions": 1024, "admin": 64}[listener]


@pytest.mark.parametrize("data", BEGUN.values(), ids=BEGUN)
@pytest.mark.parametrize("listener", PROBES)
async def test_who_sends_less_than_a_head_locks_nobody_out(start: Start, listener: str, data: bytes) -> None:
    gateway, count = await crowded(start, listener)
    await occupied(gateway, listener, data, count)
    assert [(await probe(gateway, listener)).status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("listener", PROBES)
async def test_probes_get_in_although_the_crowd_is_renewed(start: Start, listener: str) -> None:
    gateway, count = await crowded(start, listener)
    crowd = await occupied(gateway, listener, b"G", count)
    for _ in range(3):
        for client in crowd[:16]:
            client.reset()
        await settled()
        crowd = crowd[16:] + await occupied(gateway, listener, b"G", 16)
        assert (await probe(gateway, listener)).status == 200


async def test_uploads_to_the_admin_listener_lock_no_probe_out(gateway: Running) -> None:
    """Nothing there takes a body: its rest is waited for only as long as there is room."""
    crowd = await occupied(gateway, "admin", b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx", 64)
    assert len(crowd) == 64
    assert [(await probe(gateway, "admin")).status for _ in range(3)] == [200] * 3


async def test_who_takes_no_response_of_the_admin_listener_locks_no_probe_out(gateway: Running) -> None:
    page = len((await gateway.admin("/metrics")).body)
    crowd = [await gateway.client(gateway.gateway.admin_address) for _ in range(64)]
    for client in crowd:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        # More than fits into what the kernel holds for it.
        client.writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * (6_000_000 // page))
    await settled()
    assert [(await probe(gateway, "admin")).status for _ in range(3)] == [200] * 3


async def test_an_idle_connection_gives_way_before_one_whose_head_has_begun(start: Start) -> None:
    gateway = await start(limits={"connections": 8})
    (begun,) = await occupied(gateway, "traffic", get()[:-2], 1)
    idle = await occupied(gateway, "traffic", b"", 7)
    assert (await probe(gateway, "traffic")).status == 200
    assert await idle[0].is_closed()
    assert (await begun.ask(get()[-2:])).status == 200


async def event_stream(upstream: Conversation) -> None:
    await upstream.request()
    await upstream.say(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n") + chunks(b"data: 1\n\n")
    )
    await upstream.until_ended()


async def tunnel(upstream: Conversation) -> None:
    await upstream.head()
    await upstream.say(SWITCH)
    await upstream.until_ended()


async def silence(upstream: Conversation) -> None:
    await upstream.head()
    await upstream.until_ended()


BUSY = {
    "event streams": (get(), event_stream),
    "tunnels": (handshake(), tunnel),
    "uploads": (post(b"x" * 100)[:-50], silence),
    "requests": (get(), silence),
}


@pytest.mark.parametrize("position", ["newest", "in the middle", "oldest"])
@pytest.mark.parametrize("kind", BUSY)
async def test_an_idle_connection_gives_way_whatever_its_age(start: Start, kind: str, position: str) -> None:
    request, behave = BUSY[kind]
    busy, idle = 66, 6
    gateway = await start(limits={"connections": busy + idle}, keepalive=Seconds(60))
    idlers: list[RawClient] = []

    async def begin(count: int) -> None:
        gateway.upstream.behaviour = behave
        for _ in range(count):
            known = len(gateway.upstream.conversations)
            client = await gateway.client()
            await client.send(request)
            await until(lambda: len(gateway.upstream.conversations) > known)  # noqa: B023
            await until(lambda: gateway.upstream.conversations[-1].requests)

    async def idle_ones() -> None:
        # One never said anything; the others were served.
        idlers.append(await gateway.client())
        gateway.upstream.behaviour = None
        for _ in range(idle - 1):
            client = await gateway.client()
            assert (await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status == 401
            idlers.append(client)

    if position == "newest":
        await begin(busy)
        await idle_ones()
    elif position == "oldest":
        await idle_ones()
        await begin(busy)
    else:
        await begin(busy - 1)
        await idle_ones()
        await begin(1)
    gateway.upstream.behaviour = None
    newcomers = []
    for _ in range(idle):
        newcomers.append(await gateway.client())
        assert (await newcomers[-1].ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status == 401
    for one in idlers:
        assert await one.is_closed()
    # Nobody who had something to do was touched.
    assert not any(conversation.ended.is_set() for conversation in gateway.upstream.conversations)


async def test_who_gave_way_costs_nothing_that_is_under_way(start: Start) -> None:
    """Requests keep every place: then there is a response, and nobody is cut."""
    gateway = await start(limits={"connections": 4})
    asked, release = asyncio.Semaphore(0), asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        asked.release()
        await release.wait()
        await upstream.say(OK)

    gateway.upstream.behaviour = behave
    clients = [await gateway.client() for _ in range(4)]
    for client in clients:
        await client.send(get())
        async with asyncio.timeout(PATIENCE):
            await asked.acquire()
    refused = await (await gateway.client()).response()
    assert (refused.status, refused.problem["reason"]) == (503, "overloaded")
    release.set()
    for client in clients:
        assert (await client.response()).status == 200


async def test_the_more_connections_wait_for_their_turn_the_less_another_one_takes_of_it() -> None:
    """Hundreds may begin to flood in one turn of the loop: each takes its share before anybody else is served."""
    turns = Turns()
    went_on: list[int] = []
    alone = turns.share
    for number in range(3):
        turns.put_off(partial(went_on.append, number))
    assert alone == TURN
    assert turns.share == pytest.approx(TURN / 4)
    for number in range(100):
        turns.put_off(partial(went_on.append, number))
    assert turns.share == LEAST
    await turns.next()
    assert len(went_on) == 103
    assert turns.share == TURN
