"""`bearer-gateway check`: everything that is wrong or unsafe in a configuration, and where its values came from."""

import argparse
import os
import sys
from typing import Final

from gateway.commands.configured import FAILED, OK, add_config, print_problems
from gateway.settings.settings import load

HELP: Final = "say everything that is wrong or unsafe in a configuration; touches no network"
DESCRIPTION: Final = HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints it; 1 when there are problems."""
    loaded = load(arguments.config, os.environ)
    for key, origin in loaded.origins.items():
        print(f"value    {key}: from {origin}")
    for note in loaded.notes:
        print(f"note     {note}")
    for warning in loaded.warnings:
        print(f"warning  {warning}")
    if loaded.config is None:
        print_problems(loaded, file=sys.stdout)
        return FAILED
    print("The configuration is sound.")
    return OK
