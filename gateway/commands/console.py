"""`bearer-gateway console`: where the console of the gateway on this machine is, and its key.

Whoever may run this as the gateway's user, by `kubectl exec` or sudo, may use the console.
"""

import argparse
import json
import os
import sys
from typing import Final

from gateway.commands.configured import FAILED, OK, add_config
from gateway.core.config.console import console_section_of
from gateway.process.console.key import NoKey, ask_key
from gateway.settings.settings import load
from gateway.settings.variables import CONFIG

HELP: Final = "say where the console of the gateway here is, and print its key"
DESCRIPTION: Final = (
    "Say where the console of the gateway on this machine, or in this container, is, and print its key. Run it as the "
    "user that the gateway runs as. The key is made anew whenever the gateway starts. Exit code 0: printed, 1: there "
    "is no such gateway."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_config(parser)
    parser.add_argument("--key", action="store_true", help="print the key and nothing else, for scripts")
    parser.add_argument("--json", action="store_true", help="print url and key as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints it; 1 when there is nobody to ask."""
    section = None
    if arguments.config is not None or os.environ.get(CONFIG) or os.environ.get("GATEWAY_CONSOLE"):
        # What is wrong with it is not asked: the gateway that runs may have read another one.
        loaded = load(arguments.config, os.environ)
        section = None if loaded.config is None else console_section_of(loaded.config.console)
        if loaded.config is not None and section is None:
            print("this configuration has no console", file=sys.stderr)
            return FAILED
    try:
        url, key = ask_key(section, os.environ)
    except NoKey as error:
        print(error, file=sys.stderr)
        return FAILED
    if arguments.json:
        print(json.dumps({"url": url, "key": key}))
    elif arguments.key:
        print(key)
    else:
        print(f"The console is at {url}\nIts key: {key}")
    return OK
