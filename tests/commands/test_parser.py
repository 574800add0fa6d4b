"""A command line in full: that each command is there and says what it takes is tests/test_cli.py."""

import sys

import pytest

from gateway.commands.parser import run_command


def test_the_command_that_is_named_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(("schema", "check"), ["schema"]) == 0
    assert '"$defs"' in capsys.readouterr().out


def test_what_is_no_command_is_told_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(("schema", "check"), ["serve"])
    assert ended.value.code == 2
    assert "choose from 'schema', 'check'" in capsys.readouterr().err


def test_the_version_waits_for_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(("nowhere",), ["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("bearer-gateway ")
    assert "gateway.commands.nowhere" not in sys.modules
