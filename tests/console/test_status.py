"""How issuers, upstreams and the store are, in a word each."""

from typing import Any

import pytest

from gateway.console.findings import Named
from gateway.console.history import History
from gateway.console.sources import About
from gateway.console.status import status_of
from gateway.console.told import CertificateTold, IssuerTold, Refused, Told, UpstreamTold
from gateway.core.errors import UpstreamTimeout

NOW = 10_000.0
ABOUT = About(
    version="1",
    config="c",
    started_at=NOW - 60,
    is_ready=True,
    missing=(),
    is_draining=False,
    listeners={},
    workers=1,
    issuers=(Named("login", "https://login.example"),),
    has_store=False,
    can_revoke=False,
)


def status(*told: Told, **about: Any) -> dict[str, Any]:
    history = History(own=(1.0,), upstream=(1.0,))
    for number, one in enumerate(told):
        history.add(one, process=number)
    fields = {name: getattr(ABOUT, name) for name in ABOUT.__slots__} | about
    return status_of(About(**fields), history, now=NOW)


@pytest.mark.parametrize(
    ("issuer", "state"),
    [
        (IssuerTold("login"), "starting"),
        (IssuerTold("login", error="gone"), "down"),
        (IssuerTold("login", 1, has_keys=True, error="gone"), "failing"),
        (IssuerTold("login", 1, has_keys=True, clock_ahead=600.0), "clock"),
        (IssuerTold("login", 1, has_keys=True, clock_ahead=1.0), "ok"),
    ],
)
def test_an_issuer_is_in_one_of_five_states(issuer: IssuerTold, state: str) -> None:
    (shown,) = status(Told(NOW, issuers=[issuer]))["issuers"]
    assert (shown["state"], shown["issuer"]) == (state, "https://login.example")


def told(
    at: float, *, responded: int = 0, failed: bool = False, error: str | None = None, silence: float = 0.0
) -> Told:
    failure = Refused(at, 504, UpstreamTimeout.reason, "failed", evidence="slow", upstream="api")
    upstream = UpstreamTold("api", "http://api", responded=responded, idle=1, busy=2, error=error)
    upstream.silent, upstream.silence = int(silence > 0.0), silence
    return Told(at, upstreams=[upstream], refusals=[failure] if failed else [])


@pytest.mark.parametrize(
    ("before", "now", "state", "error"),
    [
        (told(NOW - 9), told(NOW), "not asked yet", None),
        (told(NOW - 9), told(NOW, responded=1), "ok", None),
        (told(NOW - 99, responded=1), told(NOW), "idle", None),
        (told(NOW - 9, responded=1), told(NOW, failed=True), "failing", "slow"),
        (told(NOW - 9, failed=True), told(NOW, responded=1), "ok", "slow"),
        (told(NOW - 9), told(NOW, error="no token"), "no token", "no token"),
        (told(NOW - 9), told(NOW, silence=20.0), "silent", None),
        (told(NOW - 9, responded=1), told(NOW, silence=20.0), "ok", None),
    ],
)
def test_an_upstream_is_as_it_was_last_heard_of(before: Told, now: Told, state: str, error: str | None) -> None:
    history = History(own=(1.0,), upstream=(1.0,))
    history.add(before)
    history.add(now)
    (shown,) = status_of(ABOUT, history, now=NOW)["upstreams"]
    assert (shown["state"], shown["error"], shown["idle"], shown["busy"]) == (state, error, 1, 2)


def test_processes_are_added_up() -> None:
    shown = status(
        Told(NOW, connections=1, streams=2, revoked=3, certificates=[CertificateTold("listen", NOW + 86400)]),
        Told(NOW, connections=4, streams=5, revoked=3, is_stale=True, store="gone"),
        has_store=True,
        can_revoke=True,
    )
    assert (shown["connections"], shown["streams"]) == (5, 7)
    assert shown["revocations"] == {"entries": 3, "is_stale": True}
    assert shown["store"] == {"state": "down", "error": "gone"}
    assert shown["certificates"] == [{"name": "listen", "ends_at": NOW + 86400, "days": 1.0}]
    assert status(Told(NOW), has_store=True)["store"] == {"state": "ok", "error": None}
    assert status()["store"] is status()["revocations"] is None


def test_why_it_is_not_ready_is_a_finding_unless_another_one_says_so() -> None:
    missing = (("login", "gone"), ("upstream a", "no token"))
    shown = status(Told(NOW, issuers=[IssuerTold("login", error="gone")]), is_ready=False, missing=missing)
    assert [one["where"] for one in shown["findings"]] == ["provider", "gateway"]
    shown_ready = status(Told(NOW), missing=missing[1:])
    assert [(one["severity"], one["says"]) for one in shown_ready["findings"]] == [
        ("warning", "Something is missing: upstream a: no token.")
    ]
    assert shown["missing"] == [{"name": "login", "reason": "gone"}, {"name": "upstream a", "reason": "no token"}]
