"""`bearer-gateway explain`: what the gate says of one token and one request, step by step, and why.

The decision is `Gate.admit`'s own; this module only says which step it was and what there was to see. The token is
never printed.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.commands.configured import FAILED, OK, add_config, print_problems
from gateway.compose import build
from gateway.core.claims import find_claim
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.log import Log
from gateway.core.config.upstreams import Secret
from gateway.core.errors import (
    AmbiguousPath,
    BadRequest,
    BadSignature,
    Forbidden,
    InvalidRequest,
    InvalidToken,
    IssuerUnavailable,
    MethodNotAllowed,
    MissingCredential,
    NoRoute,
    Refusal,
    TokenTooLarge,
    TooLarge,
    UnknownKey,
)
from gateway.core.http.facts import Facts
from gateway.core.routing.admission import Admission
from gateway.core.routing.table import RouteTable
from gateway.core.shown import shown
from gateway.core.token.kind import classify
from gateway.core.token.rules import Token, rules_of
from gateway.observe.log import set_up_logging
from gateway.observe.observers import Unheard
from gateway.ports import Ending, Exchange, Response, Trail
from gateway.relay.client.facts import read_facts
from gateway.relay.client.peer import Peer
from gateway.settings.settings import load

HELP: Final = "say step by step what the gateway would make of a token"
DESCRIPTION: Final = (
    "Say step by step what the gateway would make of a token, and which headers the API would receive. "
    "Asks the issuer for its keys, and nobody else. Exit code 0: admitted, 1: refused."
)
#: bytes of a token that are read; more would be refused anyway
MAX_TOKEN: Final = 1 << 20

#: the steps of admission, in their order
STEPS: Final = (
    "request",
    "route",
    "credential",
    "form",
    "issuer",
    "class",
    "time",
    "audience",
    "binding",
    "subject",
    "signature",
    "headers",
    "policy",
)
#: the step that gives a refusal which does not say so itself; the first class that fits counts
STEP_OF: Final[tuple[tuple[type[Refusal], str], ...]] = (
    *((kind, "route") for kind in (AmbiguousPath, NoRoute, MethodNotAllowed)),
    *((kind, "credential") for kind in (MissingCredential, InvalidRequest, TokenTooLarge)),
    *((kind, "request") for kind in (BadRequest, TooLarge)),
    *((kind, "signature") for kind in (UnknownKey, BadSignature, IssuerUnavailable)),
    (InvalidToken, "form"),
    (Forbidden, "headers"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of admission."""

    name: str
    #: None: not reached
    passed: bool | None
    says: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the gate says, and why."""

    #: admitted, reported or refused
    verdict: str
    steps: tuple[Step, ...]
    refusal: Refusal | None = None
    passed_over: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


class _Nowhere:
    """An Upstream that nothing is sent to."""

    async def send(self, facts: Facts, admission: Admission, client: Exchange) -> Response:
        raise NotImplementedError(f"{facts.method} {admission.target!r} is only explained, {client} not asked")


async def explain(
    config: Config,
    token: bytes,
    *,
    method: str = "GET",
    target: str = "/",
    host: str = "localhost",
    secrets: Mapping[Secret, str] = MappingProxyType({}),
    clock: Callable[[], float] = time.time,
) -> Explanation:
    """What the gate would say of this request with this token. Asks the issuer for its keys, and nobody else."""
    assembly = build(config, observer=Unheard(), secrets=secrets, upstream=_Nowhere(), clock=clock)
    trail = Ending()
    headers = [(b"Host", host.encode("utf-8", "surrogateescape"))]
    if token:
        headers.append((b"Authorization", b"Bearer " + token))
    try:
        facts = trail.facts = read_facts(
            method=method,
            target=target.encode("utf-8", "surrogateescape"),
            version=(1, 1),
            headers=tuple(headers),
            peer=Peer("127.0.0.1", trusted=False),
            limits=config.limits,
        )
        admission = await assembly.gate.admit(facts, trail)
    except Refusal as refusal:
        return _explained(config, trail, refusal, now=clock())
    finally:
        await assembly.close()
    return _explained(config, trail, trail.reported, admission, now=clock())


def step_of(refusal: Refusal, trail: Trail) -> str:
    """The name of the step that gave a refusal."""
    if refusal.step is not None:
        return refusal.step
    if trail.identity is not None:
        return "policy"
    return next(step for kind, step in STEP_OF if isinstance(refusal, kind))


def _explained(
    config: Config, trail: Ending, refusal: Refusal | None, admission: Admission | None = None, *, now: float
) -> Explanation:
    failed = None if refusal is None else STEPS.index(step_of(refusal, trail))
    public = trail.route is not None and trail.route.public
    told = _told(config, trail, now=now)
    steps = []
    for index, name in enumerate(STEPS):
        if public and index > STEPS.index("route"):
            steps.append(Step(name, None, "not asked for: the route is public"))
        elif failed is None or index < failed:
            steps.append(Step(name, passed=True, says=told.get(name, "")))
        elif index == failed and refusal is not None:
            steps.append(Step(name, passed=False, says=f"{refusal.reason}: {refusal.evidence}"))
        else:
            steps.append(Step(name, None))
    skipped: list[tuple[str, str]] = []
    if trail.facts is not None and not isinstance(refusal, AmbiguousPath):
        skipped = RouteTable(config).passed_over(trail.facts)
    return Explanation(
        verdict="refused" if admission is None else "admitted" if refusal is None else "reported",
        steps=tuple(steps),
        refusal=refusal,
        passed_over=tuple(skipped),
        headers=_shown_lines(config, admission) if admission is not None else (),
        claims=trail.token.claims if trail.token is not None else {},
    )


def _told(config: Config, trail: Ending, *, now: float) -> dict[str, str]:
    """What there was to see at each step that passed."""
    told: dict[str, str] = {}
    if trail.facts is not None:
        told["request"] = f"{trail.facts.method} {trail.facts.path}"
    if trail.route is not None:
        told["route"] = trail.route.name + (" (only reports)" if trail.route.reports else "")
    if trail.token is not None:
        told |= _told_of_token(config, trail.token, now=now)
    if trail.candidate is not None:
        told["subject"] = f"sub {shown(trail.candidate.subject)}, client {shown(trail.candidate.client)}"
    if trail.key is not None:
        told["signature"] = f"by key {shown(trail.key.kid)} ({trail.key.thumbprint}), {len(trail.tried)} tried"
    if trail.identity is not None:
        told["headers"] = ", ".join(dict.fromkeys(name.decode() for name, _ in trail.identity.headers)) or "none"
        told["policy"] = f"scopes {' '.join(trail.identity.scopes) or 'none'}"
    return told


def _told_of_token(config: Config, token: Token, *, now: float) -> dict[str, str]:
    claims = token.claims
    told = {
        "credential": "one bearer token",
        "form": f"alg {token.alg}, kid {shown(token.kid)}, typ {shown(token.header.get('typ'))}",
        "binding": "none",
    }
    rules = next((rules_of(issuer) for issuer in config.issuers if issuer.issuer == claims.get("iss")), None)
    if rules is None:
        return told
    told["issuer"] = f"{rules.name} ({shown(rules.issuer)})"
    verdict = classify(token.header, claims, rules.preset, require_typ=rules.require_typ)
    told["class"] = f"{verdict.kind}: {verdict.evidence}"
    if isinstance(claims.get("exp"), int | float):
        told["time"] = f"expires in {claims['exp'] - now:.0f} s"
    name = next((name for name in rules.audience_claims if name in claims), "aud")
    told["audience"] = f"{name} is {shown(find_claim(claims, name))}; expected {shown(sorted(rules.audiences))}"
    return told


def _shown_lines(config: Config, admission: Admission) -> tuple[tuple[str, str], ...]:
    """The lines for the upstream, its own among them; of tokens and secrets only that they are there."""
    upstream = upstreams_of(config)[admission.route.upstream]
    hidden = {name.encode(): "(a secret)" for name, value in upstream.headers.items() if isinstance(value, Secret)}
    credential = "(the token)" if isinstance(upstream.authorization, str) else "(the gateway's own credential)"
    return tuple(
        (
            name.decode("latin-1"),
            credential
            if name.lower() == b"authorization"
            else hidden.get(name) or value.decode("utf-8", "backslashreplace"),
        )
        for name, value in admission.headers
    )


def as_json(explanation: Explanation) -> str:
    """For machines: verdict, reason, steps, routes passed over, headers."""
    refusal = explanation.refusal
    made: dict[str, Any] = {
        "verdict": explanation.verdict,
        "status": None if refusal is None else refusal.status,
        "reason": None if refusal is None else refusal.reason,
        "evidence": None if refusal is None else refusal.evidence,
        "steps": [{"step": step.name, "passed": step.passed, "says": step.says} for step in explanation.steps],
        "passed_over": [{"route": name, "because": why} for name, why in explanation.passed_over],
        "headers": [list(line) for line in explanation.headers],
    }
    return json.dumps(made, indent=2)


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
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("file", nargs="?", metavar="FILE", help="file with the token; default: standard input")


def run(arguments: argparse.Namespace) -> int:
    """Prints it; 1 when the token is refused, or nothing can be said."""
    loaded = load(arguments.config, os.environ)
    if loaded.config is None:
        print_problems(loaded, file=sys.stderr)
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
    """The token in a file or on standard input."""
    if path is None and sys.stdin.isatty():
        print("Paste the token, then press Enter and Ctrl-D.", file=sys.stderr)
    raw = sys.stdin.buffer.read(MAX_TOKEN) if path is None else Path(path).read_bytes()[:MAX_TOKEN]
    text = raw.strip()
    return text[7:].strip() if text[:7].lower() == b"bearer " else text
