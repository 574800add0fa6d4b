"""The wheel: its modules are compiled, and what `make test` runs is the wheel and not the clone."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["groups"]
MODULES = [module.removesuffix(".py").replace("/", ".") for group in GROUPS.values() for module in group]
SHOW = f"import importlib\nfor name in {MODULES}: print(importlib.import_module(name).__file__)"

pytestmark = pytest.mark.skipif(
    "PYTHONSAFEPATH" not in os.environ, reason="runs from the clone; make test runs the wheel"
)


def test_what_is_tested_is_compiled() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, cwd=ROOT, check=True)
    files = done.stdout.split()
    assert len(files) == len(MODULES)
    assert [file for file in files if not file.endswith(".so") or f"{ROOT}/build/compiled/" not in file] == []


def test_a_wheel_is_no_older_than_its_source() -> None:
    for source in (ROOT / "gateway").rglob("*.py"):
        assert (ROOT / "build" / "compiled" / source.relative_to(ROOT)).read_bytes() == source.read_bytes()
