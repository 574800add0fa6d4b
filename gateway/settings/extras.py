"""Packages that only some configurations need, and that come with an extra; variables that packages obey."""

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.core.config.file import Config
from gateway.core.config.issuers import proxy_of
from gateway.core.config.probes import KINDS
from gateway.core.config.words import ConfigProblem, joined, named

#: aiocache keeps nothing while it is 1
AIOCACHE_DISABLE: Final = "AIOCACHE_DISABLE"
#: what other programs ask others by
PROXY_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy")


def extra_problems(config: Config) -> Iterator[ConfigProblem]:
    """What is configured and needs a package that is not here, or that its package does not take."""
    if config.store.url is not None and importlib.util.find_spec("redis") is None:
        yield ConfigProblem(
            "store.url", "needs the package redis, which is not installed: it comes with bearer-gateway[redis]"
        )
    if config.tracing is not None and not _has("opentelemetry.proto.collector.trace.v1"):
        yield ConfigProblem(
            "tracing",
            "needs the package opentelemetry-proto, which is not installed: it comes with bearer-gateway[tracing]",
        )
    if config.decisions_grpc is not None:
        for module, package in (("grpc", "grpcio"), ("google.protobuf", "protobuf")):
            if not _has(module):
                yield ConfigProblem(
                    "decisions_grpc",
                    f"needs the package {package}, which is not installed: it comes with bearer-gateway[grpc]",
                )
    has_cel = importlib.util.find_spec("cel_expr_python") is not None
    for index, route in enumerate(config.routes):
        if route.condition is not None and not has_cel:
            yield ConfigProblem(
                joined(joined("routes", index), "condition"),
                "needs the package cel-expr-python, which is not installed: pip install bearer-gateway[cel]",
            )
    if has_cel and any(route.condition is not None for route in config.routes):
        from gateway.conditions.conditions import condition_problems  # noqa: PLC0415 -- see above

        yield from condition_problems(config)
    paths = named("probes", config.probes)
    for name, container in config.probes.items():
        for kind in KINDS:
            probe = getattr(container, kind)
            if probe is not None and probe.grpc is not None and importlib.util.find_spec("h2") is None:
                yield ConfigProblem(
                    f"{paths[name]}.{kind}.grpc",
                    "needs the package h2, which is not installed: it comes with bearer-gateway[grpc]",
                )


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def environment_warnings(config: Config, environ: Mapping[str, str]) -> Iterator[ConfigProblem]:
    """Variables of others that change what a package does here, or that somebody may think the gateway obeys."""
    proxy = next((name for name in PROXY_VARIABLES if environ.get(name)), None)
    if proxy is not None and not any(map(proxy_of, config.issuers)):
        yield ConfigProblem(
            proxy, "is not obeyed: issuers are asked directly; issuers[].fetch.proxy names the proxy to ask them by"
        )
    if environ.get(AIOCACHE_DISABLE) == "1":
        yield ConfigProblem(
            AIOCACHE_DISABLE, "is 1: nothing that others said is kept, so that they are asked again each time"
        )
