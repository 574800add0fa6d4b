"""What is counted of the store. The gauges stand where there is one, and only there: none is neither up nor down."""

from typing import Final

from gateway.events import StoreKnown, StoreUsed
from gateway.libraries.counting import CollectorRegistry, Counter, Gauge, Histogram

#: seconds
STORE_BUCKETS: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class StoreMetrics:
    """Its part of the registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._operations = Counter(
            "gateway_store_operations_total",
            "Operations on the store by what they were for and how they ended.",
            ("use", "result"),
            registry=registry,
        )
        self._gauges: tuple[Gauge, Gauge] | None = None
        self._seconds: Histogram | None = None

    def used(self, event: StoreUsed) -> None:
        """An operation ended."""
        if self._seconds is None:
            self._seconds = Histogram(
                "gateway_store_seconds",
                "How long an operation on the store took.",
                buckets=STORE_BUCKETS,
                registry=self._registry,
            )
        self._operations.labels(event.use, event.result).inc()
        self._seconds.observe(event.seconds)

    def known(self, event: StoreKnown) -> None:
        """How it is now."""
        if self._gauges is None:
            self._gauges = (
                Gauge(
                    "gateway_store_up",
                    "1 while all of the store can be had; of several workers the one that is worst off.",
                    registry=self._registry,
                    multiprocess_mode="livemin",
                ),
                Gauge(
                    "gateway_store_evicts",
                    "1 while the store may throw away what is kept there (maxmemory-policy).",
                    registry=self._registry,
                    multiprocess_mode="livemax",
                ),
            )
        self._gauges[0].set(event.up)
        self._gauges[1].set(event.evicts)
