"""The observer tells metrics and access log what it hears."""

import io
import json

from gateway.core.config.log import Log
from gateway.core.errors import UnknownKey
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.observe.observers import Witness
from gateway.ports import Ending, Observer


def test_everything_heard_is_counted() -> None:
    metrics, stream = Metrics(("a",)), io.StringIO()
    witness: Observer = Witness(metrics, AccessLog(Log(), stream))
    witness.token_looked_up(hit=True)
    witness.token_looked_up(hit=False)
    witness.token_verified("a", None)
    witness.token_verified(None, UnknownKey())
    witness.keys_fetched("a", ok=True, at=123.0)
    witness.keys_fetched("a", ok=False, at=456.0)
    witness.keys_suppressed("a")
    witness.keys_known("a", count=3, stale=True)
    witness.connections_open(7)
    witness.requests_in_flight(5)
    witness.upstream_connections("shop", idle=3, busy=2)
    witness.upstream_connections("shop", idle=4, busy=1)
    witness.tunnels_open(6)
    witness.request_ended(Ending(status=200))
    expected = {
        ("gateway_token_cache_lookups_total", ("result", "hit")): 1,
        ("gateway_token_cache_lookups_total", ("result", "miss")): 1,
        ("gateway_jwks_last_success_timestamp_seconds", ("issuer", "a")): 123,
        ("gateway_jwks_keys", ("issuer", "a")): 3,
        ("gateway_jwks_stale", ("issuer", "a")): 1,
    }
    for (name, label), number in expected.items():
        assert metrics.registry.get_sample_value(name, dict([label])) == number
    for state, number in (("idle", 4), ("busy", 1)):
        labels = {"upstream": "shop", "state": state}
        assert metrics.registry.get_sample_value("gateway_upstream_connections", labels) == number
    assert metrics.registry.get_sample_value("gateway_tunnels_open") == 6
    for result in ("ok", "error", "suppressed"):
        assert metrics.registry.get_sample_value("gateway_jwks_refreshes_total", {"issuer": "a", "result": result}) == 1
    assert metrics.registry.get_sample_value("gateway_connections_open") == 7
    assert metrics.registry.get_sample_value("gateway_requests_in_flight") == 5
    assert json.loads(stream.getvalue())["status"] == 200
