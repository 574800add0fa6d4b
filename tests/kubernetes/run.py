"""All of these tests: those on the cluster, several at a time, since they mostly wait; beside them those that need none, which mostly compute.

What the latter print is shown when both are through. It fails when either does, and ends when it is told to.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.kubernetes import otelcol
from tests.kubernetes.cluster import SHARED, running

FOLDER: Final = Path(__file__).parent
_LOG: Final = FOLDER.parent / "artifacts" / "without-cluster.log"
#: what the exit code of a run says; of `-k` nothing may be left for one of the two
_SAID: Final = {0: "passed", 5: "none was asked for"}
#: Each test has a namespace of its own. Who begins first comes first: what needs the image waits until it is built.
_AT_A_TIME: Final = ("--processes", "3")


@contextmanager
def _started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A run of pytest. Who leaves early has it put things away first; a terminal interrupts only us."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait()


def _run(options: list[str]) -> int:
    pytest = [sys.executable, "-m", "pytest", str(FOLDER), "-v", *options, "-m"]
    _LOG.parent.mkdir(exist_ok=True)
    otelcol.program()  # a minute, the first time, which its test does not have
    # Nobody waits for these alone: on the cluster there are things that have to be in time.
    aside = ["nice", "-n", "5", *pytest, "not cluster"]
    with _LOG.open("wb") as log, _started(aside, stdout=log, stderr=subprocess.STDOUT) as without:
        with running() as cluster:
            shared = {**os.environ, SHARED: str(cluster.init)}
            with _started([*pytest, "cluster", *_AT_A_TIME], env=shared) as with_cluster:
                with_cluster.wait()
        sys.stdout.write("\nthe tests that need no cluster:\n")
        sys.stdout.flush()
        without.wait()
    sys.stdout.write(_LOG.read_text(errors="replace"))
    both = {"on the cluster": with_cluster.returncode, "without a cluster": without.returncode}
    for name, code in both.items():
        sys.stdout.write(f"{name}: {_SAID.get(code, 'FAILED')}\n")
    return int(0 not in both.values() or any(code not in _SAID for code in both.values()))


def main(options: list[str]) -> int:
    """Runs them with these options of pytest; 0 when every test has passed."""

    def end(*_: object) -> None:
        """Once is enough: what ends meanwhile is not to be disturbed."""
        for told in (signal.SIGINT, signal.SIGTERM):
            signal.signal(told, signal.SIG_IGN)
        raise KeyboardInterrupt

    # Who was started in the background ignores SIGINT, and so would those that we start.
    for told in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told, end)
    try:
        return _run(options)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
