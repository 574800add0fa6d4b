"""The metrics of docs/observability.md. Labels are bounded: names are configured, reasons stand in `errors`."""

import platform
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway import __version__
from gateway.core.errors import ClientDisconnected, RateLimited, Refusal, UpstreamBusy, UpstreamFailed, UpstreamTimeout
from gateway.events import Event
from gateway.libraries.counting import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from gateway.observe.metrics.rare_metrics import RareMetrics
from gateway.observe.metrics.tally import Count, Tally, Timing
from gateway.ports import Ending

# A second series for every counter, which nobody asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]

#: seconds
BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
#: of what takes no longer than the gateway itself does
OWN_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
#: samples of the loop's lag of which the largest is told: a scraper comes by less often than one is taken
LAGS: Final = 15
#: stands where a label has nothing to say
NONE: Final = "-"
#: values of labels
_OK = "ok"
_HIT, _MISS = "hit", "miss"
#: the outcome of a request that was relayed as it should be
ADMITTED: Final = "admitted"
#: of several workers: what each has now, added up; what one of them said last; and the largest of what each has now
_LIVE: Final = "livesum"
_LATEST: Final = "mostrecent"
_WORST: Final = "livemax"


def outcome_of(ending: Ending) -> str:
    """admitted; reported: admitted where it would have been refused; refused: our 4xx; failed: our 5xx, client gone."""
    refusal = ending.refusal
    if refusal is None:
        return ADMITTED if ending.reported is None else "reported"
    return "failed" if refusal.status >= 500 or isinstance(refusal, ClientDisconnected) else "refused"


class _Timings(dict[str, Timing]):
    """The series of a histogram with one label, by that label; as bounded as the label is."""

    def __init__(self, tally: Tally, histogram: Histogram, buckets: tuple[float, ...]) -> None:
        super().__init__()
        self._tally = tally
        self._histogram = histogram
        self._buckets = buckets

    def __missing__(self, label: str) -> Timing:
        timing = self[label] = self._tally.time(self._histogram.labels(label), self._buckets)
        return timing


class Metrics:
    """One registry and what stands in it."""

    def __init__(self, issuers: tuple[str, ...], *, report_routes: int = 0, logouts: tuple[str, ...] = ()) -> None:
        """`issuers`: configured names; their series exist from the start. `report_routes`: how many only report.

        `logouts`: names of the issuers whose logouts are heard.
        """
        self.registry = registry = CollectorRegistry()
        #: what is counted for every request
        self.tally = Tally(registry)
        self.requests = Counter(
            "gateway_requests_total",
            "Requests by how they ended.",
            ("route", "outcome", "reason", "status"),
            registry=registry,
        )
        self.duration = Histogram(
            "gateway_request_duration_seconds",
            "From the end of a request's head to the end of its response.",
            ("route",),
            buckets=BUCKETS,
            registry=registry,
        )
        self.own_duration = Histogram(
            "gateway_own_duration_seconds",
            "From the end of a request's head to the head of its response, less waiting for upstream and client.",
            ("route",),
            buckets=OWN_BUCKETS,
            registry=registry,
        )
        self.upstream_duration = Histogram(
            "gateway_upstream_duration_seconds",
            "From the upstream request to the head of its response.",
            ("upstream",),
            buckets=BUCKETS,
            registry=registry,
        )
        self.upstream_errors = Counter(
            "gateway_upstream_errors_total",
            "Requests that the upstream did not respond.",
            ("upstream", "reason"),
            registry=registry,
        )
        self._in_flight = Gauge(
            "gateway_requests_in_flight", "Requests under way.", registry=registry, multiprocess_mode=_LIVE
        )
        self._connections = Gauge(
            "gateway_connections_open", "Client connections.", registry=registry, multiprocess_mode=_LIVE
        )
        self._connections_limit = Gauge(
            "gateway_connections_limit",
            "How many client connections there may be.",
            registry=registry,
            multiprocess_mode=_LIVE,
        )
        self._loop_lag = Gauge(
            "gateway_event_loop_lag_seconds",
            "How late the event loop was: the largest of the last 15 samples, of which one is taken each second.",
            registry=registry,
            multiprocess_mode=_WORST,
        )
        self._access_lines_dropped = Counter(
            "gateway_access_lines_dropped_total",
            "Lines of the access log that nobody took in time (log.blocked: drop).",
            registry=registry,
        )
        self._connections_upstream = Gauge(
            "gateway_upstream_connections",
            "Connections to the upstream.",
            ("upstream", "state"),
            registry=registry,
            multiprocess_mode=_LIVE,
        )
        self._tunnels = Gauge(
            "gateway_tunnels_open", "Tunnels (WebSocket) under way.", registry=registry, multiprocess_mode=_LIVE
        )
        self.rate_limited = Counter(
            "gateway_rate_limited_total", "Requests that a rate refused.", ("name",), registry=registry
        )
        self.bad_tokens_limited = Counter(
            "gateway_bad_tokens_limited_total",
            "Tokens that were not looked into: too many bad ones came from the same address.",
            registry=registry,
        )
        self.conditions = Counter(
            "gateway_conditions_total",
            "Requests that the condition of their route was asked of: true, false, or neither.",
            ("route", "result"),
            registry=registry,
        )
        self.lookups = Counter(
            "gateway_token_cache_lookups_total",
            "Look-ups in the verified-token cache.",
            ("result",),
            registry=registry,
        )
        self.verified = Counter(
            "gateway_tokens_verified_total",
            "Tokens judged because they were not in the cache.",
            ("issuer", "result"),
            registry=registry,
        )
        self._rare = RareMetrics(registry, issuers=issuers, logouts=logouts)
        self._report_routes = Gauge(
            "gateway_report_mode_routes", "Routes that only report.", registry=registry, multiprocess_mode=_LATEST
        )
        self._report_routes.set(report_routes)
        build = Gauge(
            "gateway_build_info",
            "Always 1; the labels tell what runs.",
            ("version", "python"),
            registry=registry,
            multiprocess_mode=_LATEST,
        )
        build.labels(__version__, platform.python_version()).set(1)
        self._hits = self.tally.count(self.lookups.labels(_HIT))
        self._misses = self.tally.count(self.lookups.labels(_MISS))
        self._ended: dict[tuple[str, str, str, int], Count] = {}
        self._judged: dict[tuple[str, str], Count] = {}
        self._conditions: dict[tuple[str, str], Count] = {}
        self._upstream_gauges: dict[str, tuple[Callable[[float], None], Callable[[float], None]]] = {}
        self._durations = _Timings(self.tally, self.duration, BUCKETS)
        self._own_durations = _Timings(self.tally, self.own_duration, OWN_BUCKETS)
        self._upstream_durations = _Timings(self.tally, self.upstream_duration, BUCKETS)
        self._lags: deque[float] = deque(maxlen=LAGS)

    def reconfigure(self, issuers: tuple[str, ...], *, report_routes: int, logouts: tuple[str, ...]) -> None:
        """Another configuration is in use. As `__init__`."""
        self._rare.expect(issuers, logouts)
        self._report_routes.set(report_routes)

    def token_looked_up(self, *, hit: bool) -> None:
        """The verified-token cache was asked."""
        if hit:
            self._hits.total += 1
        else:
            self._misses.total += 1

    def request_ended(self, ending: Ending) -> None:
        """Counts a request that is over."""
        route = ending.route
        told = ending.refusal or ending.reported
        key = (
            NONE if route is None else route.name,
            ADMITTED if told is None else outcome_of(ending),
            NONE if told is None else told.reason,
            ending.status // 100,
        )
        count = self._ended.get(key)
        if count is None:
            count = self._ended[key] = self.tally.count(self.requests.labels(*key[:3], f"{key[3]}xx"))
        count.total += 1
        self._durations[key[0]].observe(ending.duration)
        if ending.own_duration is not None:
            self._own_durations[key[0]].observe(ending.own_duration)
        if ending.upstream_duration is not None:
            self._upstream_durations[NONE if route is None else route.upstream].observe(ending.upstream_duration)
        if ending.condition is not None:
            self._count_condition(key[0], ending.condition)
        if told is not None:
            self._count_refusal(told, ending)

    def totals(self) -> dict[tuple[str, str, str, int], int]:
        """How many requests have ended so far, by route, outcome, reason and class of status."""
        return {key: count.total for key, count in self._ended.items()}

    def own_times(self) -> list[list[int]]:
        """How many responses took how long of our own part, by `OWN_BUCKETS`: of each route."""
        return [timing.buckets.copy() for timing in self._own_durations.values()]

    def upstream_times(self) -> dict[str, list[int]]:
        """The same of the upstreams' part, by `BUCKETS`, and by upstream."""
        return {name: timing.buckets.copy() for name, timing in self._upstream_durations.items()}

    def _count_condition(self, route: str, result: str) -> None:
        count = self._conditions.get((route, result))
        if count is None:
            count = self._conditions[route, result] = self.tally.count(self.conditions.labels(route, result))
        count.total += 1

    def _count_refusal(self, told: Refusal, ending: Ending) -> None:
        if isinstance(ending.refusal, UpstreamFailed | UpstreamTimeout | UpstreamBusy):
            self.upstream_errors.labels(
                NONE if ending.route is None else ending.route.upstream, ending.refusal.reason
            ).inc()
        elif isinstance(told, RateLimited):
            (self.bad_tokens_limited if told.rate is None else self.rate_limited.labels(told.rate)).inc()

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        """Counts a judged token."""
        key = (issuer or NONE, _OK if refusal is None else refusal.reason)
        count = self._judged.get(key)
        if count is None:
            count = self._judged[key] = self.tally.count(self.verified.labels(*key))
        count.total += 1

    def upstream_connections(self, upstream: str, *, idle: int, busy: int) -> None:
        """Connections to an upstream now."""
        gauges = self._upstream_gauges.get(upstream)
        if gauges is None:
            labels = self._connections_upstream.labels
            gauges = self._upstream_gauges[upstream] = (labels(upstream, "idle").set, labels(upstream, "busy").set)
        gauges[0](idle)
        gauges[1](busy)

    def connections_open(self, count: int) -> None:
        """Client connections now."""
        self._connections.set(count)

    def connections_limit(self, count: int) -> None:
        """How many client connections there may be."""
        self._connections_limit.set(count)

    def loop_lagged(self, seconds: float) -> None:
        """A sample of how late the event loop is."""
        self._lags.append(seconds)
        self._loop_lag.set(max(self._lags))

    def access_lines_dropped(self, count: int) -> None:
        """Lines of the access log that are lost."""
        self._access_lines_dropped.inc(count)

    def requests_in_flight(self, count: int) -> None:
        """Requests under way now."""
        self._in_flight.set(count)

    def tunnels_open(self, count: int) -> None:
        """Tunnels now."""
        self._tunnels.set(count)

    def happened(self, event: Event) -> None:
        """One of the rare facts."""
        self._rare.happened(event)
