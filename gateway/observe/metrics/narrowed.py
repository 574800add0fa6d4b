"""Metrics less the series of routes, upstreams and issuers that no configuration has any more.

Of several processes nobody can remove a series: each has its own file. So they are left out where they are read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.issuers import issuer_name
from gateway.core.config.routes import route_name
from gateway.core.routing.table import DEFAULT_NAME
from gateway.libraries.counting import Metric
from gateway.observe.metrics.metrics import NONE

_ALWAYS: Final = frozenset({NONE})


class Registry(Protocol):
    """Whoever has metrics."""

    def collect(self) -> Iterable[Metric]:
        """All of them."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a configuration calls its routes, upstreams and issuers: values of labels."""

    route: frozenset[str]
    upstream: frozenset[str]
    issuer: frozenset[str]

    @classmethod
    def of(cls, config: Config) -> "Names":
        """Those of one configuration."""
        return cls(
            route=_ALWAYS | {DEFAULT_NAME, *map(route_name, config.routes)},
            upstream=_ALWAYS | upstreams_of(config).keys(),
            issuer=_ALWAYS | {issuer_name(issuer) for issuer in config.issuers},
        )

    def has(self, label: str, value: str) -> bool:
        """Whether it has something of this name; it has whatever is neither route, upstream nor issuer."""
        known: frozenset[str] | None = {"route": self.route, "upstream": self.upstream, "issuer": self.issuer}.get(
            label
        )
        return known is None or value in known


class Narrowed:
    """A registry, less what neither the configuration of now nor the one before has."""

    def __init__(self, config: Config) -> None:
        self._names = self._before = Names.of(config)

    def reconfigure(self, config: Config) -> None:
        """Another configuration is in use."""
        self._before, self._names = self._names, Names.of(config)

    def collect_from(self, registry: Registry) -> Iterator[Metric]:
        """What is left of it."""
        names, before = self._names, self._before
        for metric in registry.collect():
            metric.samples = [
                sample
                for sample in metric.samples
                if all(names.has(*label) or before.has(*label) for label in sample.labels.items())
            ]
            yield metric


class View:
    """The same as a registry of its own, for whoever renders one."""

    def __init__(self, registry: Registry, narrowed: Narrowed) -> None:
        self._registry = registry
        self._narrowed = narrowed

    def collect(self) -> Iterator[Metric]:
        """What is left."""
        return self._narrowed.collect_from(self._registry)
