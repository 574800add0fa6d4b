"""`bearer-gateway schema`: the JSON Schema of the configuration file, for editors."""

import argparse
import json
from typing import Final

from gateway.commands.configured import OK
from gateway.core.config.schema import schema

HELP: Final = "print the JSON Schema of the configuration file"
DESCRIPTION: Final = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing."""


def run(_: argparse.Namespace) -> int:
    """Prints it."""
    print(json.dumps(schema(), indent=2))
    return OK
