"""`bearer-gateway serve`: the gateway, until it is told to stop."""

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING, Final

import uvloop

from gateway.commands.configured import CONFIG, FAILED, OK, add_config, print_problems
from gateway.observe.log import set_up_logging
from gateway.process.alone import run as run_gateway
from gateway.process.listening import CannotStart
from gateway.process.notify import Notifier
from gateway.process.passed import take_passed
from gateway.process.signals import ignore_drain, ignore_hang_up
from gateway.settings.settings import load
from gateway.settings.source import Source

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from types import SimpleNamespace

HELP: Final = "run the gateway until SIGTERM"
DESCRIPTION: Final = HELP
OPTIONS: Final = (CONFIG,)

log = logging.getLogger("gateway")


def add_arguments(parser: "ArgumentParser") -> None:
    """What it takes."""
    add_config(parser)


def run(arguments: "Namespace | SimpleNamespace") -> int:
    """Serves; 1 when the configuration or the machine does not allow it."""
    ignore_drain()
    ignore_hang_up()
    notifier = Notifier.take(os.environ)
    source = Source(arguments.config, os.environ)
    loaded = load(arguments.config, os.environ)
    if loaded.config is None:
        print_problems(loaded, file=sys.stderr)
        notifier.failed(f"the configuration has problems, the first of {len(loaded.problems)}: {loaded.problems[0]}")
        return FAILED
    set_up_logging(loaded.config.log)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    try:
        passed = take_passed(os.environ)
        if loaded.config.workers > 1:
            from gateway.process.supervisor import Supervisor  # noqa: PLC0415 -- for several processes alone

            supervisor = Supervisor(
                loaded.config, secrets=loaded.secrets, passed=passed, notifier=notifier, source=source, loaded=loaded
            )
            return asyncio.run(supervisor.run())
        uvloop.run(
            run_gateway(
                loaded.config, secrets=loaded.secrets, passed=passed, notifier=notifier, source=source, loaded=loaded
            )
        )
    except CannotStart as error:
        log.error("%s", error)  # noqa: TRY400 -- the sentence is the whole story
        notifier.failed(str(error))
        return FAILED
    return OK
