"""The section `tracing`: spans for a collector that speaks OpenTelemetry's protocol over HTTP (OTLP/HTTP)."""

from typing import Annotated

from gateway.core.config.secret import Secret
from gateway.core.config.section import Section, default
from gateway.core.config.section import described as _doc


class TracingSection(Section, frozen=True, kw_only=True):
    """Spans for a collector that speaks OpenTelemetry's protocol over HTTP. Needs the extra tracing."""

    unquoted = "{endpoint: URL, sample: 0.01, headers: {NAME: SECRET}}"

    endpoint: Annotated[
        str,
        _doc(
            "the collector: http://host:4318 or https://host:4318, and its path where that is not /v1/traces",
            stand_in="https://unreadable.invalid",
            variable="GATEWAY_TRACING",
        ),
    ]
    sample: Annotated[
        float,
        _doc("share of requests that are traced, 0 to 1; those that a trusted proxy brings are traced if it says so"),
    ] = 0.01
    headers: Annotated[
        dict[str, str | Secret],
        _doc("header name to text or a secret: what the collector is shown with each batch", holds="header"),
    ] = default({})
    ca_file: Annotated[
        str | None,
        _doc(
            "PEM file of authorities, replacing the system's, for https; certificates need no key identifiers",
            file="authorities",
        ),
    ] = None
