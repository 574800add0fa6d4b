"""A configuration file for commands."""

from pathlib import Path

import pytest

from tests.commands.program import SOUND


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(SOUND)
    return path
