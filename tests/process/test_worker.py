"""A worker does as its supervisor says, and drains when it has none."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from gateway.admin.readiness import Readiness
from gateway.core.addresses import parse_address
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.observe.metrics.shared_metrics import VARIABLE
from gateway.process.listening import Bound, bind
from gateway.process.worker import DRAIN, HURRY, STOP, Job, encode_report, main, parse_report
from tests.wire import PATIENCE, config_for, demo_issuer

#: seconds: shorter than that of the program
HEARTBEAT = 0.1
READY = Readiness(ready=True, started=True)


@dataclass
class Worker:
    """A worker in a process of its own, and our side of the socket to it."""

    process: "subprocess.Popen[str]"
    socket: socket.socket
    stream: BinaryIO
    bound: Bound

    def report(self) -> Readiness:
        return parse_report(self.stream.readline())

    def until_ready(self) -> None:
        while self.report() != READY:
            pass

    def ends(self) -> tuple[int, str]:
        """Its exit code, and what it logged."""
        _, logged = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, logged


def job(config: Config, bound: Bound) -> Job:
    return Job(place=1, config=config, secrets={}, traffic=bound.handed_on(), decisions=None, heartbeat=HEARTBEAT)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    (tmp_path / "jwks.json").write_text(json.dumps(demo_issuer().jwks()))
    (tmp_path / "metrics").mkdir()
    config = config_for("http://127.0.0.1:9", str(tmp_path / "jwks.json"))
    bound = bind(parse_address("127.0.0.1:0"))
    ours, its = socket.socketpair()
    ours.settimeout(PATIENCE)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys, gateway.process.worker; sys.exit(gateway.process.worker.main({its.fileno()}))",
        ],
        pass_fds=(its.fileno(), *bound.descriptors()),
        env={**os.environ, VARIABLE: str(tmp_path / "metrics")},
        stderr=subprocess.PIPE,
        text=True,
    )
    its.close()
    ours.sendall(job(config, bound).written())
    with ours, ours.makefile("rb") as stream:
        yield Worker(process, ours, stream, bound)
    process.kill()
    process.communicate()
    bound.close()


def test_it_reports_and_ends_when_it_is_told_to(worker: Worker) -> None:
    worker.until_ready()
    assert worker.report() == READY  # once more, though nothing changed: that is how one knows that it lives
    worker.socket.sendall(STOP)
    code, logged = worker.ends()
    assert (code, "the supervisor is gone" in logged) == (0, False)


def test_it_drains_when_it_is_told_to_and_goes_on(worker: Worker) -> None:
    worker.until_ready()
    # All processes of the program may get it: what it means is the supervisor's to say.
    worker.process.send_signal(signal.SIGUSR1)
    worker.until_ready()
    worker.socket.sendall(DRAIN)
    worker.until_ready()
    with socket.create_connection(worker.bound.sockets[0].getsockname(), timeout=PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"\r\nConnection: close\r\n" in client.recv(4096)
    assert Path(f"/proc/{worker.process.pid}/comm").read_text() == "gateway-worker\n"
    worker.socket.sendall(STOP)
    code, logged = worker.ends()
    assert (code, logged.count("draining: serves on")) == (0, 1)


def test_it_hurries_when_it_is_told_to(worker: Worker) -> None:
    worker.until_ready()
    worker.socket.sendall(HURRY)
    assert worker.ends()[0] == 0


def test_what_it_is_told_right_behind_its_job_is_heard(worker: Worker) -> None:
    worker.socket.sendall(STOP)
    assert worker.ends()[0] == 0


def test_without_a_supervisor_it_drains(worker: Worker) -> None:
    worker.until_ready()
    worker.socket.shutdown(socket.SHUT_RDWR)
    code, logged = worker.ends()
    assert (code, "the supervisor is gone: draining" in logged) == (0, True)


def test_a_signal_to_it_alone_leaves_the_socket_to_the_others(worker: Worker) -> None:
    worker.until_ready()
    # Ctrl-C and SIGHUP are the supervisor's.
    worker.process.send_signal(signal.SIGINT)
    worker.process.send_signal(signal.SIGHUP)
    worker.until_ready()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.ends()[0] == 0
    with socket.create_connection(worker.bound.sockets[0].getsockname(), timeout=PATIENCE):
        accepted, _ = worker.bound.sockets[0].accept()
        accepted.close()


@pytest.mark.parametrize("sent", [b"", b"abc", Job.written(Job(0, Config(issuers=()), {}, ("", (), True), None))[:-1]])
def test_a_supervisor_that_dies_before_it_gave_a_job_is_an_exit_code(sent: bytes) -> None:
    ours, its = socket.socketpair()
    ours.sendall(sent)
    ours.close()
    before = signal.getsignal(signal.SIGINT)
    assert main(its.detach()) == 1
    signal.signal(signal.SIGINT, before)


def test_a_job_arrives_as_it_was_given_and_its_secrets_are_not_shown(tmp_path: Path) -> None:
    config = config_for("http://a", "/x", trusted_proxies=("10.0.0.0/8",), limits={"connections": 7})
    given = Job(2, config, {Secret(env="KEY"): "open sesame"}, ("127.0.0.1:1", (3, 4), True), ("unix:/s", (5,), False))
    assert pickle.loads(given.written()[8:]) == given
    assert "sesame" not in repr(given)


@pytest.mark.parametrize("readiness", [READY, Readiness(ready=False, started=True, missing=(("a", "is \u00fc\n"),))])
def test_a_report_is_one_line(readiness: Readiness) -> None:
    line = encode_report(readiness)
    assert line.count(b"\n") == 1
    assert parse_report(line) == readiness


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b'{"ready":1}\n', b"\xff"])
def test_what_is_no_report_is_told(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_report(line)


def test_it_imports_nothing_by_which_a_configuration_is_read() -> None:
    code = "import sys, gateway.process.worker; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    # It is given one: 5 MiB and a tenth of a second for each worker.
    reading = {"ruamel", "ruamel.yaml", "gateway.core.checks", "gateway.settings.settings", "argparse", "aiohttp"}
    assert not reading & set(done.stdout.split())
