"""The command line: serve, check, schema, demo. Arguments, exit codes and printing; everything else is elsewhere.

Exit codes: 0 as asked, 1 the configuration or the machine does not allow it, 2 the command line itself is wrong.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from gateway import __version__
from gateway.app import CannotListen, run
from gateway.core.config import ConfigProblem
from gateway.demo.run import run_demo
from gateway.observe.log import set_up_logging
from gateway.settings import Loaded, load, schema

OK: Final = 0
FAILED: Final = 1

log = logging.getLogger("gateway")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. `argv`: without the program's name, by default the process's."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    return command(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bearer-gateway",
        description="An authenticating reverse proxy that lets only access tokens meant for your API through.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, help_text in (
        ("serve", _serve, "run the gateway until SIGTERM"),
        ("check", _check, "say everything that is wrong or unsafe in a configuration; touches no network"),
    ):
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.add_argument("--config", metavar="FILE", help="YAML file; default: GATEWAY_CONFIG, else variables alone")
        added.set_defaults(command=command)
    commands.add_parser("schema", help="print the JSON Schema of the configuration file").set_defaults(command=_schema)
    demo = commands.add_parser("demo", help="run an issuer, an echo API and the gateway in front of it, to try it out")
    demo.set_defaults(command=_demo)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    loaded = load(arguments.config, os.environ)
    if loaded.config is None:
        _print_problems(loaded, file=sys.stderr)
        return FAILED
    set_up_logging(loaded.config.log)
    for warning in loaded.warnings:
        log.warning("%s", _sentence(warning))
    try:
        asyncio.run(run(loaded.config))
    except CannotListen as error:
        log.error("%s", error)  # noqa: TRY400 -- the sentence is the whole story
        return FAILED
    return OK


def _check(arguments: argparse.Namespace) -> int:
    loaded = load(arguments.config, os.environ)
    for key, origin in loaded.origins.items():
        print(f"value    {key}: from {origin}")
    for warning in loaded.warnings:
        print(f"warning  {_sentence(warning)}")
    if loaded.config is None:
        _print_problems(loaded, file=sys.stdout)
        return FAILED
    print("The configuration is sound.")
    return OK


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=2))
    return OK


def _demo(_: argparse.Namespace) -> int:
    try:
        asyncio.run(run_demo())
    except CannotListen as error:
        print(error, file=sys.stderr)
        return FAILED
    return OK


def _print_problems(loaded: Loaded, *, file: TextIO) -> None:
    for problem in loaded.problems:
        print(f"problem  {_sentence(problem)}", file=file)
    count = len(loaded.problems)
    noun = "problem" if count == 1 else "problems"
    print(f"The configuration has {count} {noun}.", file=file)


def _sentence(problem: ConfigProblem) -> str:
    return f"{problem.path}: {problem.sentence}" if problem.path else problem.sentence
