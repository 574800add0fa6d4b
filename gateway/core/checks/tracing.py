"""What is wrong or odd in `tracing`."""

from collections.abc import Iterator
from typing import Final

from gateway.core.addresses import is_loopback, parse_url
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.tracing import TracingSection
from gateway.core.config.words import ConfigProblem, named, shown_keys
from gateway.core.http.grammar import FIELD_NAME
from gateway.core.http.header_names import HOP_BY_HOP, fold
from gateway.core.upstream.own_lines import header_value

#: folded names of headers that whoever sends a batch writes
_WRITTEN: Final = HOP_BY_HOP | {b"host", b"content-length", b"content-type", b"content-encoding", b"expect"}
#: where collectors speak the other form of the protocol, over gRPC
_GRPC_PORT: Final = 4317


def tracing_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    tracing = config.tracing
    if tracing is None:
        return
    try:
        url = parse_url(tracing.endpoint)
    except ValueError as error:
        yield ConfigProblem("tracing.endpoint", str(error))
    else:
        if url.query:
            yield ConfigProblem("tracing.endpoint", "must have no query: what a collector is shown stands in headers")
        if tracing.ca_file is not None and url.scheme != "https":
            yield ConfigProblem("tracing.ca_file", "has no effect: endpoint does not begin with https")
    if not 0 <= tracing.sample <= 1:
        yield ConfigProblem("tracing.sample", "must be from 0 to 1: the share of requests that are traced")
    yield from _header_problems(tracing)


def tracing_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    tracing = config.tracing
    if tracing is None:
        return
    try:
        url = parse_url(tracing.endpoint)
    except ValueError:
        return
    if url.port == _GRPC_PORT:
        yield ConfigProblem(
            "tracing.endpoint",
            "has the port where collectors speak OTLP over gRPC; over HTTP, as the gateway does, it is 4318",
        )
    shows_secret = any(isinstance(value, Secret) for value in tracing.headers.values())
    if url.scheme == "http" and not is_loopback(url.host) and shows_secret:
        yield ConfigProblem("tracing.endpoint", "is not https: the secret in headers crosses the network as it is")
    if tracing.sample == 0 and not config.trusted_proxies:
        yield ConfigProblem(
            "tracing.sample", "is 0, and there are no trusted_proxies to say otherwise: nothing is traced"
        )


def _header_problems(tracing: TracingSection) -> Iterator[ConfigProblem]:
    paths, words = named("tracing.headers", tracing.headers), shown_keys(tracing.headers)
    seen: set[str] = set()
    for name, value in tracing.headers.items():
        path = paths[name]
        if FIELD_NAME.fullmatch(name) is None:
            yield ConfigProblem(path, "is not a valid header name: letters, digits and hyphens are")
        elif fold(name.encode("ascii")) in _WRITTEN:
            yield ConfigProblem(path, f"cannot be set here: {words[name]} belongs to the framing of a request")
        elif name.lower() in seen:
            yield ConfigProblem(path, "stands there in another spelling as well")
        seen.add(name.lower())
        if isinstance(value, str):
            try:
                header_value(value)
            except ValueError as error:
                yield ConfigProblem(path, str(error))
