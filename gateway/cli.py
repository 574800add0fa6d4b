"""The command line: serve, check, explain, schema, demo. Arguments, exit codes and printing.

Exit codes: 0 as asked, 1 the configuration or the machine does not allow it, 2 the command line itself is wrong.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import urlsplit

import uvloop

from gateway import __version__
from gateway.commands.explain import as_json, as_text, explain
from gateway.core.config.log import Log
from gateway.core.config.schema import schema
from gateway.core.config.words import ConfigProblem
from gateway.demo.run import run_demo
from gateway.observe.log import set_up_logging
from gateway.process.app import run
from gateway.process.listening import CannotStart
from gateway.process.supervisor import Supervisor
from gateway.settings.settings import Loaded, load

_EXPLAIN = (
    "Say step by step what the gateway would make of a token, and which headers the API would receive. "
    "Asks the issuer for its keys, and nobody else. Exit code 0: admitted, 1: refused."
)
#: bytes of a token that are read; more would be refused anyway
MAX_TOKEN: Final = 1 << 20

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
    told = commands.add_parser(
        "explain", help="say step by step what the gateway would make of a token", description=_EXPLAIN
    )
    told.add_argument("--config", metavar="FILE", help="YAML file; default: GATEWAY_CONFIG, else variables alone")
    told.add_argument("--method", default="GET", help="of the request (default: %(default)s)")
    told.add_argument("--url", default="/", help="path of the request, or URL whose host counts (default: %(default)s)")
    told.add_argument("--json", action="store_true", help="print JSON")
    told.add_argument("file", nargs="?", metavar="FILE", help="file with the token; default: standard input")
    told.set_defaults(command=_explain)
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
        if loaded.config.workers > 1:
            return asyncio.run(Supervisor(loaded.config, secrets=loaded.secrets).run())
        uvloop.run(run(loaded.config, secrets=loaded.secrets))
    except CannotStart as error:
        log.error("%s", error)  # noqa: TRY400 -- the sentence is the whole story
        return FAILED
    return OK


def _check(arguments: argparse.Namespace) -> int:
    loaded = load(arguments.config, os.environ)
    for key, origin in loaded.origins.items():
        print(f"value    {key}: from {origin}")
    for note in loaded.notes:
        print(f"note     {_sentence(note)}")
    for warning in loaded.warnings:
        print(f"warning  {_sentence(warning)}")
    if loaded.config is None:
        _print_problems(loaded, file=sys.stdout)
        return FAILED
    print("The configuration is sound.")
    return OK


def _explain(arguments: argparse.Namespace) -> int:
    loaded = load(arguments.config, os.environ)
    if loaded.config is None:
        _print_problems(loaded, file=sys.stderr)
        return FAILED
    try:
        token = _read_token(arguments.file)
    except OSError as error:
        print(f"{arguments.file}: {error.strerror}", file=sys.stderr)
        return FAILED
    set_up_logging(Log(level="error", format="text"))
    parts = urlsplit(arguments.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    explanation = asyncio.run(
        explain(
            loaded.config,
            token,
            method=arguments.method,
            target=target,
            host=parts.netloc or "localhost",
            secrets=loaded.secrets,
        )
    )
    if arguments.json:
        print(as_json(explanation))
    else:
        print(as_text(explanation, color=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return FAILED if explanation.verdict == "refused" else OK


def _read_token(path: str | None) -> bytes:
    """The token in a file or on standard input: never from the command line, where others could see it."""
    if path is None and sys.stdin.isatty():
        print("Paste the token, then press Enter and Ctrl-D.", file=sys.stderr)
    raw = sys.stdin.buffer.read(MAX_TOKEN) if path is None else Path(path).read_bytes()[:MAX_TOKEN]
    text = raw.strip()
    return text[7:].strip() if text[:7].lower() == b"bearer " else text


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=2))
    return OK


def _demo(_: argparse.Namespace) -> int:
    try:
        uvloop.run(run_demo())
    except CannotStart as error:
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
