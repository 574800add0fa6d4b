"""The listener that is asked over gRPC, by a client of the same library: bounds, health, and who asks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.core.addresses import parse_address
from gateway.decisions.calls import MAX_CONNECTIONS, Admitted, Call
from gateway.decisions.grpc_messages import CheckRequest, CheckResponse
from gateway.decisions.grpc_server import MAX_CALLS, MAX_MESSAGE, CannotListen, CheckServer, parse_peer
from tests.wire import PATIENCE, until

CHECK = "/envoy.service.auth.v3.Authorization/Check"
HEALTH = "/grpc.health.v1.Health/Check"
YES = Admitted((), (), (), None)
#: not the connection of another channel
ALONE = [("grpc.use_local_subchannel_pool", 1)]
#: RFC 9113 section 3.4: with an empty SETTINGS
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
Serve = Callable[[Call], Awaitable[None]]


async def say_yes(call: Call) -> None:
    call.decide(YES)


@asynccontextmanager
async def serving(serve: Serve = say_yes, *, ready: bool = True) -> AsyncIterator[tuple[CheckServer, Any]]:
    server = CheckServer(serve, is_ready=lambda: ready)
    await server.start(parse_address("127.0.0.1:0"))
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield server, channel
    finally:
        await server.stop(seconds=0)


def question(padding: int = 0) -> bytes:
    message = CheckRequest()
    message.attributes.request.http.path = "/" + "a" * padding
    body: bytes = message.SerializeToString()
    return body


async def test_a_call_gets_its_verdict_and_is_known_by_its_peer() -> None:
    seen: list[tuple[str, int] | None] = []

    async def serve(call: Call) -> None:
        seen.append(call._peername)
        call.decide(YES)

    async with serving(serve) as (server, channel):
        said = CheckResponse.FromString(await channel.unary_unary(CHECK)(question()))
        assert said.HasField("ok_response") or said.status.code == 0
        assert repr(server) == f"<CheckServer {server.address}>"
    ((host, _),) = [peer for peer in seen if peer is not None]
    assert host == "127.0.0.1"


@pytest.mark.parametrize(("ready", "said"), [(True, b"\x08\x01"), (False, b"\x08\x02")])
async def test_its_health_is_that_of_the_gateway(*, ready: bool, said: bytes) -> None:
    name = b"envoy.service.auth.v3.Authorization"
    async with serving(ready=ready) as (_, channel):
        ask = channel.unary_unary(HEALTH)
        assert await ask(b"") == said
        assert await ask(b"\x0a" + bytes([len(name)]) + name) == said
        for other in (b"\x0a\x03abc", b"\x0a", b"\xff\xff\xff"):
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await ask(other)
            assert told.value.code() is grpc.StatusCode.NOT_FOUND


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await call
    code: grpc.StatusCode = told.value.code()
    return code


async def test_what_is_no_question_is_told() -> None:
    async with serving() as (_, channel):
        assert await refused(channel.unary_unary(CHECK)(b"\xff")) is grpc.StatusCode.INVALID_ARGUMENT
        assert await refused(channel.unary_unary(CHECK + "s")(b"")) is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_has_a_bound() -> None:
    async with serving() as (_, channel):
        ask = channel.unary_unary(CHECK)
        await ask(question(MAX_MESSAGE - 100))
        assert await refused(ask(question(MAX_MESSAGE))) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_so_many_calls_are_under_way_and_no_more() -> None:
    go_on = asyncio.Event()
    under_way = 0

    async def serve(call: Call) -> None:
        nonlocal under_way
        under_way += 1
        await go_on.wait()
        call.decide(YES)

    async with serving(serve) as (server, channel):
        ask = channel.unary_unary(CHECK)
        waiting = [asyncio.ensure_future(ask(question())) for _ in range(MAX_CALLS)]
        await until(lambda: under_way == MAX_CALLS or any(call.done() for call in waiting))
        # Which one ended, if one did, and how.
        assert [call for call in waiting if call.done()] == []
        # On another connection: one has room for as many streams.
        async with grpc.aio.insecure_channel(server.address, options=ALONE) as other:
            assert await refused(other.unary_unary(CHECK)(question())) is grpc.StatusCode.RESOURCE_EXHAUSTED
        go_on.set()
        await asyncio.gather(*waiting)


@pytest.mark.parametrize("said", [b"", b"PRI", PREFACE], ids=["nothing", "a beginning", "all that begins one"])
async def test_who_only_holds_connections_keeps_nobody_out_for_long(said: bytes) -> None:
    server = CheckServer(say_yes, is_ready=lambda: True, begins_within=0.2, idle=0.3)
    await server.start(parse_address("127.0.0.1:0"))
    host, port = server.address.split(":")
    crowd = [await asyncio.open_connection(host, int(port)) for _ in range(MAX_CONNECTIONS + 10)]
    for _, writer in crowd:
        writer.write(said)
    # By itself the library waits for twice as long for one that does not begin, and for ever for one that is idle.
    async with asyncio.timeout(PATIENCE / 2), grpc.aio.insecure_channel(server.address, options=ALONE) as channel:
        assert await channel.unary_unary(HEALTH)(b"", wait_for_ready=True) == b"\x08\x01"
    for _, writer in crowd:
        writer.transport.abort()
    await server.stop(seconds=0)


async def test_a_proxy_that_was_idle_asks_as_before() -> None:
    server = CheckServer(say_yes, is_ready=lambda: True, idle=0.1)
    await server.start(parse_address("127.0.0.1:0"))
    async with grpc.aio.insecure_channel(server.address, options=ALONE) as channel:
        for _ in range(3):
            await channel.unary_unary(CHECK)(question())
            async with asyncio.timeout(PATIENCE):
                while channel.get_state() is grpc.ChannelConnectivity.READY:
                    await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
    await server.stop(seconds=0)


async def test_one_about_which_nobody_decides_is_told() -> None:
    async def serve(call: Call) -> None:
        pass

    async with serving(serve) as (_, channel):
        assert await refused(channel.unary_unary(CHECK)(question())) is grpc.StatusCode.UNAVAILABLE


async def test_the_end_waits_for_calls_under_way() -> None:
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def serve(call: Call) -> None:
        begun.set()
        await go_on.wait()
        call.decide(YES)

    async with serving(serve) as (server, channel):
        asked = asyncio.ensure_future(channel.unary_unary(CHECK)(question()))
        await begun.wait()
        stopping = asyncio.ensure_future(server.stop(seconds=10))
        await asyncio.sleep(0)
        go_on.set()
        await asked
        await stopping


async def test_an_address_is_shared_with_nobody() -> None:
    async with serving() as (server, _):
        other = CheckServer(say_yes, is_ready=lambda: True)
        with pytest.raises(CannotListen, match=rf"cannot listen on {server.address} \(decisions_grpc\)"):
            await other.start(parse_address(server.address))


async def test_it_can_be_stopped_before_it_started() -> None:
    server = CheckServer(say_yes, is_ready=lambda: True)
    await server.stop(seconds=0)
    assert repr(server) == "<CheckServer not started>"


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        ("ipv4:192.0.2.1:5", ("192.0.2.1", 5)),
        ("ipv6:%5B::1%5D:5", ("::1", 5)),
        ("ipv6:[fe80::1%25eth0]:5", ("fe80::1", 5)),
        ("unix:", None),
        ("unix:/run/x:5", None),
        ("ipv4:192.0.2.1", None),
        ("", None),
    ],
)
def test_who_asks_is_read_of_what_the_library_says(peer: str, found: tuple[str, int] | None) -> None:
    assert parse_peer(peer) == found
