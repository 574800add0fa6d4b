"""A configuration file for commands, and commands that run in this process."""

import os
from pathlib import Path

import pytest

from gateway.cli import main
from tests.commands.program import SOUND, Done, Run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(SOUND)
    return path


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """As `program.run`, in this process: a program of its own takes a third of a second of a processor to start."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **variables: str) -> Done:
        with monkeypatch.context() as changed:
            for name, value in variables.items():
                changed.setenv(name, value)
            try:
                code = main(list(arguments))
            except SystemExit as ended:
                code = int(str(ended.code))
        return Done(code, *capfd.readouterr())

    return run
