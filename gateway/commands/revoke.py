"""`bearer-gateway revoke`: what was given out stops being accepted; what was revoked is listed, or lifted.

Writes to the store that replicas share, else tells the gateway on this machine over the socket beside its journal.
"""

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from msgspec.structs import replace

from gateway.commands.configured import FAILED, OK, add_config, print_problems
from gateway.core.config.file import Config
from gateway.core.config.issuers import issuer_name
from gateway.core.config.revocation import Revocation, socket_of
from gateway.core.config.secret import Secret
from gateway.core.revocation.asked import SELECTORS, entries_for, issuer_meant
from gateway.core.revocation.entry import Entry, Kind, lifting
from gateway.core.shown import shown
from gateway.observe.observers import Unheard
from gateway.process.revoking import Deed, parse_response, request_of, user_name
from gateway.settings.settings import load
from gateway.store.redis import Redis, StoreDown, Unsealable
from gateway.store.replicated import ReplicatedList
from gateway.store.revocations import CannotRevoke

HELP: Final = "refuse a token, or all of a session, subject or client, before it expires"
DESCRIPTION: Final = (
    "Refuse what was given out: a token, or all tokens of a session, a subject, a client or an issuer. list: what is "
    "revoked now; lift: take it back. Tells the store that replicas share, else the gateway on this machine. It does "
    "not end refresh tokens or sessions at the provider. Exit code 0: done; 1: not."
)
#: bytes of a token
MAX_TOKEN: Final = 1 << 20
#: seconds for the gateway to respond
PATIENCE: Final = 15.0


class _CannotAsk(Exception):
    """What was asked makes no sense, or there is nobody to ask; a sentence."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes. Never a token: others could see it in the list of processes."""
    add_config(parser)
    parser.add_argument(
        "deed", nargs="?", choices=("list", "lift"), help="list what is revoked, or lift it; default: revoke"
    )
    parser.add_argument(
        "--issuer", metavar="NAME", help="name or iss of the issuer; may be left out where there is one"
    )
    what = parser.add_argument_group("what to revoke, one of")
    what.add_argument("--subject", metavar="SUB", help="all tokens of a subject that were issued until now")
    what.add_argument("--sid", metavar="SID", help="all tokens of a session")
    what.add_argument("--jti", metavar="JTI", help="the token that its issuer calls so")
    what.add_argument("--client", metavar="ID", help="all tokens that a client was given until now")
    what.add_argument("--token", metavar="FILE", help="the token in this file; -: on standard input")
    what.add_argument("--all", action="store_true", help="all tokens of the issuer that were issued until now")
    parser.add_argument(
        "--before", metavar="TIME", help="tokens issued later stay good; seconds since 1970, or as 2027-01-15T08:00:00Z"
    )
    parser.add_argument("--reason", metavar="TEXT", default="", help="for the log, and for who lists it")
    parser.add_argument("--json", action="store_true", help="list as JSON, an entry a line")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 1 when it cannot be done."""
    loaded = load(arguments.config, os.environ)
    if loaded.config is None:
        print_problems(loaded, file=sys.stderr)
        return FAILED
    # What the store logs is printed here, once.
    logging.getLogger("gateway").addHandler(logging.NullHandler())
    config, deed = loaded.config, cast("Deed", arguments.deed or "add")
    try:
        section = _section(config)
        wanted = () if deed == "list" else _wanted(arguments, config, section, now=time.time())
        entries = [replace(entry, who=user_name(os.getuid())) for entry in wanted]
        if config.store.url is None:
            found, count = _tell(section, deed, entries)
        else:
            found, count = asyncio.run(_write(config, loaded.secrets, deed, entries))
    except (_CannotAsk, CannotRevoke, StoreDown, Unsealable, ValueError) as error:
        told = f"the store cannot be had: {error}" if isinstance(error, StoreDown) else error
        print(told, file=sys.stderr)
        return FAILED
    if deed == "list":
        _print(found, config, as_json=arguments.json)
    elif deed == "lift":
        print("lifted: such tokens are good again" if count else "nothing of that is revoked")
        return OK if count else FAILED
    else:
        print("revoked" if count else "was revoked already")
    return OK


def _section(config: Config) -> Revocation:
    if config.revocation is None:
        raise _CannotAsk("the configuration has no revocation: nothing can be revoked")
    return config.revocation


def _wanted(arguments: argparse.Namespace, config: Config, section: Revocation, *, now: float) -> tuple[Entry, ...]:
    """The entries that are asked for. _CannotAsk. ValueError."""
    given = [name for name in SELECTORS if getattr(arguments, name) is not None] + ["all"] * arguments.all
    if len(given) != 1:
        wrong = f"--{given[0]} and --{given[1]} cannot be given together" if given else "it is not said what to revoke"
        raise _CannotAsk(f"{wrong}: give one of {', '.join(f'--{name}' for name in (*SELECTORS, 'all'))}")
    before = None if arguments.before is None else parse_time(arguments.before)
    if given in (["token"], ["jti"]) and before is not None:
        raise _CannotAsk("--before has no effect on one token")
    common: dict[str, Any] = {"before": before, "reason": arguments.reason, "now": now}
    if given == ["token"]:
        token = _read_token(arguments.token).decode("utf-8", "surrogateescape")
        return entries_for("token", section, value=token, **common)
    issuer = issuer_meant(config, arguments.issuer, how="give --issuer")
    if given == ["all"]:
        return entries_for("issuer", section, issuer=issuer, **common)
    kind = cast("Kind", given[0])
    value, lifts = getattr(arguments, given[0]), arguments.deed == "lift"
    return entries_for(kind, section, value=value, issuer=issuer, is_lifting=lifts, **common)


def parse_time(text: str) -> float:
    """Seconds since the epoch, of a number of them or a time of RFC 3339. ValueError says what it must be."""
    try:
        return float(text) if text.replace(".", "", 1).isdecimal() else _timestamp(text)
    except (ValueError, OverflowError):
        raise ValueError("--before must be seconds since 1970, or a time such as 2027-01-15T08:00:00Z") from None


def _timestamp(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.timestamp()


def _read_token(path: str) -> bytes:
    try:
        raw = sys.stdin.buffer.read(MAX_TOKEN) if path == "-" else Path(path).read_bytes()[:MAX_TOKEN]
    except OSError as error:
        # Its name is not told: somebody may have put the token there.
        raise _CannotAsk(f"the file with the token cannot be read: {error.strerror}") from None
    text = raw.strip()
    text = text[7:].strip() if text[:7].lower() == b"bearer " else text
    if not text:
        raise _CannotAsk("there is no token in the file")
    return text


def _tell(section: Revocation, deed: Deed, entries: Sequence[Entry]) -> tuple[list[Entry], int]:
    """Has it done by whoever keeps the list. _CannotAsk, CannotRevoke, ValueError."""
    if section.file is None:
        raise _CannotAsk("there is nobody to tell: the configuration has neither store.url nor revocation.file")
    path = socket_of(section.file)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(path)
            connection.sendall(request_of(deed, entries))
            with connection.makefile("rb") as lines:
                return parse_response(lines)
    except TimeoutError:
        raise _CannotAsk(f"the gateway did not respond on {path} within {PATIENCE:g} s") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise _CannotAsk(f"no gateway listens on {path}: it runs elsewhere, or not at all") from None
    except OSError as error:
        raise _CannotAsk(f"{path} cannot be used: {error.strerror}") from None


async def _write(
    config: Config, secrets: Mapping[Secret, str], deed: Deed, entries: Sequence[Entry]
) -> tuple[list[Entry], int]:
    """Has it done in the store that replicas share. CannotRevoke, StoreDown, Unsealable."""
    redis = Redis(config.store, read=lambda secret: secrets[secret], observer=Unheard())
    try:
        await redis.start()
        replicated = ReplicatedList(redis)
        if deed == "list":
            found = [entry for entry in await replicated.read() if not entry.lifted]
            return found, len(found)
        changed = 0
        for entry in entries:
            before = await replicated.find(entry)
            if deed == "lift" and (before is None or before.lifted):
                continue
            wanted = lifting(before, at=time.time(), who=entry.who) if deed == "lift" and before is not None else entry
            changed += await replicated.write([wanted], source="command") != [before]
        return [], changed
    finally:
        await redis.close()


def _print(entries: Iterable[Entry], config: Config, *, as_json: bool) -> None:
    """What is revoked, the newest last."""
    ordered = sorted(entries, key=lambda entry: entry.at)
    names = {issuer.issuer: issuer_name(issuer) for issuer in config.issuers}
    for line in _json_lines(ordered) if as_json else _lines(ordered, names):
        print(line)


def _json_lines(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        members = {"kind": entry.kind, "issuer": entry.issuer, "value": entry.value, "before": entry.before}
        notes = {"until": entry.until, "at": entry.at, "reason": entry.reason, "who": entry.who}
        yield json.dumps(members | notes)


def _lines(entries: Sequence[Entry], names: dict[str, str]) -> Iterator[str]:
    for entry in entries:
        value = entry.value[:12] if entry.kind == "token" else shown(entry.value) if entry.value else ""
        what = " ".join(
            filter(None, (entry.kind, value, names.get(entry.issuer, shown(entry.issuer)) if entry.issuer else ""))
        )
        limit = "" if entry.before is None else f" issued before {_written(entry.before)}"
        why = f": {entry.reason}" if entry.reason else ""
        yield f"{_written(entry.at)} {what}{limit}, until {_written(entry.until)}, by {entry.who or 'nobody'}{why}"
    yield f"{len(entries)} revoked" if entries else "nothing is revoked"


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
