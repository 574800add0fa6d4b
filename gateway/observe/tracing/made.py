"""Traces as a configuration wants them. Imported only where it does: what it needs comes with the extra."""

from collections.abc import Callable, Mapping

from gateway.authorities import trusting
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.tracing import TracingSection
from gateway.events import Event
from gateway.observe.tracing.otlp import Collector
from gateway.observe.tracing.resource import resource_of
from gateway.observe.tracing.spans import Teller
from gateway.observe.tracing.traces import Traces


def traces_of(
    tracing: TracingSection,
    *,
    config: Callable[[], Config],
    read: Callable[[Secret], str],
    happened: Callable[[Event], None],
    environ: Mapping[str, str],
) -> Traces:
    """Sends nothing yet. After calling this you must call `close`.

    `config`: the one that serves now. `read`: what a secret is now. ValueError: the `ca_file` was spoilt.
    """
    collector = collector_of(tracing, read=read, environ=environ)
    return Traces(tracing.sample, teller=Teller(config), sink=collector, happened=happened)


def collector_of(tracing: TracingSection, *, read: Callable[[Secret], str], environ: Mapping[str, str]) -> Collector:
    """Where spans go. After calling this you must call `close`. ValueError: the `ca_file` was spoilt."""

    def headers() -> dict[str, str]:
        return {name: read(value) if isinstance(value, Secret) else value for name, value in tracing.headers.items()}

    try:
        tls = None if tracing.ca_file is None else trusting(tracing.ca_file)
    except (OSError, ValueError):
        raise ValueError("tracing.ca_file cannot be read") from None
    return Collector(tracing.endpoint, resource=resource_of(environ), headers=headers, tls=tls)
