"""One socket outlives three gateways: whoever connects meanwhile is refused by nobody, and waits for the next."""

import asyncio
import base64
import hashlib
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from process import GatewayProcess, serving
from test_client_certificates import World, tls
from test_workers import directory, request, upstream

from gateway.demo.issuer import DemoIssuer
from tests.wire import RawUpstream, until

__all__ = ["directory"]

#: seconds between two connections, and between two that begin with a handshake of TLS
EVERY, EVERY_SECURE = 0.02, 0.05
#: seconds that a busy machine may take for what is not the start
MARGIN = 2.0


@dataclass
class Clients:
    """One after the other, each on a connection of its own, whether there is a gateway or not."""

    served: int = 0
    #: seconds
    longest: float = 0.0
    lost: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    #: None: they speak no TLS
    context: ssl.SSLContext | None = None

    async def ask(self, address: tuple[str, int], raw: bytes) -> None:
        began = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection(*address, ssl=self.context)
            writer.write(raw)
            response = await reader.read()
            writer.close()
        except OSError as error:
            self.lost.append(repr(error))
            return
        self.longest = max(self.longest, time.monotonic() - began)
        if response.startswith(b"HTTP/1.1 200 ") and response.endswith(b"ok"):
            self.served += 1
        else:
            self.lost.append(repr(response[:200]))

    async def come(self, address: tuple[str, int], raw: bytes) -> None:
        while True:
            task = asyncio.create_task(self.ask(address, raw))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            await asyncio.sleep(EVERY if self.context is None else EVERY_SECURE)

    async def more(self, count: int) -> None:
        """Waits until so many more were served."""
        enough = self.served + count
        await until(lambda: self.served >= enough)


@asynccontextmanager
async def coming(address: tuple[str, int], raw: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[Clients]:
    clients = Clients(context=context)
    comes = asyncio.create_task(clients.come(address, raw))
    try:
        yield clients
    finally:
        comes.cancel()
        await asyncio.gather(*clients.tasks)


@pytest.fixture
def held() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as one:
        yield one


@asynccontextmanager
async def program(
    directory: Path,
    issuer: DemoIssuer,
    api: RawUpstream,
    passed: dict[str, socket.socket],
    *,
    workers: int,
    more: str = "",
) -> AsyncIterator[GatewayProcess]:
    path = directory / "gateway.yaml"
    path.write_text(f"""
upstream: {api.url}
admin: 127.0.0.1:0
workers: {workers}
issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]
limits: {{drain_delay: 0.2s, drain: 10s}}
{more}""")
    env = {"PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics")}
    async with serving(config=str(path), env=env, passed=passed) as gateway:
        yield gateway


# What is spoken on a socket is no matter of how many processes accept on it.
@pytest.mark.parametrize(("workers", "spoken"), [(1, "http"), (1, "https"), (2, "https")])
async def test_three_starts_on_one_socket_lose_nobody(
    directory: Path, issuer: DemoIssuer, held: socket.socket, workers: int, spoken: str
) -> None:
    where = held.getsockname()
    world = World.in_directory(directory)
    context, more, count = (None, "", 50) if spoken == "http" else (world.context(), tls(world), 25)
    raw = request(issuer).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    away = 0.0
    async with upstream() as api, AsyncExitStack() as stack:
        clients = await stack.enter_async_context(coming(where, raw, context))
        stopped = time.monotonic()
        for start in range(3):
            async with program(directory, issuer, api, {"listen": held}, workers=workers, more=more) as gateway:
                assert gateway.url == f"http://127.0.0.1:{where[1]}"
                await clients.more(1)
                away = max(away, time.monotonic() - stopped)
                await clients.more(count)
                if start == 2:
                    await stack.aclose()
                stopped = time.monotonic()
                gateway.process.send_signal(signal.SIGTERM)
                assert await gateway.process.wait() == 0
            assert "cut" not in gateway.output.decode()
    assert clients.lost == []
    assert clients.served > 3 * count
    # Whoever came while there was none stands in a queue, and that takes its time as well.
    assert clients.longest < 2 * away + MARGIN


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("workers", [1, 2])
async def test_tls_is_spoken_on_a_socket_that_was_passed(
    directory: Path, issuer: DemoIssuer, held: socket.socket, workers: int, kind: str
) -> None:
    """With certificates of clients, who are nobody's whose proxy is trusted: a token is bound to one of them."""
    world = World.in_directory(directory)
    path = directory / "traffic.sock"
    async with upstream() as api, AsyncExitStack() as stack:
        if kind == "unix":
            held = stack.enter_context(socket.socket(socket.AF_UNIX))
            held.bind(str(path))
            held.listen()
        passed = {"listen": held}
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(world.ours[0].read_text())).digest()
        bound = issuer.access_token(cnf={"x5t#S256": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()})
        raw = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bound}\r\nConnection: close\r\n\r\n".encode()
        async with program(directory, issuer, api, passed, workers=workers, more=tls(world)) as gateway:
            await gateway.ready()
            gateway.secrets.append(bound)
            for shows, status in ((world.ours, 200), (world.others, 401), (None, 401)):
                context = world.context(shows)
                reader, writer = (
                    await asyncio.open_unix_connection(str(path), ssl=context, server_hostname="127.0.0.1")
                    if kind == "unix"
                    else await asyncio.open_connection(*held.getsockname(), ssl=context)
                )
                writer.write(raw)
                assert int((await reader.read()).split()[1]) == status
                writer.close()
            # Nor is what speaks no TLS there served, and nobody is told of it in plain.
            plain, writer = (
                await asyncio.open_unix_connection(str(path))
                if kind == "unix"
                else await asyncio.open_connection(*held.getsockname())
            )
            writer.write(raw)
            with suppress(ConnectionResetError):
                assert b"HTTP" not in await plain.read()
            writer.close()


@pytest.mark.parametrize("workers", [1, 2])
async def test_no_process_that_it_starts_is_told_of_the_sockets(
    directory: Path, issuer: DemoIssuer, held: socket.socket, workers: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as admin:
        passed = {"admin": admin, "listen": held}
        async with upstream() as api, program(directory, issuer, api, passed, workers=workers) as gateway:
            assert gateway.admin_url == f"http://127.0.0.1:{admin.getsockname()[1]}"
            await gateway.ready()
            assert (await gateway.admin("/livez"))[0] == 200
            for pid in gateway.workers() if workers > 1 else []:
                environ = _environ(pid)
                assert b"LISTEN_" not in environ
                assert b"PATH=" in environ
                assert admin.getsockname()[1] not in _listening(pid)
                assert held.getsockname()[1] in _listening(pid)


def _environ(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def _listening(pid: int) -> set[int]:
    """The ports on which a process has sockets that listen."""
    inodes = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[3] == "0A" and f"socket:[{columns[9]}]" in inodes:
            found.add(int(columns[1].rpartition(":")[2], 16))
    return found
