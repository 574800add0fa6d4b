"""WebSockets through the real program: PyPI's websockets on both sides, with an access token in the handshake."""

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from process import GatewayProcess, serving
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.typing import Subprotocol

from tests.wire import demo_issuer, good_token

MIB = 1 << 20
#: real seconds after which a test gives up
PATIENCE = 20.0
#: seconds for which the gateway admits a token that has expired, by default
LEEWAY = 30

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Api:
    """A WebSocket API; the path says what it does. Remembers how clients closed."""

    def __init__(self) -> None:
        #: code and reason of each client's close
        self.closes: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        url = urlsplit(connection.request.path)
        try:
            await getattr(self, url.path[1:])(connection, parse_qs(url.query, keep_blank_values=True))
        except ConnectionClosed:
            pass
        finally:
            await connection.wait_closed()
            self.closes.put_nowait((connection.close_code, connection.close_reason))

    async def echo(self, connection: ServerConnection, query: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def shown(self, connection: ServerConnection, query: Any) -> None:
        """What it has got of the handshake, and what was agreed."""
        assert connection.request is not None
        extensions = [extension.name for extension in connection.protocol.extensions]
        headers = [[name.lower(), value] for name, value in connection.request.headers.raw_items()]
        await connection.send(
            json.dumps({"headers": headers, "extensions": extensions, "subprotocol": connection.subprotocol})
        )

    async def fragments(self, connection: ServerConnection, query: Any) -> None:
        """Each message back, in the fragments in which it came."""
        while True:
            parts = [part async for part in connection.recv_streaming()]
            await connection.send(parts)

    async def pings(self, connection: ServerConnection, query: Any) -> None:
        await (await connection.ping(b"from the API"))
        await connection.send("there was a pong")

    async def closes_with(self, connection: ServerConnection, query: Any) -> None:
        await connection.close(int(query["code"][0]), query["reason"][0])

    async def breaks_off(self, connection: ServerConnection, query: Any) -> None:
        connection.transport.abort()

    async def large(self, connection: ServerConnection, query: Any) -> None:
        """The digest of what came, and as much of its own."""
        message = await connection.recv()
        assert isinstance(message, bytes)
        await connection.send(sha256(message).hexdigest())
        await connection.send(noise(len(message)))


def chosen(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("chat.v2") if "chat.v2" in offered else None


def noise(size: int) -> bytes:
    """Half of it compresses. `size`: a multiple of 256."""
    return random.Random(size).randbytes(size // 256) * 128 + random.Random(-size).randbytes(size // 2)


@dataclass
class World:
    """An API, and the gateway in front of it."""

    api: Api
    direct: str
    gateway: GatewayProcess

    @asynccontextmanager
    async def open(self, target: str, *, token: str | None = None, **settings: Any) -> AsyncIterator[ClientConnection]:
        """A connection through the gateway."""
        token = token or good_token()
        if token not in self.gateway.secrets:
            self.gateway.secrets.append(token)
        headers = {"Authorization": f"Bearer {token}"}
        url = self.gateway.url.replace("http", "ws", 1) + target
        async with asyncio.timeout(PATIENCE):
            async with connect(url, additional_headers=headers, proxy=None, max_size=None, **settings) as client:
                yield client

    async def record(self, request_id: str) -> Mapping[str, Any]:
        """The access log record of a request that has ended."""
        found = await self.gateway.wait_for(rf'\{{"ts"[^\n]*"request_id":"{request_id}"[^\n]*\n')
        record: dict[str, Any] = json.loads(found[0])
        return record


@asynccontextmanager
async def running(directory: Path, *, workers: int = 1, **limits: Any) -> AsyncIterator[World]:
    (directory / "jwks.json").write_text(json.dumps(demo_issuer().jwks()))
    issuer = {"issuer": "https://issuer.test", "audience": demo_issuer().audience}
    api = Api()
    async with serve(api.handle, "127.0.0.1", 0, max_size=None, select_subprotocol=chosen) as server:
        address = f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        config = {
            "upstream": f"http://{address}",
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "workers": workers,
            "limits": {"drain_delay": 0, **limits},
            "issuers": [issuer | {"jwks_file": str(directory / "jwks.json")}],
        }
        # JSON is YAML.
        (directory / "gateway.yaml").write_text(json.dumps(config))
        async with serving(config=str(directory / "gateway.yaml")) as gateway:
            await gateway.ready()
            yield World(api, f"ws://{address}", gateway)
        assert b"Traceback" not in gateway.output


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(tmp_path_factory.mktemp("websocket")) as it:
        yield it


async def test_text_and_binary_messages_come_back(world: World) -> None:
    async with world.open("/echo") as client:
        for message in ("", "a", "Grüße, 世界 🎉", b"", b"\x00\xff" * 3, "x" * 70_000, bytes(range(256)) * 300):
            await client.send(message)
            assert await client.recv() == message


async def test_messages_arrive_in_the_fragments_in_which_they_were_sent(world: World) -> None:
    # The library ends every fragmented message by an empty fragment: one on the way up, another on the way back.
    async with world.open("/fragments", compression=None) as client:
        for parts in (["one", "", "two", "x" * 70_000, "end"], [b"\x00", b"", b"y" * 200_000]):
            await client.send(parts)
            assert [part async for part in client.recv_streaming()] == [*parts, parts[0][:0], parts[0][:0]]


async def test_a_ping_is_answered_by_the_other_end(world: World) -> None:
    async with world.open("/echo", ping_interval=None) as client:
        for data in (b"", b"from the client", b"x" * 125):
            assert await (await client.ping(data)) >= 0
    async with world.open("/pings", ping_interval=None) as client:
        assert await client.recv() == "there was a pong"


async def test_the_handshake_has_the_identity_and_not_the_token(world: World) -> None:
    forged = {"X-User-Id": "root", "X_User_Id": "root"}
    async with asyncio.timeout(PATIENCE):
        sent = {"Authorization": f"Bearer {good_token()}", "Cookie": "a=b", **forged}
        url = world.gateway.url.replace("http", "ws", 1) + "/shown"
        async with connect(url, additional_headers=sent, proxy=None, origin="https://app.test") as client:  # type: ignore[arg-type]
            headers = json.loads(await client.recv())["headers"]
    assert [value for name, value in headers if name.replace("_", "-") == "x-user-id"] == ["alice"]
    assert [name for name, _ in headers if name == "authorization"] == []
    assert ["cookie", "a=b"] in headers
    assert ["origin", "https://app.test"] in headers


async def test_compression_is_agreed_between_both_ends(world: World) -> None:
    async with connect(world.direct + "/echo", proxy=None) as client:
        assert client.response is not None
        directly = client.response.headers["Sec-WebSocket-Extensions"]
    async with world.open("/shown") as client:
        assert json.loads(await client.recv())["extensions"] == ["permessage-deflate"]
        assert client.response is not None
        assert client.response.headers["Sec-WebSocket-Extensions"] == directly
    async with world.open("/shown", compression=None) as client:
        assert json.loads(await client.recv())["extensions"] == []
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


async def test_compressed_messages_stay_compressed_on_both_sides(world: World) -> None:
    message = "the same again and again; " * 40_000
    async with asyncio.timeout(PATIENCE):
        headers = {"Authorization": f"Bearer {good_token()}", "X-Request-Id": "compressed"}
        url = world.gateway.url.replace("http", "ws", 1) + "/echo"
        async with connect(url, additional_headers=headers, proxy=None, max_size=None) as client:
            for _ in range(3):
                await client.send(message)
                assert await client.recv() == message
    record = await world.record("compressed")
    assert 0 < record["bytes_in"] < len(message) / 20
    assert 0 < record["bytes_out"] < len(message) / 20
    assert record["sub"] != "alice"  # hashed


async def test_a_subprotocol_is_agreed_between_both_ends(world: World) -> None:
    async with world.open("/shown", subprotocols=["chat.v3", "chat.v2"]) as client:
        assert client.subprotocol == "chat.v2"
        assert json.loads(await client.recv())["subprotocol"] == "chat.v2"
    async with world.open("/shown") as client:
        assert client.subprotocol is None


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "going away"), (1011, "Fehler: ü"), (3000, "a"), (4999, "x" * 123)]
)
async def test_code_and_reason_of_a_close_arrive_at_the_other_end(world: World, code: int, reason: str) -> None:
    while not world.api.closes.empty():
        world.api.closes.get_nowait()
    async with world.open("/echo") as client:
        await client.close(code, reason)
        # The server's close frame repeats the code (RFC 6455 section 5.5.1).
        assert client.close_code == code
    async with asyncio.timeout(PATIENCE):
        assert await world.api.closes.get() == (code, reason)
    async with world.open(
        f"/closes_with?code={code}&reason={reason.replace(' ', '%20').replace('ü', '%C3%BC')}"
    ) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)


async def test_an_end_without_a_close_is_seen_by_the_other_end(world: World) -> None:
    async with world.open("/breaks_off") as client:
        with pytest.raises(ConnectionClosedError) as closed:
            await client.recv()
        assert closed.value.rcvd is None
    while not world.api.closes.empty():
        world.api.closes.get_nowait()
    async with world.open("/echo") as client:
        await client.send("a")
        await client.recv()
        client.transport.abort()
    async with asyncio.timeout(PATIENCE):
        # RFC 6455 section 7.1.5: no close frame came.
        assert (await world.api.closes.get())[0] == 1006


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_messages_of_16_mib_go_both_ways(world: World, compression: str | None) -> None:
    size = 16 * MIB
    async with world.open("/large", compression=compression) as client:
        await client.send(noise(size))
        assert await client.recv() == sha256(noise(size)).hexdigest()
        message = await client.recv()
        assert isinstance(message, bytes)
        assert sha256(message).digest() == sha256(noise(size)).digest()


async def test_fifty_connections_at_once_get_their_own_messages(world: World) -> None:
    ready = asyncio.Barrier(50)

    async def talk(number: int) -> int:
        async with world.open("/echo") as client:
            await ready.wait()
            for turn in range(40):
                message = f"{number}/{turn} " + "x" * (number * turn)
                await client.send(message)
                assert await client.recv() == message
        return number

    assert await asyncio.gather(*map(talk, range(50))) == list(range(50))


@pytest.mark.parametrize("kind", ["id", "expired", "wrong-audience", None])
async def test_a_handshake_without_a_good_token_is_refused(world: World, kind: str | None) -> None:
    headers = {}
    if kind is not None:
        token = demo_issuer().token(kind)
        world.gateway.secrets.append(token)
        headers["Authorization"] = f"Bearer {token}"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            world.gateway.url.replace("http", "ws", 1) + "/echo", additional_headers=headers, proxy=None
        ):
            pass
    response = refused.value.response
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["Content-Type"] == "application/problem+json"
    world.gateway.responses += response.body + repr(response.headers).encode()


async def test_a_connection_ends_when_its_token_expires(world: World) -> None:
    while not world.api.closes.empty():
        world.api.closes.get_nowait()
    lifetime = 1.5
    token = demo_issuer().access_token(alg="ES256", exp=time.time() - LEEWAY + lifetime)
    began = time.monotonic()
    async with world.open("/echo", token=token) as client:
        await client.send("a")
        assert await client.recv() == "a"
        with pytest.raises(ConnectionClosedError) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "token_expired")
    # The client's own Close, which repeats the code, has reached the API.
    assert await world.api.closes.get() == (1008, "token_expired")
    assert lifetime - 0.5 < time.monotonic() - began < lifetime + 3
    found = await world.gateway.wait_for(r'[^\n]*"status":101[^\n]*"reason":"token_expired"[^\n]*\n')
    assert json.loads(found[0])["path"] == "/echo"


@pytest.mark.parametrize("workers", [1, 2])
async def test_connections_are_told_one_by_one_that_the_program_goes_away(tmp_path: Path, workers: int) -> None:
    drain, count = 4, 20
    async with running(tmp_path, workers=workers, drain=drain) as world, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(world.open("/echo")) for _ in range(count)]
        began = time.monotonic()

        async def told(client: ClientConnection) -> float:
            with pytest.raises(ConnectionClosedOK) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "The gateway is stopping")
            return time.monotonic() - began

        stopping = asyncio.create_task(world.gateway.stop())
        await world.gateway.wait_for("draining")
        # Whoever is not told yet is served.
        await clients[-1].send("still here")
        assert await clients[-1].recv() == "still here"
        times = sorted(await asyncio.gather(*map(told, clients)))
        assert await stopping == 0
        in_half = [sum(1 for time in times if time < half) for half in (drain / 4, drain / 2)]
        assert 2 <= in_half[0] <= count * 0.6
        assert count * 0.3 <= in_half[1] < count
        # The API hears of it from its clients.
        assert [await world.api.closes.get() for _ in clients] == [(1001, "The gateway is stopping")] * count
        assert world.gateway.output.count(b'"reason":"draining"') == count
        assert b"cut" not in world.gateway.output


async def test_a_program_that_drains_tells_its_connections_and_takes_new_ones(tmp_path: Path) -> None:
    async with running(tmp_path, drain=1) as world:
        async with world.open("/echo") as client:
            world.gateway.process.send_signal(signal.SIGUSR1)
            with pytest.raises(ConnectionClosedOK):
                await client.recv()
        async with world.open("/echo") as client:
            await client.send("a")
            assert await client.recv() == "a"
            with pytest.raises(ConnectionClosedOK):
                await client.recv()
        assert (await world.gateway.admin("/readyz"))[0] == 503
        assert world.gateway.process.returncode is None
