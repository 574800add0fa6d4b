"""What may stand in `console`: nobody reaches it over a network in clear, and somebody gets in."""

from typing import Any

import pytest

from gateway.core.checks.problems import problems
from gateway.core.config.conversion import convert

ISSUER = {"issuer": "https://i.example", "audience": "a"}
TLS = {"certificate": "/c", "key": "/k"}
SECRET = {"env": "OPERATORS"}


def told(console: Any, **more: Any) -> list[str]:
    converted = convert({"issuers": [ISSUER], "upstream": "http://127.0.0.1:3000", "console": console, **more})
    assert converted.problems == ()
    return [problem.path for problem in problems(converted.config)]


@pytest.mark.parametrize(
    ("console", "paths"),
    [
        (None, []),
        ("127.0.0.1:9091", []),
        ("localhost:0", []),
        ("[::1]:9091", []),
        ("unix:/run/gateway/console.http", []),
        ("127.0.0.1", ["console"]),
        ("127.0.0.1:9090", ["console"]),
        ("127.0.0.1:8080", ["console"]),
        (":9091", ["console"]),
        ("10.0.0.1:9091", ["console"]),
        ("gateway.example:9091", ["console"]),
        ({"address": "10.0.0.1:9091"}, ["console.address"]),
        ({"address": "nowhere"}, ["console.address"]),
        ({"address": "127.0.0.1:1", "hosts": ["ops.example", "[::1]"]}, []),
        ({"address": "127.0.0.1:1", "hosts": ["ops.example:9091", "*"]}, ["console.hosts[0]", "console.hosts[1]"]),
        ({"address": "127.0.0.1:1", "operators": {}}, ["console.operators"]),
        ({"address": "127.0.0.1:1", "operators": {"secret": SECRET}}, []),
        ({"address": "127.0.0.1:1", "operators": {"scopes": ["gateway:operate"]}}, []),
        ({"address": "127.0.0.1:1", "operators": {"scopes": ["a b"]}}, ["console.operators.scopes[0]"]),
        ({"address": "127.0.0.1:1", "operators": {"scopes": ["a", ""]}}, ["console.operators.scopes[1]"]),
        ({"address": "127.0.0.1:1", "socket": "/run/gateway/console.sock"}, []),
        ({"address": "127.0.0.1:1", "socket": "console.sock"}, ["console.socket"]),
        ({"address": "127.0.0.1:1", "socket": "/run/"}, ["console.socket"]),
        ({"address": "127.0.0.1:1", "socket": "/" + "a" * 107}, ["console.socket"]),
    ],
)
def test_a_console_that_anybody_could_listen_to_or_nobody_can_use_is_told_of(console: Any, paths: list[str]) -> None:
    assert told(console) == paths


def test_another_address_than_loopback_has_tls_and_names_its_hosts() -> None:
    assert told({"address": "10.0.0.1:9091"}, tls=TLS) == ["console.hosts"]
    assert told({"address": ":9091", "hosts": ["ops.example"]}, tls=TLS) == []


def test_it_does_not_stand_in_the_way_of_the_others() -> None:
    more = {"decisions": "127.0.0.1:9091", "trusted_proxies": ["127.0.0.1"]}
    assert told("127.0.0.1:9091", **more) == ["console"]
