"""The command line in full, by argparse: what there is, what each command takes, and what is wrong."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol, cast

from gateway import __version__


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


def run_command(names: Sequence[str], words: Sequence[str]) -> int:
    """Runs the command that the words begin with; returns its exit code. `names`: of all commands."""
    arguments = _parser(names, words).parse_args(words)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def load_command(name: str) -> Command:
    """The module of one command, and whatever it needs."""
    return cast("Command", import_module(f"gateway.commands.{name}"))


def _parser(names: Sequence[str], words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bearer-gateway",
        description="An authenticating reverse proxy that lets only access tokens meant for your API through.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    # A command loads what it needs and no more; only who asks what there is waits for all of them.
    first = words[0] if words else ""
    for name in () if first == "--version" else (first,) if first in names else names:
        command = load_command(name)
        added = commands.add_parser(name, help=command.HELP, description=command.DESCRIPTION)
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser
