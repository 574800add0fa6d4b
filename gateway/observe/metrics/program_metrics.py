"""Metrics of the program as a whole, however many processes it is: the one with the admin listener makes them."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

from gateway.core.config.file import Config
from gateway.core.config.fingerprint import fingerprint
from gateway.libraries.counting import (
    Collector,
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    ProcessCollector,
    generate_latest,
)
from gateway.observe.metrics.narrowed import Narrowed, Registry, View

_CPU: Final = "process_cpu_seconds"
_START: Final = "process_start_time_seconds"


class ProgramMetrics(Collector):
    """Which configuration it has, whether it is ready, and what it takes of the machine."""

    def __init__(
        self, config: Config, *, is_ready: Callable[[], bool], workers: Callable[[], Sequence[int]] = tuple
    ) -> None:
        """`workers`: the process ids of those that there are now. Both are called from the thread that renders."""
        self._hash = fingerprint(config)
        self._narrowed = Narrowed(config)
        #: whether the configuration was sound when it was last read, and when it last was, in seconds since the epoch
        self._is_sound = True
        self._sound_at = time.time()
        self._is_ready = is_ready
        self._workers = workers
        #: seconds of processor time that were told of
        self._taken = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def reconfigure(self, config: Config) -> None:
        """Another configuration is in use."""
        self._hash = fingerprint(config)
        self._narrowed.reconfigure(config)

    def reloaded(self, *, is_sound: bool) -> None:
        """The configuration was read anew."""
        self._is_sound = is_sound
        if is_sound:
            self._sound_at = time.time()

    def narrowed(self, others: Registry) -> bytes:
        """Other metrics in the text format of Prometheus, less what is not configured any more."""
        return generate_latest(cast("CollectorRegistry", View(others, self._narrowed)))

    def render(self, others: bytes) -> bytes:
        """The text format of Prometheus, behind that of other metrics."""
        return others + generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """As collected."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        info = GaugeMetricFamily(
            "gateway_config_info",
            "Always 1; the label tells one effective configuration from another.",
            labels=["hash"],
        )
        info.add_metric([self._hash], 1)
        yield info
        yield GaugeMetricFamily(
            "gateway_config_last_reload_successful",
            "1 while what was last read of the configuration is in use.",
            value=self._is_sound,
        )
        yield GaugeMetricFamily(
            "gateway_config_last_reload_successful_timestamp_seconds",
            "When the configuration was last read and found sound: at start, or later.",
            value=self._sound_at,
        )
        yield GaugeMetricFamily("gateway_ready", "1 while /readyz says 200.", value=self._is_ready())
        yield from self._processes((os.getpid(), *self._workers()))

    def _processes(self, pids: Sequence[int]) -> Iterator[Metric]:
        """What prometheus_client knows of a process, added up; memory that processes share counts in each of them."""
        for name, (metric, value) in _added_up(pids).items():
            if name == _CPU:
                # Or the count would fall whenever a worker is replaced, and for Prometheus have begun anew: so it would
                # too when it is less by a last digit, which depends on the order in which hundredths are added.
                times = os.times()
                taken = round(value + times.children_user + times.children_system, 2)
                self._taken = max(self._taken, taken)
                yield CounterMetricFamily(name, metric.documentation, value=self._taken)
            else:
                yield GaugeMetricFamily(name, metric.documentation, value=value)


def _added_up(pids: Sequence[int]) -> dict[str, tuple[Metric, float]]:
    """By name: one of the metrics, and the sum of its values."""
    told: dict[str, tuple[Metric, float]] = {}
    for pid in pids:
        for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
            for sample in metric.samples:
                before = told[metric.name][1] if metric.name in told else 0.0
                # The program began when its first process did.
                value = before if metric.name == _START and metric.name in told else before + sample.value
                told[metric.name] = (metric, value)
    return told
