"""Bodies that trickle: whoever sends less than `body_rate` over half a minute is ended, whoever is made to wait is not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds, Size
from tests.relay.leaps import Leaps, leaping
from tests.relay.test_faults import CHUNKED
from tests.wire import OK, PATIENCE, Conversation, RawClient, Running, Start, bearer, chunks, get, until

#: bytes a second, by default, and the seconds over which they are counted
RATE, WINDOW = 240, 30.0
#: seconds: as late as a sweep may be, and some more
LATE = 5.0
OPEN = (RouteSection(path="/open/*", access="public"), RouteSection(path="/*"))
FRAMINGS = {"length": "Content-Length: 1000000", "chunked": "Transfer-Encoding: chunked"}


@pytest_asyncio.fixture
async def clock() -> AsyncIterator[Leaps]:
    async with leaping() as leaps:
        yield leaps


def piece(framing: str, size: int) -> bytes:
    return b"x" * size if framing == "length" else chunks(b"x" * size)


def has_heard(client: RawClient) -> bool:
    """An response, or the end."""
    return bool(client.reader._buffer) or client.reader.at_eof() or client.reader.exception() is not None  # type: ignore[attr-defined]


async def trickle(clock: Leaps, client: RawClient, data: bytes, *, seconds: float, every: float = 1.0) -> float:
    """Sends it again and again, until the gateway says something. The seconds that passed."""
    passed = 0.0
    while passed < seconds and not has_heard(client):
        client.writer.write(data)
        passed += await clock.on(every, until=lambda: has_heard(client))
    return passed


async def take_all(upstream: Conversation) -> None:
    """Takes whatever comes, and responses nothing before all of it came."""
    await upstream.request()
    await upstream.say(OK)


async def started(gateway: Running, head: bytes) -> tuple[RawClient, Conversation]:
    """An upload of which the head has arrived."""
    known = len(gateway.upstream.conversations)
    client = await gateway.client()
    await client.send(head)
    return client, await gateway.upstream.connected(known + 1)


def upload(framing: str, *, target: str = "/", public: bool = False) -> bytes:
    head = get(target, FRAMINGS[framing], method="POST")
    return head.replace(bearer(), b"") if public else head


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("access", ["public", "token"])
async def test_a_body_of_a_byte_a_second_is_ended(clock: Leaps, start: Start, access: str, framing: str) -> None:
    gateway = await start(routes=OPEN)
    public = access == "public"
    head = upload(framing, target="/open/1" if public else "/1", public=public)
    client, upstream = await started(gateway, head)
    passed = await trickle(clock, client, piece(framing, 1), seconds=WINDOW + LATE + 5)
    assert has_heard(client), "the body still trickles"
    assert WINDOW - LATE < passed <= WINDOW + LATE
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (408, "request_timeout")
    assert response.values(b"Connection") == [b"close"]
    async with asyncio.timeout(PATIENCE):
        await upstream.ended.wait()
    assert "body_rate" in (await gateway.ended())["evidence"]


async def test_what_frames_a_body_is_no_body(clock: Leaps, gateway: Running) -> None:
    """A hundred chunks of a byte are six hundred bytes on the wire."""
    client, _ = await started(gateway, upload("chunked"))
    await trickle(clock, client, piece("chunked", 1) * 100, seconds=WINDOW + LATE)
    assert has_heard(client)
    assert (await client.response()).status == 408


async def test_a_good_beginning_buys_no_slow_end(clock: Leaps, gateway: Running) -> None:
    client, _ = await started(gateway, upload("length"))
    await client.send(b"x" * 500_000)
    passed = await trickle(clock, client, b"x", seconds=2 * WINDOW + LATE)
    assert has_heard(client), f"half a megabyte bought more than {passed} s"
    assert (await client.response()).status == 408


@pytest.mark.parametrize("every", [1.0, 10.0])
async def test_pauses_between_pieces_do_not_hide_a_trickle(clock: Leaps, gateway: Running, every: float) -> None:
    """Each silence is shorter than body_timeout."""
    client, _ = await started(gateway, upload("length"))
    size = int(RATE * every * 0.7)
    passed = await trickle(clock, client, b"x" * size, seconds=2 * WINDOW + LATE, every=every)
    assert has_heard(client), f"{size} bytes every {every} s were taken for {passed} s"
    assert (await client.response()).status == 408


async def test_a_trickle_whose_response_has_begun_is_cut(clock: Leaps, gateway: Running) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(CHUNKED + chunks(b"abc"))
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    client, upstream = await started(gateway, upload("chunked"))
    await client.head()
    await client.reader.readexactly(len(chunks(b"abc")))
    await trickle(clock, client, piece("chunked", 1), seconds=WINDOW + LATE)
    assert has_heard(client), "the body still trickles"
    with pytest.raises(ConnectionResetError):
        await client.rest()
    async with asyncio.timeout(PATIENCE):
        await upstream.ended.wait()


async def test_uploads_that_trickle_give_their_connections_to_others(clock: Leaps, start: Start) -> None:
    gateway = await start(max_connections=4, routes=OPEN)
    slow = [(await started(gateway, upload("length", target="/open/1", public=True)))[0] for _ in range(3)]
    for _ in range(int(WINDOW + LATE)):
        for client in slow:
            if not has_heard(client):
                client.writer.write(b"x")
        await clock.on(1)
    assert all(map(has_heard, slow)), "the bodies still trickle"
    assert [(await client.response()).status for client in slow] == [408] * 3
    await until(lambda: all(upstream.ended.is_set() for upstream in gateway.upstream.conversations))


# Who is not slow


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("every", [1.0, 10.0])
async def test_a_body_a_little_faster_than_that_is_served(
    clock: Leaps, gateway: Running, every: float, framing: str
) -> None:
    size, times = int(RATE * every * 1.5), int(3 * WINDOW / every)
    head = get("/", FRAMINGS[framing].replace("1000000", str(size * times)), method="POST")
    client, _ = await started(gateway, head)
    await trickle(clock, client, piece(framing, size), seconds=3 * WINDOW, every=every)
    assert framing == "length" or not has_heard(client)
    if framing == "chunked":
        await client.send(b"0\r\n\r\n")
    assert (await client.response()).status == 200
    assert len(gateway.upstream.last.body) == size * times


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_small_body_may_take_its_time(clock: Leaps, gateway: Running, framing: str) -> None:
    head = get("/", FRAMINGS[framing].replace("1000000", "20"), method="POST")
    client, _ = await started(gateway, head)
    await trickle(clock, client, piece(framing, 1), seconds=20)
    if framing == "chunked":
        await client.send(b"0\r\n\r\n")
    assert (await client.response()).status == 200


async def test_a_client_that_the_api_makes_wait_is_not_slow(clock: Leaps, start: Start) -> None:
    gateway = await start(response_timeout=Seconds(3600))
    go = asyncio.Event()
    size = 20 << 20

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        upstream.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await go.wait()
        upstream.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await upstream.reader.readexactly(size)
        await upstream.say(OK)

    gateway.upstream.behaviour = behave
    client, _ = await started(gateway, get("/", f"Content-Length: {size}", method="POST"))
    sending = asyncio.create_task(client.send(b"x" * size))
    await asyncio.sleep(0.1)
    await clock.on(3 * WINDOW, until=lambda: has_heard(client))
    assert not has_heard(client)
    go.set()
    assert (await client.response()).status == 200
    await sending


async def test_time_in_which_a_body_waits_behind_another_request_is_nobodys_fault(clock: Leaps, start: Start) -> None:
    gateway = await start(response_timeout=Seconds(3600))
    go = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        while True:
            if (await upstream.request()).start.startswith(b"GET"):
                await go.wait()
            await upstream.say(OK)

    gateway.upstream.behaviour = behave
    size = 1 << 20
    client, _ = await started(gateway, get("/first"))
    sending = asyncio.create_task(client.send(get("/", f"Content-Length: {size}", method="POST") + b"x" * size))
    await asyncio.sleep(0.05)
    await clock.on(3 * WINDOW, until=lambda: has_heard(client))
    assert not has_heard(client)
    go.set()
    assert [(await client.response()).status for _ in range(2)] == [200, 200]
    await sending


async def test_a_client_that_takes_long_for_its_response_owes_no_body(clock: Leaps, start: Start) -> None:
    """All of it came: how long the API thinks is not the client's pace."""
    gateway = await start(response_timeout=Seconds(3600))
    go = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await go.wait()
        await upstream.say(OK)

    gateway.upstream.behaviour = behave
    client, _ = await started(gateway, get("/", "Content-Length: 3", method="POST") + b"abc")
    await clock.on(3 * WINDOW, until=lambda: has_heard(client))
    go.set()
    assert (await client.response()).status == 200


# Configured


@pytest.mark.parametrize(("rate", "sent", "status"), [(10_000, 5_000, 408), (10_000, 20_000, 200), (10, 20, 200)])
async def test_the_least_rate_is_configured(clock: Leaps, start: Start, rate: int, sent: int, status: int) -> None:
    gateway = await start(limits={"body_rate": Size(rate)})
    client, _ = await started(gateway, upload("chunked"))
    await trickle(clock, client, piece("chunked", sent), seconds=WINDOW + LATE)
    assert has_heard(client) == (status == 408)
    if status == 200:
        await client.send(b"0\r\n\r\n")
    assert (await client.response()).status == status


async def test_without_a_least_rate_a_trickle_goes_on(clock: Leaps, start: Start) -> None:
    settings: dict[str, Any] = {"limits": {"body_rate": None}}
    gateway = await start(**settings)
    client, _ = await started(gateway, upload("chunked"))
    await trickle(clock, client, piece("chunked", 1), seconds=3 * WINDOW)
    assert not has_heard(client)
    await client.send(b"0\r\n\r\n")
    assert (await client.response()).status == 200
