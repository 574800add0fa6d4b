"""What is wrong, unsafe or odd in a configuration, all of it at once: the rules that span fields.

Knows nothing of files or variables: whether what the configuration names exists is `settings`.
"""

import ipaddress
import re
from collections.abc import Iterator

from gateway.core.addresses import Address, parse_address, same_address
from gateway.core.checks.assertion import assertion_problems, assertion_warnings
from gateway.core.checks.backchannel_logout import logout_notes, logout_problems, logout_warnings
from gateway.core.checks.client_certificates import certificate_problems, certificate_warnings
from gateway.core.checks.console import console_problems
from gateway.core.checks.cors import cors_problems, cors_warnings
from gateway.core.checks.credentials import credential_problems, credential_warnings
from gateway.core.checks.decisions_grpc import grpc_problems, grpc_warnings
from gateway.core.checks.demands import demand_problems, demand_warnings
from gateway.core.checks.dpop import dpop_problems, dpop_warnings
from gateway.core.checks.external_url import external_url_problems, external_url_warnings
from gateway.core.checks.headers import header_problems, header_warnings
from gateway.core.checks.hosts import host_problems, host_warnings
from gateway.core.checks.introspection import introspection_problems, introspection_warnings
from gateway.core.checks.issuers import issuer_notes, issuer_problems, issuer_warnings
from gateway.core.checks.limits import limit_problems, limit_warnings
from gateway.core.checks.log import log_problems, log_warnings
from gateway.core.checks.probes import probe_problems
from gateway.core.checks.rates import rate_problems, rate_warnings
from gateway.core.checks.resources import resource_problems, resource_warnings
from gateway.core.checks.revocation import revocation_problems, revocation_warnings
from gateway.core.checks.routes import route_problems, route_warnings
from gateway.core.checks.store import store_problems, store_warnings
from gateway.core.checks.tls import tls_notes, tls_problems, tls_warnings
from gateway.core.checks.tracing import tracing_problems, tracing_warnings
from gateway.core.checks.twins import twin_warnings
from gateway.core.checks.upstreams import upstream_problems, upstream_warnings
from gateway.core.checks.userinfo import userinfo_problems, userinfo_warnings
from gateway.core.config.file import Config, grpc_decisions_of, identity_headers_of, is_asked
from gateway.core.config.words import ConfigProblem, joined, named

#: More processes than that do not share one listener well: replicas do.
MAX_WORKERS = 64

#: RFC 9110 section 5.6.4, less what would need an escape
_REALM = re.compile(r"""[ !#-\[\]-~]+""")
_CIDR = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")


def problems(config: Config) -> list[ConfigProblem]:
    """Everything that must be corrected before the gateway starts, in the order of the reference."""
    return [
        *_address_problems(config),
        *external_url_problems(config),
        *tls_problems(config),
        *_worker_problems(config.workers),
        *issuer_problems(config),
        *introspection_problems(config),
        *logout_problems(config),
        *userinfo_problems(config),
        *header_problems(config),
        *assertion_problems(config),
        *host_problems(config),
        *route_problems(config),
        *demand_problems(config),
        *resource_problems(config),
        *credential_problems(config),
        *cors_problems(config),
        *_proxy_problems(config.trusted_proxies),
        *certificate_problems(config),
        *limit_problems(config.limits),
        *log_problems(config),
        *tracing_problems(config),
        *revocation_problems(config),
        *dpop_problems(config),
        *rate_problems(config),
        *_realm_problems(config.realm),
        *store_problems(config),
    ]


def warnings(config: Config) -> list[ConfigProblem]:
    """What may stay but ought to be known."""
    return [
        *tls_warnings(config),
        *grpc_warnings(config),
        *upstream_warnings(config),
        *external_url_warnings(config),
        *issuer_warnings(config),
        *introspection_warnings(config),
        *logout_warnings(config),
        *userinfo_warnings(config),
        *header_warnings(config),
        *assertion_warnings(config),
        *host_warnings(config),
        *route_warnings(config),
        *twin_warnings(config),
        *demand_warnings(config),
        *resource_warnings(config),
        *credential_warnings(config),
        *cors_warnings(config),
        *rate_warnings(config),
        *(
            ConfigProblem(joined("trusted_proxies", index), "is unsafe: anybody may claim any address and scheme")
            for index, proxy in enumerate(config.trusted_proxies)
            if proxy.endswith("/0")
        ),
        *certificate_warnings(config),
        *limit_warnings(config.limits),
        *log_warnings(config),
        *tracing_warnings(config),
        *store_warnings(config),
        *revocation_warnings(config),
        *dpop_warnings(config),
    ]


def notes(config: Config) -> list[ConfigProblem]:
    """What helps to set up the other side; nothing is wrong or odd about it."""
    return [*tls_notes(config), *issuer_notes(config), *logout_notes(config)]


def _address_problems(config: Config) -> Iterator[ConfigProblem]:
    bound: dict[str, Address] = {}
    grpc = grpc_decisions_of(config)
    asked = (("decisions", config.decisions), ("decisions_grpc", None if grpc is None else grpc.address))
    for key, text in (("listen", config.listen), ("admin", config.admin), *asked):
        try:
            if text is not None:
                bound[key] = parse_address(text)
        except ValueError as error:
            yield ConfigProblem(key, str(error))
    if {"listen", "admin"} <= bound.keys() and same_address(bound["listen"], bound["admin"]):
        yield ConfigProblem("admin", "must not be the address of listen: metrics are not for clients")
    if "decisions" in bound:
        yield from _decision_problems(config, bound)
    yield from console_problems(config, bound)
    yield from grpc_problems(config, bound)
    if is_asked(config):
        yield from _joined_problems(config)
    yield from upstream_problems(config, bound)
    yield from probe_problems(config, bound)


def _decision_problems(config: Config, bound: dict[str, Address]) -> Iterator[ConfigProblem]:
    address = bound["decisions"]
    for key in ("listen", "admin"):
        if key in bound and same_address(address, bound[key]):
            yield ConfigProblem("decisions", f"must not be the address of {key}")
    if not any((proxy == "unix") == (address.path is not None) for proxy in config.trusted_proxies):
        needed = "unix" if address.path is not None else "the proxies' addresses"
        yield ConfigProblem("decisions", f"needs {needed} in trusted_proxies: every question would be refused")


def _joined_problems(config: Config) -> Iterator[ConfigProblem]:
    headers = identity_headers_of(config)
    paths = named("identity_headers", headers)
    for name, header in headers.items():
        if (header.format, header.encoding) == ("repeat", "none"):
            sentence = "cannot be none with repeat and decisions, which join the lines with commas"
            yield ConfigProblem(f"{paths[name]}.encoding", sentence)


def _worker_problems(workers: int) -> Iterator[ConfigProblem]:
    if not 1 <= workers <= MAX_WORKERS:
        yield ConfigProblem("workers", f"must be from 1 to {MAX_WORKERS}")


def _proxy_problems(proxies: tuple[str, ...]) -> Iterator[ConfigProblem]:
    for index, proxy in enumerate(proxies):
        path = joined("trusted_proxies", index)
        if proxy == "unix":
            continue
        try:
            if _CIDR.fullmatch(proxy) is None:
                raise ValueError
            network = ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            yield ConfigProblem(path, "must be a CIDR such as 10.0.0.0/8, or unix")
            continue
        if str(network.network_address) != str(ipaddress.ip_address(proxy.split("/")[0])):
            yield ConfigProblem(path, f"has bits set behind its prefix; write {network}, or one address without prefix")


def _realm_problems(realm: str) -> Iterator[ConfigProblem]:
    if _REALM.fullmatch(realm) is None:
        yield ConfigProblem("realm", 'must be printable ASCII, not empty, without " and \\')
