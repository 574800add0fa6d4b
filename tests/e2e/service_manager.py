"""systemd itself, as process 1 of namespaces of its own, with the units of deploy/ and nothing else."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import gateway
from tests.wire import until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "systemd"
UNIT = "bearer-gateway.service"
SOCKET = "bearer-gateway.socket"
SYSTEM = Path("/usr/lib/systemd/system")
#: in a clone it may be a link
ENVIRONMENT = Path(sys.prefix).resolve()
PATIENCE = 30.0

#: what systemd needs to come up; local file systems and swap are the machine's
_TARGETS = ("basic", "sysinit", "sockets", "shutdown", "multi-user", "umount", "network-online", "network", "slices", "paths", "timers")  # fmt: skip
#: the installation of the README, made of the clone or of the wheel that is tested
_PROGRAM = """#!/bin/sh
export PYTHONPATH=/opt/bearer-gateway/lib PYTHONDONTWRITEBYTECODE=1
exec /opt/bearer-gateway/python/bin/python -P -m gateway "$@"
"""


class ServiceManager:
    """A systemd that runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.output = directory / "output"
        self._pid = 0

    def write(self, config: str) -> None:
        """/etc/bearer-gateway/gateway.yaml."""
        (self.directory / "etc" / "gateway.yaml").write_text(config)

    def add(self, unit: str, text: str) -> None:
        """What `systemctl edit` would add; before it starts."""
        addition = self.directory / "units" / f"{unit}.d"
        addition.mkdir(exist_ok=True)
        (addition / f"{len(list(addition.iterdir()))}.conf").write_text(text)

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            Path(__file__).with_suffix(".sh"), self.directory, Path(gateway.__file__).parents[1], ENVIRONMENT,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._reading = asyncio.create_task(self._process.stdout.read())
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        await until(lambda: self._process.returncode is not None or self._is_begun(children))
        async with asyncio.timeout(PATIENCE):
            while await self._command("is-system-running") not in {"running", "degraded"}:
                assert self._process.returncode is None, (await self._reading).decode()

    def _is_begun(self, children: Path) -> bool:
        """Whether process 1 is systemd: what becomes it has mounted all there is to be mounted."""
        with contextlib.suppress(OSError, ValueError):
            pid = int(children.read_text())
            if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                self._pid = pid
        return self._pid != 0

    async def _command(self, *arguments: str) -> str:
        done = await asyncio.create_subprocess_exec(
            "nsenter", "-t", str(self._pid), "--mount", "--pid", "--cgroup", "systemctl", "--no-pager", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, complaint = await done.communicate()
        self.complaint = complaint.decode()
        self.code = done.returncode
        return told.decode().strip()

    async def systemctl(self, *arguments: str, fails: bool = False) -> str:
        """What it prints; it must end well, or badly."""
        async with asyncio.timeout(PATIENCE):
            told = await self._command(*arguments)
        assert bool(self.code) == fails, self.complaint + told + self.printed()
        return told

    async def show(self, *properties: str, unit: str = UNIT) -> list[str]:
        """Properties of a unit."""
        told = await self.systemctl("show", unit, *(f"--property={one}" for one in properties))
        found = dict(line.partition("=")[::2] for line in told.splitlines())
        return [found[one] for one in properties]

    def outside(self, pid: str) -> int:
        """The process id, for us, of what is process `pid` in there."""
        ours = Path(f"/proc/{self._pid}/ns/pid").readlink()
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                ids = next(line for line in status.read_text().splitlines() if line.startswith("NSpid:")).split()[1:]
                if ids[-1] == pid and (status.parent / "ns" / "pid").readlink() == ours:
                    return int(ids[0])
        raise AssertionError(f"no process {pid}")

    def printed(self) -> str:
        """Whatever the gateway printed."""
        return self.output.read_text() if self.output.exists() else ""

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading
        trees = [Path("/sys/fs/cgroup") / tree for tree in ("systemd", "unified", "")]
        await until(lambda: all(_is_removed(tree / f"bearer-gateway-test-{self._process.pid}") for tree in trees))


def _is_removed(top: Path) -> bool:
    """Removes a cgroup with those in it, once they are empty."""
    for path in sorted((found for found in top.rglob("*") if found.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir()
    with contextlib.suppress(FileNotFoundError, OSError):
        top.rmdir()
    return not top.exists()


@asynccontextmanager
async def service_manager(directory: Path, *, listen: str, additions: str = "") -> AsyncIterator[ServiceManager]:
    """One with our units, as they stand in deploy/ but for the address; it has started nothing yet."""
    units, output = directory / "units", directory / "output"
    (directory / "etc").mkdir()
    units.mkdir()
    for name in _TARGETS:
        text = (SYSTEM / f"{name}.target").read_text()
        (units / f"{name}.target").write_text(text.replace("local-fs.target swap.target", "").replace("tmp.mount", ""))
    shutil.copy(DEPLOY / UNIT, units)
    (units / SOCKET).write_text((DEPLOY / SOCKET).read_text().replace("ListenStream=8080", f"ListenStream={listen}"))
    (directory / "program").write_text(_PROGRAM)
    (directory / "program").chmod(0o755)
    it = ServiceManager(directory)
    it.add(UNIT, f"[Service]\nStandardOutput=append:{output}\nStandardError=append:{output}\n{additions}")
    try:
        await it.start()
        yield it
    finally:
        await it.stop()
