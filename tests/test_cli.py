"""The command line as a shell sees it: which commands there are. What each does is in tests/commands."""

import pytest

from gateway import cli
from tests.commands.program import run


@pytest.mark.parametrize("arguments", [[], ["fly"], ["check", "--konfig", "x"]])
def test_a_wrong_command_line_is_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage: bearer-gateway" in done.stderr


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("bearer-gateway 0.")


def test_every_command_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    listed = capsys.readouterr().out
    for name in ("serve", "check", "schema", "explain", "demo"):
        assert cli._COMMANDS[name].HELP.split(" ")[0] in listed
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        assert f"usage: bearer-gateway {name}" in capsys.readouterr().out
