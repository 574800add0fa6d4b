"""The metrics count what happened, under names and labels that stay."""

import pytest
from prometheus_client import generate_latest

from gateway.core.config.routes import RouteSection
from gateway.core.errors import (
    BadSignature,
    ClientDisconnected,
    InternalError,
    IssuerUnavailable,
    MissingCredential,
    Refusal,
    UpstreamBusy,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.core.http.facts import Facts
from gateway.core.routing.route import compile_route
from gateway.events import KeysKnown
from gateway.observe.metrics.metrics import BUCKETS, LAGS, Metrics, outcome_of
from tests.values import ending

ROUTE = compile_route(RouteSection(path="/orders/*", name="orders", upstream="shop"))
FACTS = Facts(
    method="GET",
    target=b"/",
    version=(1, 1),
    headers=(),
    authorization=(),
    host=None,
    content_length=None,
    chunked=False,
    scheme="http",
    peer="unix",
    trusted=False,
    request_id="r",
)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        (None, "admitted"),
        (MissingCredential(), "refused"),
        (BadSignature(), "refused"),
        (IssuerUnavailable(), "failed"),
        (UpstreamTimeout(), "failed"),
        (InternalError(), "failed"),
        (ClientDisconnected(), "failed"),
    ],
)
def test_an_outcome_says_whose_doing_it_was(refusal: Refusal | None, outcome: str) -> None:
    assert outcome_of(ending(refusal=refusal)) == outcome


def test_a_request_counts_under_route_outcome_reason_and_status_class() -> None:
    metrics = Metrics(())
    metrics.request_ended(ending(facts=FACTS, route=ROUTE, status=204, duration=0.003, upstream_duration=0.002))
    metrics.request_ended(ending(facts=FACTS, route=ROUTE, status=401, refusal=MissingCredential()))
    metrics.request_ended(ending(status=400, refusal=MissingCredential()))
    requests = "gateway_requests_total"
    assert value(metrics, requests, route="orders", outcome="admitted", reason="-", status="2xx") == 1
    assert value(metrics, requests, route="orders", outcome="refused", reason="missing_credential", status="4xx") == 1
    assert value(metrics, requests, route="-", outcome="refused", reason="missing_credential", status="4xx") == 1
    assert value(metrics, "gateway_request_duration_seconds_count", route="orders") == 2
    assert value(metrics, "gateway_request_duration_seconds_bucket", route="orders", le="0.005") == 2
    assert value(metrics, "gateway_upstream_duration_seconds_count", upstream="shop") == 1
    assert len(BUCKETS) + 1 == 10


@pytest.mark.parametrize("refusal", [UpstreamUnreachable(), UpstreamProtocolError(), UpstreamTimeout(), UpstreamBusy()])
def test_failures_of_the_upstream_are_counted_by_reason(refusal: Refusal) -> None:
    metrics = Metrics(())
    metrics.request_ended(ending(facts=FACTS, route=ROUTE, status=502, refusal=refusal))
    assert value(metrics, "gateway_upstream_errors_total", upstream="shop", reason=refusal.reason) == 1


def test_refusals_of_tokens_are_no_failures_of_the_upstream() -> None:
    metrics = Metrics(())
    metrics.request_ended(ending(facts=FACTS, route=ROUTE, status=401, refusal=BadSignature()))
    assert b"gateway_upstream_errors_total{" not in generate_latest(metrics.registry)


def test_judged_tokens_count_by_issuer_and_result() -> None:
    metrics = Metrics(())
    metrics.token_verified("mine", None)
    metrics.token_verified("mine", None)
    metrics.token_verified(None, BadSignature())
    assert value(metrics, "gateway_tokens_verified_total", issuer="mine", result="ok") == 2
    assert value(metrics, "gateway_tokens_verified_total", issuer="-", result="bad_signature") == 1


def test_series_of_issuers_exist_from_the_start() -> None:
    metrics = Metrics(("one", "two"))
    for issuer in ("one", "two"):
        assert value(metrics, "gateway_jwks_keys", issuer=issuer) == 0
        assert value(metrics, "gateway_jwks_stale", issuer=issuer) == 0
        for result in ("ok", "error", "suppressed"):
            assert value(metrics, "gateway_jwks_refreshes_total", issuer=issuer, result=result) == 0
    for result in ("hit", "miss"):
        assert value(metrics, "gateway_token_cache_lookups_total", result=result) == 0


def test_every_name_is_documented_and_begins_with_gateway() -> None:
    exposed = generate_latest(Metrics(("one",)).registry).decode()
    names = {line.split()[2] for line in exposed.splitlines() if line.startswith("# TYPE")}
    assert all(name.startswith("gateway_") for name in names)
    assert "_created" not in exposed
    assert "gateway_build_info" in names


def test_two_gateways_in_one_process_do_not_share_numbers() -> None:
    one, two = Metrics(()), Metrics(())
    one.request_ended(ending(facts=FACTS, route=ROUTE, status=200))
    assert value(two, "gateway_request_duration_seconds_count", route="orders") is None


def test_what_would_have_been_refused_counts_as_reported_under_its_reason() -> None:
    metrics = Metrics((), report_routes=2)
    reported = ending(facts=FACTS, route=ROUTE, status=200, reported=MissingCredential())
    assert outcome_of(reported) == "reported"
    metrics.request_ended(reported)
    requests = "gateway_requests_total"
    assert value(metrics, requests, route="orders", outcome="reported", reason="missing_credential", status="2xx") == 1
    assert value(metrics, "gateway_report_mode_routes") == 2
    assert value(Metrics(()), "gateway_report_mode_routes") == 0


def test_what_failed_after_it_was_reported_counts_as_failed() -> None:
    metrics = Metrics(())
    both = ending(facts=FACTS, route=ROUTE, status=504, reported=MissingCredential(), refusal=UpstreamTimeout())
    metrics.request_ended(both)
    requests = "gateway_requests_total"
    assert value(metrics, requests, route="orders", outcome="failed", reason="upstream_timeout", status="5xx") == 1


def test_what_the_gateway_itself_takes_is_counted_by_route_where_there_was_a_response() -> None:
    metrics = Metrics(())
    metrics.request_ended(ending(facts=FACTS, route=ROUTE, status=200, own_duration=0.0002))
    metrics.request_ended(ending(facts=FACTS, route=ROUTE, status=499, refusal=ClientDisconnected()))
    metrics.request_ended(ending(status=400, refusal=MissingCredential(), own_duration=0.3))
    own = "gateway_own_duration_seconds"
    assert value(metrics, f"{own}_count", route="orders") == 1
    assert value(metrics, f"{own}_bucket", route="orders", le="0.0001") == 0
    assert value(metrics, f"{own}_bucket", route="orders", le="0.00025") == 1
    assert value(metrics, f"{own}_bucket", route="-", le="0.25") == 0
    assert value(metrics, f"{own}_sum", route="-") == 0.3


def test_the_worst_lag_of_some_samples_is_told_until_it_is_old() -> None:
    metrics = Metrics(())
    metrics.loop_lagged(0.5)
    for _ in range(LAGS - 1):
        metrics.loop_lagged(0.001)
    assert value(metrics, "gateway_event_loop_lag_seconds") == 0.5
    metrics.loop_lagged(0.002)
    assert value(metrics, "gateway_event_loop_lag_seconds") == 0.002


def test_dropped_lines_and_limits_are_told() -> None:
    metrics = Metrics(("mine",))
    assert value(metrics, "gateway_access_lines_dropped_total") == 0
    metrics.access_lines_dropped(3)
    metrics.access_lines_dropped(4)
    metrics.connections_limit(2000)
    assert value(metrics, "gateway_access_lines_dropped_total") == 7
    assert value(metrics, "gateway_connections_limit") == 2000
    metrics.happened(KeysKnown("mine", count=2, stale=False, age_limit=90000.0))
    metrics.happened(KeysKnown("mine", count=0, stale=True, age_limit=None))
    assert value(metrics, "gateway_jwks_age_limit_seconds", issuer="mine") == 90000
    assert value(metrics, "gateway_jwks_keys", issuer="mine") == 0


def test_how_conditions_come_out_is_counted_by_route() -> None:
    metrics = Metrics(())
    for result in ("true", "false", "false", "error", None):
        metrics.request_ended(ending(route=ROUTE, condition=result))
    name = "gateway_conditions_total"
    assert [value(metrics, name, route="orders", result=result) for result in ("true", "false", "error")] == [1, 2, 1]
