"""A whole gateway starts, drains and stops as Kubernetes and people expect."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds
from gateway.demo.issuer import DemoIssuer
from gateway.process.app import Gateway
from gateway.process.listening import CannotStart
from gateway.process.signals import STOPPING
from gateway.process.supervisor import Supervisor
from tests.wire import (
    OK,
    PATIENCE,
    Conversation,
    RawClient,
    Running,
    Start,
    chunks,
    config_for,
    get,
    post,
    until,
)


class Held:
    """An upstream that responds only when it is told to."""

    def __init__(self, gateway: Running, response: bytes = OK) -> None:
        self.release = asyncio.Event()
        self.asked = asyncio.Event()
        self._response = response
        gateway.upstream.behaviour = self._behave

    async def _behave(self, upstream: Conversation) -> None:
        while True:
            await upstream.head()
            self.asked.set()
            await self.release.wait()
            await upstream.say(self._response)


# Start


async def test_it_listens_and_says_so(start: Start) -> None:
    gateway = await start()
    assert gateway.gateway.address.startswith("127.0.0.1:")
    assert gateway.gateway.address in gateway.stderr.getvalue()
    assert gateway.gateway.admin_address in gateway.stderr.getvalue()
    assert (await (await gateway.client()).ask(get())).body == b"ok"


async def test_it_listens_on_ipv6(start: Start) -> None:
    gateway = await start(listen="[::1]:0", admin="[::1]:0", trusted_proxies=("::1/128",))
    assert gateway.gateway.address.startswith("[::1]:")
    client = await gateway.client()
    assert (await client.ask(get("/", "X-Forwarded-For: 2001:db8::1"))).body == b"ok"
    assert gateway.upstream.last.values(b"X-Forwarded-For") == [b"2001:db8::1, ::1"]
    assert (await gateway.admin("/livez")).status == 200


async def test_it_listens_on_a_unix_socket(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    gateway = await start(listen=f"unix:{path}")
    client = await gateway.client()
    assert (await client.ask(get())).body == b"ok"
    assert gateway.upstream.last.values(b"X-Forwarded-For") == []
    await gateway.stop()
    assert not path.exists()


async def test_a_successor_on_the_same_unix_socket_keeps_it(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    first = await start(listen=f"unix:{path}")
    second = await start(listen=f"unix:{path}")
    await first.stop()
    assert (await (await second.client()).ask(get())).body == b"ok"


async def test_an_address_in_use_is_told(start: Start) -> None:
    gateway = await start()
    with pytest.raises(CannotStart, match=f"cannot listen on {gateway.gateway.address}: Address already in use"):
        await Gateway(config_for("http://127.0.0.1:1", "/nonexistent", listen=gateway.gateway.address)).start()
    with pytest.raises(CannotStart, match="Address already in use"):
        await Gateway(config_for("http://127.0.0.1:1", "/nonexistent", admin=gateway.gateway.admin_address)).start()
    assert (await (await gateway.client()).ask(get())).body == b"ok"


async def test_a_path_that_is_no_socket_is_told(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("precious")
    with pytest.raises(CannotStart, match="cannot listen on unix:"):
        await Gateway(config_for("http://127.0.0.1:1", "/nonexistent", listen=f"unix:{taken}")).start()
    assert taken.read_text() == "precious"
    with pytest.raises(CannotStart, match="No such file"):
        await Gateway(config_for("http://127.0.0.1:1", "/nonexistent", listen="unix:/nonexistent/s")).start()


async def test_a_host_that_cannot_be_resolved_is_told_in_words() -> None:
    with pytest.raises(CannotStart) as told:
        await Gateway(config_for("http://127.0.0.1:1", "/nonexistent", listen="nobody.invalid:0")).start()
    assert "Unknown error" not in str(told.value)


async def test_a_key_that_was_spoilt_after_it_was_checked_is_told() -> None:
    assertion = AssertionSection(issuer="g", key=KeyFile(file="/nonexistent"))
    with pytest.raises(CannotStart, match=r"^assertion\.key\.file names a file that does not exist$"):
        await Gateway(config_for("http://127.0.0.1:1", "/nonexistent", assertion=assertion)).start()
    with pytest.raises(CannotStart, match=r"^assertion\.key\.file names a file that does not exist$"):
        await Supervisor(config_for("http://127.0.0.1:1", "/nonexistent", workers=2, assertion=assertion)).run()
    for number in (*STOPPING, signal.SIGHUP, signal.SIGUSR1):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_it_serves_with_keys_of_a_real_issuer(start: Start) -> None:
    issuer = DemoIssuer()
    await issuer.start()
    try:
        gateway = await start(issuers=(Issuer(issuer=issuer.url, audience=issuer.audience, name="demo"),))
        assert (await gateway.admin("/readyz")).status == 200
        raw = get().replace(get().split(b"Bearer ")[1].split(b"\r\n")[0], issuer.access_token().encode())
        assert (await (await gateway.client()).ask(raw)).body == b"ok"
    finally:
        await issuer.stop()


# Drain


async def test_an_idle_gateway_stops_at_once_and_closes_idle_connections(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(600)})
    used, silent = await gateway.client(), await gateway.client()
    await used.ask(get())
    await gateway.connections(2)
    async with asyncio.timeout(PATIENCE):
        await gateway.stop()
    assert await used.is_closed()
    assert await silent.is_closed()


async def test_within_drain_delay_new_connections_are_served_with_close_and_readyz_says_no(start: Start) -> None:
    gateway = await start(limits={"drain_delay": Seconds(600)})
    hurry = asyncio.Event()
    open_before = await gateway.client()
    await open_before.ask(get())
    assert (await gateway.admin("/readyz")).status == 200
    stopping = asyncio.create_task(gateway.stop(hurry=hurry))
    await until(lambda: gateway.server.draining)
    readiness = await gateway.admin("/readyz")
    assert (readiness.status, b'"draining": true' in readiness.body) == (503, True)
    assert (await gateway.admin("/livez")).status == 200
    for client in (open_before, await gateway.client()):
        response = await client.ask(get())
        assert (response.status, response.values(b"Connection")) == (200, [b"close"])
        assert await client.is_closed()
    hurry.set()
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await RawClient.connect(gateway.gateway.address)


async def test_a_request_in_flight_finishes(start: Start) -> None:
    gateway = await start()
    upstream = Held(gateway)
    client, idle = await gateway.client(), await gateway.client()
    await client.send(get())
    await upstream.asked.wait()
    stopping = asyncio.create_task(gateway.stop())
    assert await idle.is_closed()
    assert (await gateway.admin("/readyz")).status == 503
    upstream.release.set()
    response = await client.response()
    assert (response.body, response.values(b"Connection")) == (b"ok", [b"close"])
    assert await client.is_closed()
    async with asyncio.timeout(PATIENCE):
        await stopping


async def test_an_upload_in_flight_finishes(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    await client.send(post(b"x" * 100)[:-50])
    await gateway.upstream.connected()
    stopping = asyncio.create_task(gateway.stop())
    await until(lambda: gateway.server.closed)
    response = await client.ask(b"x" * 50)
    assert (response.body, response.values(b"Connection")) == (b"ok", [b"close"])
    await stopping
    assert gateway.upstream.last.body == b"x" * 100


async def test_a_response_that_streams_finishes(start: Start) -> None:
    gateway = await start()
    upstream = Held(gateway, response=chunks(b"def") + b"0\r\n\r\n")

    async def behave(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"abc"))
        await upstream.release.wait()
        await conversation.say(chunks(b"def") + b"0\r\n\r\n")

    gateway.upstream.behaviour = behave
    client = await gateway.client()
    await client.send(get())
    await client.head()
    stopping = asyncio.create_task(gateway.stop())
    await until(lambda: gateway.server.closed)
    upstream.release.set()
    assert await client.rest() == chunks(b"abc", b"def") + b"0\r\n\r\n"
    await stopping


async def test_a_response_that_the_client_is_slow_to_take_finishes(start: Start) -> None:
    size = 64 << 20
    gateway = await start()
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    client = await gateway.client()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(get())
    connection = await gateway.only_connection()
    await until(lambda: connection.wire.is_full)
    stopping = asyncio.create_task(gateway.stop())
    await until(lambda: gateway.server.closed)
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len((await client.response()).body) == size
    await stopping
    assert gateway.errors() == []


async def test_a_response_in_the_buffer_of_an_idle_connection_is_not_lost(start: Start) -> None:
    gateway = await start()
    client, sizes = await gateway.client(), 0
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    body = b"x" * 50_000
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    connection = await gateway.only_connection()
    while not connection.wire.untaken:
        sizes += 1
        await client.send(get())
        await gateway.ended(sizes)
    stopping = asyncio.create_task(gateway.stop())
    await until(lambda: gateway.server.closed)
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(sizes):
        assert (await client.response()).body == body
    assert await client.is_closed()
    await stopping


async def test_a_client_that_takes_nothing_does_not_hold_the_stop(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(0.2)})
    client, sizes = await gateway.client(), 0
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    body = b"x" * 50_000
    gateway.upstream.response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    connection = await gateway.only_connection()
    while not connection.wire.untaken:
        sizes += 1
        await client.send(get())
        await gateway.ended(sizes)
    async with asyncio.timeout(PATIENCE):
        await gateway.stop()


async def test_what_exceeds_drain_is_cut(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(0.1)})
    upstream = Held(gateway)
    client = await gateway.client()
    await client.send(get())
    await upstream.asked.wait()
    async with asyncio.timeout(PATIENCE):
        await gateway.stop()
    with pytest.raises(ConnectionResetError):
        await client.rest()
    assert "1 connections were cut" in gateway.stderr.getvalue()
    assert (await gateway.ended())["reason"] == "draining"


async def test_a_second_signal_cuts_what_is_in_flight(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(600)})
    upstream, hurry = Held(gateway), asyncio.Event()
    client = await gateway.client()
    await client.send(get())
    await upstream.asked.wait()
    stopping = asyncio.create_task(gateway.stop(hurry=hurry))
    await until(lambda: gateway.server.closed)
    hurry.set()
    async with asyncio.timeout(PATIENCE):
        await stopping


async def test_a_head_that_ends_after_the_listener_closed_is_refused(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    await client.send(get()[:-10])
    connection = await gateway.only_connection()
    await until(lambda: connection.has_request)
    stopping = asyncio.create_task(gateway.stop())
    await until(lambda: gateway.server.closed)
    response = await client.ask(get()[-10:])
    assert (response.status, response.problem["reason"], response.values(b"Connection")) == (
        503,
        "draining",
        [b"close"],
    )
    assert response.values(b"Retry-After")
    await client.close()
    await stopping
    assert gateway.upstream.requests == []


async def test_a_request_pipelined_behind_one_in_flight_is_not_served_while_draining(start: Start) -> None:
    gateway = await start()
    upstream = Held(gateway)
    client = await gateway.client()
    await client.send(get("/1") + get("/2"))
    await upstream.asked.wait()
    stopping = asyncio.create_task(gateway.stop())
    await until(lambda: gateway.server.closed)
    upstream.release.set()
    assert (await client.response()).values(b"Connection") == [b"close"]
    assert await client.is_closed()
    await stopping
    assert [request.start for request in gateway.upstream.requests] == [b"GET /1 HTTP/1.1"]


EVENTS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"


def streaming(head: bytes) -> Callable[[Conversation], Awaitable[None]]:
    """An upstream whose responses begin so, and do not end."""

    async def behave(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(head + chunks(b"data: 1\n\n"))
        await asyncio.Event().wait()

    return behave


async def test_event_streams_end_in_order_and_are_not_cut(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(600)})
    gateway.upstream.behaviour = streaming(EVENTS)
    client = await gateway.client()
    await client.send(get())
    await client.head()
    stopping = asyncio.create_task(gateway.stop())
    async with asyncio.timeout(PATIENCE):
        # What came is there, the last chunk is not: nobody takes it for a whole response.
        assert await client.rest() == chunks(b"data: 1\n\n")
        await stopping
    record = await gateway.ended()
    assert (record["status"], record["reason"]) == (200, "draining")
    assert gateway.errors() == []


async def test_a_response_that_may_end_has_all_of_drain(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(600)})
    gateway.upstream.behaviour = streaming(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client, hurry = await gateway.client(), asyncio.Event()
    await client.send(get())
    await client.head()
    stopping = asyncio.create_task(gateway.stop(hurry=hurry))
    await until(lambda: gateway.server.closed)
    await asyncio.sleep(0.1)
    assert len(gateway.server.busy()) == 1
    hurry.set()
    await stopping
    assert "1 connections were cut" in gateway.stderr.getvalue()


# Draining without an end


async def test_it_drains_and_serves_on(start: Start) -> None:
    gateway = await start(limits={"drain_delay": Seconds(600)})
    kept, other = await gateway.client(), await gateway.client()
    await kept.ask(get())
    await other.ask(get())
    assert gateway.gateway.drain()
    readiness = await gateway.admin("/readyz")
    assert (readiness.status, b'"draining": true' in readiness.body) == (503, True)
    for client in (kept, await gateway.client()):
        response = await client.ask(get())
        assert (response.body, response.values(b"Connection")) == (b"ok", [b"close"])
        assert await client.is_closed()
    assert not gateway.gateway.drain()
    assert gateway.stderr.getvalue().count("draining: serves on") == 1
    async with asyncio.timeout(PATIENCE):
        # What drain_delay is for was seen to.
        await gateway.stop()
    assert await other.is_closed()


async def test_after_drain_delay_idle_connections_end_and_new_ones_are_served(start: Start) -> None:
    gateway = await start(limits={"drain_delay": Seconds(0.1), "keepalive": Seconds(600)})
    idle, silent = await gateway.client(), await gateway.client()
    await idle.ask(get())
    await gateway.connections(2)
    drained = asyncio.Event()
    gateway.gateway.drain(drained=drained.set)
    async with asyncio.timeout(PATIENCE):
        assert await idle.is_closed()
        await drained.wait()
    for client in (silent, await gateway.client()):
        response = await client.ask(get())
        assert (response.body, response.values(b"Connection")) == (b"ok", [b"close"])


async def test_a_connection_whose_response_began_before_ends_behind_it(start: Start) -> None:
    gateway = await start(limits={"drain_delay": Seconds(0), "keepalive": Seconds(600), "drain": Seconds(600)})
    release = asyncio.Event()

    async def behave(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"abc"))
        await release.wait()
        await conversation.say(b"0\r\n\r\n")

    gateway.upstream.behaviour = behave
    client, drained = await gateway.client(), asyncio.Event()
    await client.send(get())
    assert (await client.head()).values(b"Connection") == []
    gateway.gateway.drain(drained=drained.set)
    await drained.wait()
    connection = await gateway.only_connection()
    release.set()
    async with asyncio.timeout(PATIENCE):
        assert await client.rest() == chunks(b"abc") + b"0\r\n\r\n"
    assert repr(connection.phase) == "<Phase DEAF FREE>"


async def test_streams_that_are_open_and_that_come_later_are_ended_while_it_serves_on(start: Start) -> None:
    gateway = await start(limits={"drain_delay": Seconds(0), "drain": Seconds(0.5)})
    gateway.upstream.behaviour = streaming(EVENTS)
    gateway.gateway.drain()
    for _ in range(2):
        client = await gateway.client()
        await client.send(get())
        assert (await client.head()).values(b"Connection") == [b"close"]
        async with asyncio.timeout(PATIENCE):
            assert await client.rest() == chunks(b"data: 1\n\n")
    assert not gateway.server.closed


async def test_who_stops_is_not_told_to_drain(start: Start) -> None:
    gateway = await start(limits={"drain_delay": Seconds(600)})
    hurry = asyncio.Event()
    stopping = asyncio.create_task(gateway.stop(hurry=hurry))
    await until(lambda: gateway.server.draining)
    assert not gateway.gateway.drain()
    hurry.set()
    await stopping
