"""Which `probes` make sense: one target each, and on loopback alone. The page must not become a way to ask others."""

import re
from collections.abc import Iterator, Mapping

from gateway.core.addresses import Address, Origin, is_loopback, parse_address, parse_url
from gateway.core.checks.upstreams import is_reached
from gateway.core.config.file import Config
from gateway.core.config.probes import KINDS, Probe
from gateway.core.config.words import ConfigProblem, named
from gateway.core.http.grammar import FIELD_NAME
from gateway.core.upstream.own_lines import header_value

#: seconds: a page that takes longer keeps others from the admin listener
MAX_TIMEOUT = 60
#: bytes; a name of a service is its package and its own
MAX_SERVICE = 256

#: RFC 1123 section 2.1, as Kubernetes names containers
_CONTAINER = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: what frames the request, or keeps the connection
_NOT_OURS = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_LOOPBACK = "must be on loopback, such as 127.0.0.1: the gateway asks nobody else on behalf of others"


def probe_problems(config: Config, bound: Mapping[str, Address]) -> Iterator[ConfigProblem]:
    """What must be corrected, container by container. `bound`: where the gateway itself listens, by key."""
    paths = named("probes", config.probes)
    for name, container in config.probes.items():
        path = paths[name]
        if _CONTAINER.fullmatch(name) is None:
            yield ConfigProblem(
                path, "must be named as a container: lower-case letters, digits and hyphens, at most 63"
            )
        given = {kind: getattr(container, kind) for kind in KINDS}
        if not any(given.values()):
            yield ConfigProblem(path, f"must have {', '.join(KINDS[:-1])} or {KINDS[-1]}")
        for kind, probe in given.items():
            if probe is not None:
                for key, sentence in _problems(probe, bound):
                    yield ConfigProblem(f"{path}.{kind}.{key}" if key else f"{path}.{kind}", sentence)


def _problems(probe: Probe, bound: Mapping[str, Address]) -> Iterator[tuple[str, str]]:
    targets = {"http": probe.http, "tcp": probe.tcp, "grpc": probe.grpc}
    if sum(target is not None for target in targets.values()) != 1:
        yield "", "must have exactly one of http, tcp and grpc"
    for key, target in targets.items():
        if target is not None:
            try:
                _check_target(target, bound, is_url=key == "http")
            except ValueError as error:
                yield key, str(error)
    yield from _header_problems(probe)
    if probe.service is not None:
        if probe.grpc is None:
            yield "service", "has no effect without grpc"
        if len(probe.service.encode("utf-8")) > MAX_SERVICE:
            yield "service", f"must not be longer than {MAX_SERVICE} bytes"
    if not 0 < probe.timeout <= MAX_TIMEOUT:
        yield "timeout", f"must be more than 0 and at most {MAX_TIMEOUT}s"


def _check_target(target: str, bound: Mapping[str, Address], *, is_url: bool) -> None:
    """ValueError carries a sentence that fits behind the key."""
    if is_url:
        url = parse_url(target)
        where = Origin(url.scheme, url.host, url.port)
    else:
        address = parse_address(target)
        if address.path is not None or not address.port:
            raise ValueError("must be address:port such as 127.0.0.1:9000 with a port from 1 to 65535")
        where = Origin("http", address.host, address.port)
    if not is_loopback(where.host):
        raise ValueError(_LOOPBACK)
    for key, listener in bound.items():
        if is_reached(where, listener):
            raise ValueError(f"is this gateway itself: it is the address of {key}")


def _header_problems(probe: Probe) -> Iterator[tuple[str, str]]:
    if probe.headers and probe.http is None:
        yield "headers", "has no effect without http"
    seen: set[str] = set()
    paths = named("headers", probe.headers)
    for name, value in probe.headers.items():
        key, folded = paths[name], name.lower()
        if FIELD_NAME.fullmatch(name) is None:
            yield key, "is not a valid header name: letters, digits and hyphens are"
        elif folded in _NOT_OURS:
            yield key, "cannot be set here: it belongs to the connection"
        elif folded in seen:
            yield key, "is there twice, in another case"
        seen.add(folded)
        try:
            header_value(value)
        except ValueError as error:
            yield key, str(error)
