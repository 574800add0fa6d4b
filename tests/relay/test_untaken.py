"""Who asks and does not take the response locks nobody out, and who takes it slowly gets all of it."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from gateway.core.config.cors import Cors
from gateway.core.config.section import Seconds
from gateway.relay.client.server import Server
from tests.relay.leaps import Leaps, leaping
from tests.wire import PATIENCE, Conversation, RawClient, Running, Start, bearer, get, until

#: connections that the admin listener takes
ADMIN = 64
#: the same of the traffic listener, in these tests
TRAFFIC = 10
PROBE = b"GET /livez HTTP/1.1\r\nHost: kubelet\r\n\r\n"
PAGE = b"GET /metrics HTTP/1.1\r\nHost: crowd\r\n\r\n"
APP = "https://app.example.com"
#: requests that are responded to by the gateway itself
OWN = {
    "refusals": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "refusals of bodies": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    "preflights": f"OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\nAccess-Control-Request-Method: PUT\r\n\r\n".encode(),
}
QUESTION = b"GET /nginx HTTP/1.1\r\nHost:a\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\nX-Original-Host: a\r\n"


@pytest_asyncio.fixture
async def clock() -> AsyncIterator[Leaps]:
    async with leaping() as leaps:
        yield leaps


class Deaf:
    """A client that reads nothing, and whose kernel has room for little."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((host, int(port)))
        self.socket.setblocking(False)

    def send(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self.socket.send(data)

    async def take(self, least: int) -> bytes:
        """Reads so much, or a little more."""
        taken = b""
        async with asyncio.timeout(PATIENCE):
            while len(taken) < least:
                piece = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16)
                assert piece, f"cut after {len(taken)} bytes"
                taken += piece
        return taken

    def vanish(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@asynccontextmanager
async def deaf_crowd(server: Server, address: str, count: int) -> AsyncIterator[list[Deaf]]:
    """So many of them, all of which were let in, and for whom the gateway's kernel has room for little, too."""
    known = len(server.open)
    crowd = [Deaf(address) for _ in range(count)]
    try:
        await until(lambda: len(server.open) == known + count)
        narrow(server)
        yield crowd
    finally:
        for one in crowd:
            one.vanish()


def narrow(server: Server) -> None:
    """The kernel holds as little for its clients as it can."""
    for connection in server.open:
        connection.wire.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)


def admin_server(gateway: Running) -> Server:
    server = gateway.gateway._admin_server
    assert server is not None
    return server


async def probe(address: str, request: bytes = PROBE) -> int:
    """The status of one request on a connection of its own; 0: it was cut off."""
    client = await RawClient.connect(address)
    try:
        async with asyncio.timeout(PATIENCE):
            return (await client.ask(request)).status
    except (ConnectionError, asyncio.IncompleteReadError):
        return 0
    finally:
        client.writer.close()


async def until_untaken(server: Server, crowd: list[Deaf], request: bytes, *, full: bool) -> None:
    """Each asks until a response is left on the gateway's side: more than it likes to hold, or only a little."""
    of_port = {connection.wire.transport.get_extra_info("peername")[1]: connection.wire for connection in server.open}

    async def ask(one: Deaf) -> None:
        wire = of_port[one.socket.getsockname()[1]]
        while not (wire.untaken and wire.is_full == full):
            assert not wire.is_full
            before = wire.written
            one.send(request * (50 if full else 1))
            await until(lambda: wire.written > before)  # noqa: B023

    await asyncio.gather(*map(ask, crowd))


# The admin listener


@pytest.mark.parametrize("left", ["much", "a little"])
async def test_probes_are_served_whatever_is_left_to_be_taken_on_the_admin_listener(
    gateway: Running, left: str
) -> None:
    server = admin_server(gateway)
    async with deaf_crowd(server, gateway.gateway.admin_address, ADMIN) as crowd:
        await until_untaken(server, crowd, PAGE, full=left == "much")
        assert [await probe(gateway.gateway.admin_address) for _ in range(2 * ADMIN)] == [200] * (2 * ADMIN)


async def test_probes_are_served_while_a_crowd_that_reads_nothing_is_renewed(gateway: Running) -> None:
    address = gateway.gateway.admin_address
    server = admin_server(gateway)
    async with deaf_crowd(server, address, ADMIN) as crowd:
        for one in crowd:
            one.send(PAGE * 200)
        statuses = []
        for _ in range(10):
            for one in crowd[:16]:
                one.vanish()
            del crowd[:16]
            crowd += [Deaf(address) for _ in range(16)]
            for one in crowd[-16:]:
                one.send(PAGE * 200)
            statuses += await asyncio.gather(*(probe(address) for _ in range(4)))
        assert statuses == [200] * len(statuses)


async def test_probes_are_served_while_everybody_waits_for_a_page(gateway: Running) -> None:
    address, admin = gateway.gateway.admin_address, gateway.gateway._admin
    rendering, renderings = threading.Event(), 0
    assert admin is not None

    def render() -> bytes:
        nonlocal renderings
        renderings += 1
        rendering.wait(PATIENCE)
        return b"page\n"

    admin._render_now = render
    try:
        async with deaf_crowd(admin_server(gateway), address, ADMIN) as crowd:
            for one in crowd:
                one.send(PAGE)
            await until(lambda: renderings)
            assert [await probe(address) for _ in range(2 * ADMIN)] == [200] * (2 * ADMIN)
            waiting = asyncio.create_task(probe(address, PAGE))
            await asyncio.sleep(0)
            # However many of them came and went.
            assert renderings == 1
            rendering.set()
            assert await waiting == 200
    finally:
        rendering.set()


async def test_who_takes_pages_slowly_gets_all_of_them_among_those_who_take_none(
    clock: Leaps, gateway: Running
) -> None:
    address = gateway.gateway.admin_address
    server = admin_server(gateway)
    async with deaf_crowd(server, address, ADMIN) as (slow, *others):
        await until_untaken(server, [slow, *others], PAGE, full=True)
        taken = b""
        for pause in (0, ADMIN // 2, ADMIN // 2, ADMIN // 2, ADMIN // 2):
            taken += await slow.take(16_384)
            await clock.on(1)
            for _ in range(pause):
                assert await probe(address) == 200
        while taken.count(b"HTTP/1.1 200 OK") < 50:
            taken += await slow.take(1)


# Traffic


@pytest.mark.parametrize("left", ["much", "a little"])
@pytest.mark.parametrize("request_", OWN.values(), ids=OWN)
async def test_who_takes_nothing_of_what_the_gateway_says_itself_makes_room_after_a_moment(
    clock: Leaps, start: Start, request_: bytes, left: str
) -> None:
    gateway = await start(limits={"connections": TRAFFIC}, cors=Cors(origins=(APP,)))
    async with deaf_crowd(gateway.server, gateway.gateway.address, TRAFFIC) as crowd:
        await until_untaken(gateway.server, crowd, request_, full=left == "much")
        await clock.on(3)
        assert [await probe(gateway.gateway.address, get()) for _ in range(2 * TRAFFIC)] == [200] * (2 * TRAFFIC)


async def test_who_takes_nothing_of_a_last_refusal_makes_room_too(clock: Leaps, start: Start) -> None:
    gateway = await start(limits={"connections": 8})
    async with deaf_crowd(gateway.server, gateway.gateway.address, 8) as crowd:
        await until_untaken(gateway.server, crowd, OWN["refusals"], full=False)
        for one in crowd:
            one.send(b"GET /\x00 HTTP/1.1\r\n\r\n")
        await until(lambda: all(not connection.has_request for connection in gateway.server.open))
        await clock.on(3)
        assert [await probe(gateway.gateway.address, get()) for _ in range(16)] == [200] * 16


async def test_who_takes_nothing_of_decisions_makes_room_too(
    clock: Leaps, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.process.app.DECISION_CONNECTIONS", 8)
    gateway = await start(decisions="127.0.0.1:0", trusted_proxies=("127.0.0.1/32",))
    (server,) = (server for server in gateway.gateway._servers if server is not gateway.server)
    address = gateway.gateway.decisions_address
    async with deaf_crowd(server, address, 8) as crowd:
        await until_untaken(server, crowd[:4], QUESTION + bearer() + b"\r\n", full=True)
        await until_untaken(server, crowd[4:], QUESTION + b"\r\n", full=True)
        await clock.on(3)
        assert [await probe(address, QUESTION + bearer() + b"\r\n") for _ in range(16)] == [200] * 16


async def large(upstream: Conversation) -> None:
    await upstream.request()
    await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        await upstream.say(b"x" * 1_000_000)


async def test_what_an_api_said_is_waited_for_and_who_took_it_is_idle_again(clock: Leaps, start: Start) -> None:
    """Nobody but the client who asked has it: it can't be asked for again as a refusal can."""
    gateway = await start(limits={"connections": 2, "send_timeout": Seconds(60)}, keepalive=Seconds(60))
    gateway.upstream.behaviour = large
    address = gateway.gateway.address
    async with deaf_crowd(gateway.server, address, 2) as clients:
        for client in clients:
            # A refusal behind it changes nothing.
            client.send(get() + OWN["refusals"])
        await until(lambda: all(connection.wire.is_full for connection in gateway.server.open))
        await clock.on(5)
        assert await probe(address, OWN["refusals"]) == 503
        for client in clients:
            await client.take(1_000_000)
        assert await probe(address, OWN["refusals"]) == 401


async def test_an_idle_connection_that_was_passed_over_is_asked_again_once_its_client_took_all(
    clock: Leaps, start: Start
) -> None:
    gateway = await start(limits={"connections": 1, "send_timeout": Seconds(60)}, keepalive=Seconds(60))
    gateway.upstream.behaviour = large
    address = gateway.gateway.address
    async with deaf_crowd(gateway.server, address, 1) as (client,):
        client.send(get())
        (connection,) = gateway.server.open
        await until(lambda: connection.wire.is_full)
        while connection.has_request:
            await client.take(1)
        # Less is left than makes the gateway wait.
        assert connection.wire.untaken
        assert await probe(address, OWN["refusals"]) == 503
        while connection.wire.untaken:
            await client.take(1)
        await clock.on(2)
        assert await probe(address, OWN["refusals"]) == 401
