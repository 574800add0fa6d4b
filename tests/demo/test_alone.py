"""The parts of the demo as programs: where they say they are, and what they make of an address that is taken or is none."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main

ROOT = Path(__file__).parents[2]


def first_line(*arguments: str) -> str:
    """What it prints once it listens. It ends at SIGTERM, with 0."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    return line


def test_an_issuer_is_called_what_it_is_told_to() -> None:
    assert first_line("issuer", "--listen", "127.0.0.1:0", "--url", "http://issuer:8090").startswith(
        "The demo issuer http://issuer:8090 listens on 127.0.0.1:"
    )


def test_or_else_what_this_machine_finds_it_at() -> None:
    name, _, where = first_line("issuer", "--listen", "0.0.0.0:0").removeprefix("The demo issuer ").partition(" ")
    assert name == where.strip().replace("listens on 0.0.0.0", "http://127.0.0.1")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("issuer", "--listen", "8090"), "must be address:port"),
        (("issuer", "--url", "issuer"), "must be a URL"),
        (("api", "--listen", "unix:/run/api.sock"), "the demo has no unix sockets"),
        (("gateway",), "invalid choice"),
    ],
)
def test_a_command_line_that_is_wrong_is_2_with_a_reason(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", *arguments])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_an_address_that_is_taken_is_1_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["demo", "api", "--listen", where]) == 1
    assert capsys.readouterr() == ("", f"cannot listen on {where}: Address already in use\n")
