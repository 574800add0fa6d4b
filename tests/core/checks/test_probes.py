"""Which `probes` make sense: one target each, on loopback, and not the gateway itself."""

from typing import Any

import pytest

from gateway.core.checks.problems import problems
from gateway.core.config.conversion import convert

SMALLEST = {
    "upstream": "http://127.0.0.1:3000",
    "listen": "0.0.0.0:15080",
    "admin": "127.0.0.1:15090",
    "issuers": [{"issuer": "https://i", "audience": "a"}],
}
ELSEWHERE = "must be on loopback"
ONE = "must have exactly one of http, tcp and grpc"


def told(probes: Any) -> list[str]:
    conversion = convert({**SMALLEST, "probes": probes})
    return [
        *map(str, conversion.problems),
        *(str(problem) for problem in problems(conversion.config) if conversion.is_readable(problem.path)),
    ]


@pytest.mark.parametrize(
    "probe",
    [
        {"http": "http://127.0.0.1:8080/health?deep=1", "headers": {"Host": "api.test", "Authorization": "Basic eA=="}},
        {"http": "https://localhost/%2e"},
        {"http": "http://[::1]:8080", "timeout": "60s"},
        {"tcp": "localhost:5432", "timeout": 0.1},
        {"grpc": "[::1]:9000", "service": "orders.v1.Orders"},
        {"grpc": "127.3.2.1:9000", "service": ""},
    ],
)
def test_a_target_on_loopback_is_sound(probe: dict[str, Any]) -> None:
    assert told({"api-1": {"startup": probe, "readiness": probe}}) == []


@pytest.mark.parametrize(
    ("probe", "sentences"),
    [
        ({}, [f": {ONE}"]),
        ({"http": "http://127.0.0.1:1/", "tcp": "127.0.0.1:1"}, [f": {ONE}"]),
        ({"http": "http://10.0.0.7:8080/health"}, [f".http: {ELSEWHERE}, such as 127.0.0.1: the gateway asks nobody else on behalf of others"]),
        ({"http": "http://169.254.169.254/latest"}, [f".http: {ELSEWHERE}, such as 127.0.0.1: the gateway asks nobody else on behalf of others"]),
        ({"http": "http://localhost.example.com/"}, [f".http: {ELSEWHERE}, such as 127.0.0.1: the gateway asks nobody else on behalf of others"]),
        ({"http": "127.0.0.1:8080"}, [".http: must be a URL that begins with https:// or http://"]),
        ({"http": "http://a@127.0.0.1/"}, [".http: must not have a user or a password in its URL"]),
        ({"tcp": "0.0.0.0:5432"}, [f".tcp: {ELSEWHERE}, such as 127.0.0.1: the gateway asks nobody else on behalf of others"]),
        ({"tcp": ":5432"}, [f".tcp: {ELSEWHERE}, such as 127.0.0.1: the gateway asks nobody else on behalf of others"]),
        ({"tcp": "127.0.0.1:0"}, [".tcp: must be address:port such as 127.0.0.1:9000 with a port from 1 to 65535"]),
        ({"grpc": "unix:/run/s"}, [".grpc: must be address:port such as 127.0.0.1:9000 with a port from 1 to 65535"]),
        ({"http": "http://127.0.0.1:15090/probe/api/liveness"}, [".http: is this gateway itself: it is the address of admin"]),
        ({"tcp": "localhost:15080"}, [".tcp: is this gateway itself: it is the address of listen"]),
        ({"tcp": "127.0.0.1:1", "headers": {"A": "b"}}, [".headers: has no effect without http"]),
        ({"tcp": "127.0.0.1:1", "service": "s"}, [".service: has no effect without grpc"]),
        ({"grpc": "127.0.0.1:1", "service": "s" * 257}, [".service: must not be longer than 256 bytes"]),
        ({"tcp": "127.0.0.1:1", "timeout": 0}, [".timeout: must be more than 0 and at most 60s"]),
        ({"tcp": "127.0.0.1:1", "timeout": "61s"}, [".timeout: must be more than 0 and at most 60s"]),
        ({"http": "http://127.0.0.1/", "headers": {"A B": "c"}}, [".headers[key 1]: is not a valid header name: letters, digits and hyphens are"]),
        ({"http": "http://127.0.0.1/", "headers": {"Content-Length": "3"}}, [".headers.Content-Length: cannot be set here: it belongs to the connection"]),
        ({"http": "http://127.0.0.1/", "headers": {"X-A": "1", "x-a": "2"}}, [".headers.x-a: is there twice, in another case"]),
        ({"http": "http://127.0.0.1/", "headers": {"X-A": " 1"}}, [".headers.X-A: must not have blanks at its beginning or end: no header value keeps them"]),
        ({"http": 5}, [".http: must be text, not 5 (put quotes around it)"]),
        ({"tcp": 5432}, [".tcp: must be text, not 5432 (put quotes around it)"]),
        ({"grpc": True}, [".grpc: must be text, not true (put quotes around it)"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_path(probe: dict[str, Any], sentences: list[str]) -> None:
    assert told({"api": {"liveness": probe}}) == [f"probes.api.liveness{sentence}" for sentence in sentences]


@pytest.mark.parametrize("name", ["", "API", "a_b", "-a", "a-", "a/b", "a" * 64])
def test_a_container_has_a_name_that_stands_in_a_path(name: str) -> None:
    (found,) = told({name: {"liveness": {"tcp": "127.0.0.1:1"}}})
    assert found.endswith("must be named as a container: lower-case letters, digits and hyphens, at most 63")


def test_a_container_has_something_to_ask() -> None:
    assert told({"api": {}}) == ["probes.api: must have startup, liveness or readiness"]
    assert told({"api": {"livenes": {"tcp": "127.0.0.1:1"}}})[0] == (
        "probes.api.livenes: is not a key here (did you mean liveness?)"
    )
