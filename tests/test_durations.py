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
durations.LONG, durations.TOO_LONG = 0.05, float(sys.argv[1])
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests"], plugins=[durations]))
"""
TEST = "import time\n\ndef test_quick(): pass\n\ndef test_slow(): time.sleep(0.1)\n"


@pytest.mark.parametrize(
    ("folder", "too_long", "ci", "listed", "code"),
    [
        ("gate", 0.06, True, True, 1),
        ("gate", 60, True, True, 0),
        ("gate", 0.06, False, True, 0),
        ("e2e", 0.06, True, False, 0),
    ],
    ids=["too long", "long", "not in CI", "whole programs"],
)
def test_a_test_that_takes_too_long_fails_in_ci_and_a_long_one_is_listed(
    tmp_path: Path, folder: str, too_long: float, *, ci: bool, listed: bool, code: int
) -> None:
    tests = tmp_path / "tests" / folder
    tests.mkdir(parents=True)
    (tests / "test_some.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environ = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(too_long)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **({"CI": "1"} if ci else {})},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert (f"s  tests/{folder}/test_some.py::test_slow" in done.stdout) == listed
    assert "test_quick" not in done.stdout
