"""`serve` says why it does not start; that it serves is tests/e2e/test_serve.py."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from tests.commands.program import ROOT, SOUND, Run, run
from tests.hearing import Hearing
from tests.wire import demo_issuer


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


#: what some configurations need, or other commands, and no gateway that serves with keys from a file
_OTHERS = {
    "aiohttp", "argparse", "bz2", "difflib", "gateway.admin.probes", "gateway.console", "gateway.process.supervisor",
    "gateway.remote.client", "gateway.remote.http", "gettext", "grpc", "http.client", "http.server", "lzma", "multidict",
    "opentelemetry", "pickle", "redis", "shutil", "tempfile", "urllib.request", "yarl",
}  # fmt: skip


def test_what_serves_imports_nothing_that_only_others_need(config: Path, tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(demo_issuer().jwks()))
    issuer = f"issuers: [{{issuer: https://a, audience: https://b, jwks_file: {keys}}}]"
    config.write_text(f"upstream: http://127.0.0.1:9\nlisten: unix:{tmp_path}/none/s\n{issuer}\n")
    code = "import sys; from gateway.cli import main; print(main(sys.argv[1:]), *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "--config", str(config)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    code, *modules = done.stdout.split()
    assert (code, "cannot listen on" in done.stderr) == ("1", True)
    assert "gateway.process.app" in modules
    assert not _OTHERS & set(modules)
