"""`drain` and a real gateway: it is found, told and waited for, and nobody else is harmed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.commands.drain import find_gateway, is_gateway
from tests.commands.program import ROOT, SOUND
from tests.wire import demo_issuer

Serve = Callable[[float], "subprocess.Popen[str]"]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a gateway with a `drain_delay`, and gives its process."""
    with ExitStack() as stack:

        def start(drain_delay: float) -> "subprocess.Popen[str]":
            path, jwks = tmp_path / "gateway.yaml", tmp_path / "jwks.json"
            jwks.write_text(json.dumps(demo_issuer().jwks()))
            path.write_text(
                SOUND.replace("preset: auth0", f"jwks_file: {jwks}")
                + f"listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nlimits: {{drain_delay: {drain_delay}s}}\n"
            )
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "gateway", "serve", "--config", str(path)],
                    cwd=ROOT, stderr=subprocess.PIPE, text=True,
                )
            )  # fmt: skip
            stack.callback(process.kill)
            return process

        yield start


def serving(process: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
    """The same, once it serves."""
    assert process.stderr is not None
    assert any("listens on" in line for line in process.stderr)
    return process


def stopped(process: "subprocess.Popen[str]") -> int:
    """The exit code after a SIGTERM."""
    process.terminate()
    return process.wait(timeout=10)


def test_it_waits_until_drain_delay_is_over_and_the_gateway_goes_on(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    process = serving(serve(0.5))
    assert is_gateway(process.pid)
    begun = time.monotonic()
    assert main(["drain", "--pid", str(process.pid)]) == 0
    assert 0.4 < time.monotonic() - begun < 10
    assert main(["drain", "--pid", str(process.pid)]) == 0
    assert capsys.readouterr() == (f"process {process.pid} has drained\n" * 2, "")
    assert process.poll() is None
    assert stopped(process) == 0


def test_it_waits_no_longer_than_it_is_told(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    process = serving(serve(600))
    assert main(["drain", "--pid", str(process.pid), "--timeout", "0"]) == 0
    assert main(["drain", "--pid", str(process.pid), "--timeout", "0.2"]) == 1
    assert capsys.readouterr() == (
        f"process {process.pid} was told to drain\n",
        f"process {process.pid} still drains after 0.2 s\n",
    )
    # A gateway that ends has drained.
    waiting = subprocess.Popen([sys.executable, "-m", "gateway", "drain", "--pid", str(process.pid)], cwd=ROOT)
    assert stopped(process) == 0
    assert waiting.wait(timeout=10) == 0


def test_the_only_gateway_is_found_and_of_several_none_is_chosen(serve: Serve) -> None:
    # Both start at the same time.
    first, second = map(serving, [serve(0), serve(0)])
    me = os.getpid()
    assert find_gateway([me, first.pid]) == first.pid
    with pytest.raises(LookupError) as told:
        find_gateway([me, first.pid, second.pid])
    both = ", ".join(map(str, sorted((first.pid, second.pid))))
    assert told.value.args == (f"several gateways serve here, processes {both}: say which with --pid",)
    assert stopped(first) == 0
    with pytest.raises(LookupError, match="no gateway serves here"):
        find_gateway([me, first.pid])


@pytest.mark.parametrize("named", ["bearer-gateway", "python3"])
def test_who_would_die_of_it_is_not_told(named: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = f"from gateway.process.title import call_process as c; c({named!r}); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert main(["drain", "--pid", str(process.pid)]) == 1
        told = f"process {process.pid} is no gateway that serves, or may not be signalled\n"
        assert capsys.readouterr().err == told
        assert process.poll() is None
        process.communicate(b"\n")
        assert process.returncode == 0


def test_a_process_that_there_is_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert main(["drain", "--pid", str(process.pid)]) == 1
    assert "is no gateway that serves" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--pid", "0"], ["--pid", "x"], ["--timeout", "soon"], ["--wait"]])
def test_a_wrong_command_line_is_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drain", *words])
    assert ended.value.code == 2
    assert "usage: bearer-gateway" in capsys.readouterr().err


def test_a_gateway_that_has_not_begun_to_serve_is_not_ended_by_it(tmp_path: Path) -> None:
    fifo = tmp_path / "gateway.yaml"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--config", str(fifo)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        with fifo.open("w") as writing:  # opened once the other side reads
            process.send_signal(signal.SIGUSR1)
            writing.write("lissen: x\n")
        assert "problem  lissen: " in process.communicate(timeout=10)[1]
        assert process.returncode == 1
