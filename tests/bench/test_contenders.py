"""What contenders are started with, what they are asked, and that a program is taken for no other."""

import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.request
from base64 import urlsafe_b64decode
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import pytest
from ruamel.yaml import YAML

from gateway.core.claims import find_claim
from gateway.core.token.jwt import parse_token
from tests.bench import programs
from tests.bench.certificate import make_certificate
from tests.bench.go_rivals import KINDS, VARIABLE, GoRivals, found_rivals, rival
from tests.bench.introspection import introspection
from tests.bench.load import Requests
from tests.bench.peers import DPOP, FRONTED, Peer, Site, gateway
from tests.bench.possession import EXTERNAL, Client
from tests.bench.programs import LOAD, CannotMeasure, Program, find_program, free_port, start, wait_until_it_listens
from tests.bench.proof import prove_forwarding
from tests.bench.races import Effort
from tests.bench.tokens import AUDIENCE, ISSUER, Tokens, subject

SHAPES = ("plain", "browser", "traced", "fronted", "post", "dpop")


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path)


@pytest.fixture
def idle_program(tmp_path: Path) -> Iterator[Program]:
    program = start("idle", ["sleep", "60"], tmp_path, core=LOAD)
    yield program
    program.stop()


@pytest.fixture
def site(tmp_path: Path, tokens: Tokens, idle_program: Program) -> Site:
    return Site(tmp_path, tokens, idle_program, 8080, {}, make_certificate(tmp_path), 9090)


class _Recorder(BaseHTTPRequestHandler):
    """Keeps what it is asked, by the first segment of the path; slow, so that little is asked."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[dict[str, list[tuple[str, dict[str, str], list[str], bytes]]]]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.seen[self.path.strip("/")].append((self.command, dict(self.headers), list(self.headers), body))
        time.sleep(0.05)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        pass


class _Server(ThreadingHTTPServer):
    # Who is not let in at once asks again a second later, when wrk has gone.
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """wrk leaves in the middle of a response."""


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with _Server(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def _asked(port: int, requests: Requests) -> list[str]:
    script = Path(programs.__file__).with_name("load.lua")
    return [
        find_program("wrk"), "--threads", "1", "--connections", "2", "--duration", "1s", "--script", str(script),
        f"http://127.0.0.1:{port}{requests.path}", "--", *requests.arguments(),
    ]  # fmt: skip


def test_the_load_sends_what_each_shape_says(tokens: Tokens) -> None:
    class Recorder(_Recorder):
        seen: ClassVar[dict[str, list[tuple[str, dict[str, str], list[str], bytes]]]] = defaultdict(list)

    client = Client(tokens)
    with _serving(Recorder) as port:
        started = []
        for shape in SHAPES:
            file = client.token_file() if shape == "dpop" else tokens.file(3)
            proofs = client.proof_file("/dpop", 200) if shape == "dpop" else None
            command = _asked(port, Requests(f"/{shape}", shape, file, at=1, proofs=proofs))
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        outputs = [process.communicate(timeout=30)[0] for process in started]
    for output in outputs:
        assert json.loads(output.splitlines()[-1])["status"] == 0
    seen = Recorder.seen
    known = [f"Bearer {line}" for line in tokens.file(3).read_text().split()]
    for shape in SHAPES[:-1]:
        carried = [headers["Authorization"] for _, headers, _, _ in seen[shape]]
        assert set(carried) <= set(known), shape
        assert len(set(carried)) == min(len(carried), 3), shape
    assert {tuple(names) for _, _, names, _ in seen["plain"]} == {("Host", "Authorization")}
    assert {len(names) for _, _, names, _ in seen["browser"]} == {2 + 13}
    for name in ("traceparent", "X-Request-Id"):
        values = [headers[name] for _, headers, _, _ in seen["traced"]]
        assert len(set(values)) == len(values) > 0
    assert all(len(headers["traceparent"]) == 55 for _, headers, _, _ in seen["traced"])
    clients = {(headers["X-Forwarded-For"], headers["Authorization"]) for _, headers, _, _ in seen["fronted"]}
    assert {client for client, _ in clients} <= {"198.18.0.2", "198.18.0.3", "198.18.0.4"}
    assert len(clients) == len({authorization for _, authorization in clients})
    assert {(method, len(body)) for method, _, _, body in seen["post"]} == {("POST", 1024)}
    assert json.loads(seen["post"][0][3])
    made = [headers["DPoP"] for _, headers, _, _ in seen["dpop"]]
    assert len(set(made)) == len(made) > 0
    assert {headers["Authorization"] for _, headers, _, _ in seen["dpop"]} == {f"DPoP {client.token}"}


def test_a_proof_is_for_the_token_and_no_two_are_alike(tokens: Tokens) -> None:
    client = Client(tokens)
    proofs = client.proof_file("/orders", 5).read_text().split()
    claims = [json.loads(urlsafe_b64decode(proof.split(".")[1] + "==")) for proof in proofs]
    assert {claim["htu"] for claim in claims} == {f"{EXTERNAL}/orders"}
    assert len({claim["jti"] for claim in claims}) == 5
    confirmation = find_claim(parse_token(client.token.encode()).claims, "cnf")
    assert isinstance(confirmation, dict)
    assert list(confirmation) == ["jkt"]


def test_the_issuer_that_is_asked_knows_one_opaque_token(tokens: Tokens) -> None:
    def ask(token: str) -> dict[str, object]:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/introspect", urlencode({"token": token}).encode(), timeout=10
        ) as response:
            told: dict[str, object] = json.load(response)
        return told

    with introspection(tokens) as port:
        assert ask(tokens.opaque)["sub"] == subject(0)
        assert ask(tokens.opaque + "x") == {"active": False}
        assert ask(tokens.good) == {"active": False}


def test_the_certificate_is_good_for_this_machine(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    server.load_cert_chain(made.both)
    assert made.key.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("named", ["", "directory", "paths"])
def test_rivals_are_those_that_are_named(tmp_path: Path, named: str) -> None:
    for name in ("heimdall", "oathkeeper", "something-else"):
        (tmp_path / name).touch(mode=0o755)
    values = {"": "", "directory": str(tmp_path), "paths": f"{tmp_path}/oathkeeper{os.pathsep}{tmp_path}/heimdall"}
    found = found_rivals({VARIABLE: values[named]})
    assert found == ({name: tmp_path / name for name in ("heimdall", "oathkeeper")} if named else {})
    assert found_rivals({}) == {}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{}/empty", "has none of oauth2-proxy, heimdall, oathkeeper"),
        ("{}/traefik", "is none of"),
        ("{}/heimdall", "cannot be run"),
        ("{}/oathkeeper", "cannot be run"),
    ],
)
def test_a_rival_that_is_not_there_is_a_mistake(tmp_path: Path, value: str, why: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "traefik").touch(mode=0o755)
    (tmp_path / "heimdall").touch(mode=0o644)
    with pytest.raises(CannotMeasure, match=why):
        found_rivals({VARIABLE: value.format(tmp_path)})


def test_without_rivals_their_row_is_empty(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert list(GoRivals().measure(site, Effort(1, 1, quick=True))) == []
    assert VARIABLE in capsys.readouterr().out


@pytest.mark.parametrize("name", KINDS)
def test_a_rival_has_one_thread_and_a_configuration_that_judges(name: str, site: Site, tmp_path: Path) -> None:
    binary = tmp_path / name
    binary.write_text('#!/bin/sh\necho "$GOMAXPROCS" "$@" >&2\nexec sleep 60\n')
    binary.chmod(0o755)
    peer = rival(name, binary)(site, name)
    try:
        while not (said := peer.program.output.read_text()) and peer.program.running:
            time.sleep(0.01)
    finally:
        peer.program.stop()
    assert said.startswith("1 ")
    files = [Path(word) for word in said.split() if word.endswith((".yaml", ".yml"))]
    assert [file.parent for file in files] == [tmp_path]
    documents = [document for document in YAML(typ="safe").load_all(peer.settings) if document is not None]
    assert YAML(typ="safe").load(files[0]) == documents[0]
    for what in (ISSUER, AUDIENCE, str(peer.port), "X-User-Id", "X-Client-Id", "127.0.0.1:8080"):
        assert what in peer.settings
    assert "jwks.json" in peer.settings


@pytest.mark.parametrize(
    "starter", [gateway(tls=True), gateway(asks=True), gateway(more=FRONTED), gateway(more=DPOP)], ids=str
)
def test_the_gateways_configuration_has_what_a_row_asks_for(site: Site, starter: gateway) -> None:
    peer = starter(site, "gateway")
    peer.program.stop()
    read = YAML(typ="safe").load(peer.settings)
    assert peer.url.startswith("https:" if starter.tls else "http:")
    assert ("tls" in read, "introspection" in read["issuers"][0]) == (starter.tls, starter.asks)
    assert {line.partition(":")[0] for line in starter.more} <= set(read)


def test_ports_are_given_once_and_not_where_the_kernel_takes_them() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)
    # ip(7), ip_local_port_range: from 32768 on, unless somebody says otherwise.
    assert max(ports) < 32_768


def test_somebody_elses_port_is_not_taken_for_the_programs(
    idle_program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "START_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(CannotMeasure, match="does not listen"):
        wait_until_it_listens(idle_program, other.getsockname()[1])


def test_a_program_listens_once_it_does(tmp_path: Path) -> None:
    port = free_port()
    program = start("server", ["python3", "-m", "http.server", "-b", "127.0.0.1", str(port)], tmp_path, core=LOAD)
    try:
        wait_until_it_listens(program, port)
        assert program.listens(port)
        assert not program.listens(port + 1)
    finally:
        program.stop()
    assert not program.listens(port)


def test_a_connection_that_is_reset_while_a_program_starts_is_tried_again(idle_program: Program) -> None:
    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as first:
            # Closed with a reset: SO_LINGER of no seconds.
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with listener.accept()[0] as second:
            second.recv(65536)
            second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        prove_forwarding(Peer(idle_program, listener.getsockname()[1], ""), "/")
        thread.join()


def test_a_program_that_ended_while_it_started_says_why(idle_program: Program) -> None:
    idle_program.stop()
    with pytest.raises(CannotMeasure, match="ConnectionRefusedError"):
        prove_forwarding(Peer(idle_program, free_port(), ""), "/")
