"""Whoever vanishes without a word is found out: what may be silent for long is asked by the kernel (SO_KEEPALIVE)."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.relay.keepalive import keep_asking
from tests.relay.test_faults import CHUNKED, LOOPS, Run, a_gateway
from tests.relay.test_tunnel import SWITCH, handshake
from tests.wire import Conversation, RawClient, Running, chunks, get

#: seconds after which a connection is asked at the latest; the kernel's own default is two hours
LATEST = 15 * 60
#: of the timers in /proc/net/tcp: a retransmission is 1
KEEPALIVE = 2
#: USER_HZ
TICKS = 100


async def tunnel(upstream: Conversation) -> None:
    await upstream.head()
    await upstream.say(SWITCH)
    await upstream.until_ended()


async def events(upstream: Conversation) -> None:
    await upstream.request()
    await upstream.say(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n") + chunks(b"data: 1\n\n")
    )
    await upstream.until_ended()


KINDS: dict[str, tuple[bytes, Callable[[Conversation], Awaitable[None]]]] = {
    "tunnel": (handshake(), tunnel),
    "event stream": (get(), events),
}


def timer_of(local: int, remote: int) -> tuple[int, float]:
    """Kind and seconds of the timer that the kernel has for a socket of ours, by its ports on 127.0.0.1."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = tuple(int(address.split(":")[1], 16) for address in fields[1:3])
        if ports == (local, remote):
            kind, when = (int(part, 16) for part in fields[5].split(":"))
            return kind, when / TICKS
    raise AssertionError("there is no such socket")


async def until_quiet(local: int, remote: int) -> tuple[int, float]:
    """Once the other side has acknowledged everything."""
    for _ in range(200):
        kind, when = timer_of(local, remote)
        if kind in {0, KEEPALIVE}:
            return kind, when
        await asyncio.sleep(0.01)
    raise AssertionError("something is still unacknowledged")


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


@LOOPS
@pytest.mark.parametrize("side", ["client", "upstream"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_silent_for_long_is_asked_whether_it_lives(tmp_path: Path, run: Run, kind: str, side: str) -> None:
    request, behave = KINDS[kind]

    def ports(gateway: Running, client: RawClient) -> tuple[int, int]:
        """Of the gateway's socket, and of the other end."""
        if side == "client":
            return port(gateway.gateway.address), client.writer.get_extra_info("sockname")[1]
        upstream = gateway.upstream.conversations[0].writer.get_extra_info
        return upstream("peername")[1], upstream("sockname")[1]

    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            gateway.upstream.behaviour = behave
            client = await gateway.client()
            await client.send(request)
            assert (await client.head()).status in {101, 200}
            kind_of_timer, seconds = await until_quiet(*ports(gateway, client))
            assert kind_of_timer == KEEPALIVE
            assert 1 < seconds <= LATEST

    run(main())


def test_what_is_accepted_has_it_from_where_it_was() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        keep_asking(listener)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
