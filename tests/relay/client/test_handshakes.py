"""Whoever connects counts from then on, and who does not begin to speak TLS gives way: slowloris holds nothing."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from gateway.core.config.section import Seconds
from tests.relay.client.secured import Secured, failures, secured, under_way
from tests.relay.test_faults import LOOPS, Run
from tests.relay.upstream.test_dialing import Authority
from tests.wire import PATIENCE, Conversation, RawClient, get, until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def open_connections(it: Secured) -> float | None:
    return it.gateway.gateway._metrics.registry.get_sample_value("gateway_connections_open")


async def is_over(client: RawClient) -> bool:
    """Whether the gateway has ended it, whichever way."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await client.reader.read() == b""
    except ConnectionError:
        return True


@LOOPS
def test_a_tenth_may_be_silent_and_the_oldest_gives_way(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority, limits={"connections": 30}) as it:
            silent = [await it.silent() for _ in range(3)]
            await until(lambda: under_way(it) == 3)
            assert open_connections(it) == 3
            for number in range(3):
                silent.append(await it.silent())
                assert await is_over(silent[number])
            await until(lambda: under_way(it) == 3)
            client = await it.client()
            assert (await client.ask(get())).status == 200
            assert await is_over(silent[3])
            assert failures(it, "gave_way") == 4
            assert open_connections(it) == 3
            assert "3 of at most 3" in repr(it.gateway.server.handshakes) or under_way(it) == 2

    run(main())


@LOOPS
def test_a_crowd_of_silent_ones_shuts_nobody_out(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority, limits={"connections": 20}) as it:
            for _ in range(100):
                await it.silent()
            clients = [await it.client() for _ in range(18)]
            for client in clients:
                assert (await client.ask(get())).status == 200
            assert len(it.gateway.server.open) <= 20

    run(main())


@LOOPS
def test_handshakes_end_after_header_timeout(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority, limits={"header_timeout": Seconds(0.2)}) as it:
            silent = await it.silent()
            slow = await it.silent()
            # The first bytes of a ClientHello that never ends.
            await slow.send(b"\x16\x03\x01\x02\x00\x01")
            assert await is_over(silent)
            assert await is_over(slow)
            await until(lambda: under_way(it) == 0)
            assert failures(it, "timeout") == 2
            await until(lambda: [error for error in it.gateway.errors() if "header_timeout" in error["message"]])

    run(main())


@LOOPS
def test_what_is_no_tls_is_counted_and_told_once(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            for _ in range(5):
                client = await it.silent()
                await client.send(get())
                with pytest.raises((ConnectionError, AssertionError)):
                    assert (await client.reader.read()).startswith(b"HTTP/")
            await until(it.gateway.errors)
            for _ in range(5):
                client = await it.silent()
                await client.send(b"\x80garbage that is long enough to be read as a record")
                await is_over(client)
            # A load balancer that only asks whether somebody listens.
            client = await it.silent()
            client.reset()
            await until(lambda: under_way(it) == 0)
            assert failures(it, "protocol") == 10
            await asyncio.sleep(0.3)
            told = [error["message"] for error in it.gateway.errors()]
            assert len(told) == 1
            assert "TLS did not begin on" in told[0]

    run(main())


@LOOPS
def test_when_every_place_is_taken_who_is_idle_gives_way(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority, limits={"connections": 3}) as it:
            clients = []
            for _ in range(3):
                clients.append(await it.client())
                assert (await clients[-1].ask(get())).status == 200
            newcomer = await it.client()
            assert (await newcomer.ask(get())).status == 200
            assert await is_over(clients[0])
            assert (await clients[2].ask(get())).status == 200

    run(main())


@LOOPS
def test_where_nobody_gives_way_a_newcomer_is_turned_away(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        waits = asyncio.Event()

        async def behave(upstream: Conversation) -> None:
            await upstream.request()
            await waits.wait()
            await upstream.say(it.gateway.upstream.response)

        async with secured(tmp_path, authority, limits={"connections": 2}) as it:
            it.gateway.upstream.behaviour = behave
            busy = []
            for _ in range(2):
                busy.append(await it.client())
                await busy[-1].send(get())
                # Another one would take its place while it is not done.
                await until(lambda: under_way(it) == 0)
            await it.gateway.upstream.connected(2)
            with pytest.raises((ConnectionError, ssl.SSLError, EOFError)):
                await it.client()
            waits.set()
            for client in busy:
                assert (await client.response()).status == 200

    run(main())


@LOOPS
def test_a_stop_does_not_wait_for_them(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            silent = [await it.silent() for _ in range(3)]
            await until(lambda: under_way(it) == 3)
            client = await it.client()
            assert (await client.ask(get())).status == 200
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with asyncio.timeout(PATIENCE):
                await it.gateway.stop()
            assert loop.time() - began < 3
            for one in silent:
                assert await is_over(one)

    run(main())


@LOOPS
def test_a_client_that_says_no_farewell_does_not_hold_the_stop(tmp_path: Path, authority: Authority, run: Run) -> None:
    """It takes neither the gateway's nor sends its own."""

    def deaf(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
        client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
        client.sendall(get())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        return client

    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            port = int(it.gateway.gateway.address.rpartition(":")[2])
            clients = [await asyncio.to_thread(deaf, port, it.context()) for _ in range(3)]
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with asyncio.timeout(PATIENCE):
                await it.gateway.stop()
            assert loop.time() - began < 3
            for client in clients:
                client.close()

    run(main())
