"""`bearer-gateway demo`: everything that is needed to try it out, in one process."""

import argparse
import sys
from typing import Final

import uvloop

from gateway.commands.configured import FAILED, OK
from gateway.demo.run import run_demo
from gateway.process.listening import CannotStart

HELP: Final = "run an issuer, an echo API and the gateway in front of it, to try it out"
DESCRIPTION: Final = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing."""


def run(_: argparse.Namespace) -> int:
    """Runs it until it is told to stop; 1 when not one port is free."""
    try:
        uvloop.run(run_demo())
    except CannotStart as error:
        print(error, file=sys.stderr)
        return FAILED
    return OK
