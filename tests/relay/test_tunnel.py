"""After 101: what goes through, at whose pace, and how it ends. Raw bytes on both sides, no WebSocket library."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.relay.frames import GOING_AWAY
from gateway.relay.upstream.connection import UpstreamConnection
from tests.wire import OK, Conversation, Message, RawClient, Running, Start, chunked, demo_issuer, get, keys_file, until

MIB = 1 << 20
#: real seconds after which a test that waits for bytes gives up
PATIENCE = 5.0
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
ASKING = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
#: a handshake without a credential
ANONYMOUS = ("GET / HTTP/1.1\r\nHost: api.test\r\n" + "".join(f"{line}\r\n" for line in ASKING) + "\r\n").encode()
HIDDEN = get("/hidden")


def handshake(*lines: str, target: str = "/chat") -> bytes:
    """An admitted one."""
    return get(target, *ASKING, *lines)


def handshake_with(token: str) -> bytes:
    return ANONYMOUS[:-2] + f"Authorization: Bearer {token}\r\n\r\n".encode()


async def switch(upstream: Conversation) -> None:
    """Agrees, and leaves the rest to the test."""
    await upstream.head()
    await upstream.say(SWITCH)
    await asyncio.Event().wait()


async def echo(upstream: Conversation) -> None:
    await upstream.head()
    await upstream.say(SWITCH)
    while data := await upstream.reader.read(65536):
        await upstream.say(data)


def responding(response: bytes) -> Callable[[Conversation], Awaitable[None]]:
    """Responses every request with these bytes."""

    async def behave(upstream: Conversation) -> None:
        while True:
            await upstream.request()
            await upstream.say(response)

    return behave


async def opened(gateway: Running, raw: bytes | None = None) -> tuple[RawClient, Conversation]:
    """Both ends of a new tunnel."""
    gateway.upstream.behaviour = gateway.upstream.behaviour or switch
    before = len(gateway.upstream.conversations)
    client = await gateway.client()
    await client.send(handshake() if raw is None else raw)
    assert (await client.head()).status == 101
    return client, await gateway.upstream.connected(before + 1)


def upstream_sides(gateway: Running) -> set[UpstreamConnection]:
    """The gateway's connections to its only upstream."""
    return set(gateway.to_upstream.pool.connections)


def transport_to_upstream(gateway: Running) -> asyncio.Transport:
    (connection,) = upstream_sides(gateway)
    assert connection._transport is not None
    return connection._transport


async def transport_to_client(gateway: Running) -> asyncio.Transport:
    return (await gateway.only_connection()).wire.transport


def stop_reading(side: RawClient | Conversation) -> None:
    side.writer.transport.pause_reading()  # type: ignore[attr-defined]


def go_on_reading(side: RawClient | Conversation) -> None:
    side.writer.transport.resume_reading()  # type: ignore[attr-defined]


async def read(side: RawClient | Conversation, size: int) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await side.reader.readexactly(size)


async def write(side: RawClient | Conversation, data: bytes) -> None:
    side.writer.write(data)
    await side.writer.drain()


async def until_gone(side: RawClient | Conversation) -> bytes:
    """What still comes until the connection has ended, in whatever way."""
    data = b""
    async with asyncio.timeout(PATIENCE):
        try:
            while piece := await side.reader.read(65536):
                data += piece
        except ConnectionError:
            pass
    return data


async def fill(side: RawClient | Conversation, transport: asyncio.Transport) -> bytes:
    """Sends until the gateway itself holds bytes for the other side, which does not read; gives what was sent."""
    pieces = []
    rng = random.Random(4)
    async with asyncio.timeout(PATIENCE):
        while not transport.get_write_buffer_size() and not transport.is_closing():
            pieces.append(rng.randbytes(16 * 1024))
            await write(side, pieces[-1])
            await asyncio.sleep(0)
    return b"".join(pieces)


def short_lived(seconds: float) -> str:
    """A token that expires in so many seconds."""
    return demo_issuer().access_token(alg="ES256", exp=time.time() + seconds)


def strict_issuer(directory: Path) -> tuple[Issuer, ...]:
    """The usual one; its tokens are not valid for a moment longer than they say."""
    return (
        Issuer(
            issuer="https://issuer.test",
            audience=demo_issuer().audience,
            jwks_file=keys_file(directory),
            leeway=Seconds(0),
        ),
    )


# The handshake


async def test_the_handshake_goes_up_with_all_its_negotiation_and_the_identity(
    gateway: Running, client: RawClient
) -> None:
    gateway.upstream.behaviour = switch
    negotiation = (
        "Connection: keep-alive, Upgrade",
        "upgrade: WebSocket",
        "sec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "X-User-Id: root",
        "x_user.id: root",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Extensions: x-other",
        "Origin: https://app.test",
        "Cookie: a=b",
        "X-Request-Id: r-1",
    )
    await client.send(get("/chat?room=%2F1", *negotiation))
    await client.head()
    assert gateway.upstream.last.head.decode().split("\r\n") == [
        "GET /chat?room=%2F1 HTTP/1.1",
        "Host: api.test",
        "sec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Extensions: x-other",
        "Origin: https://app.test",
        "Cookie: a=b",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: api.test",
        "X-Request-Id: r-1",
        "X-User-Id: alice",
        "X-Client-Id: demo-client",
        "X-Token-Scopes: read:orders",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ]


async def test_the_agreement_comes_back_with_all_its_lines(gateway: Running, client: RawClient) -> None:
    lines = (
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"sec-websocket-protocol: superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: somebody"
    )

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(
            b"HTTP/1.1 101 Why Not\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n" + lines + b"\r\n\r\n"
        )
        await asyncio.Event().wait()

    gateway.upstream.behaviour = behave
    await client.send(handshake())
    response = await client.head()
    assert response.head == b"HTTP/1.1 101 Why Not\r\n" + lines + b"\r\nConnection: Upgrade\r\nUpgrade: websocket"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (lambda: ANONYMOUS, "missing_credential"),
        # Made in the test: a token that is made when tests are collected may have ended when its turn comes.
        (lambda: handshake_with(demo_issuer().id_token(alg="ES256")), "id_token"),
        (lambda: handshake_with(demo_issuer().access_token(alg="ES256", exp=1)), "token_expired"),
        (lambda: handshake_with(demo_issuer().access_token(alg="ES256", aud="https://other.test")), "wrong_audience"),
    ],
    ids=["no token", "ID token", "expired", "wrong audience"],
)
async def test_a_handshake_is_refused_as_any_request_and_what_follows_it_is_nothing(
    gateway: Running, client: RawClient, asked: Callable[[], bytes], reason: str
) -> None:
    await client.send(asked() + HIDDEN)
    response = await client.response()
    assert (response.status, response.problem["reason"]) == (401, reason)
    assert response.values(b"WWW-Authenticate")
    assert (response.values(b"Connection"), response.values(b"Upgrade")) == ([b"close"], [])
    assert await client.is_closed()
    assert gateway.upstream.conversations == []
    assert (await gateway.ended())["reason"] == reason


async def test_a_public_route_is_tunnelled_without_a_token_and_without_an_identity(start: Start) -> None:
    gateway = await start(routes=(RouteSection(path="/public", access="public"),))
    raw = ANONYMOUS.replace(b"GET / ", b"GET /public ").replace(b"\r\n\r\n", b"\r\nX-User-Id: root\r\n\r\n")
    client, upstream = await opened(gateway, raw)
    assert gateway.upstream.last.values(b"X-User-Id") == []
    await client.send(b"ping")
    assert await read(upstream, 4) == b"ping"


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nfour",
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    ],
    ids=["200", "403", "426", "503"],
)
async def test_an_upstream_that_does_not_agree_is_heard_and_the_connection_closed(
    gateway: Running, client: RawClient, response: bytes
) -> None:
    gateway.upstream.behaviour = responding(response)
    await client.send(handshake() + HIDDEN)
    got = await client.response()
    assert got.start == response.partition(b"\r\n")[0]
    assert got.values(b"Connection") == [b"close"]
    assert got.values(b"Upgrade") == []
    assert got.values(b"Sec-WebSocket-Version") == ([b"8"] if got.status == 426 else [])
    assert got.body == {200: b"ok", 403: b"four", 426: b"", 503: b"no"}[got.status]
    assert await client.is_closed()
    await gateway.connections(0)
    assert [request.start for request in gateway.upstream.requests] == [b"GET /chat HTTP/1.1"]
    assert gateway.upstream.conversations[0].reader._buffer == b""  # type: ignore[attr-defined]


async def test_a_request_hidden_behind_a_handshake_is_only_bytes_of_the_new_protocol(
    gateway: Running, client: RawClient
) -> None:
    gateway.upstream.behaviour = switch
    await client.send(handshake() + HIDDEN + ANONYMOUS)
    assert (await client.head()).status == 101
    upstream = await gateway.upstream.connected()
    assert await read(upstream, len(HIDDEN + ANONYMOUS)) == HIDDEN + ANONYMOUS
    assert len(gateway.upstream.conversations) == 1
    assert len(gateway.stdout.getvalue().splitlines()) == 0


@pytest.mark.parametrize(
    "lines",
    [
        b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
        b"Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n",
        b"Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade\r\n",
        b"",
    ],
    ids=["h2c", "two at once", "two lines", "no Connection", "no Upgrade", "neither"],
)
async def test_a_101_to_something_else_is_no_response(gateway: Running, client: RawClient, lines: bytes) -> None:
    gateway.upstream.behaviour = responding(b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\n")
    response = await client.ask(handshake())
    assert (response.status, response.problem["reason"]) == (502, "upstream_protocol_error")
    assert await client.is_closed()
    assert gateway.errors() == []


@pytest.mark.parametrize("lines", [(), ("Connection: Upgrade", "Upgrade: h2c")], ids=["a request", "h2c"])
async def test_a_101_that_nobody_asked_for_is_no_response(
    gateway: Running, client: RawClient, lines: tuple[str, ...]
) -> None:
    gateway.upstream.behaviour = responding(SWITCH + b"surprise")
    response = await client.ask(get("/", *lines))
    assert (response.status, response.problem["reason"]) == (502, "upstream_protocol_error")


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        (handshake().replace(b"Upgrade: websocket", b"Upgrade: h2c"), {200}),
        (handshake().replace(b"Upgrade: websocket", b"Upgrade: websocket, h2c"), {200}),
        (handshake().replace(b"Upgrade: websocket", b"Upgrade: websocket/13"), {200}),
        (handshake("Upgrade: websocket"), {200}),
        (handshake().replace(b"Connection: Upgrade", b"Connection: keep-alive"), {200}),
        (handshake().replace(b" HTTP/1.1", b" HTTP/1.0", 1), {200}),
        (handshake().replace(b"GET ", b"POST ", 1), {200}),
        (handshake().replace(b"GET ", b"HEAD ", 1), {200}),
        (handshake("Content-Length: 3") + b"abc", {200, 400}),
        (handshake("Content-Length: 3").replace(b"GET ", b"POST ", 1) + b"abc", {200, 400}),
        (handshake("Transfer-Encoding: chunked") + chunked(b"abc"), {200, 400}),
    ],
    ids=[
        "h2c", "two at once", "a version", "two lines", "not in Connection", "HTTP/1.0",
        "POST", "HEAD", "a body", "POST with a body", "chunked",
    ],
)  # fmt: skip
async def test_whatever_is_no_websocket_handshake_is_never_tunnelled(
    gateway: Running, client: RawClient, raw: bytes, statuses: set[int]
) -> None:
    async def behave(upstream: Conversation) -> None:
        message = await upstream.request()
        asked = message.values(b"Upgrade") or b"upgrade" in b",".join(message.values(b"Connection")).lower()
        await upstream.say(SWITCH if asked else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await upstream.until_ended()

    gateway.upstream.behaviour = behave
    await client.send(raw + HIDDEN)
    response = await client.head()
    assert response.status in statuses
    assert len(gateway.upstream.requests) == (response.status == 200)
    connection = [value.lower() for value in response.values(b"Connection")]
    if b"Connection: Upgrade" in raw:
        assert connection == [b"close"]
        assert b"HTTP/1.1" not in await until_gone(client)
    for request in gateway.upstream.requests[:1]:
        assert request.start.endswith(b" /chat HTTP/1.1")
        assert request.values(b"Upgrade") == []
        # A body on GET ends the connection to the upstream: docs/http.md.
        has_body = request.start.startswith(b"GET") and request.body
        assert request.values(b"Connection") == ([b"close"] if has_body else [])


async def test_a_handshake_may_follow_requests_on_both_connections(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(OK)
        await echo(upstream)

    gateway.upstream.behaviour = behave
    # The second comes while the first is under way, and early bytes with it.
    await client.send(get("/first") + handshake() + b"early")
    assert (await client.response()).body == b"ok"
    assert (await client.head()).status == 101
    assert await read(client, 5) == b"early"
    assert [request.start for request in gateway.upstream.requests] == [b"GET /first HTTP/1.1", b"GET /chat HTTP/1.1"]
    assert len(gateway.upstream.conversations) == 1


async def test_a_handshake_on_a_connection_that_was_closing_is_made_again(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        if len(gateway.upstream.conversations) > 1:
            return await echo(upstream)
        await upstream.head()
        await upstream.say(OK)
        # Closes on the next request, as if it had been just about to.
        await upstream.head()
        return upstream.reset()

    gateway.upstream.behaviour = behave
    assert (await client.ask(get())).body == b"ok"
    await client.send(handshake() + b"early")
    assert (await client.head()).status == 101
    assert await read(client, 5) == b"early"


async def test_a_tunnel_goes_to_a_unix_socket_as_well(start: Start, tmp_path: Path) -> None:
    gateway = await start(upstream_path=str(tmp_path / "api.sock"))
    gateway.upstream.behaviour = echo
    client, _ = await opened(gateway)
    await client.send(b"ping")
    assert await read(client, 4) == b"ping"


async def test_a_tunnel_takes_one_of_the_upstreams_connections_until_it_ends(start: Start) -> None:
    gateway = await start(max_connections=1, pool_timeout=Seconds(0.1))
    first, _ = await opened(gateway)
    second = await gateway.client()
    response = await second.ask(handshake())
    assert (response.status, response.problem["reason"]) == (503, "upstream_busy")
    await first.close()
    await until(lambda: not upstream_sides(gateway))
    await opened(gateway)


async def test_the_limit_on_bodies_is_none_on_tunnels(start: Start) -> None:
    gateway = await start(limits={"body_bytes": 10})
    gateway.upstream.behaviour = echo
    client, _ = await opened(gateway)
    await client.send(b"x" * 1000)
    assert await read(client, 1000) == b"x" * 1000


# Bytes


async def test_bytes_go_both_ways_at_once_unchanged(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    rng = random.Random(1)
    up, down = rng.randbytes(8 * MIB), rng.randbytes(8 * MIB)

    async def send(side: RawClient | Conversation, data: bytes, seed: int) -> None:
        sizes, start = random.Random(seed), 0
        while start < len(data):
            size = sizes.choice((1, 7, 1000, 65536, 300_000))
            await write(side, data[start : start + size])
            start += size

    _, _, came_up, came_down = await asyncio.gather(
        send(client, up, 2), send(upstream, down, 3), read(upstream, len(up)), read(client, len(down))
    )
    assert sha256(came_up).digest() == sha256(up).digest()
    assert sha256(came_down).digest() == sha256(down).digest()


async def test_what_the_upstream_says_together_with_its_101_is_not_lost(gateway: Running, client: RawClient) -> None:
    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(SWITCH + b"\r\nHTTP/1.1 200 OK\r\n\r\n")
        await upstream.say(b"and more")
        await asyncio.Event().wait()

    gateway.upstream.behaviour = behave
    await client.send(handshake())
    assert (await client.head()).status == 101
    assert await read(client, 29) == b"\r\nHTTP/1.1 200 OK\r\n\r\nand more"


@pytest.mark.parametrize(
    "early",
    [b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", b"\x00", b"\r\n\r\nabc", b"\n" * 100, b"abc\r\n\r\n\r\n\r\nabc", HIDDEN],
    ids=["a frame", "a NUL", "empty lines first", "only line feeds", "empty lines between", "a request"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["in one piece", "byte by byte"])
async def test_what_the_client_says_before_the_101_is_not_lost(
    gateway: Running, client: RawClient, early: bytes, how: str
) -> None:
    agreed = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await agreed.wait()
        await upstream.say(SWITCH)
        await asyncio.Event().wait()

    gateway.upstream.behaviour = behave
    if how == "in one piece":
        await client.send(handshake() + early)
        upstream = await gateway.upstream.connected()
    else:
        await client.send(handshake())
        upstream = await gateway.upstream.connected()
        await client.drip(early)
    await until(lambda: upstream.requests)
    agreed.set()
    assert (await client.head()).status == 101
    await client.send(b"late")
    assert await read(upstream, len(early) + 4) == early + b"late"


async def test_a_client_that_sends_much_before_the_101_is_made_to_wait(gateway: Running, client: RawClient) -> None:
    agreed = asyncio.Event()

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await agreed.wait()
        await upstream.say(SWITCH)
        await asyncio.Event().wait()

    gateway.upstream.behaviour = behave
    early = random.Random(5).randbytes(16 * MIB)
    sending = asyncio.create_task(write(client, handshake() + early))
    upstream = await gateway.upstream.connected()
    connection = await gateway.only_connection()
    transport = await transport_to_client(gateway)
    await until(lambda: not transport.is_reading())
    assert connection._parser.unread < MIB
    assert not sending.done()
    agreed.set()
    assert (await client.head()).status == 101
    assert sha256(await read(upstream, len(early))).digest() == sha256(early).digest()
    await sending


async def test_what_the_upstream_says_with_its_101_waits_for_a_slow_client(start: Start) -> None:
    gateway = await start()
    body = random.Random(6).randbytes(16 * MIB)
    client = await gateway.client()
    stop_reading(client)

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        await upstream.say(SWITCH + body)
        await asyncio.Event().wait()

    gateway.upstream.behaviour = behave
    await client.send(handshake())
    await gateway.upstream.connected()
    await until(lambda: upstream_sides(gateway) and not transport_to_upstream(gateway).is_reading())
    assert (await transport_to_client(gateway)).get_write_buffer_size() < MIB
    go_on_reading(client)
    assert (await client.head()).status == 101
    assert sha256(await read(client, len(body))).digest() == sha256(body).digest()


async def test_an_upstream_that_does_not_read_makes_the_client_wait(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    stop_reading(upstream)
    transport = await transport_to_client(gateway)
    data = random.Random(7).randbytes(24 * MIB)
    sending = asyncio.create_task(write(client, data))
    await until(lambda: not transport.is_reading())
    assert 0 < transport_to_upstream(gateway).get_write_buffer_size() < MIB
    assert not sending.done()
    # The other way is not held up.
    await upstream.say(b"still here")
    assert await read(client, 10) == b"still here"
    go_on_reading(upstream)
    assert sha256(await read(upstream, len(data))).digest() == sha256(data).digest()
    await sending
    assert transport.is_reading()


async def test_a_client_that_does_not_read_makes_the_upstream_wait(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    stop_reading(client)
    data = random.Random(8).randbytes(24 * MIB)
    sending = asyncio.create_task(write(upstream, data))
    transport = transport_to_upstream(gateway)
    await until(lambda: not transport.is_reading())
    assert 0 < (await transport_to_client(gateway)).get_write_buffer_size() < MIB
    assert not sending.done()
    await client.send(b"still here")
    assert await read(upstream, 10) == b"still here"
    go_on_reading(client)
    assert sha256(await read(client, len(data))).digest() == sha256(data).digest()
    await sending
    assert transport.is_reading()


# The end


async def test_a_client_that_closes_ends_the_upstream_once_it_has_everything(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    stop_reading(upstream)
    sent = await fill(client, transport_to_upstream(gateway))
    await client.close()
    await gateway.connections(0)
    assert (await gateway.ended())["bytes_in"] == len(sent)
    go_on_reading(upstream)
    assert await until_gone(upstream) == sent


async def test_an_upstream_that_closes_ends_the_client_once_it_has_everything(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    stop_reading(client)
    sent = await fill(upstream, await transport_to_client(gateway))
    upstream.writer.close()
    assert (await gateway.ended())["bytes_out"] == len(sent)
    go_on_reading(client)
    assert await client.rest() == sent


async def test_a_client_that_only_ends_its_own_side_ends_both(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    client.writer.write(b"last words")
    client.writer.write_eof()
    assert await until_gone(upstream) == b"last words"
    assert await client.is_closed()


async def test_an_upstream_that_only_ends_its_own_side_ends_both(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    upstream.writer.write(b"last words")
    upstream.writer.write_eof()
    assert await client.rest() == b"last words"
    assert await until_gone(upstream) == b""


async def test_an_upstream_that_goes_on_while_its_client_leaves_is_no_bug(gateway: Running) -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    client, upstream = await opened(gateway)
    stop_reading(client)
    transport = await transport_to_client(gateway)
    await fill(upstream, transport)
    client.writer.write_eof()
    await until(transport.is_closing)
    # The gateway still has bytes for a client that has already left; now come more.
    upstream.writer.write(b"more")
    await until_gone(upstream)
    assert complaints == []
    assert gateway.errors() == []


async def test_a_reset_of_one_side_ends_the_other(gateway: Running) -> None:
    client, upstream = await opened(gateway)
    client.reset()
    assert await until_gone(upstream) == b""
    client, upstream = await opened(gateway)
    upstream.reset()
    assert await until_gone(client) == b""
    await gateway.connections(0)
    assert gateway.errors() == []


async def test_a_reset_ends_a_tunnel_that_is_held_up(gateway: Running) -> None:
    for way in ("client", "upstream"):
        client, upstream = await opened(gateway)
        slow, fast = (upstream, client) if way == "client" else (client, upstream)
        stop_reading(slow)
        sending = asyncio.create_task(write(fast, b"x" * 32 * MIB))
        if way == "client":
            transport = await transport_to_client(gateway)
        else:
            transport = transport_to_upstream(gateway)
        await until(lambda transport=transport: not transport.is_reading())  # type: ignore[misc]
        slow.reset()
        await until_gone(fast)
        await asyncio.gather(sending, return_exceptions=True)
        await gateway.connections(0)
        await until(lambda: not upstream_sides(gateway))


async def test_a_tunnel_outlives_every_timeout_of_requests(start: Start) -> None:
    short = Seconds(0.2)
    limits = {"header_timeout": short, "body_timeout": short, "send_timeout": short, "keepalive": short}
    gateway = await start(limits=limits, response_timeout=short, keepalive=short, pool_timeout=short)
    gateway.upstream.behaviour = echo
    client, _ = await opened(gateway)
    # Silence is what is tested: longer than any of these, and than several looks of the sweeps.
    await asyncio.sleep(1.0)
    await client.send(b"still here")
    assert await read(client, 10) == b"still here"


async def test_a_client_that_takes_nothing_is_cut_after_send_timeout(start: Start) -> None:
    gateway = await start(limits={"send_timeout": Seconds(0.3)})
    client, upstream = await opened(gateway)
    stop_reading(client)
    sending = asyncio.create_task(write(upstream, b"x" * 32 * MIB))
    await gateway.connections(0)
    await asyncio.gather(sending, return_exceptions=True)
    record = await gateway.ended()
    assert (record["reason"], "send_timeout" in record["evidence"]) == ("client_disconnected", True)


# The token


async def test_a_tunnel_ends_with_the_token_it_was_opened_with(start: Start, tmp_path: Path) -> None:
    gateway = await start(issuers=strict_issuer(tmp_path))
    gateway.upstream.behaviour = echo
    began = time.monotonic()
    client, upstream = await opened(gateway, handshake_with(short_lived(1.2)))
    await client.send(b"ping")
    assert await read(client, 4) == b"ping"
    assert await client.rest() == b""
    assert time.monotonic() - began < 3
    async with asyncio.timeout(10):
        await upstream.ended.wait()
    record = await gateway.ended()
    assert (record["status"], record["reason"], record["sub"] != "") == (101, "token_expired", True)
    assert (record["bytes_in"], record["bytes_out"]) == (4, 4)
    assert record["duration_ms"] >= 100
    assert gateway.errors() == []
    await gateway.connections(0)


async def test_what_was_written_before_the_token_expired_is_delivered(start: Start, tmp_path: Path) -> None:
    gateway = await start(issuers=strict_issuer(tmp_path))
    # A busy machine may take longer to fill both ways than a token lives: another then lives longer.
    for lives in (1.0, 6.0, 30.0):
        expires = time.time() + lives
        client, upstream = await opened(gateway, handshake_with(short_lived(lives)))
        stop_reading(client)
        stop_reading(upstream)
        to_client, to_upstream = await transport_to_client(gateway), transport_to_upstream(gateway)
        sent = []
        with suppress(ConnectionError):
            sent = [await fill(upstream, to_client), await fill(client, to_upstream)]
        is_in_time = time.time() < expires
        assert (await gateway.ended())["reason"] == "token_expired"
        go_on_reading(client)
        go_on_reading(upstream)
        came = list(await asyncio.gather(until_gone(client), until_gone(upstream)))
        if is_in_time:
            break
        await gateway.connections(0)
    assert came == sent


async def test_leeway_counts_for_tunnels_as_for_requests(gateway: Running) -> None:
    # Thirty seconds of leeway are the default.
    gateway.upstream.behaviour = echo
    client, _ = await opened(gateway, handshake_with(short_lived(-5)))
    await client.send(b"ping")
    assert await read(client, 4) == b"ping"


async def test_a_public_tunnel_has_no_token_to_end_with(start: Start, tmp_path: Path) -> None:
    routes = (RouteSection(path="/chat", access="public"),)
    gateway = await start(issuers=strict_issuer(tmp_path), routes=routes)
    gateway.upstream.behaviour = echo
    expired = handshake_with(short_lived(-100)).replace(b"GET / ", b"GET /chat ")
    client, _ = await opened(gateway, expired)
    await client.send(b"ping")
    assert await read(client, 4) == b"ping"
    assert b"Authorization" not in gateway.upstream.last.head


# What operators see


async def scraped(gateway: Running, line: bytes) -> None:
    """Waits until the metrics say so: a page is kept for a second."""
    async with asyncio.timeout(5):
        while True:
            page = (await gateway.admin("/metrics")).body
            if line + b"\n" in page:
                return
            await asyncio.sleep(0.05)


async def test_open_tunnels_are_counted(gateway: Running) -> None:
    ends = [await opened(gateway) for _ in range(3)]
    await scraped(gateway, b"gateway_tunnels_open 3.0")
    ends[0][0].reset()
    ends[1][1].reset()
    await ends[2][0].close()
    await gateway.ended(3)
    await scraped(gateway, b"gateway_tunnels_open 0.0")
    page = (await gateway.admin("/metrics")).body
    assert b"gateway_requests_in_flight 0.0\n" in page


@pytest.mark.parametrize("who", ["client", "upstream"])
async def test_a_tunnel_that_one_side_closes_is_an_admitted_request(gateway: Running, who: str) -> None:
    client, upstream = await opened(gateway)
    await client.send(b"12345")
    await read(upstream, 5)
    await upstream.say(b"123")
    await read(client, 3)
    (client if who == "client" else upstream).writer.close()
    record = await gateway.ended()
    assert (record["status"], record["outcome"], record.get("reason")) == (101, "admitted", None)
    assert (record["bytes_in"], record["bytes_out"]) == (5, 3)
    assert (record["method"], record["path"], record["route"]) == ("GET", "/chat", "default")


async def test_a_refused_handshake_leaves_no_tunnel(gateway: Running, client: RawClient) -> None:
    await client.ask(ANONYMOUS)
    record = await gateway.ended()
    assert (record["status"], record["outcome"], record["reason"]) == (401, "refused", "missing_credential")
    assert ", 0 tunnels" in repr(gateway.server)


# Stopping


#: as the API sends it: a whole frame, and one of which half is missing
FRAME, HALF = b"\x82\x03abc", b"\x82\x06abc"


async def test_a_tunnel_is_told_that_the_gateway_is_going_away(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(60)})
    client, upstream = await opened(gateway)
    await upstream.say(FRAME)
    await read(client, len(FRAME))
    async with asyncio.timeout(PATIENCE):
        stopping = asyncio.create_task(gateway.stop())
        assert await read(client, len(GOING_AWAY)) == GOING_AWAY
        # What the client says to that goes up, what the API says goes nowhere, and the end of both is the tunnel's.
        await client.send(b"its own close")
        assert await read(upstream, 13) == b"its own close"
        await upstream.say(b"nobody hears this")
        upstream.writer.close()
        assert await client.is_closed()
        await stopping
    record = await gateway.ended()
    assert (record["status"], record["outcome"], record["reason"]) == (101, "failed", "draining")
    assert (record["bytes_in"], record["bytes_out"]) == (13, len(FRAME) + len(GOING_AWAY))
    assert gateway.errors() == []


async def test_a_frame_under_way_is_ended_first(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(60)})
    client, upstream = await opened(gateway)
    await upstream.say(HALF)
    await read(client, len(HALF))
    stopping = asyncio.create_task(gateway.stop())
    await until(lambda: gateway.server.closed)
    await upstream.say(b"def" + FRAME)
    assert await client.rest() == b"def" + GOING_AWAY
    await stopping


async def test_a_frame_that_does_not_end_is_no_place_for_a_close(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(60)})
    client, upstream = await opened(gateway)
    await upstream.say(HALF)
    async with asyncio.timeout(PATIENCE):
        await read(client, len(HALF))
        stopping = asyncio.create_task(gateway.stop())
        assert await client.rest() == b""
        assert await upstream.reader.read() == b""
        await stopping
    assert (await gateway.ended())["reason"] == "draining"


async def test_behind_the_close_of_the_api_there_is_none_of_ours(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(60)})
    client, upstream = await opened(gateway)
    close = b"\x88\x02\x03\xe8"
    await upstream.say(close)
    await read(client, len(close))
    stopping = asyncio.create_task(gateway.stop())
    assert await client.rest() == b""
    await stopping


async def test_who_says_nothing_to_a_close_is_not_waited_for(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(60)})
    client, upstream = await opened(gateway)
    async with asyncio.timeout(PATIENCE):
        stopping = asyncio.create_task(gateway.stop())
        assert await client.rest() == GOING_AWAY
        assert await upstream.reader.read() == b""
        await stopping


async def test_a_client_that_leaves_at_a_close_ends_it_as_well(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(60)})
    client, _ = await opened(gateway)
    stopping = asyncio.create_task(gateway.stop())
    await read(client, len(GOING_AWAY))
    await client.close()
    async with asyncio.timeout(PATIENCE):
        await stopping
    assert (await gateway.ended())["reason"] == "draining"


async def test_tunnels_end_one_by_one_within_drain(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(2)})
    clients = [(await opened(gateway))[0] for _ in range(10)]
    began = time.monotonic()

    async def told(client: RawClient) -> float:
        assert await read(client, len(GOING_AWAY)) == GOING_AWAY
        at = time.monotonic() - began
        assert await client.rest() == b""
        return at

    stopping = asyncio.create_task(gateway.stop())
    times = await asyncio.gather(*map(told, clients))
    await stopping
    assert times[-1] - times[0] > 0.7
    assert sorted(times) == list(times)
    assert max(later - earlier for earlier, later in pairwise(times)) < 0.6
    assert not [line for line in gateway.errors() if "were cut" in line["message"]]


async def test_a_stop_does_not_wait_longer_than_the_last_tunnel(start: Start) -> None:
    gateway = await start(limits={"drain": Seconds(30)})
    client, _ = await opened(gateway)
    stopping = asyncio.create_task(gateway.stop())
    await until(lambda: gateway.server.closed)
    await client.close()
    async with asyncio.timeout(5):
        await stopping


# What is left


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- a count, nothing more


@pytest.mark.parametrize("ways", [range(7), range(7, 8)], ids=["ended by somebody", "expired"])
async def test_two_hundred_tunnels_that_end_in_every_way_leave_nothing_behind(
    start: Start, tmp_path: Path, ways: range
) -> None:
    gateway = await start(issuers=strict_issuer(tmp_path))
    tasks, sockets = len(asyncio.all_tasks()), descriptors()

    async def run(number: int) -> None:
        way = ways[number % len(ways)]
        client, upstream = await opened_one(gateway, handshake_with(short_lived(1.2)) if way == 7 else handshake())
        await client.send(b"x" * 1000)
        await read(upstream, 1000)
        match way:
            case 0:
                await client.close()
            case 1:
                client.reset()
            case 2:
                upstream.writer.close()
            case 3:
                upstream.reset()
            case 4:
                client.writer.write_eof()
            case 5:
                client.writer.write(b"y" * 100_000)
                client.writer.close()
            case 6:
                (await gateway_side(gateway, client)).abort()
            case 7:
                pass
        await asyncio.gather(until_gone(client), until_gone(upstream))
        client.writer.close()
        upstream.writer.close()

    each = 25
    count = each * len(ways)
    for first in range(0, count, 100):
        await asyncio.gather(*map(run, range(first, min(first + 100, count))))
    records = await gateway.stdout.records(count)
    assert sum(record.get("reason") == "token_expired" for record in records) == (each if 7 in ways else 0)
    await gateway.connections(0)
    assert (
        repr(gateway.server)
        == "<Server <Listener 0 open, 0 requests, 0 tunnels, <Crowd 0 idle, 0 begun, 0 lingering, 0 taking>>>"
    )
    await until(lambda: not upstream_sides(gateway))
    await until(lambda: descriptors() <= sockets)
    # `switch` waits for ever: those tasks are the test's own.
    await until(lambda: len(asyncio.all_tasks()) <= tasks + len(gateway.upstream._tasks))
    assert gateway.errors() == []


async def opened_one(gateway: Running, raw: bytes) -> tuple[RawClient, Conversation]:
    """Both ends of a tunnel, when others open theirs at the same time: they know each other by a number."""
    gateway.upstream.behaviour = switch
    client = await gateway.client()
    name = b"%d" % client.writer.get_extra_info("sockname")[1]
    await client.send(raw.replace(b"\r\n\r\n", b"\r\nX-Number: " + name + b"\r\n\r\n"))
    assert (await client.head()).status == 101

    def is_ours(message: Message) -> bool:
        return message.values(b"X-Number") == [name]

    ours = [one for one in gateway.upstream.conversations if one.requests and is_ours(one.requests[0])]
    return client, ours[-1]


async def gateway_side(gateway: Running, client: RawClient) -> asyncio.Transport:
    """The gateway's own end of a client's connection."""
    name = client.writer.get_extra_info("sockname")
    (found,) = [
        one.wire.transport for one in gateway.server.open if one.wire.transport.get_extra_info("peername") == name
    ]
    return found
