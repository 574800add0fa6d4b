"""The real program under bodies that fit into no memory, and under thousands of connections: its memory is sampled.

Both ends are threads on blocking sockets with big buffers, so that the gateway is the slow part.
`BODY_GIB` sets how much is sent each way; by default enough to see that nothing is kept of it.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest
from process import GatewayProcess, serving

from tests.wire import RawClient, demo_issuer, get

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZE = int(float(os.environ.get("BODY_GIB", "0.5")) * GIB)
#: bytes that repeat at a distance that no buffer has: what is lost, doubled or exchanged shows at once
PERIOD = MIB - 61
PATTERN = random.Random(4).randbytes(PERIOD)
_TWICE = PATTERN * 2 + PATTERN[:MIB]


class Pattern:
    """Takes pieces of the endless pattern; each is compared at its beginning and at its end."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, piece: memoryview) -> None:
        at, size = self.taken % PERIOD, len(piece)
        assert piece[:32] == _TWICE[at : at + min(32, size)], f"another byte than due behind {self.taken}"
        end = (at + size - min(32, size)) % PERIOD
        assert piece[-32:] == _TWICE[end : end + min(32, size)], f"another byte than due behind {self.taken}"
        self.taken += size


def send_pattern(wire: socket.socket, size: int) -> None:
    view, left = memoryview(PATTERN), size
    while left:
        wire.sendall(view[: min(left, PERIOD)])
        left -= min(left, PERIOD)


def read_head(wire: socket.socket) -> tuple[bytes, bytes]:
    """A head, and what came behind it. Empty: the other side is done."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := wire.recv(64 * KIB)):
            return b"", b""
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def take_length(wire: socket.socket, early: bytes, size: int) -> int:
    """A body with a length; the bytes of the pattern that came."""
    pattern, buffer = Pattern(), bytearray(MIB)
    view = memoryview(buffer)
    if early:
        pattern.take(memoryview(early))
    while pattern.taken < size and (count := wire.recv_into(view)):
        pattern.take(view[:count])
    return pattern.taken


def take_chunked(wire: socket.socket, early: bytes) -> int:
    """The same in chunks."""
    pattern = Pattern()
    buffer = bytearray(MIB)
    view = memoryview(buffer)
    held = early

    def more() -> None:
        nonlocal held
        held += (received := wire.recv(64 * KIB))
        assert received, "the end came within the body"

    def line() -> bytes:
        nonlocal held
        while b"\r\n" not in held:
            more()
        found, _, held = held.partition(b"\r\n")
        return found

    while left := int(line(), 16):
        if held:
            taken, held = held[:left], held[left:]
            pattern.take(memoryview(taken))
            left -= len(taken)
        while left:
            count = wire.recv_into(view[: min(left, MIB)])
            assert count, "the end came within the body"
            pattern.take(view[:count])
            left -= count
        assert line() == b""
    assert line() == b""
    return pattern.taken


@contextmanager
def pattern_api() -> Iterator[str]:
    """An API on threads. GET /SIZE sends as much of the pattern; what is sent is judged and counted, at /any just taken.

    Gives its url.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    open_: set[socket.socket] = set()

    def serve(wire: socket.socket) -> None:
        with wire, contextlib.suppress(OSError):
            while True:
                head, rest = read_head(wire)
                if not head:
                    return
                lines = head.lower().split(b"\r\n")
                if head.startswith(b"GET"):
                    asked = head.split(b" ")[1].strip(b"/")
                    size = int(asked) if asked.isdigit() else 0
                    wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                    send_pattern(wire, size)
                    continue
                if head.startswith(b"POST /any "):
                    while wire.recv(64 * KIB):
                        pass
                    return
                lengths = [line.split(b": ")[1] for line in lines if line.startswith(b"content-length")]
                try:
                    taken = take_length(wire, rest, int(lengths[0])) if lengths else take_chunked(wire, rest)
                    said = b"%d" % taken
                except AssertionError as problem:
                    said = str(problem).encode()
                wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = listener.accept()
                open_.add(wire)
                threading.Thread(target=serve, args=(wire,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        for wire in open_:
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)


def configuration(directory: Path, upstream: str, *, limits: str = "", more: str = "") -> str:
    """The path of a configuration file; `limits`: further ones, each behind a comma."""
    (directory / "jwks.json").write_text(json.dumps(demo_issuer().jwks()))
    path = directory / "gateway.yaml"
    path.write_text(f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
upstreams: {{default: {{url: "{upstream}", max_connections: 1000}}}}
issuers: [{{issuer: https://issuer.test, audience: {demo_issuer().audience}, jwks_file: {directory / "jwks.json"}}}]
log: {{access: refused}}
limits: {{drain_delay: 0s, drain: 1s{limits}}}
{more}
""")
    return str(path)


@asynccontextmanager
async def endured(directory: Path, upstream: str, *, limits: str = "", more: str = "") -> AsyncIterator[GatewayProcess]:
    async with serving(config=configuration(directory, upstream, limits=limits, more=more)) as gateway:
        await gateway.ready()
        yield gateway


def address_of(gateway: GatewayProcess) -> str:
    return gateway.url.removeprefix("http://")


def resident(gateway: GatewayProcess) -> int:
    """Bytes of memory that the gateway has now."""
    return int(Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Memory:
    """Samples the gateway's memory."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self.samples: list[int] = []

    async def _sample(self) -> None:
        while True:
            self.samples.append(resident(self._gateway))
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        self.samples.clear()
        task = asyncio.create_task(self._sample())
        try:
            yield
        finally:
            task.cancel()


async def connections_left(gateway: GatewayProcess) -> int:
    """Client connections that the gateway counts. Whoever asks is held to the limits as well, and may be asked to come again."""
    for attempt in range(5):
        try:
            _, text = await gateway.admin("/metrics")
            break
        except aiohttp.ClientConnectionError:
            if attempt == 4:
                raise
    return int(
        float(next(line for line in text.splitlines() if line.startswith("gateway_connections_open ")).split()[1])
    )


async def until_left(gateway: GatewayProcess, count: int) -> None:
    async with asyncio.timeout(20):
        while await connections_left(gateway) != count:  # noqa: ASYNC110 -- a page is asked again
            await asyncio.sleep(0.1)


@asynccontextmanager
async def a_good_client(gateway: GatewayProcess, *, within: float = 3.0) -> AsyncIterator[list[float]]:
    """A client that asks ten times a second, on a connection that it keeps; gives how long each response took."""
    taken: list[float] = []

    async def keep_asking() -> None:
        client = await RawClient.connect(address_of(gateway))
        try:
            while True:
                started = time.perf_counter()
                assert (await client.ask(get("/2"))).status == 200
                taken.append(time.perf_counter() - started)
                await asyncio.sleep(0.1)
        finally:
            client.reset()

    task = asyncio.create_task(keep_asking())
    try:
        yield taken
        assert not task.done(), task.exception()
        assert taken
        assert max(taken) < within
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# Gigabytes


def download(address: str, size: int) -> int:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(get(f"/{size}"))
        head, rest = read_head(wire)
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert b"Content-Length: %d" % size in head
        return take_length(wire, rest, size)


def upload(address: str, size: int) -> int:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(get("/", f"Content-Length: {size}", method="POST"))
        send_pattern(wire, size)
        return int(read_head(wire)[1])


def upload_in_chunks(address: str, size: int) -> int:
    host, _, port = address.rpartition(":")
    framed = b"%x\r\n%b\r\n" % (PERIOD, PATTERN)
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(get("/", "Transfer-Encoding: chunked", method="POST"))
        for _ in range(size // PERIOD):
            wire.sendall(framed)
        left = size % PERIOD
        wire.sendall((b"%x\r\n%b\r\n" % (left, PATTERN[:left]) if left else b"") + b"0\r\n\r\n")
        return int(read_head(wire)[1])


WARM_UP = 128 * MIB


@pytest.mark.timeout(600)
@pytest.mark.parametrize("move", [download, upload, upload_in_chunks], ids=["down", "up", "up in chunks"])
async def test_gigabytes_pass_in_flat_memory(
    tmp_path: Path, move: Callable[[str, int], int], record_property: Callable[[str, object], None]
) -> None:
    with pattern_api() as api:
        async with endured(tmp_path, api) as gateway:
            memory = Memory(gateway)
            await asyncio.to_thread(move, address_of(gateway), WARM_UP)
            before = resident(gateway)
            started = time.perf_counter()
            async with memory.watched():
                assert await asyncio.to_thread(move, address_of(gateway), SIZE) == SIZE
            seconds = time.perf_counter() - started
            record_property("seconds", round(seconds, 1))
            grown = (max(memory.samples) - before) / MIB
            print(f"{move.__name__}: {SIZE / GIB:.1f} GiB in {seconds:.1f} s, {before / MIB:.0f} MiB + {grown:.1f} MiB")  # noqa: T201
            assert len(memory.samples) > 5
            assert grown < 16


# Slow readers


async def test_two_hundred_slow_readers_of_100_mib_cost_bounded_memory(tmp_path: Path) -> None:
    readers, size = 200, 100 * MIB
    with pattern_api() as api:
        async with endured(tmp_path, api) as gateway:
            await asyncio.to_thread(download, address_of(gateway), MIB)
            idle = resident(gateway)
            memory = Memory(gateway)
            host, _, port = address_of(gateway).rpartition(":")
            wires = [socket.socket() for _ in range(readers)]
            for wire in wires:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * KIB)
                wire.connect((host, int(port)))
                wire.sendall(get(f"/{size}"))
            patterns = [Pattern() for _ in wires]
            buffer = memoryview(bytearray(16 * KIB))
            rests = [await asyncio.to_thread(read_head, wire) for wire in wires]
            for pattern, (head, rest) in zip(patterns, rests, strict=True):
                assert head.startswith(b"HTTP/1.1 200 OK")
                if rest:
                    pattern.take(memoryview(rest))
            # Two hundred responses begin at once, beside whatever else is tested on the machine.
            async with a_good_client(gateway, within=3.0) as taken, memory.watched():
                ends = time.perf_counter() + 5
                while time.perf_counter() < ends:
                    for wire, pattern in zip(wires, patterns, strict=True):
                        wire.setblocking(False)
                        with contextlib.suppress(BlockingIOError):
                            pattern.take(buffer[: wire.recv_into(buffer)])
                    await asyncio.sleep(0.05)
            assert all(pattern.taken for pattern in patterns)
            grown = (max(memory.samples) - idle) / MIB
            print(f"200 slow readers: {grown:.0f} MiB above idle; slowest good response {max(taken) * 1000:.0f} ms")  # noqa: T201
            assert grown < 200
            for wire in wires:
                wire.close()
            await until_left(gateway, 0)


# Thousands of connections


async def test_five_thousand_idle_connections_cost_little_and_hurt_nobody(tmp_path: Path) -> None:
    count = 5000
    with pattern_api() as api:
        async with endured(tmp_path, api) as gateway:
            await asyncio.to_thread(download, address_of(gateway), MIB)
            before = resident(gateway)
            host, _, port = address_of(gateway).rpartition(":")

            def connect_and_ask() -> list[socket.socket]:
                wires = [socket.create_connection((host, int(port))) for _ in range(count)]
                for start in range(0, count, 200):
                    for wire in wires[start : start + 200]:
                        wire.sendall(get("/2"))
                    for wire in wires[start : start + 200]:
                        head, rest = read_head(wire)
                        assert head.startswith(b"HTTP/1.1 200 OK")
                        assert take_length(wire, rest, 2) == 2
                return wires

            async with a_good_client(gateway) as taken:
                wires = await asyncio.to_thread(connect_and_ask)
                assert await connections_left(gateway) == count + 1
                each = (resident(gateway) - before) / count
                await asyncio.sleep(0.5)
            print(f"{each / KIB:.1f} KiB a connection; slowest good response {max(taken) * 1000:.0f} ms")  # noqa: T201
            assert each < 20 * KIB
            for wire in wires:
                wire.close()
            await until_left(gateway, 0)


async def test_a_client_that_pipelines_and_never_reads_costs_bounded_memory(tmp_path: Path) -> None:
    with pattern_api() as api:
        async with endured(tmp_path, api) as gateway:
            await asyncio.to_thread(download, address_of(gateway), MIB)
            before = resident(gateway)
            host, _, port = address_of(gateway).rpartition(":")
            memory = Memory(gateway)
            wires = [socket.create_connection((host, int(port))) for _ in range(20)]
            for wire in wires:
                wire.setblocking(False)
            sent = 0
            async with a_good_client(gateway), memory.watched():
                ends = time.perf_counter() + 3
                raw = get(f"/{64 * KIB}") * 100
                while time.perf_counter() < ends:
                    for wire in wires:
                        with contextlib.suppress(BlockingIOError):
                            sent += wire.send(raw)
                    await asyncio.sleep(0.01)
            grown = (max(memory.samples) - before) / MIB
            print(f"{sent / MIB:.0f} MiB of requests that nobody reads the responses of: {grown:.1f} MiB")  # noqa: T201
            assert grown < 64
            for wire in wires:
                wire.close()
            await until_left(gateway, 0)
