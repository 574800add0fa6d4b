"""What commands that read the configuration share: the option, and how problems are printed."""

import argparse
from typing import Final, TextIO

from gateway.settings.settings import Loaded

#: exit codes
OK: Final = 0
FAILED: Final = 1


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option --config."""
    parser.add_argument("--config", metavar="FILE", help="YAML file; default: GATEWAY_CONFIG, else variables alone")


def print_problems(loaded: Loaded, *, file: TextIO) -> None:
    """Every problem on a line, and how many there are."""
    for problem in loaded.problems:
        print(f"problem  {problem}", file=file)
    count = len(loaded.problems)
    noun = "problem" if count == 1 else "problems"
    print(f"The configuration has {count} {noun}.", file=file)
