"""Every locked package that runs has a wheel for the machines that the image and others run on: nothing is built on the way."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.locks import ROOT

pytestmark = pytest.mark.timeout(300)


# The Python of Debian 13 and of Debian 12; the fourth one runs these tests.
@pytest.mark.parametrize(("machine", "python"), [("x86_64", "3.13"), ("aarch64", "3.13"), ("aarch64", "3.11")])
def test_every_package_has_a_wheel_for(machine: str, python: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--require-hashes", "--ignore-installed",
            "--only-binary", ":all:", "--platform", f"manylinux2014_{machine}", "--platform", f"manylinux_2_28_{machine}", "--python-version", python,
            "--target", tmp_path, "-r", ROOT / "requirements-extras.txt",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
