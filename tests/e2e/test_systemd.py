"""deploy/systemd as systemd judges it, and run by a real one: told when it serves, watched, restarted on its socket."""

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from service_manager import DEPLOY, SOCKET, UNIT, ServiceManager, service_manager
from test_passed_sockets import MARGIN, coming
from test_workers import request, upstream

from gateway.core.config.limits import Limits
from gateway.demo.issuer import DemoIssuer
from gateway.process.supervisor import MARGIN as OF_WORKERS
from tests.wire import RawUpstream

_MAY_MOUNT = ["unshare", "--mount", "--pid", "--cgroup", "--fork", "mount", "--make-rprivate", "/"]
needs_root = pytest.mark.skipif(
    subprocess.run(_MAY_MOUNT, capture_output=True, check=False).returncode != 0,
    reason="mounts and namespaces take root, and a container that lets it",
)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=30, check=False)


def test_the_units_are_sound(tmp_path: Path) -> None:
    program = tmp_path / "bearer-gateway"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in (UNIT, SOCKET):
        text = (DEPLOY / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/bearer-gateway/bin/bearer-gateway", str(program)))
    done = analyze("verify", "--man=no", str(tmp_path / UNIT), str(tmp_path / SOCKET))
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / UNIT).write_text((tmp_path / UNIT).read_text().replace("WatchdogSec=", "WatchDogSec="))
    assert "WatchDogSec" in analyze("verify", "--man=no", str(tmp_path / UNIT)).stderr


def test_the_sandbox_is_tight() -> None:
    done = analyze("security", "--offline=true", "--threshold=20", str(DEPLOY / UNIT))
    assert done.returncode == 0, done.stdout
    assert analyze("security", "--offline=true", "--threshold=1", str(DEPLOY / UNIT)).returncode != 0


def test_stopping_has_the_time_that_draining_takes() -> None:
    limits = Limits()
    found = re.search(r"^TimeoutStopSec=([0-9]+)$", (DEPLOY / UNIT).read_text(), re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= limits.drain_delay + limits.drain + OF_WORKERS


def config(api: RawUpstream, issuer: DemoIssuer, *, workers: int) -> str:
    return f"""
upstreams:
  default:
    url: {api.url}
    headers: {{X-Api-Key: {{file: /run/credentials/bearer-gateway.service/api-key}}}}
admin: 127.0.0.1:0
workers: {workers}
issuers: [{{issuer: {issuer.url}, audience: {issuer.audience}}}]
limits: {{drain_delay: 0.2s, drain: 10s}}
"""


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@asynccontextmanager
async def managed(tmp_path: Path, port: int, more: str = "") -> AsyncIterator[ServiceManager]:
    additions = f"LoadCredential=api-key:/etc/bearer-gateway/secrets/api-key\n{more}"
    async with service_manager(tmp_path, listen=f"127.0.0.1:{port}", additions=additions) as manager:
        secrets = tmp_path / "etc" / "secrets"
        secrets.mkdir(mode=0o700)
        (secrets / "api-key").write_text("from-a-credential\n")
        (secrets / "api-key").chmod(0o600)
        yield manager


@needs_root
@pytest.mark.parametrize("workers", [1, 2])
async def test_restarts_lose_nobody_and_it_is_a_user_of_its_own(
    tmp_path: Path, issuer: DemoIssuer, unused_tcp_port: int, workers: int
) -> None:
    raw = request(issuer).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    async with upstream() as api, managed(tmp_path, unused_tcp_port) as manager:
        manager.write(config(api, issuer, workers=workers))
        await manager.systemctl("start", SOCKET, UNIT)
        state, status, pid = await manager.show("ActiveState", "StatusText", "MainPID")
        assert (state, bool(re.match("bearer-gateway .* listens on|not ready: ", status))) == ("active", True)
        async with coming(("127.0.0.1", unused_tcp_port), raw) as clients:
            await clients.more(1)
            assert api.last.values(b"X-Api-Key") == [b"from-a-credential"]
            assert owner(manager.outside(pid)) not in {0, 65534}
            away = clients.longest
            for _ in range(2):
                await clients.more(50)
                began = time.monotonic()
                await manager.systemctl("restart", UNIT)
                away = max(away, time.monotonic() - began)
            await clients.more(50)
        assert clients.lost == []
        assert clients.longest < 2 * away + MARGIN
        assert (await manager.show("NRestarts", "Result")) == ["0", "success"]
        await manager.systemctl("stop", UNIT)
        assert (await manager.show("ActiveState", "Result"))[0] == "inactive"
        assert "cut" not in manager.printed()
        # Only systemd listens now: whoever connects brings the gateway back.
        async with coming(("127.0.0.1", unused_tcp_port), raw) as clients:
            await clients.more(1)
        assert clients.lost == []
        assert await manager.show("ActiveState") == ["active"]
        assert "too many" not in manager.printed()


@needs_root
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_gateway_that_stands_still_is_replaced(
    tmp_path: Path, issuer: DemoIssuer, unused_tcp_port: int, workers: int
) -> None:
    async with upstream() as api, managed(tmp_path, unused_tcp_port, "WatchdogSec=3\nTimeoutAbortSec=1\n") as manager:
        manager.write(config(api, issuer, workers=workers))
        await manager.systemctl("start", SOCKET, UNIT)
        await asyncio.sleep(4)
        assert await manager.show("NRestarts") == ["0"]
        (pid,) = await manager.show("MainPID")
        os.kill(manager.outside(pid), signal.SIGSTOP)
        async with asyncio.timeout(20):
            while await manager.show("NRestarts", "ActiveState") != ["1", "active"]:  # noqa: ASYNC110 -- it is asked
                await asyncio.sleep(0.2)
        assert (await manager.show("MainPID")) != [pid]


@needs_root
async def test_the_first_problem_is_what_systemctl_status_says(
    tmp_path: Path, issuer: DemoIssuer, unused_tcp_port: int
) -> None:
    async with upstream() as api, managed(tmp_path, unused_tcp_port, "Restart=no\n") as manager:
        manager.write(config(api, issuer, workers=1) + "lissen: 1\n")
        await manager.systemctl("start", UNIT, fails=True)
        state, status = await manager.show("ActiveState", "StatusText")
        assert state == "failed"
        assert (
            status == "the configuration has problems, the first of 1: lissen: is not a key here (did you mean listen?)"
        )
        manager.write(config(api, issuer, workers=1) + "listen: unix:/run/nowhere/s\n")
        await manager.systemctl("start", UNIT, fails=True)
        assert await manager.show("StatusText") == ["cannot listen on unix:/run/nowhere/s: No such file or directory"]
