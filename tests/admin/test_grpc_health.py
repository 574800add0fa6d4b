"""The health check of gRPC, asked of a real server, and of some that are none."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from gateway.admin import grpc_health
from gateway.admin.grpc_health import check_health
from gateway.admin.probes import Probes
from gateway.core.config.probes import ContainerProbes, Probe
from gateway.core.config.section import Seconds
from tests.wire import PATIENCE, Conversation, RawUpstream

STATES = health_pb2.HealthCheckResponse


async def ask(port: int, service: str = "", host: str = "127.0.0.1") -> str | None:
    async with asyncio.timeout(PATIENCE):
        return await check_health(host, port, service=service, user_agent="kube-probe/gateway")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[tuple[int, health.aio.HealthServicer]]:
    running = grpc.aio.server()
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, running)
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    yield port, servicer
    await running.stop(None)


async def test_a_real_server_serves_or_says_what_it_does(server: tuple[int, health.aio.HealthServicer]) -> None:
    port, servicer = server
    assert await ask(port) is None
    for state, expected in (
        (STATES.SERVING, None),
        (STATES.NOT_SERVING, "it is NOT_SERVING"),
        (STATES.UNKNOWN, "it is UNKNOWN"),
        (STATES.SERVICE_UNKNOWN, "it is SERVICE_UNKNOWN"),
    ):
        for service in ("orders.v1.Orders", "s" * 256):
            await servicer.set(service, state)
            assert await ask(port, service) == expected
    assert await ask(port, "other") == "the server knows no service of that name"


async def test_it_is_asked_by_a_probe(server: tuple[int, health.aio.HealthServicer]) -> None:
    port, servicer = server
    await servicer.set("orders", STATES.NOT_SERVING)
    probes = Probes(
        {
            "api": ContainerProbes(
                liveness=Probe(grpc=f"localhost:{port}", timeout=Seconds(5)),
                readiness=Probe(grpc=f"127.0.0.1:{port}", service="orders", timeout=Seconds(5)),
            )
        }
    )
    for name, expected in (("api/liveness", None), ("api/readiness", "it is NOT_SERVING")):
        found = probes.find(name)
        assert found is not None
        assert await found() == expected


async def test_a_server_without_the_service_says_so() -> None:
    running = grpc.aio.server()
    port = running.add_insecure_port("[::1]:0")
    await running.start()
    assert await ask(port, host="::1") == "the server has no grpc.health.v1.Health"
    await running.stop(None)


class Peer:
    """A server of our own on h2, which responds as it is told."""

    def __init__(
        self, head: list[tuple[str, str]], body: bytes = b"", trailers: list[tuple[str, str]] | None = None
    ) -> None:
        self.head, self.body, self.trailers = head, body, trailers

    async def behave(self, conversation: Conversation) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        await conversation.say(connection.data_to_send())
        while data := await conversation.reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    stream = event.stream_id
                    connection.send_headers(stream, self.head, end_stream=not self.body and self.trailers is None)
                    if self.body:
                        connection.send_data(stream, self.body, end_stream=self.trailers is None)
                    if self.trailers is not None:
                        connection.send_headers(stream, self.trailers, end_stream=True)
            await conversation.say(connection.data_to_send())


def frame(kind: int, payload: bytes = b"", *, stream: int = 0) -> bytes:
    """RFC 9113 section 4.1."""
    return len(payload).to_bytes(3, "big") + bytes((kind, 0)) + stream.to_bytes(4, "big") + payload


HEAD = [(":status", "200"), ("content-type", "application/grpc")]
FINE = [("grpc-status", "0")]
NO_MESSAGE = "the response is no HealthCheckResponse"


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (Peer(HEAD, b"\0\0\0\0\2\x08\1", FINE), None),
        (Peer(HEAD, b"\0\0\0\0\0", FINE), "it is UNKNOWN"),
        (Peer(HEAD, b"\0\0\0\0\3\x08\x81\1", FINE), "it is in a state without a name"),
        (Peer([(":status", "404")]), "the response has status 404"),
        (Peer(HEAD, b"", [("grpc-status", "14"), ("grpc-message", "secret")]), "the response has gRPC status 14"),
        (Peer([*HEAD, ("grpc-status", "7")]), "the response has gRPC status 7"),
        (Peer(HEAD, b"\0\0\0\0\2\x08\1"), "the response has gRPC status of no number"),
        (Peer(HEAD, b"", [("grpc-status", "x" * 50)]), "the response has gRPC status of no number"),
        (Peer(HEAD, b"\0\0", FINE), NO_MESSAGE),
        (Peer(HEAD, b"\1\0\0\0\2\x08\1", FINE), NO_MESSAGE),
        (Peer(HEAD, b"\0\0\0\0\3\x08\1", FINE), NO_MESSAGE),
        (Peer(HEAD, b"\0\0\0\0\2\x12\0", FINE), NO_MESSAGE),
        (Peer(HEAD, b"\0\0\0\0\2\x08\x81", FINE), NO_MESSAGE),
    ],
)
async def test_a_response_is_believed_when_it_is_one(peer: Peer, expected: str | None) -> None:
    upstream = RawUpstream()
    upstream.behaviour = peer.behave
    await upstream.start()
    assert await ask(int(upstream.url.rpartition(":")[2])) == expected
    await upstream.stop()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the response broke off"),
        (frame(4) + frame(3, b"abc", stream=1), "the response is not well-formed HTTP/2"),
        (b"", "the response broke off"),
        (frame(4) + frame(3, b"\0\0\0\1", stream=1), "the response broke off"),
        (frame(4) + frame(7, bytes(8)), "the response broke off"),
        (frame(4) + frame(6, bytes(8)) * 5000, "the response is too long"),
    ],
    ids=["HTTP/1.1", "a frame of another length", "nothing", "RST_STREAM", "GOAWAY", "a flood of PING"],
)
async def test_what_is_no_response_is_told(said: bytes, expected: str) -> None:
    upstream = RawUpstream()

    async def behave(conversation: Conversation) -> None:
        await conversation.reader.readexactly(24)
        await conversation.say(said)
        conversation.writer.write_eof()
        await conversation.until_ended()

    upstream.behaviour = behave
    await upstream.start()
    assert await ask(int(upstream.url.rpartition(":")[2])) == expected
    await upstream.stop()


def test_what_is_sent_is_bounded() -> None:
    assert grpc_health._varint(256) == b"\x80\2"
    assert grpc_health._varint(1) == b"\1"
