"""Who gets which connection, how many there are, and what is sent a second time."""

import asyncio
import gc
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from gateway.core.config.section import Seconds
from gateway.relay.upstream.upstreams import IDEMPOTENT, own_host
from tests.relay.test_faults import (
    CHUNKED,
    LOOPS,
    Run,
    a_gateway,
    assert_responds,
    cut_off,
    has_arrived,
    is_readable,
    response_by_target,
)
from tests.tables import about
from tests.wire import (
    OK,
    PATIENCE,
    Conversation,
    Message,
    RawClient,
    Running,
    Start,
    chunked,
    chunks,
    get,
    post,
    until,
)


class Held:
    """An upstream that responds a request when it is told to."""

    def __init__(self, gateway: Running) -> None:
        self.gateway = gateway
        #: targets, in the order in which they came
        self.came: list[str] = []
        self._released: dict[str, asyncio.Event] = {}
        gateway.upstream.behaviour = self.behave

    async def behave(self, upstream: Conversation) -> None:
        while True:
            target = (await upstream.request()).start.split()[1].decode()
            self.came.append(target)
            await self._released.setdefault(target, asyncio.Event()).wait()
            await upstream.say(
                f"HTTP/1.1 200 OK\r\nX-Target: {target}\r\nContent-Length: {len(target)}\r\n\r\n{target}".encode()
            )

    def release(self, target: str) -> None:
        self._released.setdefault(target, asyncio.Event()).set()

    async def until_came(self, target: str) -> None:
        await until(lambda: target in self.came)


async def sent(gateway: Running, request: bytes) -> RawClient:
    client = await gateway.client()
    await client.send(request)
    return client


def used(gateway: Running, target: str) -> int:
    """Which of the upstream's connections a request came on."""
    return next(
        number
        for number, conversation in enumerate(gateway.upstream.conversations)
        if any(request.start.split()[1] == target.encode() for request in conversation.requests)
    )


# Reuse


async def test_the_connection_that_was_used_last_is_used_first(gateway: Running) -> None:
    held = Held(gateway)
    clients = {}
    for target in ("/a", "/b", "/c"):
        clients[target] = await sent(gateway, get(target))
        await held.until_came(target)
    for target in ("/c", "/a", "/b"):
        held.release(target)
        assert_responds(await clients[target].response(), target)
    for target in ("/d", "/e"):
        clients[target] = await sent(gateway, get(target))
        await held.until_came(target)
    assert [used(gateway, target) for target in ("/d", "/e")] == [used(gateway, "/b"), used(gateway, "/a")]
    for target in ("/d", "/e"):
        held.release(target)
        await clients[target].response()


async def test_an_idle_connection_is_closed_after_keepalive(start: Start) -> None:
    gateway = await start(keepalive=Seconds(0.2))
    client = await gateway.client()
    started = asyncio.get_running_loop().time()
    await client.ask(get())
    await asyncio.wait_for(gateway.upstream.conversations[0].ended.wait(), PATIENCE)
    assert 0.15 < asyncio.get_running_loop().time() - started < 1
    await until(lambda: gateway.places.taken == 0)
    assert (await client.ask(get())).body == b"ok"
    assert len(gateway.upstream.conversations) == 2


async def test_a_connection_that_is_used_now_and_then_outlives_keepalive(start: Start) -> None:
    gateway = await start(keepalive=Seconds(0.3))
    client = await gateway.client()
    for _ in range(5):
        await client.ask(get())
        await asyncio.sleep(0.15)  # shorter than keepalive, longer in sum
    assert len(gateway.upstream.conversations) == 1


async def test_of_several_idle_connections_the_one_unused_longest_is_closed_first(start: Start) -> None:
    gateway = await start(keepalive=Seconds(0.4))
    held = Held(gateway)
    clients = {}
    for target in ("/a", "/b"):
        clients[target] = await sent(gateway, get(target))
        await held.until_came(target)
    for target in ("/a", "/b"):
        held.release(target)
        await clients[target].response()
    first, second = (gateway.upstream.conversations[used(gateway, target)] for target in ("/a", "/b"))
    client = await gateway.client()
    held.release("/again")
    while not first.reader.at_eof():
        await client.ask(get("/again"))
        await asyncio.sleep(0.02)
    assert not second.reader.at_eof()
    assert len(gateway.upstream.conversations) == 2


@LOOPS
def test_a_connection_whose_last_response_was_not_taken_serves_the_next_request(tmp_path: Path, run: Run) -> None:
    """A client that is cut off leaves the rest of a whole response behind; its connection is kept, and starts afresh."""

    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            client = await gateway.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            relayed = asyncio.Event()

            async def behave(upstream: Conversation) -> None:
                await upstream.request()
                await upstream.say(CHUNKED)
                connection = await gateway.only_connection()
                while not connection.wire.is_full:
                    await upstream.say(chunks(b"a" * 5_000))
                    for _ in range(10):
                        await asyncio.sleep(0)
                await upstream.say(chunked(b"a" * 60_000))
                await upstream.request()
                await upstream.say(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000 + b"\r\nContent-Length: 5\r\n\r\n")
                await relayed.wait()
                await upstream.say(b"hello")

            gateway.upstream.behaviour = behave
            await client.send(get("/first"))
            await gateway.upstream.connected()
            await until(lambda: gateway.places.busy)
            (connection,) = gateway.to_upstream.pool.connections
            await until(lambda: "<Turn complete, status 200, " in repr(connection))
            assert ", 0 bytes held" not in repr(connection)
            cut_off(client)
            await gateway.connections(0)
            second = await gateway.client()
            await second.send(get("/second"))
            assert (await second.head()).status == 200
            relayed.set()
            async with asyncio.timeout(PATIENCE / 2):
                assert await second.reader.readexactly(5) == b"hello"
            assert len(gateway.upstream.conversations) == 1

    run(main())


# How many


async def test_a_hundred_requests_at_once_never_have_more_connections_than_there_may_be(start: Start) -> None:
    most = 7
    gateway = await start(max_connections=most, pool_timeout=Seconds(20))
    busy = highest = 0

    async def behave(upstream: Conversation) -> None:
        nonlocal busy, highest
        while True:
            request = await upstream.request()
            busy += 1
            highest = max(highest, busy)
            await asyncio.sleep(0.002)
            busy -= 1
            target = request.start.split()[1]
            await upstream.say(
                b"HTTP/1.1 200 OK\r\nX-Target: %b\r\nContent-Length: %d\r\n\r\n%b" % (target, len(target), target)
            )

    gateway.upstream.behaviour = behave

    async def one(number: int) -> None:
        client = await gateway.client()
        for turn in range(3):
            assert_responds(await client.ask(get(f"/{number}-{turn}")), f"/{number}-{turn}")

    async with asyncio.timeout(PATIENCE * 2):
        await asyncio.gather(*(one(number) for number in range(100)))
    assert highest == len(gateway.upstream.conversations) == most
    assert gateway.places == (most, 0, 0, 0)


async def test_who_waits_too_long_is_told_so_and_who_waits_longest_is_served_first(start: Start) -> None:
    gateway = await start(max_connections=1, pool_timeout=Seconds(0.4))
    held = Held(gateway)
    first = await sent(gateway, get("/first"))
    await held.until_came("/first")
    started = asyncio.get_running_loop().time()
    late = await sent(gateway, get("/late"))
    response = await late.response()
    assert (response.status, response.problem["reason"]) == (503, "upstream_busy")
    assert response.values(b"Retry-After")
    assert 0.4 <= asyncio.get_running_loop().time() - started < 1.5
    record = await gateway.ended()
    assert record["evidence"] == "1 connections are in use"
    waiting = []
    for number in range(5):
        waiting.append(await sent(gateway, get(f"/{number}")))
        await until(lambda: gateway.places.waiting == number + 1)  # noqa: B023
        held.release(f"/{number}")
    held.release("/first")
    assert_responds(await first.response(), "/first")
    for number, client in enumerate(waiting):
        assert_responds(await client.response(), f"/{number}")
    assert held.came == ["/first", *(f"/{number}" for number in range(5))]
    assert len(gateway.upstream.conversations) == 1


@pytest.mark.parametrize("way", ["pool_timeout", "the client leaves"])
async def test_who_gave_up_waiting_leaves_nothing(start: Start, way: str) -> None:
    """For as long as the connections are in use, too: nobody is there to clear up."""
    count, at_once = 100, 25
    gateway = await start(max_connections=1, pool_timeout=Seconds(0.02 if way == "pool_timeout" else 600))
    held = Held(gateway)
    first = await sent(gateway, get("/first"))
    await held.until_came("/first")
    before = futures()
    for begun in range(0, count, at_once):
        clients = [await RawClient.connect(gateway.gateway.address) for _ in range(at_once)]
        for client in clients:
            await client.send(get("/late"))
        if way == "pool_timeout":
            for client in clients:
                assert (await client.response()).problem["reason"] == "upstream_busy"
        else:
            await until(lambda: gateway.places.waiting == at_once)
        for client in clients:
            client.reset()
        await gateway.connections(1)
        await gateway.stdout.records(begun + at_once)
    clients.clear()
    await until(lambda: gateway.places.waiting == 0)
    await until(lambda: futures() - before < count // 4)
    held.release("/first")
    assert (await first.response()).status == 200


def futures() -> int:
    gc.collect()
    return sum(isinstance(one, asyncio.Future) for one in gc.get_objects())


@pytest.mark.parametrize("ending", ["close", "reset", "garbage"])
async def test_who_waits_gets_the_room_of_a_connection_that_ends(start: Start, ending: str) -> None:
    gateway = await start(max_connections=1)
    go = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        if len(gateway.upstream.conversations) > 1:
            await response_by_target(upstream)
        await upstream.request()
        await go.wait()
        if ending == "close":
            await upstream.say(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        elif ending == "garbage":
            await upstream.say(b"garbage\r\n")
        else:
            upstream.reset()

    gateway.upstream.behaviour = behave
    first = await sent(gateway, get("/first"))
    await gateway.upstream.connected()
    other = await sent(gateway, post(b"x", target="/other"))
    await until(lambda: gateway.places.waiting)
    go.set()
    assert (await first.response()).status == (200 if ending == "close" else 502)
    assert_responds(await other.response(), "/other")
    assert len(gateway.upstream.conversations) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_waits_and_is_given_a_connection_that_ends_gets_another(start: Start, method: str) -> None:
    """The upstream responds and closes without saying so; the connection changes hands in between."""
    gateway = await start(max_connections=1)
    for turns in range(8):
        known = len(gateway.upstream.conversations)
        go = asyncio.Event()

        async def behave(upstream: Conversation) -> None:
            if len(gateway.upstream.conversations) > known + 1:  # noqa: B023
                await response_by_target(upstream)
            await upstream.request()
            await go.wait()  # noqa: B023
            upstream.writer.write(OK)
            for _ in range(turns):  # noqa: B023
                await asyncio.sleep(0)
            if not has_arrived(upstream):
                upstream.writer.write_eof()
            await response_by_target(upstream)

        gateway.upstream.behaviour = behave
        for conversation in gateway.upstream.conversations:
            cut_off(conversation)
        await until(lambda: not gateway.places.taken)
        first = await sent(gateway, get("/first"))
        await gateway.upstream.connected(known + 1)
        other = await sent(gateway, get("/other") if method == "GET" else post(b"x", target="/other"))
        await until(lambda: gateway.places.waiting)
        go.set()
        assert (await first.response()).body == b"ok"
        response = await other.response()
        twice = sum(request.start.split()[1] == b"/other" for request in gateway.upstream.requests)
        if method == "GET" or twice == 0:
            assert_responds(response, "/other")
        else:
            # What reached an upstream may have been acted on.
            assert response.status in {200, 502}
        cut_off(first)
        cut_off(other)
    posts = [request.start for request in gateway.upstream.requests if request.start.startswith(b"POST")]
    assert len(posts) <= 8


# Capacity


@LOOPS
def test_capacity_is_whole_after_waiters_gave_up_in_any_order(tmp_path: Path, run: Run) -> None:
    most, waiters = 3, 10

    async def main() -> None:
        chance = random.Random(1)
        async with a_gateway(tmp_path, max_connections=most, pool_timeout=Seconds(30)) as gateway:
            held = Held(gateway)
            for turn in range(50):
                clients = [await sent(gateway, get(f"/{turn}-{number}")) for number in range(most)]
                await until(lambda: all(f"/{turn}-{number}" in held.came for number in range(most)))  # noqa: B023
                late = [await sent(gateway, get(f"/{turn}-late-{number}")) for number in range(waiters)]
                await until(lambda: gateway.places.waiting == waiters)
                steps: list[tuple[Callable[[Any], None], Any]] = [
                    *((held.release, f"/{turn}-{number}") for number in range(most))
                ]
                steps += [(cut_off, client) for client in chance.sample(late, waiters - 2)]
                for number in range(waiters):
                    held.release(f"/{turn}-late-{number}")
                chance.shuffle(steps)
                for step, what in steps:
                    step(what)
                    for _ in range(chance.randrange(4)):
                        await asyncio.sleep(0)
                for client in (*clients, *late):
                    if not client.writer.is_closing():
                        assert (await client.response()).status == 200
                    cut_off(client)
                await gateway.connections(0)
                gateway.clients.clear()
                assert gateway.places.taken <= most
                assert (gateway.places.opening, gateway.places.waiting) == (0, 0)
            await capacity_is_whole(gateway, most)

    run(main())


@LOOPS
def test_capacity_is_whole_after_connections_ended_in_any_way(tmp_path: Path, run: Run) -> None:
    most = 3

    async def main() -> None:
        chance = random.Random(2)
        async with a_gateway(tmp_path, max_connections=most, pool_timeout=Seconds(0.3)) as gateway:

            async def behave(upstream: Conversation) -> None:
                while True:
                    await upstream.request()
                    for _ in range(chance.randrange(6)):
                        await asyncio.sleep(0)
                    way = chance.randrange(6)
                    if way == 0:
                        return
                    if way == 1:
                        # All at once: rooms become free while others are being given.
                        for conversation in gateway.upstream.conversations:
                            cut_off(conversation)
                        return
                    await upstream.say(OK)
                    if way == 2:
                        return

            gateway.upstream.behaviour = behave

            async def one() -> None:
                client = await gateway.client()
                for _ in range(10):
                    await client.send(get() if chance.random() < 0.8 else post(b"x"))
                    if chance.random() < 0.1:
                        break
                    assert (await client.response()).status in {200, 502, 503}
                cut_off(client)

            async with asyncio.timeout(60):
                for _ in range(5):
                    await asyncio.gather(*(one() for _ in range(20)))
                    gateway.clients.clear()
            await gateway.connections(0)
            assert gateway.errors() == []
            await capacity_is_whole(gateway, most)

    run(main())


async def capacity_is_whole(gateway: Running, most: int) -> None:
    """As many requests as there may be connections are under way at the same time, and one more waits."""
    for conversation in gateway.upstream.conversations:
        cut_off(conversation)
    await until(lambda: not gateway.places.taken)
    assert gateway.places == (0, 0, 0, 0)
    held = Held(gateway)
    clients = [await sent(gateway, get(f"/whole-{number}")) for number in range(most + 1)]
    await until(lambda: len(held.came) == most and gateway.places.waiting)
    for number in range(most + 1):
        held.release(f"/whole-{number}")
    for number, client in enumerate(clients):
        assert_responds(await client.response(), f"/whole-{number}")
    assert gateway.places.taken == gateway.places.idle + gateway.places.busy == most


async def test_gauges_tell_how_many_connections_are_idle_and_busy(gateway: Running) -> None:
    held = Held(gateway)
    clients = [await sent(gateway, get(f"/{number}")) for number in range(3)]
    await until(lambda: len(held.came) == 3)
    held.release("/0")
    await clients[0].response()

    async def gauge(state: str) -> float:
        text = (await gateway.admin("/metrics")).body.decode()
        lines = [line for line in text.splitlines() if line.startswith("gateway_upstream_connections{")]
        return sum(float(line.split()[-1]) for line in lines if f'"{state}"' in line)

    async with asyncio.timeout(PATIENCE):
        while (await gauge("idle"), await gauge("busy")) != (1, 2):  # noqa: ASYNC110 -- a page is asked again
            await asyncio.sleep(0.1)


# What is sent a second time


@LOOPS
@pytest.mark.parametrize(
    ("method", "body"),
    [
        *((method, b"") for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH", "PROPFIND")),
        *((method, b"x") for method in ("GET", "PUT", "DELETE", "POST", "PATCH")),
    ],
)
def test_a_connection_that_was_closed_while_idle_costs_nobody_a_response(
    tmp_path: Path, run: Run, method: str, body: bytes
) -> None:
    """Whether the gateway has heard of it (some turns of the loop later) or only its kernel (none)."""

    async def closed(gateway: Running, way: str, turns: int) -> None:
        gateway.upstream.behaviour = response_by_target
        client = await gateway.client()
        assert_responds(await client.ask(get("/first")), "/first")
        (connection,) = gateway.to_upstream.pool.connections
        (upstream,) = gateway.upstream.conversations
        if way == "FIN":
            upstream.writer.write_eof()
        else:
            upstream.reset()
        assert connection._transport is not None
        while not (connection.is_lost or is_readable(connection._transport)):  # noqa: ASYNC110 -- turns are what is counted
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        raw = post(body, target="/b", method=method) if body else get("/b", method=method)
        response = await client.ask(raw, method)
        assert response.status == 200
        times = [request.start.split()[1] for request in gateway.upstream.requests].count(b"/b")
        # A request without harm may have been tried on the connection that was closing.
        assert times == 1 or (times == 2 and not body and method in IDEMPOTENT)

    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            for way, turns in itertools.product(("FIN", "RST"), (0, 1, 20)):
                with about(f"{way}, {turns} turns of the loop"):
                    await closed(gateway, way, turns)
                await gateway.forget()

    run(main())


@LOOPS
@pytest.mark.parametrize(
    ("method", "body", "again"),
    [
        ("GET", b"", True),
        ("HEAD", b"", True),
        ("OPTIONS", b"", True),
        ("DELETE", b"", True),
        ("PUT", b"", True),
        ("PUT", b"x", False),
        ("GET", b"x", False),
        ("POST", b"", False),
        ("POST", b"x", False),
        ("PATCH", b"x", False),
        ("PROPFIND", b"", False),
    ],
)
def test_what_may_have_been_acted_on_is_sent_again_only_when_that_does_no_harm(
    tmp_path: Path, run: Run, method: str, body: bytes, *, again: bool
) -> None:
    """The connection ends when the request is on its way: unread, half read, or read whole."""

    async def ended(gateway: Running, taken: str, way: str) -> None:
        begun: list[bytes] = []

        async def behave(upstream: Conversation) -> None:
            await upstream.request()
            await upstream.say(OK)
            if len(gateway.upstream.conversations) > 1:
                return
            if taken == "nothing":
                await until(lambda: upstream.reader._buffer)  # type: ignore[attr-defined]
            elif taken == "half":
                begun.append(await upstream.reader.readexactly(20))
            else:
                await upstream.request()
            if way == "RST":
                upstream.reset()

        gateway.upstream.behaviour = behave
        client = await gateway.client()
        assert (await client.ask(get("/first"))).body == b"ok"
        raw = post(body, target="/b", method=method) if body else get("/b", method=method)
        response = await client.ask(raw, method)
        assert len(gateway.upstream.conversations) == 1 + again
        assert response.status == (200 if again else 502)
        if not again:
            assert response.problem["reason"] == "upstream_unreachable"

    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            for taken, way in itertools.product(("nothing", "half", "all"), ("FIN", "RST")):
                with about(f"{taken} was taken, {way}"):
                    await ended(gateway, taken, way)
                await gateway.forget()

    run(main())


async def test_a_request_is_sent_twice_at_most(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        if len(gateway.upstream.conversations) == 1:
            await upstream.say(OK)
            await upstream.request()

    gateway.upstream.behaviour = behave
    assert (await client.ask(get("/first"))).status == 200
    response = await client.ask(get("/b"))
    assert (response.status, response.problem["reason"]) == (502, "upstream_unreachable")
    assert [request.start for request in gateway.upstream.requests].count(b"GET /b HTTP/1.1") == 2


@pytest.mark.parametrize(
    "said", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"]
)
async def test_a_request_is_not_sent_again_once_a_byte_of_a_response_came(
    gateway: Running, client: RawClient, said: bytes
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(OK)
        await upstream.request()
        await upstream.say(said)

    gateway.upstream.behaviour = behave
    assert (await client.ask(get("/first"))).status == 200
    await client.send(get("/b"))
    got: Message | None = None
    try:
        got = await client.response()
        while got.status < 200:
            got = await client.response()
    except (ConnectionResetError, asyncio.IncompleteReadError):
        assert b"200" in said
    else:
        assert got.status == 502
    assert [request.start for request in gateway.upstream.requests].count(b"GET /b HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://api.example", b"api.example"),
        ("http://API.example:80/", b"api.example"),
        ("https://api.example:443", b"api.example"),
        ("https://api.example:80", b"api.example:80"),
        ("http://api.example:443", b"api.example:443"),
        ("http://api.example.:8080", b"api.example:8080"),
        ("http://127.0.0.1:3000", b"127.0.0.1:3000"),
        ("http://[::1]", b"[::1]"),
        ("https://[2001:DB8:0::1]:8443", b"[2001:db8::1]:8443"),
        ("unix:/run/api.sock", b"localhost"),
    ],
)
def test_an_api_is_called_as_its_address_is_written(url: str, host: bytes) -> None:
    assert own_host(url) == host
    if not url.startswith("unix:"):
        assert URL(url).host_port_subcomponent == host.decode()
