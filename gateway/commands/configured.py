"""What commands that read the configuration share: the option, and how problems are printed."""

from typing import TYPE_CHECKING, Final, TextIO

from gateway.commands.quick import Option, add_options
from gateway.settings.settings import Loaded

if TYPE_CHECKING:
    from argparse import ArgumentParser

#: exit codes
OK: Final = 0
FAILED: Final = 1


#: --config
CONFIG: Final = Option("config", "FILE", "YAML file; default: GATEWAY_CONFIG, else variables alone", convert=str)


def add_config(parser: "ArgumentParser") -> None:
    """The option --config."""
    add_options((CONFIG,), parser)


def print_problems(loaded: Loaded, *, file: TextIO) -> None:
    """Every problem on a line, and how many there are."""
    for problem in loaded.problems:
        print(f"problem  {problem}", file=file)
    count = len(loaded.problems)
    noun = "problem" if count == 1 else "problems"
    print(f"The configuration has {count} {noun}.", file=file)
