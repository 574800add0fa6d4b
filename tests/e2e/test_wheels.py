"""Every locked package that runs has a wheel for the machines that the image and others run on: nothing is built on the way."""

import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.locks import ROOT

pytestmark = pytest.mark.timeout(300)


# The Python of Debian 13 and of Debian 12; the fourth one runs these tests. The locks have the hashes of all files there are.
@pytest.mark.parametrize(("machine", "python"), [("x86_64", "3.13"), ("aarch64", "3.13"), ("aarch64", "3.11")])
def test_every_package_has_a_wheel_for(machine: str, python: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            find_uv_bin(), "pip", "install", "--dry-run", "--no-cache", "--no-deps", "--require-hashes", "--only-binary", ":all:",
            "--python-platform", f"{machine}-manylinux_2_28", "--python-version", python,
            "--target", tmp_path, "-r", ROOT / "requirements-extras.txt",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stderr
