"""Hosts that are served, and hosts of routes."""

from typing import Any

import pytest

from gateway.core.checks.hosts import host_problems, host_warnings
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection

NO_HOST = "must be a host name without port, or *.example.com for every name below that one"


def config(*hosts: str, routes: tuple[tuple[str, ...], ...] = ()) -> Config:
    made: Any = tuple(RouteSection(path="/a", hosts=named) for named in routes)
    return Config(upstream="http://h", issuers=(), hosts=hosts, routes=made)


def told(made: Config) -> list[str]:
    return [str(problem) for problem in host_problems(made)]


@pytest.mark.parametrize("hosts", [(), ("api.example.com",), ("*.example.com", "example.com"), ("[::1]", "127.0.0.1", "localhost"), ("a_b.test.",)])  # fmt: skip
def test_names_addresses_and_wildcards_are_hosts(hosts: tuple[str, ...]) -> None:
    assert told(config(*hosts)) == []


@pytest.mark.parametrize(
    "host", ["", "*", "a:80", "https://a", "*.", ".a", "a..b", "a.*", "x*.a", "*.*.a", "\u00fc.test", "a/b"]
)
def test_what_is_no_host_is_told(host: str) -> None:
    assert told(config("ok.test", host)) == [f"hosts[1]: {NO_HOST}"]


def test_a_host_is_named_once() -> None:
    assert told(config("a.test", "A.test.")) == ["hosts[1]: is hosts[0] again"]


def test_a_host_of_a_route_that_is_not_served_is_told() -> None:
    made = config("*.a.test", "b.test", routes=((), ("x.a.test", "a.test"), ("*.b.test",), ("b.test.",), ("b:1",)))
    refused = "is none of hosts at the top, so that its requests are refused (421)"
    assert told(made) == [f"routes[1].hosts[1]: {refused}", f"routes[2].hosts[0]: {refused}"]
    assert told(config(routes=(("a.test",),))) == []


def test_routes_with_hosts_ask_for_hosts_at_the_top() -> None:
    assert list(host_warnings(config())) == list(host_warnings(config(routes=((),)))) == []
    assert list(host_warnings(config("a.test", routes=(("a.test",),)))) == []
    assert [str(warning) for warning in host_warnings(config(routes=((), ("a.test",), ("b.test",))))] == [
        "hosts: is empty, and routes[1].hosts names some: with any other Host a request passes that route by; name all hosts"
    ]
