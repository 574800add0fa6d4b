"""The whole status in one document: how the program is, who it depends on, and what is wrong, in sentences."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from gateway.console.findings import CLOCKS, findings, silence_of, worst_issuers
from gateway.console.history import History
from gateway.console.sources import About
from gateway.console.told import IssuerTold, Told, upstreams_by_name
from gateway.core.errors import Draining

#: seconds: an upstream that responded, or failed, within them is said to do so now
NOW: Final = 60.0
_DAY: Final = 24 * 3600.0


def status_of(about: About, history: History, *, now: float) -> dict[str, Any]:
    """As the API has it. `now`: seconds since the epoch."""
    told = history.processes(now)
    shown_already = {one.name for one in worst_issuers(told) if one.error is not None}
    missing = [f"{name}: {why}" for name, why in about.missing if name not in shown_already]
    unready, lacking = ([], missing) if about.is_ready else (missing, [])
    found = findings(history, told, issuers=about.issuers, now=now, unready=unready, lacking=lacking)
    return {
        "version": about.version,
        "config": about.config,
        "now": now,
        "uptime": max(0.0, now - about.started_at),
        "ready": about.is_ready,
        Draining.reason: about.is_draining,
        "missing": [{"name": name, "reason": why} for name, why in about.missing],
        "findings": [asdict(one) for one in found],
        "listeners": about.listeners,
        "workers": about.workers,
        "issuers": list(_issuers(about, told)),
        "upstreams": list(_upstreams(history, told, now)),
        "store": _store(about, told),
        "revocations": _revocations(about, told),
        "connections": sum(one.connections for one in told),
        "streams": sum(one.streams for one in told),
        "certificates": [
            {"name": name, "ends_at": ends_at, "days": round((ends_at - now) / _DAY, 1)}
            for name, ends_at in {one.name: one.ends_at for process in told for one in process.certificates}.items()
        ],
    }


def _issuers(about: About, told: list[Told]) -> Iterable[dict[str, Any]]:
    urls = {one.name: one.issuer for one in about.issuers}
    for one in worst_issuers(told):
        yield {
            "name": one.name,
            "issuer": urls.get(one.name, one.name),
            "state": _issuer_state(one),
            "keys": one.keys,
            "age": one.age,
            "next_refresh": one.due_in,
            "error": one.error,
            "is_kept": one.is_kept,
            "clock_ahead": one.clock_ahead,
        }


def _issuer_state(one: IssuerTold) -> str:
    if not one.has_keys:
        return "down" if one.error is not None else "starting"
    if one.error is not None:
        return "failing"
    return "clock" if one.clock_ahead is not None and abs(one.clock_ahead) > CLOCKS else "ok"


def _upstreams(history: History, told: list[Told], now: float) -> Iterable[dict[str, Any]]:
    for name, ones in upstreams_by_name(told).items():
        seen = history.upstreams.get(name)
        responded = None if seen is None else seen.responded_at
        failed = None if seen is None else seen.failed_at
        failure = None if seen is None else seen.failure
        error = next((one.error for one in ones if one.error is not None), None)
        if failed is not None and (responded is None or failed > responded):
            state = "failing"
        elif error is not None:
            state = "no token"
        elif silence_of(ones, responded, now) > 0.0:
            state = "silent"
        elif responded is None:
            state = "not asked yet"
        else:
            state = "ok" if now - responded < NOW else "idle"
        yield {
            "name": name,
            "url": ones[0].url,
            "state": state,
            "responded": None if responded is None else max(0.0, now - responded),
            "failed": None if failed is None else max(0.0, now - failed),
            "error": error or (None if failure is None else failure.evidence or failure.reason),
            "idle": sum(one.idle for one in ones),
            "busy": sum(one.busy for one in ones),
        }


def _store(about: About, told: list[Told]) -> dict[str, Any] | None:
    if not about.has_store:
        return None
    error = next((one.store for one in told if one.store is not None), None)
    return {"state": "ok" if error is None else "down", "error": error}


def _revocations(about: About, told: list[Told]) -> dict[str, Any] | None:
    if not about.can_revoke:
        return None
    counts = [one.revoked for one in told if one.revoked is not None]
    return {"entries": max(counts, default=0), "is_stale": any(one.is_stale for one in told)}
