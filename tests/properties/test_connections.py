"""A client's connection, whatever comes and in whatever order: it stays in its table, and what it wrote is whole responses."""

import asyncio
import itertools
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.section import Size
from gateway.core.errors import ClientDisconnected, MissingCredential, Refusal
from gateway.messages import OwnResponse
from gateway.ports import Exchange
from gateway.relay.client.connection import Connection
from gateway.relay.client.listener import Listener
from gateway.relay.client.phase import STATES, TABLE
from gateway.relay.sweep import Clock

#: what a client may say, whole; it is cut anywhere
SAID = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /refuse HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nab",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /big HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 600 + b"\r\n\r\n",
    b"\r\n\r\n",
    b"\r\n" * 20,
    b"nonsense",
    b"\x16\x03\x01",
)
SECONDS = st.sampled_from([0.0, 1.0, 11.0, 31.0, 80.0])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(SAID), st.lists(st.integers(0, 80), max_size=4)),
        st.tuples(st.just("turns"), st.integers(1, 5)),
        st.tuples(st.just("pass"), SECONDS),
        st.tuples(st.sampled_from(["pause", "resume", "drain", "close", "lose", "give way", "stop"])),
    ),
    max_size=12,
)


class Wired(asyncio.Transport):
    """A client that takes everything, or nothing for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.closed = False
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.closed
        self.data += data

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        assert not self.closed

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class Service:
    """Refuses, waits, or reads the body and says how long it was."""

    async def handle(self, exchange: Exchange) -> None:
        try:
            try:
                facts = exchange.read_facts()
                if facts.target == b"/refuse":
                    raise MissingCredential
                length = 0
                while exchange.body is not None and (piece := await exchange.body.read()):
                    length += len(piece)
                if facts.target == b"/slow":
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                body = b"%d" % length
                await exchange.respond(OwnResponse(200, b"OK", ((b"Content-Length", b"%d" % len(body)),), body))
            except Refusal as refusal:
                if isinstance(refusal, ClientDisconnected):
                    raise
                await exchange.refuse(refusal)
        except ClientDisconnected:
            pass


def check_written(data: bytes) -> None:
    """Whole responses, one behind the other; the last may say that it is the last."""
    ended = False
    while data:
        assert not ended, data[:200]
        head, mark, rest = data.partition(b"\r\n\r\n")
        assert mark
        assert re.match(rb"HTTP/1\.1 \d{3} ", head)
        ended = b"\r\nConnection: close" in head
        if head.startswith(b"HTTP/1.1 100 "):
            data = rest
            continue
        found = re.search(rb"\r\nContent-Length: (\d+)", head)
        assert found is not None
        assert len(rest) >= int(found[1])
        data = rest[int(found[1]) :]


async def play(actions: list[Any]) -> None:  # noqa: PLR0912 -- one branch for each thing that may happen
    now = 1000.0
    config = Config(
        upstream="http://a",
        issuers=(Issuer(issuer="https://a.test", audience="a"),),
        limits=Limits(header_bytes=Size(500), uri_bytes=Size(100), token_bytes=Size(100)),
    )
    listener = Listener(Service(), config, max_connections=1, observer=None, clock=Clock(now=lambda: now))
    connection, transport = Connection(listener), Wired()
    connection.connection_made(transport)
    lost = False

    def watched(step: Callable[[], object]) -> None:
        """One step, which is a way that the table has."""
        before = connection.phase.state
        step()
        after, reached = connection.phase.state, {before}
        for _ in STATES:
            reached |= {to for state in reached for to in TABLE[state] if to >= 0}
        assert after in reached

    for kind, *rest in actions:
        if lost:
            break
        match kind:
            case "say":
                raw, cuts = rest
                places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
                for start, end in itertools.pairwise(places):
                    if transport.reading and not transport.closed:
                        watched(lambda: connection.data_received(raw[start:end]))  # noqa: B023
            case "turns":
                for _ in range(rest[0]):
                    await asyncio.sleep(0)
            case "pass":
                now += rest[0]
                watched(lambda: connection.check(now))  # noqa: B023
            case "pause":
                connection.pause_writing()
            case "resume":
                connection.resume_writing()
            case "drain":
                listener.draining = True
            case "close" if not connection.has_request:
                watched(connection.close)
            case "give way" if connection.is_idle:
                watched(connection.give_way)
            case "stop":
                listener.closed = True
            case "lose":
                lost = True
        repr(connection)
    connection.resume_writing()
    for _ in range(20):
        await asyncio.sleep(0)
    check_written(transport.data)
    transport.close()
    connection.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert repr(connection.phase) == "<Phase DEAF FREE>"
    assert repr(listener).endswith("0 open, 0 requests, 0 tunnels, <Crowd 0 idle, 0 begun, 0 lingering, 0 taking>>")
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left


@given(ACTIONS)
def test_whatever_comes_it_stays_in_its_table_and_leaves_nothing_behind(actions: list[Any]) -> None:
    logger, records = logging.getLogger("gateway.relay"), list[logging.LogRecord]()
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    logger.addHandler(handler)
    try:
        asyncio.run(play(actions))
    finally:
        logger.removeHandler(handler)
    assert not records


@pytest.mark.parametrize("raw", SAID, ids=repr)
def test_everything_a_client_may_say_ends_well(raw: bytes) -> None:
    asyncio.run(play([("say", raw, []), ("turns", 5), ("say", raw, []), ("pass", 80.0), ("turns", 3)]))
