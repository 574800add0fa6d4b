from prometheus_client import CollectorRegistry, generate_latest

from gateway.events import StoreKnown, StoreUsed
from gateway.observe.metrics.store_metrics import StoreMetrics


def test_without_a_store_there_is_neither_up_nor_down() -> None:
    registry = CollectorRegistry()
    StoreMetrics(registry)
    assert b"gateway_store_up" not in generate_latest(registry)
    assert b"gateway_store_seconds" not in generate_latest(registry)


def test_what_is_counted_of_one() -> None:
    registry = CollectorRegistry()
    metrics = StoreMetrics(registry)
    metrics.used(StoreUsed("replay", "ok", 0.0004))
    metrics.used(StoreUsed("replay", "timeout", 0.25))
    metrics.known(StoreKnown(up=False, evicts=True))
    text = generate_latest(registry).decode()
    assert 'gateway_store_operations_total{result="ok",use="replay"} 1.0' in text
    assert 'gateway_store_operations_total{result="timeout",use="replay"} 1.0' in text
    assert 'gateway_store_seconds_bucket{le="0.0005"} 1.0' in text
    assert "gateway_store_seconds_count 2.0" in text
    assert "gateway_store_up 0.0" in text
    assert "gateway_store_evicts 1.0" in text
    metrics.known(StoreKnown(up=True, evicts=False))
    assert "gateway_store_up 1.0" in generate_latest(registry).decode()
