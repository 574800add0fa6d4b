"""`bearer-gateway demo`: everything that is needed to try it out, in one process, or its parts each in its own."""

import argparse
import sys
from collections.abc import Coroutine
from typing import Final

import uvloop

from gateway.commands.configured import FAILED, OK
from gateway.core.addresses import Address, parse_address, parse_url
from gateway.demo.alone import run_api, run_issuer
from gateway.demo.run import API_PORT, AUDIENCE, ISSUER_PORT, run_demo
from gateway.process.listening import CannotStart

HELP: Final = "run an issuer, an echo API and the gateway in front of it, to try it out"
DESCRIPTION: Final = (
    "Run an issuer, an echo API and the gateway in front of it in one process; or only one of the first two, "
    "for a demo of several containers."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which part of it, and where that listens."""
    parts = parser.add_subparsers(dest="part", metavar="PART")
    issuer = parts.add_parser("issuer", help="only the issuer, which hands any token to anybody")
    _add_listen(issuer, ISSUER_PORT)
    issuer.add_argument(
        "--url", type=_url, help="what it calls itself, and is found at by the gateway; default: where it listens"
    )
    issuer.add_argument("--audience", default=AUDIENCE, help="of its access tokens; default: %(default)s")
    _add_listen(parts.add_parser("api", help="only the API, which shows what it received"), API_PORT)


def run(arguments: argparse.Namespace) -> int:
    """Runs it until it is told to stop; 1 when not one port is free."""
    demo: Coroutine[None, None, None]
    if arguments.part == "issuer":
        demo = run_issuer(arguments.listen, url=arguments.url, audience=arguments.audience)
    elif arguments.part == "api":
        demo = run_api(arguments.listen)
    else:
        demo = run_demo()
    try:
        uvloop.run(demo)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return FAILED
    return OK


def _add_listen(parser: argparse.ArgumentParser, port: int) -> None:
    default = f"127.0.0.1:{port}"
    parser.add_argument(
        "--listen",
        type=_address,
        default=default,
        metavar="ADDRESS",
        help=f"address:port, or :port for every interface; default: {default}",
    )


def _address(text: str) -> Address:
    try:
        address = parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if address.path is not None:
        raise argparse.ArgumentTypeError("must be address:port: the demo has no unix sockets")
    return address


def _url(text: str) -> str:
    try:
        parse_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
