"""Raw bytes on loopback: an upstream that records what it gets, a client that sends what it is told, a gateway between."""

import asyncio
import contextlib
import functools
import io
import json
import logging
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection
from gateway.demo.issuer import DemoIssuer
from gateway.observe.log import set_up_logging
from gateway.process.app import Gateway
from gateway.relay.client.connection import Connection
from gateway.relay.client.server import Server
from gateway.relay.outbox import outbox_of
from gateway.relay.upstream.connections import Connections
from gateway.relay.upstream.pool import Pool
from gateway.relay.upstream.upstreams import HttpUpstreams

#: Real seconds after which a test that waits for something gives up.
PATIENCE = 10.0
#: settings of the upstream in its long form
UPSTREAM_KEYS = set(UpstreamSection.__struct_fields__) - {"url"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Way:
    """How gateways of tests serve: nobody may notice a difference."""

    #: requests take their steps within the call that brought them; else as tasks of asyncio's, in turns of the loop
    serves_at_once: bool = True


WAY = Way()


@functools.cache
def demo_issuer() -> DemoIssuer:
    """One issuer for every test: its keys take time to make. Never listens; the gateway reads its keys from a file."""
    return DemoIssuer(url="https://issuer.test")


@functools.cache
def good_token() -> str:
    return demo_issuer().access_token(alg="ES256", exp=4_000_000_000)


def bearer() -> bytes:
    """The header line of an admitted request."""
    return b"Authorization: Bearer " + good_token().encode() + b"\r\n"


def get(target: str = "/", *lines: str, method: str = "GET") -> bytes:
    """An admitted request without a body."""
    head = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    return f"{method} {target} HTTP/1.1\r\nHost: api.test\r\n".encode("latin-1") + bearer() + head + b"\r\n"


def post(body: bytes, *lines: str, target: str = "/", method: str = "POST") -> bytes:
    """An admitted request with a body of known length."""
    return get(target, f"Content-Length: {len(body)}", *lines, method=method) + body


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def chunked(*parts: bytes) -> bytes:
    """A whole chunked body."""
    return chunks(*parts) + b"0\r\n\r\n"


async def until(condition: Callable[[], object]) -> None:
    """Waits for what has no event of its own."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 -- see above
            await asyncio.sleep(0.001)


@dataclass
class Message:
    """A request or a response as it stood on the wire."""

    head: bytes
    body: bytes = b""

    @property
    def start(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def status(self) -> int:
        return int(self.start.split(b" ")[1])

    @property
    def lines(self) -> list[tuple[bytes, bytes]]:
        """Header lines in order, names as they were written."""
        pairs = (line.split(b": ", 1) for line in self.head.split(b"\r\n")[1:] if line)
        return [(pair[0], pair[1] if len(pair) > 1 else b"") for pair in pairs]

    def values(self, name: bytes) -> list[bytes]:
        return [value for other, value in self.lines if other.lower() == name.lower()]

    @property
    def problem(self) -> dict[str, Any]:
        """The body of one of our own refusals."""
        assert self.values(b"Content-Type") == [b"application/problem+json"]
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return found


async def read_body(reader: asyncio.StreamReader, head: Message, *, bodyless: bool, until_end: bool) -> bytes:
    """The body that belongs to a head, without chunk framing."""
    if bodyless:
        return b""
    if head.values(b"Transfer-Encoding") == [b"chunked"]:
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body
    if lengths := head.values(b"Content-Length"):
        return await reader.readexactly(int(lengths[0]))
    return await reader.read() if until_end else b""


def reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST."""
    # None, or an error: closed already.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Conversation:
    """One connection to the upstream: everything that arrived on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.requests: list[Message] = []
        #: set when the other side is gone, as far as somebody reads
        self.ended = asyncio.Event()

    async def head(self) -> Message:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        message = Message(raw[:-4])
        self.requests.append(message)
        return message

    async def request(self) -> Message:
        """The next whole request."""
        message = await self.head()
        message.body = await read_body(self.reader, message, bodyless=False, until_end=False)
        return message

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_ended(self) -> bytes:
        """What still comes, until the other side closes or resets."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""
        finally:
            self.ended.set()

    def reset(self) -> None:
        reset(self.writer)


Behaviour = Callable[[Conversation], Awaitable[None]]


class RawUpstream:
    """Records what it gets; responses every request with `response`, or does what `behaviour` says."""

    def __init__(self) -> None:
        self.response = OK
        self.behaviour: Behaviour | None = None
        self.conversations: list[Conversation] = []
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def requests(self) -> list[Message]:
        return [request for conversation in self.conversations for request in conversation.requests]

    @property
    def last(self) -> Message:
        return self.requests[-1]

    async def start(self, path: str | None = None) -> None:
        if path is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
            self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        else:
            self._server = await asyncio.start_unix_server(self._accept, path, limit=1 << 20)
            self.url = f"unix:{path}"

    def reset(self) -> None:
        """Cuts every connection."""
        for conversation in self.conversations:
            conversation.reset()

    async def stop(self) -> None:
        self._server.close()
        self.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def connected(self, count: int = 1) -> Conversation:
        """Waits for the `count`th connection."""
        async with asyncio.timeout(PATIENCE):
            while len(self.conversations) < count:
                self._news.clear()
                await self._news.wait()
        return self.conversations[count - 1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        conversation = Conversation(reader, writer)
        self.conversations.append(conversation)
        self._news.set()
        try:
            if self.behaviour is not None:
                await self.behaviour(conversation)
            else:
                while True:
                    await conversation.request()
                    await conversation.say(self.response)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            conversation.ended.set()
            writer.close()


class RawClient:
    """Sends what it is told, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, address: str) -> "RawClient":
        if address.startswith("unix:"):
            return cls(*await asyncio.open_unix_connection(address.removeprefix("unix:"), limit=1 << 22))
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host.strip("[]"), int(port), limit=1 << 22))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def drip(self, data: bytes) -> None:
        """Byte by byte, each in a segment of its own, until somebody objects."""
        for byte in data:
            if self.writer.is_closing() or self.reader._buffer:  # type: ignore[attr-defined]
                break
            self.writer.write(bytes((byte,)))
            await asyncio.sleep(0)

    async def head(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return Message((await self.reader.readuntil(b"\r\n\r\n"))[:-4])

    async def response(self, method: str = "GET") -> Message:
        """The next whole response; interim ones are responses too."""
        message = await self.head()
        bodyless = method == "HEAD" or message.status < 200 or message.status in {204, 304}
        async with asyncio.timeout(PATIENCE):
            message.body = await read_body(self.reader, message, bodyless=bodyless, until_end=True)
        return message

    async def ask(self, data: bytes, method: str = "GET") -> Message:
        await self.send(data)
        return await self.response(method)

    async def rest(self) -> bytes:
        """What still comes until the connection is closed; ConnectionResetError when it is cut."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def is_closed(self) -> bool:
        """Waits until the connection is closed, and nothing came before."""
        return await self.rest() == b""

    def reset(self) -> None:
        reset(self.writer)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Lines(io.StringIO):
    """Standard output that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def write(self, text: str) -> int:
        self._news.set()
        return super().write(text)

    async def records(self, count: int) -> list[dict[str, Any]]:
        """Waits for as many access log records, and gives all there are."""
        return [json.loads(line) for line in await self._lines(count)]

    async def record(self, number: int) -> dict[str, Any]:
        """Waits for the access log record of this number, from 1."""
        found: dict[str, Any] = json.loads((await self._lines(number))[number - 1])
        return found

    async def _lines(self, count: int) -> list[str]:
        async with asyncio.timeout(PATIENCE):
            while len(lines := self.getvalue().splitlines()) < count:
                self._news.clear()
                await self._news.wait()
        return lines


class Places(NamedTuple):
    """What a pool says of itself."""

    idle: int
    busy: int
    opening: int
    waiting: int

    @classmethod
    def of(cls, pool: Pool) -> "Places":
        said = re.fullmatch(r"<Pool of \d+: (\d+) idle, (\d+) busy, (\d+) opening, (\d+) waiting; .*>", repr(pool))
        assert said is not None
        return cls(*map(int, said.groups()))

    @property
    def taken(self) -> int:
        return self.idle + self.busy + self.opening


@dataclass
class Running:
    """A gateway that runs, its upstream, and what it wrote."""

    gateway: Gateway
    upstream: RawUpstream
    stdout: Lines
    #: the program's log, at level debug
    stderr: io.StringIO
    clients: list[RawClient] = field(default_factory=list)
    stopped: bool = False

    @property
    def server(self) -> Server:
        return self.gateway._server

    @property
    def to_upstream(self) -> Connections:
        """The gateway's connections to its upstream."""
        made = self.gateway.assembly.upstream
        assert isinstance(made, HttpUpstreams)
        return made.by_name["default"].connections

    @property
    def places(self) -> Places:
        """How its connections to the upstream stand."""
        return Places.of(self.to_upstream.pool)

    async def client(self, address: str | None = None) -> RawClient:
        client = await RawClient.connect(address or self.gateway.address)
        self.clients.append(client)
        return client

    async def admin(self, path: str, *, method: str = "GET", lines: str = "") -> Message:
        client = await self.client(self.gateway.admin_address)
        return await client.ask(f"{method} {path} HTTP/1.1\r\nHost: admin\r\n{lines}\r\n".encode(), method)

    async def only_connection(self) -> Connection:
        """The gateway's side of the only client connection."""
        await self.connections(1)
        return next(iter(self.server.open))

    async def connections(self, count: int) -> None:
        """Waits until there are as many client connections."""
        await until(lambda: len(self.server.open) == count)

    async def ended(self, count: int = 1) -> dict[str, Any]:
        """Waits for as many requests to have ended, and gives the access record of the last."""
        return await self.stdout.record(count)

    async def forget(self) -> None:
        """Cuts every connection and forgets what was said on them and written: as if it had just been started."""
        sides: list[RawClient | Conversation] = [*self.clients, *self.upstream.conversations]
        for side in sides:
            # uvloop's sockets cannot be reset any more once they are closed.
            if not side.writer.is_closing():
                side.reset()
        await self.connections(0)
        await until(lambda: not self.places.taken)
        self.clients.clear()
        self.upstream.conversations.clear()
        self.upstream.behaviour = None
        self.stdout.seek(0)
        self.stdout.truncate()

    async def stop(self, **kw: Any) -> None:
        self.stopped = True
        await self.gateway.stop(**kw)

    def silent_about(self, *secrets: str) -> None:
        """Nothing of these stands in anything that was written."""
        written = self.stdout.getvalue() + self.stderr.getvalue()
        for secret in secrets:
            assert secret not in written
            for start in range(0, max(1, len(secret) - 15), 16):
                assert len(secret) < 16 or secret[start : start + 16] not in written

    def errors(self) -> list[dict[str, Any]]:
        """What the log has at level warning and above."""
        records = [json.loads(line) for line in self.stderr.getvalue().splitlines()]
        # Clients and upstreams of a test live in the same loop, and asyncio complains of what they write in vain.
        return [
            record for record in records if record["level"] not in {"debug", "info"} and record["logger"] != "asyncio"
        ]


def config_for(upstream: str | None, jwks_file: str, **settings: Any) -> Config:
    limits = {"drain_delay": Seconds(0), "drain": Seconds(5), **settings.pop("limits", {})}
    return Config(
        **{
            "upstream": upstream,
            "issuers": (Issuer(issuer="https://issuer.test", audience=demo_issuer().audience, jwks_file=jwks_file),),
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "limits": Limits(**limits),
            "log": Log(level="debug"),
            **settings,
        }
    )


@contextlib.asynccontextmanager
async def running(
    config: Config, upstream: RawUpstream, *, secrets: Mapping[Secret, str] = MappingProxyType({})
) -> AsyncIterator[Running]:
    """A whole gateway; afterwards neither task nor connection of it is left."""
    before = asyncio.all_tasks()
    stdout, stderr = Lines(), io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up_logging(config.log, stderr)
    gateway = Gateway(config, secrets=secrets)
    it = Running(gateway, upstream, stdout, stderr)
    try:
        with contextlib.redirect_stdout(stdout):
            await gateway.start()
        await until(lambda: all(issuer.first_fetch_ended for issuer in gateway.assembly.issuers.status()))
        it.server.listener.serves_at_once = WAY.serves_at_once
        if not WAY.serves_at_once:
            # The other way is all of the other way: what is written waits for the end of its turn, also alone.
            outbox_of(asyncio.get_running_loop()).one_by_one = 0
        yield it
    finally:
        for client in it.clients:
            client.reset()
        upstream.reset()
        if not it.stopped:
            hurry = asyncio.Event()
            hurry.set()
            async with asyncio.timeout(PATIENCE):
                await it.stop(hurry=hurry)
        root.handlers[:] = handlers
        root.setLevel(level)
        await upstream.stop()
        assert not it.server.open
        await _settled(before)


async def _settled(before: set[asyncio.Task[Any]]) -> None:
    """A few turns of the loop may pass until what was cancelled has ended; then nothing may be left."""
    left: set[asyncio.Task[Any]] = set()
    for _ in range(100):
        left = {task for task in asyncio.all_tasks() - before if not task.done() and task is not asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"tasks are left: {left}")


Start = Callable[..., Awaitable[Running]]


@functools.cache
def _keys() -> str:
    return json.dumps(demo_issuer().jwks())


def keys_file(directory: Path) -> str:
    """The file in this folder with the keys of the usual issuer, written unless it has them: a test may have spoilt it."""
    path = directory / "jwks.json"
    if not path.exists() or path.read_text() != _keys():
        path.write_text(_keys())
    return str(path)


@contextlib.asynccontextmanager
async def starting(directory: Path) -> AsyncIterator[Start]:
    """Gives a function that starts a gateway and its upstream. `directory`: for the keys; tests may share it.

    `limits` is a dictionary of those that differ; keys of the upstream's long form stand beside the others, so that
    `tls` is the upstream's, and `listener_tls` the gateway's; `secrets` is what was read for them.
    """
    jwks = keys_file(directory)
    async with contextlib.AsyncExitStack() as stack:

        async def start(**settings: Any) -> Running:
            upstream = RawUpstream()
            await upstream.start(settings.pop("upstream_path", None))
            url = settings.pop("upstream", upstream.url)
            if long := {key: settings.pop(key) for key in UPSTREAM_KEYS & settings.keys()}:
                settings["upstreams"] = {"default": UpstreamSection(url=url, **long), **settings.get("upstreams", {})}
                url = None
            if (tls := settings.pop("listener_tls", None)) is not None:
                settings["tls"] = tls
            secrets = settings.pop("secrets", {})
            config = config_for(url, jwks, **settings)
            return await stack.enter_async_context(running(config, upstream, secrets=secrets))

        yield start
