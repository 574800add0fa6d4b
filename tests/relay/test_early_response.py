"""An API that has heard enough: what it said before it closed arrives, however much of the upload is still to come."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.core.config.upstreams import UpstreamTls
from tests.relay.test_faults import LOOPS, Run, a_gateway
from tests.relay.upstream.test_dialing import Authority, secure
from tests.wire import Conversation, Message, Running, chunks, get

#: bytes of an upload
SIZE = 5_000_000
#: each is a race of the response, the reset behind it, and what the gateway writes meanwhile
TIMES = 6
STATUSES = {413: b"Content Too Large", 503: b"Service Unavailable"}
SAID = b'{"problem": "heard enough"}'


def in_length(status: int) -> bytes:
    head = b"HTTP/1.1 %d %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (status, STATUSES[status], len(SAID))
    return head + SAID


def in_chunks(status: int) -> bytes:
    head = b"HTTP/1.1 %d %b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" % (status, STATUSES[status])
    return head + chunks(SAID) + b"0\r\n\r\n"


def behind_others(status: int) -> bytes:
    return b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + in_length(status)


def without_close(status: int) -> bytes:
    return in_length(status).replace(b"Connection: close\r\n", b"")


RESPONSES: dict[str, Callable[[int], bytes]] = {
    "length": in_length,
    "chunks": in_chunks,
    "behind interim responses": behind_others,
    "without a word of closing": without_close,
}


def closing(response: bytes, *, read: int, wait: float = 0.0) -> Callable[[Conversation], object]:
    """Says this when so much of the body came, and closes with the rest unread: a reset follows the response."""

    async def behave(upstream: Conversation) -> None:
        await upstream.head()
        if read:
            await upstream.reader.readexactly(read)
        upstream.writer.write(response)
        if wait:
            await asyncio.sleep(wait)
        upstream.writer.close()

    return behave


@contextlib.contextmanager
def api_apart(response: bytes, *, read: int) -> Iterator[str]:
    """The same in a thread of its own, as an API is: what it does falls between any two steps of the gateway."""
    ended = threading.Event()

    def serve(wire: socket.socket) -> None:
        with contextlib.suppress(OSError), wire:
            left = read + wire.recv(4096).find(b"\r\n\r\n") + 4
            while left > 0 and (piece := wire.recv(min(left, 65536))):
                left -= len(piece)
            wire.sendall(response)

    def accept() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                wire, _ = listener.accept()
                wire.settimeout(5)
                serve(wire)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


async def upload(gateway: Running, framing: str, *, method: str = "POST") -> Message:
    """All of it, to whoever takes it; gives the final response."""
    client = await gateway.client()
    if framing == "length":
        data = get("/", f"Content-Length: {SIZE}", method=method) + b"x" * SIZE
    else:
        data = get("/", "Transfer-Encoding: chunked", method=method) + chunks(*[b"x" * 100_000] * (SIZE // 100_000))
    client.writer.write(data)
    response = await client.response()
    while response.status < 200:
        response = await client.response()
    client.writer.transport.abort()
    return response


async def statuses(gateway: Running, framing: str, *, times: int = TIMES) -> list[tuple[int, bytes]]:
    found = []
    for _ in range(times):
        response = await upload(gateway, framing)
        found.append(
            (response.status, response.body if response.status != 502 else response.problem["reason"].encode())
        )
    return found


@LOOPS
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("status", STATUSES)
def test_what_an_api_said_arrives_although_it_closed(tmp_path: Path, run: Run, status: int, framing: str) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            gateway.upstream.behaviour = closing(in_length(status), read=100_000)  # type: ignore[assignment]
            assert await statuses(gateway, framing) == [(status, SAID)] * TIMES

    run(main())


@LOOPS
@pytest.mark.parametrize("read", [0, 100_000, 1_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_it_arrives_from_an_api_that_does_not_wait_for_us(tmp_path: Path, run: Run, framing: str, read: int) -> None:
    async def main() -> None:
        with api_apart(in_length(413), read=read) as url:
            async with a_gateway(tmp_path, upstream=url) as gateway:
                assert await statuses(gateway, framing) == [(413, SAID)] * TIMES

    run(main())


@LOOPS
@pytest.mark.parametrize("kind", RESPONSES)
def test_it_arrives_however_it_was_said(tmp_path: Path, run: Run, kind: str) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            gateway.upstream.behaviour = closing(RESPONSES[kind](413), read=100_000)  # type: ignore[assignment]
            assert await statuses(gateway, "length") == [(413, SAID)] * TIMES

    run(main())


@LOOPS
@pytest.mark.parametrize("read", [0, 1, 3_000_000])
@pytest.mark.parametrize("wait", [0.0, 0.01])
def test_it_arrives_whenever_it_was_said(tmp_path: Path, run: Run, read: int, wait: float) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            gateway.upstream.behaviour = closing(in_length(413), read=read, wait=wait)  # type: ignore[assignment]
            assert await statuses(gateway, "length") == [(413, SAID)] * TIMES

    run(main())


@LOOPS
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_it_arrives_by_a_unix_socket(tmp_path: Path, run: Run, framing: str) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path, upstream_path=str(tmp_path / "api.sock")) as gateway:
            gateway.upstream.behaviour = closing(in_length(413), read=100_000)  # type: ignore[assignment]
            assert await statuses(gateway, framing) == [(413, SAID)] * TIMES

    run(main())


@LOOPS
def test_it_arrives_on_a_connection_that_served_before(tmp_path: Path, run: Run) -> None:
    """And no upload is sent twice."""

    async def behave(upstream: Conversation) -> None:
        await upstream.request()
        await upstream.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await closing(in_length(413), read=100_000)(upstream)  # type: ignore[misc]

    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            gateway.upstream.behaviour = behave
            for _ in range(TIMES):
                assert (await (await gateway.client()).ask(get("/first"))).status == 200
                assert (await upload(gateway, "length", method="PUT")).status == 413
            assert len(gateway.upstream.conversations) == TIMES

    run(main())


@LOOPS
def test_a_large_response_arrives_as_far_as_it_came(tmp_path: Path, run: Run) -> None:
    """It is whole here before the reset is: 60 KB in the kernel's hands."""
    body = b"x" * 60_000
    response = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            gateway.upstream.behaviour = closing(response, read=100_000)  # type: ignore[assignment]
            assert await statuses(gateway, "length") == [(413, body)] * TIMES

    run(main())


@LOOPS
@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 413 Content Too", in_length(413)[:-1]], ids=["nothing", "a head", "a body"]
)
def test_what_is_not_whole_does_not_become_so(tmp_path: Path, run: Run, said: bytes) -> None:
    async def main() -> None:
        async with a_gateway(tmp_path) as gateway:
            gateway.upstream.behaviour = closing(said, read=100_000)  # type: ignore[assignment]
            for _ in range(3):
                try:
                    response = await upload(gateway, "length")
                except (ConnectionResetError, asyncio.IncompleteReadError):
                    assert said.endswith(SAID[:-1])
                else:
                    assert response.status == 502
                    assert response.problem["reason"] in {"upstream_unreachable", "upstream_protocol_error"}

    run(main())


@LOOPS
def test_it_arrives_over_tls(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    authority = Authority(tmp_path_factory.mktemp("tls"))

    async def main() -> None:
        async with secure(authority.issue("127.0.0.1")) as it:
            it.upstream.behaviour = closing(in_length(413), read=100_000)  # type: ignore[assignment]
            async with a_gateway(tmp_path, upstream=it.url, tls=UpstreamTls(ca_file=str(authority.file))) as gateway:
                found = await statuses(gateway, "length", times=5)
            # Their sockets are gone.
            it.upstream.conversations.clear()
        assert found == [(413, SAID)] * 5

    run(main())
