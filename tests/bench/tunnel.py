"""WebSocket messages that come back, through the gateway's tunnel and through HAProxy's.

Client and server share the core of the load and one loop, and do as little as they can: frames of one length, masked
with zeros. Where that core is the bottleneck, messages a second say little; so there is a line by processor time too.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from statistics import median
from typing import Final, cast

import uvloop

from tests.bench.load import CONNECTIONS
from tests.bench.peers import Peer, Site, gateway, running
from tests.bench.programs import CannotMeasure, free_port
from tests.bench.races import Effort
from tests.bench.results import Result, ratio_result
from tests.bench.rivals import haproxy

#: bytes of a message: the most that a head of two bytes announces (RFC 6455 section 5.2)
PAYLOAD: Final = bytes(range(125))
_FROM_CLIENT: Final = b"\x82\xfd\0\0\0\0" + PAYLOAD
_FROM_SERVER: Final = b"\x82\x7d" + PAYLOAD
_MASKED_HEAD: Final = 6
#: RFC 6455 section 1.3
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = b64encode(bytes(16))
_ACCEPT: Final = b64encode(sha1(_KEY + _GUID, usedforsecurity=False).digest())
#: seconds
PATIENCE: Final = 10.0


class _Connection(asyncio.Protocol):
    """Bytes until the end of the HTTP head; then frames of one length."""

    transport: asyncio.Transport

    def __init__(self, frame: int) -> None:
        self._frame = frame
        self._buffer = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._open:
            head, end, buffer = buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            self._open = True
            self.opened(head)
        while len(buffer) >= self._frame:
            self.message(buffer[: self._frame])
            buffer = buffer[self._frame :]
        self._buffer = buffer

    def opened(self, head: bytes) -> None:
        raise NotImplementedError

    def message(self, frame: bytes) -> None:
        raise NotImplementedError


class _Echo(_Connection):
    """The API's side."""

    def __init__(self) -> None:
        super().__init__(len(_FROM_CLIENT))

    def opened(self, head: bytes) -> None:
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.transport.write(upgrade + b"Sec-WebSocket-Accept: " + _ACCEPT + b"\r\n\r\n")

    def message(self, frame: bytes) -> None:
        self.transport.write(b"\x82\x7d" + frame[_MASKED_HEAD:])


@dataclass
class _Tally:
    """What all clients of a run have seen."""

    messages: int = 0
    going: bool = True
    opened: int = 0
    all_open: asyncio.Event = field(default_factory=asyncio.Event)
    wrong: str = ""

    def fail(self, why: str) -> None:
        if self.going:
            self.wrong = self.wrong or why
            self.all_open.set()


class _Client(_Connection):
    """Sends a message, waits for it to come back, and so on."""

    def __init__(self, tally: _Tally, token: str) -> None:
        super().__init__(len(_FROM_SERVER))
        self._tally = tally
        self._token = token

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(
            b"GET /socket HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + _KEY + b"\r\n"
            b"Authorization: Bearer " + self._token.encode() + b"\r\n\r\n"
        )

    def opened(self, head: bytes) -> None:
        status = head.split(b" ", 2)[1]
        if status != b"101" or _ACCEPT not in head:
            self._tally.fail(f"an upgrade was answered {status.decode()}")
            return
        self._tally.opened += 1
        if self._tally.opened == CONNECTIONS:
            self._tally.all_open.set()
        self.transport.write(_FROM_CLIENT)

    def message(self, frame: bytes) -> None:
        if frame != _FROM_SERVER:
            self._tally.fail("a message came back as another")
        self._tally.messages += 1
        if self._tally.going:
            self.transport.write(_FROM_CLIENT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.fail("a connection was lost")


@dataclass(frozen=True)
class _Run:
    rate: float
    #: messages for each second of processor time of the program under test
    by_processor: float
    #: share of its core that the program under test used
    busy: float


async def _echo(peer: Peer, token: str, seconds: float) -> _Run:
    """Messages that come back on all connections for a time. CannotMeasure: no tunnel, or a bad one."""
    loop = asyncio.get_running_loop()
    tally = _Tally()
    made = [
        await loop.create_connection(lambda: _Client(tally, token), "127.0.0.1", peer.port) for _ in range(CONNECTIONS)
    ]
    try:
        try:
            await asyncio.wait_for(tally.all_open.wait(), PATIENCE)
        except TimeoutError:
            tally.fail(f"{tally.opened} of {CONNECTIONS} tunnels were opened")
        spent, messages, began = peer.program.processor_seconds(), tally.messages, time.monotonic()
        if not tally.wrong:
            await asyncio.sleep(seconds)
        took = time.monotonic() - began
        spent, messages = peer.program.processor_seconds() - spent, tally.messages - messages
    finally:
        tally.going = False
        for transport, _ in made:
            transport.close()
    if tally.wrong or not messages:
        raise CannotMeasure(f"WebSocket through {peer.program.name}: {tally.wrong or 'nothing came back'}")
    return _Run(messages / took, messages / max(spent, 0.01), spent / took)


async def _rounds(peers: dict[str, Peer], port: int, token: str, effort: Effort) -> dict[str, list[_Run]]:
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", port, backlog=1024)
    runs: dict[str, list[_Run]] = {name: [] for name in peers}
    try:
        for peer in peers.values():
            await _echo(peer, token, 0.5)
        order = list(peers)
        for _ in range(effort.rounds):
            for name in order:
                runs[name].append(await _echo(peers[name], token, effort.seconds))
            order = order[1:] + order[:1]
    finally:
        server.close()
    return runs


class Tunnel:
    """The row about WebSockets."""

    row = "tunnel"

    def measure(self, site: Site, effort: Effort) -> Iterator[Result]:
        """The lines. CannotMeasure."""
        port = free_port()
        with running(site, {"gateway": gateway(upstream=port), "haproxy": haproxy(upstream=port)}) as peers:
            runs = uvloop.run(_rounds(peers, port, site.tokens.good, effort))
        for what, measure in (
            ("rate", f"WebSocket echo on {CONNECTIONS} connections, against HAProxy"),
            ("by_processor", "WebSocket echo for each second of processor time, against HAProxy"),
        ):
            figures = {name: [float(getattr(run, what)) for run in runs[name]] for name in runs}
            told = "; ".join(
                f"{name} {median(figures[name]):,.0f}/s (core {median(run.busy for run in runs[name]):.0%})"
                for name in runs
            )
            yield ratio_result(self.row, measure, figures["gateway"], figures["haproxy"], target=0.9, details=told)
