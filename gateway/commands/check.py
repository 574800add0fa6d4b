"""`bearer-gateway check`: everything that is wrong or unsafe in a configuration, and where its values came from."""

import argparse
import dataclasses
import os
import sys
from typing import Final

from gateway.commands.configured import FAILED, OK, add_config, print_problems
from gateway.core.checks.limits import grace_problems, limit_warnings
from gateway.core.checks.strict import strict_warnings
from gateway.core.checks.walks import walks
from gateway.core.config.section import Seconds
from gateway.core.config.units import parse_seconds
from gateway.settings.settings import Loaded, load

HELP: Final = "say everything that is wrong or unsafe in a configuration; touches no network, unless asked to"
DESCRIPTION: Final = HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_config(parser)
    parser.add_argument(
        "--grace",
        metavar="DURATION",
        type=_duration,
        help="time from SIGTERM to SIGKILL (30s in Kubernetes): a problem where draining takes longer",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="a request that gets around a route, a warning that somebody gets in who should not, and whatever "
        "--online warns of, is a problem",
    )
    parser.add_argument(
        "--online",
        action="store_true",
        help="where it is sound, ask issuers, their endpoints, the store and the APIs as well: are they there, and as "
        "the configuration says",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints it; 1 when there are problems."""
    loaded = load(arguments.config, os.environ)
    if arguments.grace is not None:
        loaded = _within(loaded, arguments.grace)
    for key, origin in loaded.origins.items():
        print(f"value    {key}: from {origin}")
    for note in loaded.notes:
        print(f"note     {note}")
    loaded = _walked(loaded, strict=arguments.strict)
    for warning in loaded.warnings:
        print(f"warning  {warning}")
    if loaded.config is None:
        print_problems(loaded, file=sys.stdout)
        return FAILED
    print("The configuration is sound.", flush=True)
    if arguments.online:
        # Whoever asks nobody loads nothing for it.
        from gateway.commands.online import run_online  # noqa: PLC0415

        return OK if run_online(loaded.config, loaded.secrets, strict=arguments.strict) else FAILED
    return OK


def _walked(loaded: Loaded, *, strict: bool) -> Loaded:
    """What was loaded, with the requests that get around its routes. `strict`: these and their like are problems."""
    if loaded.config is None:
        return loaded
    found = walks(loaded.config)
    if not strict:
        return dataclasses.replace(loaded, warnings=[*loaded.warnings, *found])
    fatal = {warning.sentence for warning in strict_warnings(loaded.config)}
    problems = [*(warning for warning in loaded.warnings if warning.sentence in fatal), *found]
    warnings = [warning for warning in loaded.warnings if warning.sentence not in fatal]
    return dataclasses.replace(loaded, config=None if problems else loaded.config, problems=problems, warnings=warnings)


def _duration(text: str) -> Seconds:
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _within(loaded: Loaded, grace: Seconds) -> Loaded:
    """What was loaded, judged by that grace instead of the usual one."""
    if loaded.config is None:
        return loaded
    problems = list(grace_problems(loaded.config.limits, grace))
    usual = {str(warning) for warning in limit_warnings(loaded.config.limits)}
    warnings = [warning for warning in loaded.warnings if str(warning) not in usual]
    return dataclasses.replace(loaded, config=None if problems else loaded.config, problems=problems, warnings=warnings)
