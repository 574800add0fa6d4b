"""prometheus_client, as far as it counts and writes down what was counted. Without the servers and clients it has, too.

It imports the standard library's for those: 2 MiB and 20 ms of processor time for what nobody here uses.
"""

from gateway.libraries.unused import without

with without("http.server", "socketserver", "urllib.error", "urllib.request", "wsgiref.simple_server"):
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        ProcessCollector,
        disable_created_metrics,
        generate_latest,
        values,
    )
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
    from prometheus_client.registry import Collector

__all__ = [
    "CONTENT_TYPE_PLAIN_0_0_4",
    "Collector",
    "CollectorRegistry",
    "Counter",
    "CounterMetricFamily",
    "Gauge",
    "GaugeMetricFamily",
    "Histogram",
    "Metric",
    "MultiProcessCollector",
    "ProcessCollector",
    "disable_created_metrics",
    "generate_latest",
    "mark_process_dead",
    "values",
]
