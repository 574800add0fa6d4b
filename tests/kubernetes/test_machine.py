"""What is started on the machine ends with the tests, also when they are killed."""

import fcntl
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.machine import Place
from tests.kubernetes.tools import HOME

# A setting is one for the whole machine, and kubelet changes it too.
pytestmark = pytest.mark.cluster

_SETTING = Path("/proc/sys/kernel/panic")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Of several processes one at a time changes settings of the machine."""
    with (HOME / "machine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "place"


def alive(marker: str) -> bool:
    """Whether a process has `marker` on its command line."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return any(marker.encode() in line for line in lines)


def test_a_socket_made_inside_is_not_outside(folder: Path) -> None:
    place = Place(folder)
    place.open()
    try:
        with place.inside(), socket.socket() as there:
            there.bind(("127.0.0.1", 0))
            there.listen()
            socket.create_connection(there.getsockname(), 1).close()
            port = there.getsockname()[1]
            listening = subprocess.run(
                [*place.entered("net"), "ss", "-Hltn"], capture_output=True, text=True, check=True
            )
            assert f":{port}" in listening.stdout
        assert f":{port}" not in subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    finally:
        place.close()


def test_what_was_started_ends_and_what_was_changed_is_put_back(folder: Path) -> None:
    before = _SETTING.read_text()
    place = Place(folder)
    place.open()
    marker = f"98765.{folder.stat().st_ino}"
    place.start("sleeper", ["sleep", marker])
    _SETTING.write_text("7")
    place.close()
    assert _SETTING.read_text() == before
    assert not alive(marker)
    assert not folder.exists()


def test_whoever_is_killed_leaves_no_process_and_the_next_one_puts_back_the_rest(folder: Path) -> None:
    before = _SETTING.read_text()
    script = f"""
import os, pathlib
from tests.kubernetes.machine import Place
place = Place(pathlib.Path({str(folder)!r}))
place.open()
place.start("sleeper", ["sleep", "98765.4321"])
pathlib.Path({str(_SETTING)!r}).write_text("7")
os.kill(os.getpid(), 9)
"""
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, env={"PYTHONPATH": str(root)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    place = Place(folder)
    place.open()
    assert _SETTING.read_text() == before
    place.close()
    assert not alive("98765.4321")
