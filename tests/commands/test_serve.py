"""`serve` says why it does not start; that it serves is tests/e2e/test_serve.py."""

import socket
from pathlib import Path

from tests.commands.program import SOUND, Run, run
from tests.hearing import Hearing


def test_serve_refuses_a_configuration_with_problems_before_it_listens(config: Path, here: Run) -> None:
    config.write_text(SOUND + "lissen: ':8080'\n")
    done = here("serve", "--config", str(config))
    assert (done.returncode, done.stdout) == (1, "")
    assert "problem  lissen: " in done.stderr


def test_serve_says_which_address_is_taken(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", "--config", str(config), GATEWAY_LISTEN=address, GATEWAY_ADMIN="127.0.0.1:0")
    assert done.returncode == 1
    assert f"cannot listen on {address}: Address already in use" in done.stderr


def test_a_service_manager_is_told_why_it_does_not_start(config: Path, tmp_path: Path, here: Run) -> None:
    manager = Hearing(str(tmp_path / "notify"))
    config.write_text(SOUND + "lissen: ':8080'\n")
    here("serve", "--config", str(config), NOTIFY_SOCKET=manager.address)
    config.write_text(SOUND + f"listen: unix:{tmp_path}/none/s\n")
    run("serve", "--config", str(config), NOTIFY_SOCKET=manager.address)
    problem = "lissen: is not a key here (did you mean listen?)"
    assert manager.listen() == [
        f"STATUS=the configuration has problems, the first of 1: {problem}",
        f"STATUS=cannot listen on unix:{tmp_path}/none/s: No such file or directory",
    ]
    manager.close()
