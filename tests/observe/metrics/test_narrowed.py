"""Series of what no configuration has any more are left out where they are read."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.observe.metrics.narrowed import Narrowed, View


def config(*paths: str) -> Config:
    return Config(
        upstream="http://127.0.0.1:1",
        issuers=(Issuer(issuer="https://a.test", audience="a"),),
        routes=tuple(RouteSection(path=path) for path in paths),
    )


def told(registry: CollectorRegistry, narrowed: Narrowed) -> set[str]:
    return {
        value
        for metric in View(registry, narrowed).collect()
        for sample in metric.samples
        for value in sample.labels.values()
    }


def test_what_the_one_before_had_is_told_once_more() -> None:
    registry = CollectorRegistry()
    routes = Counter("requests", "", ("route", "reason"), registry=registry)
    others = Gauge("others", "", ("upstream", "issuer"), registry=registry)
    for path in ("/a", "/b", "default", "-"):
        routes.labels(path, "any").inc()
    others.labels("default", "a.test").set(1)
    others.labels("gone", "a.test").set(1)
    others.labels("default", "gone.test").set(1)
    narrowed = Narrowed(config("/a"))
    assert told(registry, narrowed) == {"/a", "default", "-", "any", "a.test"}
    narrowed.reconfigure(config("/b"))
    assert told(registry, narrowed) == {"/a", "/b", "default", "-", "any", "a.test"}
    narrowed.reconfigure(config("/b"))
    assert told(registry, narrowed) == {"/b", "default", "-", "any", "a.test"}
