"""TLS that begins on many connections at once holds nobody up, and whoever says nothing holds up nobody else."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from gateway.paced import READ, TURN
from gateway.relay.outbox import outbox_of
from tests.relay.client.secured import Secured, failures, secured, under_way
from tests.relay.test_faults import LOOPS, Run
from tests.relay.upstream.test_dialing import Authority
from tests.wire import PATIENCE, until

#: seconds of the processor in one turn of the loop: what is promised. So many handshakes at once take twice as much
LONGEST = 0.05
COUNT = 96
REQUESTS = 3
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


class Ended(Exception):
    """By the gateway."""


class Client:
    """A client whose side of TLS is worked out while the loop stands still."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self.hello = self._outgoing.read()

    async def flight(self) -> None:
        """The server's first words."""
        self._incoming.write(await self._read())

    def finish(self, requests: int = 1) -> None:
        """Our last ones, and requests right behind them."""
        self._tls.do_handshake()
        self._tls.write(REQUEST * requests)
        self.socket.send(self._outgoing.read())

    async def response(self) -> bytes:
        while True:
            try:
                return self._tls.read(READ)
            except ssl.SSLWantReadError:
                self._incoming.write(await self._read())

    async def responses(self) -> bytes:
        """All of them, until the gateway ends the connection."""
        said = b""
        with contextlib.suppress(Ended, ssl.SSLZeroReturnError):
            while True:
                said += await self.response()
        return said

    async def _read(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            data = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
        if not data:
            raise Ended
        return data


async def longest_turn(say: Callable[[], None], heard: Callable[[], Awaitable[object]]) -> float:
    """What the longest turn of the loop took of the processor from when it was said to when all had been heard."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    say()
    # What was said is there: the loop's next look is the first that can find it, and what it took to say is not its own.
    watching.cancel()
    watching = asyncio.create_task(watch())
    await heard()
    watching.cancel()
    return longest


def of_all(port: int, context: ssl.SSLContext, count: int) -> list[Client]:
    return [Client(port, context) for _ in range(count)]


def port_of(it: Secured) -> int:
    return int(it.gateway.gateway.address.rpartition(":")[2])


@LOOPS
@pytest.mark.parametrize("shown", ["no certificates", "certificates"])
def test_who_begins_at_once_makes_no_long_turn(
    tmp_path: Path, authority: Authority, clients: Authority, run: Run, shown: str
) -> None:
    """Connections that have been open for a while, all of which say their first words at the same moment."""
    pair = authority.issue("127.0.0.1", label="gateway", key=generate_private_key(65537, 2048))
    ours = clients.issue("a", label="ours") if shown == "certificates" else None
    asked = clients if ours else None

    async def main() -> None:
        limits = {"connections": COUNT * 10}
        async with secured(tmp_path, authority, pair=pair, clients=asked, limits=limits) as it:
            crowd = of_all(port_of(it), it.context(ours), COUNT)
            await until(lambda: under_way(it) == COUNT)

            def hello() -> None:
                for client in crowd:
                    client.socket.send(client.hello)

            def finish() -> None:
                for client in crowd:
                    client.finish()

            first = await longest_turn(hello, lambda: asyncio.gather(*(client.flight() for client in crowd)))
            responses: list[bytes] = []

            async def responded() -> None:
                responses.extend(await asyncio.gather(*(client.response() for client in crowd)))

            last = await longest_turn(finish, responded)
            assert all(response.startswith(b"HTTP/1.1 401") for response in responses)
            assert max(first, last) < LONGEST
            assert failures(it, "gave_way") is None
            for client in crowd:
                client.socket.close()

    run(main())


@LOOPS
def test_most_of_a_herd_that_comes_at_once_is_served(tmp_path: Path, authority: Authority, run: Run) -> None:
    """Three times as many as may be in a handshake: the rest waits in the kernel's queue, and few have to give way."""

    async def main() -> None:
        async with secured(tmp_path, authority, limits={"connections": 600}) as it:
            herd = of_all(port_of(it), it.context(), 180)
            for client in herd:
                client.socket.send(client.hello)

            async def served(client: Client) -> bool:
                try:
                    await client.flight()
                    client.finish()
                    return (await client.response()).startswith(b"HTTP/1.1 401")
                except (Ended, OSError):
                    return False

            count = sum(await asyncio.gather(*map(served, herd)))
            for client in herd:
                client.socket.close()
            # Not held back, 60 are: the newest that came. All of these clients answer in the loop of the gateway itself.
            assert count > 90
            assert count + (failures(it, "gave_way") or 0) == 180

    run(main())


@LOOPS
def test_who_ends_right_behind_its_request_gets_its_response(tmp_path: Path, authority: Authority, run: Run) -> None:
    """So many at once that most wait for their turn: the end of each comes behind what it said."""

    async def main() -> None:
        outbox_of(asyncio.get_running_loop()).one_by_one = 0
        async with secured(tmp_path, authority, limits={"connections": 600}) as it:
            crowd = of_all(port_of(it), it.context(), 48)
            for client in crowd:
                client.socket.send(client.hello)
            await asyncio.gather(*(client.flight() for client in crowd))
            for client in crowd:
                client.finish(REQUESTS)
                client.socket.shutdown(socket.SHUT_WR)
            responses = await asyncio.gather(*(client.responses() for client in crowd))
            assert [response.count(b"HTTP/1.1 401") for response in responses] == [REQUESTS] * len(crowd)
            for client in crowd:
                client.socket.close()
            await until(lambda: under_way(it) == 0)

    run(main())


@LOOPS
def test_who_says_nothing_or_half_delays_nobody(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority, limits={"connections": 500}) as it:
            crowd = of_all(port_of(it), it.context(), 40)
            for client in crowd[20:]:
                client.socket.send(client.hello[:100])
            await until(lambda: under_way(it) == 40)
            other = await it.client()
            assert (await other.ask(REQUEST)).status == 401
            assert it.gateway.server.handshakes is not None
            assert not it.gateway.server.handshakes.pace.is_behind
            assert "0 waiting" in repr(it.gateway.server.handshakes.pace)
            assert under_way(it) == 40
            # The other half makes whole handshakes of them.
            for half in crowd[20:]:
                half.socket.send(half.hello[100:])
                await half.flight()
                half.finish()
                assert (await half.response()).startswith(b"HTTP/1.1 401")
            for half in crowd:
                half.socket.close()

    run(main())


@LOOPS
def test_who_goes_while_it_waits_leaves_nothing(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority, limits={"connections": 500}) as it:
            crowd = of_all(port_of(it), it.context(), 40)
            for number, client in enumerate(crowd):
                client.socket.send(client.hello)
                if number % 2:
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.socket.close()
            assert (await (await it.client()).ask(REQUEST)).status == 401
            await until(lambda: under_way(it) == 0)
            assert failures(it, "closed") == 40
            assert it.gateway.errors() == []

    run(main())


@LOOPS
def test_authorities_that_change_meanwhile_make_the_first_response_the_last(
    tmp_path: Path, authority: Authority, run: Run
) -> None:
    """The request comes with the end of the handshake, in one piece: asyncio has read it before anybody can hear it."""

    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            (client,) = of_all(port_of(it), it.context(), 1)
            client.socket.send(client.hello)
            await client.flight()
            it.gateway.server.make_last()
            client.finish()
            assert b"\r\nConnection: close\r\n" in await client.response()
            client.socket.close()

    run(main())


@LOOPS
def test_what_comes_while_it_waits_is_bounded(tmp_path: Path, authority: Authority, run: Run) -> None:
    """More than any handshake takes, from many: what is not read yet is left to the kernel, and refused in the end."""

    async def main() -> None:
        async with secured(tmp_path, authority, limits={"connections": 500}) as it:
            crowd = of_all(port_of(it), it.context(), 20)
            for client in crowd:
                client.socket.send(client.hello + b"\x17\x03\x03\x40\x00" * (2 * READ))
            await until(lambda: failures(it, "protocol") == 20)
            await until(lambda: under_way(it) == 0)
            for client in crowd:
                client.socket.close()

    run(main())


def test_a_turn_has_little_of_the_loop() -> None:
    assert TURN <= LONGEST / 10
