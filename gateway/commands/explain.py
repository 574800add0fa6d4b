"""`bearer-gateway explain`: what the gate says of one token and one request, step by step, and why.

The decision and the account of it are `Gate.admit`'s own; this module puts them into words. The token is never printed.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from gateway.commands import who_gets_in
from gateway.commands.configured import FAILED, OK, add_config, print_problems
from gateway.core.config.log import Log
from gateway.explaining.asked import parse_header, parse_place
from gateway.explaining.explanation import (
    MAX_TOKEN,
    CannotExplain,
    Explanation,
    as_json,
    explain,
    split_url,
    usual_host,
)
from gateway.observe.log import set_up_logging
from gateway.settings.files import read_certificate
from gateway.settings.settings import load

HELP: Final = "say step by step what the gateway would make of a token"
DESCRIPTION: Final = (
    "Say step by step what the gateway would make of a token, and which headers the API would receive. "
    "Asks the issuer what the gateway would ask it: for its keys and, where that is configured, about the token and "
    "its subject; and nobody else. Exit code 0: admitted, 1: refused."
)


def as_text(explanation: Explanation, *, color: bool) -> str:
    """For people: a tick or a cross a step."""
    marks = {True: ("✓", "32"), False: ("✗", "31"), None: ("·", "90")}
    lines = []
    for step in explanation.steps:
        mark, code = marks[step.passed]
        painted = f"\x1b[{code}m{mark}\x1b[0m" if color else mark
        lines.append(f"{painted} {step.name:<11}{step.says}".rstrip())
        if step.name == "route":
            lines += [f"    passed over {name}: {why}" for name, why in explanation.passed_over]
    refusal = explanation.refusal
    verdict = explanation.verdict + (f": {refusal.status} {refusal.reason}. {refusal.public}" if refusal else "")
    if color:
        verdict = f"\x1b[1m{verdict}\x1b[0m"
    headers = ["", "The upstream would receive:", *(f"  {name}: {value}" for name, value in explanation.headers)]
    return "\n".join([*lines, "", verdict, *(headers if explanation.headers else [])])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes. Never the token: others could see it in the list of processes."""
    add_config(parser)
    parser.add_argument("--method", default="GET", help="of the request (default: %(default)s)")
    parser.add_argument(
        "--url", default="/", help="path of the request, or URL whose host counts (default: %(default)s)"
    )
    parser.add_argument(
        "--certificate", metavar="PEM", help="file with the client's certificate, for a token that is bound to one"
    )
    parser.add_argument(
        "--place",
        default="authorization",
        help="where the token stands: authorization, header:NAME, websocket:NAME, query:NAME or cookie:NAME",
    )
    parser.add_argument(
        "--header", action="append", default=[], metavar="LINE", help="a further header, such as 'Origin: https://...'"
    )
    parser.add_argument(
        "--proof", metavar="FILE", help="file with the DPoP proof of the request, for a token that is bound to a key"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--table", action="store_true", help="say of each route who gets in; no token is read")
    parser.add_argument("file", nargs="?", metavar="FILE", help="file with the token; default: standard input")


def run(arguments: argparse.Namespace) -> int:
    """Prints it; 1 when the token is refused, or nothing can be said."""
    loaded = load(arguments.config, os.environ)
    if loaded.config is None:
        print_problems(loaded, file=sys.stderr)
        return FAILED
    if arguments.table:
        entries = who_gets_in.entries_of(loaded.config)
        print(who_gets_in.as_json(entries) if arguments.json else who_gets_in.as_table(entries))
        return OK
    try:
        token = _read_token(arguments.file)
        proof = None if arguments.proof is None else _read_token(arguments.proof)
    except OSError as error:
        # Its name is not told: somebody may have put the token there, or the proof.
        wrong = f"the file with the token, or that with its proof, cannot be read: {error.strerror}"
        print(f"{wrong}; a token itself is read from standard input", file=sys.stderr)
        return FAILED
    certificate = None
    if arguments.certificate is not None:
        try:
            certificate = read_certificate(arguments.certificate)
        except ValueError as error:
            print(f"--certificate {error}", file=sys.stderr)
            return FAILED
    try:
        place, headers = parse_place(arguments.place), tuple(map(parse_header, arguments.header))
    except ValueError as error:
        print(f"an argument {error}", file=sys.stderr)
        return FAILED
    set_up_logging(Log(level="error", format="text"))
    host, target = split_url(arguments.url)
    explaining = explain(
        loaded.config,
        token,
        method=arguments.method,
        target=target,
        host=host or usual_host(loaded.config),
        certificate=certificate,
        place=place,
        headers=headers,
        proof=proof,
        secrets=loaded.secrets,
    )
    try:
        explanation = asyncio.run(explaining)
    except CannotExplain as error:
        print(f"problem  {error}", file=sys.stderr)
        return FAILED
    if arguments.json:
        print(as_json(explanation))
    else:
        print(as_text(explanation, color=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return FAILED if explanation.verdict == "refused" else OK


def _read_token(path: str | None) -> bytes:
    """The token in a file or on standard input."""
    if path is None and sys.stdin.isatty():
        print("Paste the token, then press Enter and Ctrl-D.", file=sys.stderr)
    raw = sys.stdin.buffer.read(MAX_TOKEN) if path is None else Path(path).read_bytes()[:MAX_TOKEN]
    text = raw.strip()
    scheme, _, rest = text.partition(b" ")
    return rest.strip() if scheme.lower() in {b"bearer", b"dpop"} else text
