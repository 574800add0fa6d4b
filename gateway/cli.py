"""The command line: finds the command, and has it run. What each one takes and does is its module in `commands`.

Exit codes: 0 as asked, 1 the configuration or the machine does not allow it, 2 the command line itself is wrong.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway import __version__
from gateway.commands import check, demo, explain, schema, serve


class Command(Protocol):
    """A module of `commands`."""

    @property
    def HELP(self) -> str:  # noqa: N802 -- a constant of the module
        """One line, in the list of commands."""

    @property
    def DESCRIPTION(self) -> str | None:  # noqa: N802 -- as above
        """What its own --help says above the arguments."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What it takes."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Does it; returns the exit code."""


#: in the order of --help
_COMMANDS: Final[dict[str, Command]] = {
    "serve": serve,
    "check": check,
    "schema": schema,
    "explain": explain,
    "demo": demo,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. `argv`: without the program's name, by default the process's."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bearer-gateway",
        description="An authenticating reverse proxy that lets only access tokens meant for your API through.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        added = commands.add_parser(name, help=command.HELP, description=command.DESCRIPTION)
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser
