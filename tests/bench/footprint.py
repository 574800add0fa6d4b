"""What the gateway weighs: resident memory idle, after many requests and tokens, under large bodies, per connection."""

import json
import socket
import socketserver
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.bench.load import Requests, drive
from tests.bench.peers import Peer, Site, gateway, running
from tests.bench.programs import START_SECONDS, CannotMeasure
from tests.bench.proof import bearer, prove_forwarding, prove_judging
from tests.bench.races import Effort
from tests.bench.results import Result, bound_result

MIB: Final = 1 << 20
BODY: Final = 100 * MIB
#: connections that are held open without a request
IDLE, IDLE_TLS = 5_000, 2_000
#: requests that a process serves before its memory is compared, in seconds of load
WARM_SECONDS: Final = 2
#: seconds for memory that was let go to be so
SETTLE: Final = 0.5
TOKENS: Final = 10_000
REQUESTS, QUICK_REQUESTS = 1_000_000, 50_000


class _Sink(socketserver.StreamRequestHandler):
    """Reads request bodies with a length to their end, then says how much there was."""

    def handle(self) -> None:
        while self.rfile.readline():
            length = 0
            while line := self.rfile.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            received = 0
            while received < length and (chunk := self.rfile.read1(min(MIB, length - received))):
                received += len(chunk)
            body = json.dumps({"received": received}).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@contextmanager
def _sink() -> Iterator[int]:
    """The port of an API that takes uploads."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Sink) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _head(method: str, path: str, token: str, *lines: str) -> bytes:
    told = [f"{method} {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {token}", *lines]
    return "\r\n".join([*told, "", ""]).encode()


def _read_response(sock: socket.socket) -> tuple[int, int, bytes]:
    """Status, bytes of the body, and the first of them, of a response with a length. CannotMeasure: it breaks off."""
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        chunk = sock.recv(65536)
        if not chunk:
            raise CannotMeasure("the connection ended before a response")
        buffer += chunk
    head, _, first = buffer.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not lengths:
        raise CannotMeasure("a response without a length")
    received = len(first)
    target = bytearray(MIB)
    while received < lengths[0]:
        count = sock.recv_into(target)
        if not count:
            raise CannotMeasure(f"a response broke off after {received} bytes of {lengths[0]}")
        received += count
    return int(head.split()[1]), received, first


def _download(peer: Peer, token: str) -> None:
    with socket.create_connection(("127.0.0.1", peer.port), timeout=60) as sock:
        sock.sendall(_head("GET", "/files/100MiB", token))
        status, received, _ = _read_response(sock)
    if (status, received) != (200, BODY):
        raise CannotMeasure(f"a download of 100 MiB: status {status}, {received} bytes")


def _upload(peer: Peer, token: str) -> None:
    block = bytes(MIB)
    with socket.create_connection(("127.0.0.1", peer.port), timeout=60) as sock:
        sock.sendall(_head("POST", "/uploads", token, f"Content-Length: {BODY}"))
        for _ in range(BODY // MIB):
            sock.sendall(block)
        status, _, body = _read_response(sock)
    if status != 200 or json.loads(body) != {"received": BODY}:
        raise CannotMeasure(f"an upload of 100 MiB: status {status}, {body!r}")


def _bodies(site: Site, effort: Effort) -> Iterator[Result]:
    token = site.tokens.good
    times = 1 if effort.quick else 5
    with _sink() as sink:
        peers = {"gateway": gateway(), "taking": gateway(upstream=sink)}
        transfers: dict[str, Callable[[Peer, str], None]] = {"gateway": _download, "taking": _upload}
        with running(site, peers) as started:
            for name, transfer in transfers.items():
                peer = started[name]
                _until_ready(peer)
                prove_forwarding(peer, "/", lambda: bearer(token))
                idle = peer.program.resident()
                grown, took = [], []
                for _ in range(times):
                    peer.program.forget_highest()
                    began = time.monotonic()
                    transfer(peer, token)
                    took.append(time.monotonic() - began)
                    grown.append(max(0.0, peer.program.highest_resident() - idle))
                yield bound_result(
                    "bodies",
                    f"{transfer.__name__[1:]} of 100 MiB: highest resident memory above idle",
                    grown,
                    at_most=8,
                    unit="MiB",
                    details=f"idle {idle:.1f} MiB; {times} in a row, {100 / min(took):,.0f} MiB/s at best",
                )


def _memory(site: Site, effort: Effort) -> Iterator[Result]:
    wanted = QUICK_REQUESTS if effort.quick else REQUESTS
    file = site.tokens.file(TOKENS)
    with running(site, {"gateway": gateway()}) as started:
        peer = started["gateway"]
        _until_ready(peer)
        time.sleep(SETTLE)
        idle = peer.program.resident()
        yield bound_result(
            "memory", "resident memory, idle", [idle], at_most=60, unit="MiB", details="one worker, ready"
        )
        prove_judging(peer, site.tokens)
        served = 0
        while served < wanted:
            served += drive(peer, Requests(tokens=file, at=served), seconds=3 if effort.quick else 10).requests
        time.sleep(SETTLE)
        yield bound_result(
            "memory",
            f"resident memory after {REQUESTS:,} requests of {TOKENS:,} tokens",
            [peer.program.resident()],
            at_most=80,
            unit="MiB",
            details=f"{served:,} requests" + ("; a million in a full run" if effort.quick else ""),
        )


def _idle(site: Site, effort: Effort) -> Iterator[Result]:
    yield _idle_result(site, IDLE, tls=False, at_most=10)
    yield _idle_result(site, IDLE_TLS, tls=True, at_most=40)


def _idle_result(site: Site, count: int, *, tls: bool, at_most: float) -> Result:
    """What each of so many connections takes that have had one response. CannotMeasure."""
    token = site.tokens.good
    sockets: list[socket.socket] = []
    with running(site, {"gateway": gateway(tls=tls)}) as started:
        peer = started["gateway"]
        context = ssl.create_default_context(cafile=str(site.certificate.certificate)) if tls else None
        prove_forwarding(peer, "/", lambda: bearer(token))
        # What a first load costs is no connection's.
        drive(peer, Requests(tokens=site.tokens.file(1)), seconds=WARM_SECONDS)
        time.sleep(SETTLE)
        before = peer.program.resident()
        request = _head("GET", "/", token)
        try:
            for _ in range(count):
                sock = socket.create_connection(("127.0.0.1", peer.port), timeout=10)
                if context is not None:
                    sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
                sockets.append(sock)
                sock.sendall(request)
                if _read_response(sock)[0] != 200:
                    raise CannotMeasure("a request before the silence was refused")
            time.sleep(SETTLE)
            after = peer.program.resident()
            for sock in sockets:
                sock.setblocking(False)
                if not _is_open(sock):
                    raise CannotMeasure("a connection was closed while the others came")
        except OSError as error:
            raise CannotMeasure(f"after {len(sockets)} connections: {error}") from None
        finally:
            for sock in sockets:
                sock.close()
    return bound_result(
        "idle",
        f"{count:,} idle client connections{' with TLS' if tls else ''}, for each",
        [(after - before) * 1024 / count],
        at_most=at_most,
        unit="KiB",
        details=f"{before:.1f} MiB before, {after:.1f} MiB with them; each has had one response",
    )


def _is_open(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) != b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return True


def _until_ready(peer: Peer) -> None:
    """Waits until /readyz says so, without a request through the gateway."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{peer.admin}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise CannotMeasure(f"{peer.program.name} is not ready: {peer.program.complaint()}")


@dataclass(frozen=True)
class Weighing:
    """A row about memory."""

    row: str
    weigh: Callable[[Site, Effort], Iterator[Result]]

    def measure(self, site: Site, effort: Effort) -> Iterator[Result]:
        """The lines. CannotMeasure."""
        return self.weigh(site, effort)


BODIES: Final = Weighing("bodies", _bodies)
MEMORY: Final = Weighing("memory", _memory)
IDLE_CONNECTIONS: Final = Weighing("idle", _idle)
