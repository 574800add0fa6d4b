"""What is wrong, in sentences: who it is, the provider, the store, the API, a client or us, and what to do about it.

A pure function of what is known; whoever reads it needs no log.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway.console import remedies
from gateway.console.advice import advice_by_reason
from gateway.console.history import History
from gateway.console.told import IssuerTold, Refused, Told, UpstreamTold, upstreams_by_name
from gateway.core.errors import (
    IdToken,
    InvalidToken,
    TokenExpired,
    TokenMalformed,
    UnknownIssuer,
    UntimelyToken,
    UpstreamFailed,
    UpstreamTimeout,
    WrongAudience,
    reasons,
)

Severity = Literal["problem", "warning"]
#: whose it is
Where = Literal["provider", "client", "api", "store", "gateway", "clock"]

#: seconds by which clocks may differ before it is said; a Date has whole seconds, and a response takes its time
CLOCKS: Final = 30.0
#: seconds: what is older is history
FRESH: Final = 15 * 60.0
#: days before its end that a certificate is told of
CERTIFICATE_DAYS: Final = 14
#: how many of a kind are told one by one
MOST: Final = 10
_DAY: Final = 24 * 3600.0
_LACKING: Final = "Look at what is named: bearer-gateway check --online asks all that the gateway depends on."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    severity: Severity
    where: Where
    #: what it is, and what to do
    says: str
    advice: str


@dataclass(frozen=True, slots=True)
class Named:
    """An issuer as it is configured."""

    name: str
    issuer: str


def findings(
    history: History,
    told: Sequence[Told],
    *,
    issuers: Sequence[Named],
    now: float,
    unready: Iterable[str] = (),
    lacking: Iterable[str] = (),
) -> list[Finding]:
    """Everything that is wrong, what stops most requests first. `told`: what each process said last.

    `unready`: why the gateway is not ready, where nothing else says so; `lacking`: what it can do without.
    `now`: seconds since the epoch.
    """
    fresh = [refused for refused in history.refusals if now - refused.at < FRESH]
    by_name = {one.name: one.issuer for one in issuers}
    found = [
        *_issuers(told, by_name),
        *_clocks(told, fresh),
        *_upstreams(history, told, now),
        *_store(told),
        *(Finding("problem", "gateway", f"Not ready: {why}.", _LACKING) for why in unready),
        *(Finding("warning", "gateway", f"Something is missing: {why}.", _LACKING) for why in lacking),
        *_clients(fresh, by_name),
        *_certificates(told, now),
    ]
    return sorted(found, key=lambda one: one.severity != "problem")


def worst_issuers(told: Sequence[Told]) -> list[IssuerTold]:
    """Each issuer once: as the process has it in which it is worst."""
    found: dict[str, IssuerTold] = {}
    for process in told:
        for one in process.issuers:
            other = found.get(one.name)
            if other is None or (one.has_keys, one.error is None) < (other.has_keys, other.error is None):
                found[one.name] = one
    return list(found.values())


def _issuers(told: Sequence[Told], by_name: dict[str, str]) -> Iterator[Finding]:
    for one in worst_issuers(told):
        if one.error is None:
            continue
        configured = by_name.get(one.name, one.name)
        meanwhile = "the keys known serve on" if one.has_keys else "no token of it can be verified"
        yield Finding(
            "warning" if one.has_keys else "problem",
            "provider",
            f"The keys of issuer {one.name} (configured as {configured}) cannot be had, {meanwhile}: {one.error}.",
            remedies.of_issuer(one.error, configured),
        )


def _clocks(told: Sequence[Told], fresh: Sequence[Refused]) -> Iterator[Finding]:
    known_ahead = [one.clock_ahead for one in worst_issuers(told) if one.clock_ahead is not None]
    # Several providers that are all wrong by the same are not wrong.
    ours = len(known_ahead) > 1 and max(known_ahead) - min(known_ahead) < CLOCKS < min(map(abs, known_ahead))
    advice = (
        "All issuers say so: it is the clock of this machine. Set it by NTP; `timedatectl` says whether that runs."
        if ours
        else remedies.OF_A_CLOCK
    )
    known = set()
    for one in worst_issuers(told):
        ahead = one.clock_ahead
        if ahead is not None and abs(ahead) > CLOCKS:
            known.add(one.name)
            direction = "ahead of" if ahead > 0 else "behind"
            yield Finding(
                "problem",
                "clock",
                f"The clock of issuer {one.name} is {_duration(abs(ahead))} {direction} the clock of this gateway: "
                + ("its tokens are not good yet when they come." if ahead > 0 else "its tokens end too early here."),
                advice,
            )
    early = [one for one in fresh if one.untimely is not None and one.untimely > CLOCKS and one.issuer not in known]
    for issuer in sorted({one.issuer or "" for one in early}):
        last = [one for one in early if (one.issuer or "") == issuer][-1]
        yield Finding(
            "problem",
            "clock",
            f"Tokens of issuer {issuer} are from the future, the last by {_duration(last.untimely or 0.0)}: the "
            "clock of "
            "this gateway is behind, or that of the provider is ahead.",
            advice,
        )


def silence_of(ones: Sequence[UpstreamTold], responded_at: float | None, now: float) -> float:
    """Seconds for which requests wait for an upstream that has responded to nobody meanwhile; 0: it responds.

    `ones`: as each process has it.
    """
    longest = max((one.silence for one in ones if one.silent), default=0.0)
    return longest if responded_at is None or now - responded_at > longest else 0.0


def _upstreams(history: History, told: Sequence[Told], now: float) -> Iterator[Finding]:
    yield from _silent_upstreams(history, told, now)
    for name, seen in history.upstreams.items():
        if seen.failure is None or seen.failed_at is None or now - seen.failed_at > FRESH:
            continue
        kind = reasons().get(seen.failure.reason)
        if kind is None or not issubclass(kind, UpstreamFailed | UpstreamTimeout):
            continue
        since = seen.responded_at is not None and seen.responded_at > seen.failed_at
        what = seen.failure.evidence or kind.public
        yield Finding(
            "warning" if since else "problem",
            "api",
            f"The API (upstream {name}) {'failed' if since else 'fails'} {_ago(now - seen.failed_at)}: {what}"
            + ("; it has responded since." if since else "."),
            remedies.of_api(what),
        )


def _silent_upstreams(history: History, told: Sequence[Told], now: float) -> Iterator[Finding]:
    """Those that take requests and respond to none."""
    for name, ones in upstreams_by_name(told).items():
        seen = history.upstreams.get(name)
        silence = silence_of(ones, None if seen is None else seen.responded_at, now)
        if silence > 0.0:
            count = sum(one.silent for one in ones)
            yield Finding(
                "problem",
                "api",
                f"The API (upstream {name}, {ones[0].url}) takes requests and does not respond: "
                f"{count} {'waits' if count == 1 else 'wait'} for it, the longest for {_duration(silence)}.",
                remedies.OF_A_SILENT_API,
            )
    for name, seen in history.upstreams.items():
        gone = seen.abandoned
        if gone is None or now - gone.at > FRESH:
            continue
        since = seen.responded_at is not None and seen.responded_at > gone.at
        yield Finding(
            "warning" if since else "problem",
            "api",
            f"The API (upstream {name}) kept a client waiting that went away without a response after "
            f"{_duration(gone.waited or 0.0)}, {_ago(now - gone.at)}" + ("; it has responded since." if since else "."),
            remedies.OF_A_SILENT_API,
        )


def _store(told: Sequence[Told]) -> Iterator[Finding]:
    for why in sorted({process.store for process in told if process.store is not None}):
        yield Finding(
            "problem", "store", f"The store cannot be had: {why}.", "Look at Redis, and at the way there: store.url."
        )
    if any(process.is_stale for process in told):
        yield Finding(
            "problem",
            "store",
            "The list of what is revoked is too old to be relied on.",
            "Look at the store: no process hears of what others revoke.",
        )


def _clients(fresh: Sequence[Refused], by_name: dict[str, str]) -> Iterator[Finding]:
    """What clients do wrong, each client and reason once."""
    last: dict[tuple[str, str], Refused] = {}
    counts: dict[tuple[str, str], int] = {}
    for one in fresh:
        key = (one.reason, one.client or "")
        last[key] = one
        counts[key] = counts.get(key, 0) + 1
    told = 0
    for key, one in sorted(last.items(), key=lambda item: counts[item[0]], reverse=True):
        finding = _of_client(one, counts[key], by_name)
        if finding is not None and told < MOST:
            told += 1
            yield finding


def _of_client(one: Refused, count: int, by_name: dict[str, str]) -> Finding | None:
    who = f"Client {one.client}" if one.client else f"A client at {one.peer or 'an unknown address'}"
    times = "once" if count == 1 else f"{count} times"
    at = f" for {one.method} {one.path}" if one.path else ""
    configured = by_name.get(one.issuer or "", "")
    kind = reasons().get(one.reason)
    if kind is IdToken:
        return Finding(
            "problem",
            "client",
            f"{who} sends an ID token instead of an access token, {times} of late{at}: {one.evidence}.",
            "Have it send the access token: the other one that the provider gave it at the same time.",
        )
    if kind is WrongAudience:
        return Finding(
            "problem",
            "client",
            f"{who} sends tokens that are for another API, {times} of late{at}: {one.evidence}.",
            "Have it ask the provider for a token for this API (audience, resource or scope, by provider); or correct "
            "audience in the configuration, if this is the name of this API.",
        )
    if kind is UnknownIssuer:
        return Finding(
            "problem",
            "client",
            f"{who} sends tokens of an issuer that is not configured, {times} of late{at}: {one.evidence}.",
            "If this is your provider under another name (another host, http for https, a slash at the end): correct "
            "issuer in the configuration to what the token says, to the letter.",
        )
    if kind is TokenExpired and count > 2:
        of = f" of issuer {one.issuer}" + (f" ({configured})" if configured not in {"", one.issuer} else "")
        return Finding(
            "warning",
            "client",
            f"{who} sends tokens{of} that have expired, {times} of late{at}: {one.evidence}.",
            "Have it get a new token before the old one ends. If all clients have this: look at the clocks.",
        )
    if kind is TokenMalformed:
        return Finding(
            "problem",
            "client",
            f"{who} sends a token that is no JWT, {times} of late{at}: {one.evidence}.",
            "Many providers give one when they are not asked for a token for this API (audience, resource or scope, by "
            "provider): have it ask so. Where all of the provider's tokens are like that, configure introspection.",
        )
    if kind is not None and issubclass(kind, InvalidToken) and not issubclass(kind, UntimelyToken):
        return Finding(
            "warning",
            "client",
            f"{who} is refused ({one.reason}), {times} of late{at}{f': {one.evidence}' if one.evidence else ''}.",
            advice_by_reason().get(one.reason, ""),
        )
    return None


def _certificates(told: Sequence[Told], now: float) -> Iterator[Finding]:
    for name, ends_at in {one.name: one.ends_at for process in told for one in process.certificates}.items():
        left = (ends_at - now) / _DAY
        if left < CERTIFICATE_DAYS:
            yield Finding(
                "problem" if left <= 0 else "warning",
                "gateway",
                f"The certificate of {name} {'has ended' if left <= 0 else f'ends in {left:.0f} days'}.",
                "Renew it: the files are looked at again by themselves.",
            )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"


def _ago(seconds: float) -> str:
    return "now" if seconds < 10 else f"({_duration(seconds)} ago)"
