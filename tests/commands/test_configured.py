"""No command goes on with a configuration that is not sound, and each says all that is wrong with it."""

import io
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.commands.configured import FAILED, print_problems
from gateway.core.config.words import ConfigProblem
from gateway.settings.settings import Loaded
from tests.commands.program import WITH_SECRET


@pytest.mark.parametrize("command", ["check", "serve", "explain"])
def test_no_command_goes_on_without_a_secret_that_the_configuration_names(
    config: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(WITH_SECRET)
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    assert main([command, "--config", str(config)]) == FAILED
    printed = capsys.readouterr()
    path = "problem  upstreams.shop.authorization.bearer.env: "
    assert f"{path}names a variable that is not set\n" in printed.out + printed.err
    monkeypatch.setenv("SHOP_TOKEN", "gehe im")
    assert main([command, "--config", str(config)]) == FAILED
    printed = capsys.readouterr()
    sentence = "must hold one bearer token: letters, digits and -._~+/ only, and = at its end"
    assert f"{path}{sentence}\n" in printed.out + printed.err
    assert "gehe" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        ([ConfigProblem("realm", "is odd")], "problem  realm: is odd\nThe configuration has 1 problem.\n"),
        (
            [ConfigProblem("", "is none"), ConfigProblem("a", "b")],
            "problem  is none\nproblem  a: b\nThe configuration has 2 problems.\n",
        ),
    ],
)
def test_problems_are_counted(problems: list[ConfigProblem], said: str) -> None:
    printed = io.StringIO()
    print_problems(Loaded(None, problems), file=printed)
    assert printed.getvalue() == said
