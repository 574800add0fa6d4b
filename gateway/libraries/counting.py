"""prometheus_client, as far as it counts and writes down what was counted. Without the servers and clients it has, too.

It imports the standard library's for those: 2 MiB and 20 ms of processor time for what nobody here uses.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

#: modules of its servers and clients; nothing but classes to inherit from is asked of them
_UNUSED: Final = ("http.server", "socketserver", "urllib.error", "urllib.request", "wsgiref.simple_server")


class _Unused(ModuleType):
    """In the place of a module, whatever it is asked for is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {"__module__": self.__name__})


@contextmanager
def _without_servers() -> Iterator[None]:
    """What was imported before stays; the others can be imported afterwards."""
    absent = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update({name: _Unused(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _without_servers():
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
