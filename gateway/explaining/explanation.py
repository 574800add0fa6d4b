"""What the gate says of one token and one request, step by step, and why.

The decision and the account of it are `Gate.admit`'s own; this module puts them into words. The token is never shown.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.assembly import Assembly
from gateway.compose import build
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import UpstreamSection, asserted_of, token_requests_of
from gateway.core.errors import MethodNotAllowed, NoRoute, Refusal
from gateway.core.http.facts import HeaderLine
from gateway.core.http.field_line import FieldLine
from gateway.core.http.hosts import WILDCARD
from gateway.core.http.placed import Place
from gateway.core.revocation.entry import Entry
from gateway.core.routing.admission import Admission
from gateway.core.routing.table import RouteTable
from gateway.core.trail import Step
from gateway.explaining.asked import UPGRADE, with_token
from gateway.explaining.step_words import WORDS
from gateway.explaining.unasked import EXCHANGED, FETCHED, Nowhere, Shown, Unasked
from gateway.observe.observers import Unheard
from gateway.ports import Ending
from gateway.relay.client.facts import read_facts
from gateway.relay.client.peer import Peer
from gateway.store.journal import read_journal

#: bytes of a token that are read; more would be refused anyway
MAX_TOKEN: Final = 1 << 20

#: steps that are told of only where a request takes them: something has to be configured or known for that
_SELDOM: Final = frozenset(
    {
        Step.REMEMBERED,
        Step.BAD_TOKENS,
        Step.INTROSPECTION,
        Step.REVOCATION,
        Step.ORIGIN,
        Step.RATES,
        Step.USERINFO,
        Step.CONDITION,
        Step.REPLAY,
        Step.BODY,
        Step.EXCHANGE,
        Step.UPSTREAM,
    }
)
#: the token that an API would get
#: the steps that are told of whether a request comes to them or not, in order
STEPS: Final = tuple(str(step) for step in Step if step not in _SELDOM)


@dataclass(frozen=True, slots=True)
class Line:
    """What there is to say of one step."""

    name: str
    #: None: not reached, or not needed
    passed: bool | None
    says: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the gate says, and why."""

    #: admitted, reported or refused
    verdict: str
    steps: tuple[Line, ...]
    refusal: Refusal | None = None
    passed_over: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


log = logging.getLogger("gateway")


class CannotExplain(Exception):
    """Nothing can be said; a sentence that begins with a key."""


async def explain(  # noqa: PLR0913 -- as many as a request has parts
    config: Config,
    token: bytes,
    *,
    method: str = "GET",
    target: str = "/",
    host: str = "localhost",
    certificate: bytes | None = None,
    place: Place | None = None,
    headers: tuple[HeaderLine, ...] = (),
    proof: bytes | None = None,
    secrets: Mapping[Secret, str] = MappingProxyType({}),
    beside: Assembly | None = None,
    clock: Callable[[], float] = time.time,
) -> Explanation:
    """What the gate would say of this request with this token. Asks the issuer what it would ask, and nobody else.

    `certificate`: in DER, as if the client had shown it when TLS began; None: none. `place`: where the token stands;
    None: in Authorization. `headers`: further lines. `proof`: a DPoP proof, which is not used up, beside a token under
    that scheme; None: a bearer token.
    Of what is revoked it knows what stands in the journal. `beside`: what serves here, whose keys and list of what is
    revoked are used instead. CannotExplain: a file was spoilt after it was checked.
    """
    try:
        assembly = build(
            config,
            observer=Unheard(),
            secrets=secrets,
            upstream=Nowhere(),
            counts=False,
            tokens=Unasked(config),
            beside=beside,
            clock=clock,
        )
    except ValueError as error:
        raise CannotExplain(str(error)) from None
    ending = Ending()
    admission = None
    raw, lines = with_token(target.encode("utf-8", "surrogateescape"), token, place, proof=proof)
    lines = ((b"Host", host.encode("utf-8", "surrogateescape")), *lines, *headers)
    if assembly.revocations is not None and beside is None:
        assembly.revocations.replace(_revoked(config, now=clock()))
    try:
        ending.facts = read_facts(
            method=method,
            target=raw,
            version=(1, 1),
            lines=tuple(FieldLine(name, value) for name, value in lines),
            peer=Peer("127.0.0.1", trusted=False, certificate=Shown(certificate)),
            limits=config.limits,
            upgrade=set(UPGRADE) <= set(lines),
        )
        admission = await assembly.gate.admit(ending.facts, ending)
    except Refusal as refusal:
        ending.refusal = refusal
    finally:
        await assembly.close()
    return explanation_of(ending, admission, config, routes=assembly.gate.routes)


def _revoked(config: Config, *, now: float) -> tuple[Entry, ...]:
    """What a gateway here has in its journal; nothing where it has none, or that is another's to read."""
    if config.revocation is None or config.revocation.file is None:
        return ()
    try:
        return read_journal(config.revocation.file, now=now)
    except ValueError as error:
        log.error("what is revoked is not known here: revocation.file %s", error)  # noqa: TRY400 -- all there is to say
        return ()


def explanation_of(ending: Ending, admission: Admission | None, config: Config, *, routes: RouteTable) -> Explanation:
    """A request that was admitted or refused, in words. `routes`: those that it was matched with."""
    refusal = ending.refusal or ending.reported
    failed = ending.step if ending.refusal is not None else ending.reported_at
    skipped: list[tuple[str, str]] = []
    if ending.facts is not None and (failed is not Step.ROUTE or isinstance(refusal, NoRoute | MethodNotAllowed)):
        skipped = routes.passed_over(ending.facts)
    return Explanation(
        verdict="refused" if admission is None else "admitted" if refusal is None else "reported",
        steps=tuple(
            Line(step, passed=False, says=f"{refusal.reason}: {refusal.evidence}")
            if step is failed and refusal is not None
            else Line(step, passed=True, says=WORDS[step](ending, ending.values(step)))
            if step in ending.steps
            else Line(step, passed=None, says=_why_not(step, ending))
            for step in Step
            if step not in _SELDOM or step in ending.steps
        ),
        refusal=refusal,
        passed_over=tuple(skipped),
        headers=_shown_lines(config, admission) if admission is not None else (),
    )


def _why_not(step: Step, ending: Ending) -> str:
    """Why a step was not entered; nothing where a step before it refused."""
    if ending.route is not None and ending.route.public:
        return "not asked for: the route is public"
    if ending.route is not None and ending.route.optional and Step.CREDENTIAL not in ending.steps:
        return "not asked for: there is no credential, and the route does without"
    order = list(Step)
    if Step.REMEMBERED in ending.steps and order.index(step) <= order.index(Step.HEADERS):
        return "passed before"
    if step is Step.SIGNATURE and Step.INTROSPECTION in ending.steps:
        return "not asked for: its issuer was asked"
    return ""


def _shown_lines(config: Config, admission: Admission) -> tuple[tuple[str, str], ...]:
    """The lines for the upstream, its own among them; of tokens and secrets only that they are there."""
    upstream = upstreams_of(config)[admission.route.upstream]
    hidden = {name.encode(): "(a secret)" for name, value in upstream.headers.items() if isinstance(value, Secret)}
    credential = _shown_credential(upstream)
    return tuple(
        (
            name.decode("latin-1"),
            credential
            if name.lower() == b"authorization"
            else hidden.get(name) or value.decode("utf-8", "backslashreplace"),
        )
        for name, value in admission.headers
    )


def _shown_credential(upstream: UpstreamSection) -> str:
    """What stands for the API's Authorization."""
    if asserted_of(upstream) is not None:
        return "(the proof of origin)"
    requests = token_requests_of(upstream)
    if requests:
        return f"({EXCHANGED if 'exchange' in requests else FETCHED})"
    return "(the token)" if isinstance(upstream.authorization, str) else "(the gateway's own credential)"


def as_json(explanation: Explanation) -> str:
    """For machines: verdict, reason, steps, routes passed over, headers."""
    return json.dumps(members_of(explanation), indent=2)


def members_of(explanation: Explanation) -> dict[str, Any]:
    """The same, before it is written."""
    refusal = explanation.refusal
    return {
        "verdict": explanation.verdict,
        "status": None if refusal is None else refusal.status,
        "reason": None if refusal is None else refusal.reason,
        "evidence": None if refusal is None else refusal.evidence,
        "steps": [{"step": step.name, "passed": step.passed, "says": step.says} for step in explanation.steps],
        "passed_over": [{"route": name, "because": why} for name, why in explanation.passed_over],
        "headers": [list(line) for line in explanation.headers],
    }


def split_url(url: str) -> tuple[str, str]:
    """Host and target. What begins with a slash is a path as it stands, two of them as well, and has no host."""
    if url.startswith("/"):
        return "", url.partition("#")[0]
    parts = urlsplit(url)
    return parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def usual_host(config: Config) -> str:
    """The host of a request of which only the path is said: one that is served."""
    host = config.hosts[0] if config.hosts else "localhost"
    return host.replace(WILDCARD, "any.") if host.startswith(WILDCARD) else host
