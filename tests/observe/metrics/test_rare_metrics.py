"""What happens rarely is counted, each kind where it belongs: every event that there is has a place."""

from typing import get_args

from prometheus_client import CollectorRegistry

from gateway.events import Event, KeysFetched, ProofJudged, ProofsKnown, RevocationsKnown, TokenRequested
from gateway.observe.metrics.rare_metrics import RareMetrics


def test_every_kind_of_event_is_counted() -> None:
    rare = RareMetrics(CollectorRegistry(), issuers=(), logouts=())
    assert set(rare._heard) == set(get_args(Event))


def test_what_is_heard_stands_in_the_registry() -> None:
    registry = CollectorRegistry()
    rare = RareMetrics(registry, issuers=("login",), logouts=("login",))
    rare.happened(KeysFetched("login", ok=True, at=7.0))
    rare.happened(RevocationsKnown((("sid", 3),)))
    rare.happened(TokenRequested("orders", "refused"))
    rare.happened(ProofJudged("proof_replayed"))
    value = registry.get_sample_value
    assert value("gateway_dpop_proofs_total", {"result": "proof_replayed"}) == 1
    # Where a store remembers, nothing is said of a memory.
    assert value("gateway_dpop_used_proofs") is None
    for known in (7, 0):
        rare.happened(ProofsKnown(known))
        assert value("gateway_dpop_used_proofs") == known
    assert value("gateway_jwks_refreshes_total", {"issuer": "login", "result": "ok"}) == 1
    assert value("gateway_jwks_last_success_timestamp_seconds", {"issuer": "login"}) == 7
    assert value("gateway_revocations", {"kind": "sid"}) == 3
    assert value("gateway_exchanges_total", {"upstream": "orders", "result": "refused"}) == 1
    assert value("gateway_backchannel_logouts_total", {"issuer": "login", "result": "ok"}) == 0
