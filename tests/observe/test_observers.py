"""The observer tells metrics and access log what it hears."""

import io
import json

import pytest

from gateway.core.config.log import Log
from gateway.core.errors import UnknownKey
from gateway.events import KeysFetched, KeysKnown, KeysSuppressed, RevocationAdded, RevocationsKnown, TokenIntrospected
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.observe.observers import Observers, Unheard
from gateway.ports import Ending, Observer
from gateway.sampled import Sampler
from tests.memory import facts


def test_everything_heard_is_counted() -> None:
    metrics, stream = Metrics(("a",)), io.StringIO()
    observers: Observer = Observers(metrics, AccessLog(Log(), stream))
    observers.token_looked_up(hit=True)
    observers.token_looked_up(hit=False)
    observers.token_verified("a", None)
    observers.token_verified(None, UnknownKey())
    observers.happened(KeysFetched("a", ok=True, at=123.0))
    observers.happened(KeysFetched("a", ok=False, at=456.0))
    observers.happened(KeysSuppressed("a"))
    observers.happened(KeysKnown("a", count=3, stale=True, age_limit=60.0))
    observers.happened(TokenIntrospected("a", "active", 0.25))
    observers.happened(TokenIntrospected("a", "crowded"))
    observers.happened(RevocationAdded("subject", "command"))
    observers.happened(RevocationsKnown((("subject", 4),)))
    observers.connections_open(7)
    observers.requests_in_flight(5)
    observers.upstream_connections("shop", idle=3, busy=2)
    observers.upstream_connections("shop", idle=4, busy=1)
    observers.tunnels_open(6)
    observers.request_ended(Ending(status=200))
    expected = {
        ("gateway_token_cache_lookups_total", ("result", "hit")): 1,
        ("gateway_token_cache_lookups_total", ("result", "miss")): 1,
        ("gateway_jwks_last_success_timestamp_seconds", ("issuer", "a")): 123,
        ("gateway_jwks_keys", ("issuer", "a")): 3,
        ("gateway_jwks_stale", ("issuer", "a")): 1,
        ("gateway_revocations", ("kind", "subject")): 4,
    }
    for (name, label), number in expected.items():
        assert metrics.registry.get_sample_value(name, dict([label])) == number
    for state, number in (("idle", 4), ("busy", 1)):
        labels = {"upstream": "shop", "state": state}
        assert metrics.registry.get_sample_value("gateway_upstream_connections", labels) == number
    assert metrics.registry.get_sample_value("gateway_tunnels_open") == 6
    for result in ("active", "crowded"):
        labels = {"issuer": "a", "result": result}
        assert metrics.registry.get_sample_value("gateway_introspections_total", labels) == 1
    assert metrics.registry.get_sample_value("gateway_introspection_seconds_sum") == 0.25
    labels = {"kind": "subject", "source": "command"}
    assert metrics.registry.get_sample_value("gateway_revocations_added_total", labels) == 1
    for result in ("ok", "error", "suppressed"):
        assert metrics.registry.get_sample_value("gateway_jwks_refreshes_total", {"issuer": "a", "result": result}) == 1
    assert metrics.registry.get_sample_value("gateway_connections_open") == 7
    assert metrics.registry.get_sample_value("gateway_requests_in_flight") == 5
    assert json.loads(stream.getvalue())["status"] == 200


def test_an_event_is_a_value_that_stays() -> None:
    event = KeysFetched("a", ok=True, at=123.0)
    assert event == KeysFetched("a", ok=True, at=123.0)
    with pytest.raises(AttributeError):
        event.ok = False  # type: ignore[misc]


def test_a_metric_that_counts_every_label_exists_from_the_start() -> None:
    registry = Metrics(("a",)).registry
    for result in ("hit", "miss"):
        assert registry.get_sample_value("gateway_token_cache_lookups_total", {"result": result}) == 0


def test_nobody_may_be_told_everything() -> None:
    nobody: Observer = Unheard()
    for name in ("connections_open", "requests_in_flight", "tunnels_open"):
        getattr(nobody, name)(1)
    nobody.token_looked_up(hit=True)
    nobody.token_verified("a", None)
    nobody.upstream_connections("shop", idle=1, busy=1)
    nobody.happened(KeysSuppressed("a"))
    nobody.request_ended(Ending(status=200))


class Heard:
    """Who makes spans."""

    def __init__(self) -> None:
        self.endings: list[Ending] = []
        self.events: list[object] = []

    def request_ended(self, ending: Ending) -> None:
        self.endings.append(ending)

    def happened(self, event: object) -> None:
        self.events.append(event)


def test_who_makes_spans_hears_of_traced_requests_and_of_what_could_not_be_read() -> None:
    heard = Heard()
    observers = Observers(Metrics(()), AccessLog(Log(access="none")), heard)
    told = facts()
    traced, _ = Sampler(1.0, ended=lambda part: None).begin(Ending(), told, 0.0)
    untraced, unread = Ending(), Ending(status=400)
    untraced.facts = told
    for one in (traced, untraced, unread):
        observers.request_ended(one)
    assert heard.endings == [traced, unread]
    event = KeysSuppressed("a")
    observers.happened(event)
    assert heard.events == [event]


def test_whoever_wants_to_hear_of_refusals_hears_of_those_alone() -> None:
    heard: list[Ending] = []
    observers = Observers(Metrics(("a",)), AccessLog(Log(), io.StringIO()), refused=heard.append)
    admitted, refused, reported = Ending(status=200), Ending(status=401, refusal=UnknownKey()), Ending(status=200)
    reported.reported = UnknownKey()
    for ending in (admitted, refused, reported):
        observers.request_ended(ending)
    assert heard == [refused, reported]
