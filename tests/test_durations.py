"""The plugin that keeps tests short, in a run of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUN = """
import sys
import pytest
from tests import durations
durations.LONG, durations.TOO_LONG, durations.MOST = 0.05, float(sys.argv[1]), 0.1
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests"], plugins=[durations]))
"""
TEST = "import time\n\ndef test_quick(): pass\n\ndef test_slow(): time.sleep(0.1)\n"
#: seconds of processor time, in the test's own process, in one that it starts, and in a fixture of its module
BUSY = """
import subprocess, sys, time
import pytest

LOOP = "import time\\nwhile time.process_time() < 0.15: pass"

@pytest.fixture(scope="module")
def shared(): exec(LOOP.replace("0.15", str(time.process_time() + 0.15)))

@pytest.fixture
def started():
    program = subprocess.Popen([sys.executable, "-c", LOOP])
    yield
    program.wait()

def test_waiting(): time.sleep(0.15)

def test_computing(): exec(LOOP.replace("0.15", str(time.process_time() + 0.15)))

def test_starting(started): pass

def test_sharing(shared): pass
"""


def run(root: Path, test: str, *, too_long: float = 60, ci: bool = False) -> subprocess.CompletedProcess[str]:
    """The same tests in a folder for programs, which may take longer, and in another one."""
    for folder in ("gate", "e2e"):
        (root / "tests" / folder).mkdir(parents=True)
        (root / "tests" / folder / "test_some.py").write_text(test)
    (root / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    environ = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-c", RUN, str(too_long)], cwd=root, capture_output=True, text=True, timeout=60, check=False,
        env={**environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **({"CI": "1"} if ci else {})},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("too_long", "ci", "code"),
    [(0.06, True, 1), (60, True, 0), (0.06, False, 0)],
    ids=["too long", "long", "not in CI"],
)
def test_a_test_that_takes_too_long_fails_in_ci_and_a_long_one_is_listed(
    tmp_path: Path, too_long: float, *, ci: bool, code: int
) -> None:
    done = run(tmp_path, TEST, too_long=too_long, ci=ci)
    assert done.returncode == code, done.stdout + done.stderr
    assert "s  tests/gate/test_some.py::test_slow" in done.stdout
    assert "tests/e2e" not in done.stdout
    assert "test_quick" not in done.stdout


def test_a_test_that_makes_processors_work_too_long_fails_whatever_it_waits_for(tmp_path: Path) -> None:
    done = run(tmp_path, BUSY)
    assert done.returncode == 1, done.stdout + done.stderr
    failed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ERROR tests")}
    assert failed == {f"tests/gate/test_some.py::{name}" for name in ("test_computing", "test_starting")}
    assert done.stdout.count("s of processor time, more than 0.1 s: tests/durations.py") >= 2
