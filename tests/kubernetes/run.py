"""All of these tests: those on the cluster, which mostly wait, and beside them those that need none, which mostly compute.

What the latter print is shown when both are through. It fails when either does, and ends when it is told to.
"""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
_LOG: Final = FOLDER.parent / "artifacts" / "without-cluster.log"


def main(options: list[str]) -> int:
    """Runs them with these options of pytest; 0 when every test has passed."""
    pytest = [sys.executable, "-m", "pytest", str(FOLDER), "-v", *options, "-m"]
    _LOG.parent.mkdir(exist_ok=True)
    # Who was started in the background ignores it, and so would they.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with _LOG.open("wb") as log:
        # Nobody waits for these alone: on the cluster there are things that have to be in time.
        without = subprocess.Popen(["nice", "-n", "5", *pytest, "not cluster"], stdout=log, stderr=subprocess.STDOUT)
        with_cluster = subprocess.Popen([*pytest, "cluster"])
    both = (with_cluster, without)

    def end(*_: object) -> None:
        """Has them put things away first."""
        for process in both:
            process.send_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, end)
    # A terminal interrupts all three by itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with_cluster.wait()
    sys.stdout.write("\nthe tests that need no cluster:\n")
    sys.stdout.flush()
    without.wait()
    sys.stdout.write(_LOG.read_text(errors="replace"))
    for name, process in (("on the cluster", with_cluster), ("without a cluster", without)):
        sys.stdout.write(f"{name}: {'passed' if process.returncode == 0 else 'FAILED'}\n")
    return int(any(process.returncode for process in both))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
