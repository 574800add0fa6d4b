"""Nothing in closing or tunnelling depends on a side of a connection that ends alone: behind TLS there is none."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core.config.section import Seconds
from gateway.core.config.tls import ListenerTls
from gateway.relay.client import handshakes
from tests.relay.test_faults import CHUNKED, LOOPS, Run, a_gateway
from tests.relay.test_tunnel import SWITCH, echo, handshake
from tests.relay.upstream.test_dialing import Authority
from tests.wire import OK, PATIENCE, Conversation, RawClient, Running, chunks, get, post, until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


class Secured:
    """The traffic of a gateway behind TLS."""

    def __init__(self, gateway: Running, authority: Authority, port: int) -> None:
        self.gateway = gateway
        self._context = ssl.create_default_context(cafile=str(authority.file))
        self._port = port

    def context(self) -> ssl.SSLContext:
        return self._context

    async def client(self) -> RawClient:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context, limit=1 << 22))
        self.gateway.clients.append(client)
        return client


@contextlib.asynccontextmanager
async def secured(directory: Path, authority: Authority, **settings: Any) -> AsyncIterator[Secured]:
    certificate, key = map(str, authority.issue("127.0.0.1"))
    tls = ListenerTls(certificate=certificate, key=key)
    async with a_gateway(directory, listener_tls=tls, **settings) as gateway:
        try:
            yield Secured(gateway, authority, int(gateway.gateway.address.rpartition(":")[2]))
        finally:
            for client in gateway.clients:
                client.writer.transport.abort()
            gateway.clients.clear()
            await gateway.connections(0)


async def ended(client: RawClient) -> bytes:
    """What still comes until the gateway ends the connection in good order: TLS says so, or this raises."""
    return await client.rest()


@LOOPS
def test_requests_are_served(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            client = await it.client()
            for _ in range(3):
                assert (await client.ask(get())).body == b"ok"
            assert (await client.ask(post(b"x" * 1_000_000))).body == b"ok"
            assert it.gateway.errors() == []

    run(main())


@LOOPS
@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_refused_upload_has_its_response_and_a_good_end(
    tmp_path: Path, authority: Authority, run: Run, framing: str
) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            client = await it.client()
            await client.send(f"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode())
            assert (await client.response()).status == 401
            assert await ended(client) == b""
            assert it.gateway.errors() == []

    run(main())


@LOOPS
def test_a_client_that_sends_on_gets_its_refusal(tmp_path: Path, authority: Authority, run: Run) -> None:
    size = 5_000_000

    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            client = await it.client()
            client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            assert (await client.response()).status == 401
            assert it.gateway.errors() == []

    run(main())


@LOOPS
def test_a_malformed_request_has_its_response_and_a_good_end(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            client = await it.client()
            assert (await client.ask(b"GET / HTTP/1.1\r\nX y\r\n\r\n")).status == 400
            assert await ended(client) == b""
            assert it.gateway.errors() == []

    run(main())


@LOOPS
def test_an_early_response_of_the_api_arrives(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        await upstream.until_ended()

    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            it.gateway.upstream.behaviour = behave
            client = await it.client()
            await client.send(get("/", "Content-Length: 100000000", method="POST") + b"x" * 1000)
            response = await client.response()
            assert (response.status, response.body) == (413, b"big")
            assert await ended(client) == b""
            assert it.gateway.errors() == []

    run(main())


@LOOPS
def test_a_response_that_breaks_off_has_no_good_end(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def main() -> None:
        # A reset takes with it what the client has not read.
        is_read = asyncio.Event()

        async def behave(upstream: Conversation) -> None:
            await upstream.request()
            await upstream.say(CHUNKED + chunks(b"abc"))
            await is_read.wait()
            upstream.writer.close()

        async with secured(tmp_path, authority) as it:
            it.gateway.upstream.behaviour = behave
            client = await it.client()
            await client.send(get())
            assert (await client.head()).status == 200
            is_read.set()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert not (await ended(client)).endswith(b"0\r\n\r\n")

    run(main())


@LOOPS
def test_a_slow_client_gets_all_of_its_last_response(
    tmp_path: Path, authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes: the time for farewells begins when nothing is owed any more."""
    monkeypatch.setattr(handshakes, "FAREWELL", 0.2)
    # Less than what makes the gateway wait, and more than its kernel and the client's take.
    whole = b"x" * 50_000

    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            it.gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(whole) + whole
            for listener in it.gateway.gateway._listeners.traffic.sockets:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            context = it.context()
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            port = int(it.gateway.gateway.address.rpartition(":")[2])
            is_served = threading.Event()

            def slow() -> bytes:
                raw.connect(("127.0.0.1", port))
                with context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
                    client.sendall(get("/", "Connection: close"))
                    is_served.wait(PATIENCE)
                    got = b""
                    while piece := client.recv(100_000):
                        got += piece
                    return got

            reading = asyncio.create_task(asyncio.to_thread(slow))
            await it.gateway.ended()
            await asyncio.sleep(0.6)
            is_served.set()
            assert (await reading).endswith(whole)
            await it.gateway.connections(0)

    run(main())


@LOOPS
def test_no_more_is_held_for_a_client_that_takes_nothing_than_without_tls(
    tmp_path: Path, authority: Authority, run: Run
) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            await upstream.say(b"x" * 16_384)

    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            it.gateway.upstream.behaviour = behave
            client = await it.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.send(get())
            connection = await it.gateway.only_connection()
            await until(lambda: connection.wire.is_full)
            # What was read at a time, once more than is enough.
            assert 0 < connection.wire.untaken < handshakes.AHEAD + 300_000

    run(main())


@LOOPS
@pytest.mark.parametrize("who", ["client", "upstream", "upstream, its side only"])
def test_a_tunnel_works_and_ends_with_either_side(tmp_path: Path, authority: Authority, run: Run, who: str) -> None:
    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            upstreams = it.gateway.upstream
            upstreams.behaviour = echo
            client = await it.client()
            assert (await client.ask(handshake())).status == 101
            await client.send(b"x" * 1_000_000)
            async with asyncio.timeout(PATIENCE):
                assert await client.reader.readexactly(1_000_000) == b"x" * 1_000_000
            upstream = upstreams.conversations[0]
            if who == "client":
                client.writer.close()
            elif who == "upstream":
                await upstream.say(b"bye")
                upstream.writer.close()
                assert await ended(client) == b"bye"
            else:
                await upstream.say(b"bye")
                upstream.writer.write_eof()
                assert await ended(client) == b"bye"
            await it.gateway.connections(0)
            assert it.gateway.errors() == []

    run(main())


@LOOPS
@pytest.mark.parametrize("state", ["idle", "silent", "tunnel", "owes a body"])
def test_a_stop_ends_what_is_open(tmp_path: Path, authority: Authority, run: Run, state: str) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(SWITCH if state == "tunnel" else OK)
        await upstream.until_ended()

    async def main() -> None:
        async with secured(tmp_path, authority, limits={"drain": Seconds(0.2)}) as it:
            it.gateway.upstream.behaviour = behave
            client = await it.client()
            if state == "tunnel":
                assert (await client.ask(handshake())).status == 101
            elif state == "idle":
                assert (await client.ask(get())).status == 200
            elif state == "owes a body":
                await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
                assert (await client.response()).status == 401
            async with asyncio.timeout(PATIENCE):
                await it.gateway.stop()
            assert it.gateway.errors() == [] or state == "tunnel"

    run(main())


@LOOPS
def test_a_client_that_vanishes_while_it_is_held_is_noticed(tmp_path: Path, authority: Authority, run: Run) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        upstream.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await upstream.until_ended()

    async def main() -> None:
        async with secured(tmp_path, authority) as it:
            it.gateway.upstream.behaviour = behave
            client = await it.client()
            client.writer.write(get("/", "Content-Length: 100000000", method="POST") + b"x" * 20_000_000)
            await it.gateway.upstream.connected()
            await asyncio.sleep(0.2)
            client.reset()
            await until(lambda: not it.gateway.server.open)

    run(main())
