"""deploy/compose by podman-compose, as its page says: in a network namespace of its own, of which nothing stays behind."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.image import IMAGE, ROOT, build_image

PROJECT = f"gateway-{os.getpid()}"
#: seconds for three containers to respond
STARTED = 60


@pytest.fixture(scope="module")
def archive() -> Path:
    return build_image()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The words before a command that is to run there."""
    place = tmp_path_factory.mktemp("podman")
    (place / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
        '[engine]\nruntime = "runc"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n'
        f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{place}"\n'
    )
    subprocess.run(["ip", "netns", "add", PROJECT], check=True)
    entered = ["nsenter", f"--net=/run/netns/{PROJECT}", "env", f"CONTAINERS_CONF={place / 'containers.conf'}"]
    try:
        subprocess.run([*entered, "ip", "link", "set", "lo", "up"], check=True)
        yield entered
    finally:
        subprocess.run(["ip", "netns", "del", PROJECT], check=True)


def test_it_is_up_with_one_command_lets_in_who_has_a_token_and_ends_in_good_order(
    archive: Path, network: list[str]
) -> None:
    def run(*command: str | Path) -> str:
        env = {**os.environ, "IMAGE": f"docker.io/library/{IMAGE}"}
        done = subprocess.run([*network, *command], capture_output=True, text=True, check=False, env=env, cwd=ROOT)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def ask(url: str, *, token: str = "") -> tuple[int, str]:
        authorization = ["--header", f"Authorization: Bearer {token}"] if token else []
        patience = [
            "--retry",
            str(STARTED),
            "--retry-all-errors",
            "--retry-delay",
            "1",
            "--retry-max-time",
            str(STARTED),
        ]
        body, _, status = run("curl", "-s", *patience, *authorization, "-w", "\n%{http_code}", url).rpartition("\n")
        return int(status), body

    compose = (Path(sys.executable).with_name("podman-compose"), "-p", PROJECT, "-f", "deploy/compose/compose.yaml")
    loaded = run("podman", "load", "--quiet", "--input", archive)
    try:
        run(*compose, "up", "--detach", "--no-build")
        # curl asks again while nobody listens, and while it is not ready.
        assert ask("http://127.0.0.1:9090/readyz")[0] == 200
        _, token = ask("http://127.0.0.1:8090/token?kind=access")
        status, body = ask("http://127.0.0.1:8080/orders/1", token=token)
        assert status == 200
        assert ["X-User-Id", "alice"] in json.loads(body)["headers"]
        _, token = ask("http://127.0.0.1:8090/token?kind=id")
        status, body = ask("http://127.0.0.1:8080/orders/1", token=token)
        assert (status, json.loads(body)["reason"]) == (401, "id_token")
        names = run("podman", "ps", "--format", "{{.Names}}").split()
        ours = [name for name in names if PROJECT in name]
        assert len(ours) == 3
        for name in ours:
            written = json.loads(run("podman", "inspect", name))[0]
            assert written["HostConfig"]["ReadonlyRootfs"]
            assert written["EffectiveCaps"] in (None, [])
            check = written["Config"]["Healthcheck"]["Test"]
            assert check[:3] == ["CMD", "bearer-gateway", "health"]
            run("podman", "exec", name, *check[1:])
        before = time.monotonic()
        run(*compose, "stop")
        assert time.monotonic() - before < 40
        codes = {name: json.loads(run("podman", "inspect", name))[0]["State"]["ExitCode"] for name in ours}
        assert set(codes.values()) == {0}, codes
    finally:
        run(*compose, "down")
        run("podman", "rmi", *re.findall(r"\S+:\S+$", loaded, re.MULTILINE))
