"""A place on this machine that goes away with all that was started in it: namespaces for network, processes and mounts.

What is not kept apart by namespaces, settings of the kernel and control groups, is put back.
"""

import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

#: what kubelet sets for the whole machine
_SETTINGS: Final = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_PROC_SYS: Final = Path("/proc/sys")
_CGROUPS: Final = Path("/sys/fs/cgroup")
#: kubelet makes it in every hierarchy
_PODS: Final = "kubepods"
#: folders in which containerd, kubelet and CNI leave things: others in the place than outside
_HIDDEN: Final = ("/run", "/var/log", "/var/lib/cni")
#: seconds
_ENDING: Final = 30.0
_CLONE_NEWNET: Final = 0x40000000


class Occupied(Exception):
    """Something on this machine is in the way."""


class Place:
    """Namespaces that live as long as this process does, and a folder for what runs in them. One at a time on a machine."""

    def __init__(self, folder: Path, in_memory: tuple[str, ...] = (), *, pods: bool = False) -> None:
        """`in_memory`: folders below `folder` for what is large and of no use afterwards; only what runs in there sees it.

        `pods`: a kubelet will run here, whose control groups have one name on the whole machine.
        """
        self.folder = folder
        self._in_memory = in_memory
        self._pods = pods
        self._init = 0
        self._holder: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._lock: TextIO | None = None

    @property
    def init(self) -> int:
        """Its first process, by which another process finds it; 0: it is not open."""
        return self._init

    def enter(self, init: int) -> None:
        """Uses a place that another process has opened, and closes. `init`: as it says there."""
        self._init = init

    def open(self) -> None:
        """Makes the place, empty, after what an earlier run may have left. Waits for another process that has one."""
        self._wait_for_others()
        _put_back(self._kept)
        if self._pods and any(group.read_text() for group in _CGROUPS.glob(f"*/{_PODS}/**/cgroup.procs")):
            raise Occupied("a kubelet runs on this machine already: its pods are in /sys/fs/cgroup/*/kubepods")
        if self._pods:
            _remove_control_groups()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._kept.write_text(json.dumps({name: (_PROC_SYS / name).read_text().strip() for name in _SETTINGS}))
        # Killed with us, however we end: then the kernel kills all that runs in there, containers too.
        died_with = ["setpriv", "--pdeathsig", "KILL"]
        apart = ["unshare", "--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child"]
        with self.log("init").open("wb") as log:
            self._holder = subprocess.Popen([*died_with, *apart, "catatonit", "-P"], stdout=log, stderr=log)
        self._init = _child_of(self._holder.pid)
        subprocess.run([*self.entered("net"), "ip", "link", "set", "lo", "up"], check=True)
        for hidden in [*map(Path, _HIDDEN), *(self.folder / name for name in self._in_memory)]:
            hidden.mkdir(exist_ok=True)
            subprocess.run([*self.entered("mount"), "mount", "-t", "tmpfs", "tmpfs", str(hidden)], check=True)

    @property
    def _kept(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.settings")

    def _wait_for_others(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self.folder.with_name(f"{self.folder.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"waiting for another process that uses {self.folder}\n")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Ends all that runs here and puts back what was changed. Nothing happens when it was not open."""
        if self._holder is not None:
            os.kill(self._init or self._holder.pid, signal.SIGKILL)
            for process in [self._holder, *self._started]:
                process.wait(_ENDING)
            self._holder = None
            self._started.clear()
            if self._pods:
                _remove_control_groups()
        _put_back(self._kept)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    def entered(self, *namespaces: str) -> list[str]:
        """The beginning of a command line that runs its rest in this place: in all of its namespaces or those named."""
        where = [f"--wdns={self.folder}"] if not namespaces else []
        asked = [f"--{name}" for name in namespaces or ("net", "pid", "mount")]
        return ["nsenter", f"--target={self._init}", *asked, *where]

    def start(self, name: str, command: list[str]) -> None:
        """Starts a program that runs until the place is closed; what it prints is in NAME.log."""
        with self.log(name).open("wb") as log:
            arguments = [*self.entered(), *command]
            self._started.append(subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets and processes that this thread makes meanwhile are in the place's network, and stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as before, open(f"/proc/{self._init}/ns/net") as there:  # noqa: PTH123
            _enter(libc, there.fileno())
            try:
                yield
            finally:
                _enter(libc, before.fileno())


def _enter(libc: ctypes.CDLL, namespace: int) -> None:
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns failed")


def _child_of(parent: int) -> int:
    """The first process that `parent` has started, as soon as it is what it shall be."""
    deadline = time.monotonic() + _ENDING
    while time.monotonic() < deadline:
        with suppress(OSError):
            for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "catatonit":
                    return int(child)
        time.sleep(0.01)
    raise Occupied("no namespaces could be made: root is needed, and catatonit")


def _put_back(kept: Path) -> None:
    """Kernel settings as they were before the place was opened, by whatever process that was."""
    if not kept.exists():
        return
    for name, value in json.loads(kept.read_text()).items():
        if (_PROC_SYS / name).read_text().strip() != value:
            (_PROC_SYS / name).write_text(value)
    kept.unlink()


def _remove_control_groups() -> None:
    deadline = time.monotonic() + _ENDING
    for top in _CGROUPS.glob(f"*/{_PODS}"):
        groups = sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
        for group in [*groups, top]:
            while group.exists():  # busy until its last process is gone for good
                try:
                    group.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
