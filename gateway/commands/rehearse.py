"""`bearer-gateway rehearse`: a rotation of an issuer's keys, before it happens: what there is, and what each step does.

Asks the issuer as the gateway does, twice, and changes nothing anywhere.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from gateway.commands.configured import FAILED, OK, add_config, print_problems
from gateway.commands.finding import Wrong
from gateway.commands.met import as_given, clock_sentence
from gateway.commands.rotation import Line, rehearsed
from gateway.core.addresses import parse_url
from gateway.core.config.issuers import Issuer, issuer_name
from gateway.core.config.words import did_you_mean
from gateway.core.token.keys import UnusableKeySet
from gateway.core.token.tenants import are_apart, filled
from gateway.remote.authentication import ReadSecret
from gateway.remote.fetched import FetchFailed, shown_address
from gateway.remote.keys.discovery import Publisher, read_key_file
from gateway.settings.settings import load
from gateway.settings.variables import CONFIG

HELP: Final = "rehearse a rotation of an issuer's keys: which there are, how long they are kept, what ends with each"
DESCRIPTION: Final = (
    "Asks an issuer for its keys as the gateway does, and says what a rotation would do: 0 when nothing stands in its "
    "way, 1 when something does or the keys cannot be had. Changes nothing."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument(
        "issuer", metavar="ISSUER", help="its name or its URL in the configuration, or any issuer's URL"
    )
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints it; 1 when there is a problem."""
    loaded = load(arguments.config, os.environ)
    is_given = arguments.config is not None or any(os.environ.get(name) for name in (CONFIG, "GATEWAY_ISSUER"))
    if is_given and loaded.config is None:
        print_problems(loaded, file=sys.stderr)
        return FAILED
    configured = () if loaded.config is None or not is_given else loaded.config.issuers
    try:
        issuers = list(_meant(arguments.issuer, configured))
    except Wrong as wrong:
        print(f"problem  {wrong}", file=sys.stderr)
        return FAILED
    if len({issuer.issuer for issuer in issuers}) < len(issuers):
        print("note     the issuer has keys at several places, told one by one: those of the others count as well")
    codes = [asyncio.run(_rehearse(issuer, loaded.secrets.__getitem__, is_ours=bool(configured))) for issuer in issuers]
    return max(codes)


def _meant(text: str, configured: tuple[Issuer, ...]) -> Iterator[Issuer]:
    """The issuers that are called so, or the one at this URL. Wrong: there is none."""
    found = [issuer for issuer in configured if text in {issuer_name(issuer), issuer.issuer}]
    for issuer in configured:
        # Of many tenants one can be meant.
        if are_apart(issuer) and not found and text in filled(issuer):
            found = [replace(issuer, issuer=text, tenants=None)]
    for issuer in found:
        if are_apart(issuer):
            yield from (replace(issuer, issuer=iss, tenants=None, name=None) for iss in filled(issuer))
        else:
            yield issuer
    if found:
        return
    try:
        parse_url(text)
    except ValueError:
        names = [issuer_name(issuer) for issuer in configured]
        known = f"; there are {', '.join(names)}" if names else "; --config FILE has the names, or give its URL"
        raise Wrong(f"no issuer is called {as_given(text)}{did_you_mean(text, names)}{known}") from None
    yield Issuer(issuer=text, audience="-")


async def _rehearse(issuer: Issuer, read: ReadSecret, *, is_ours: bool) -> int:
    print(f"issuer   {issuer_name(issuer)}, {shown_address(issuer.issuer)}")
    if is_ours and issuer.audience == "-":
        print("note     it is not in the configuration: judged by the defaults")
    try:
        lines = await _asked(issuer, read)
    except (FetchFailed, UnusableKeySet) as failure:
        print(f"problem  {failure}")
        print("Its keys cannot be had: nothing can be said of a rotation.")
        return FAILED
    for line in lines:
        print(f"{line.kind:<8} {line.sentence}")
    problems, warnings = (sum(line.kind == kind for line in lines) for kind in ("problem", "warning"))
    if problems:
        print(f"A rotation would go wrong: {problems} {'problem' if problems == 1 else 'problems'}.")
        return FAILED
    print(f"Nothing stands in the way of a rotation{f'; {warnings} to be known' if warnings else ''}.")
    return OK


async def _asked(issuer: Issuer, read: ReadSecret) -> list[Line]:
    """All that is to be said of an issuer. FetchFailed, UnusableKeySet."""
    publisher = Publisher(issuer, read=read)
    published = await publisher.fetch_key_set(time.monotonic())
    document: Any = published.document
    if issuer.jwks_file is not None:
        where, document = issuer.jwks_file, read_key_file(issuer.jwks_file)
    else:
        where = shown_address(issuer.jwks_url or publisher.address or issuer.issuer)
    lines = [Line("keys", f"at {where}")]
    max_age = None if published.said is None else published.said.max_age
    lines += rehearsed(document, issuer, max_age=max_age, lifetime=published.lifetime)
    again = await publisher.fetch_key_set(time.monotonic())
    if again.keys.thumbprints != published.keys.thumbprints:
        sentence = "asked twice in a row it gave two sets of keys: its replicas do not agree, or it rotates just now"
        lines.append(Line("warning", sentence))
    if published.said is not None and (clock := clock_sentence(published.said.ahead)) is not None:
        lines.append(Line("warning", clock))
    return lines
