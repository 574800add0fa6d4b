from typing import Any

import pytest

from gateway.core.checks.limits import grace_problems, limit_problems, limit_warnings
from gateway.core.config.limits import Limits


@pytest.mark.parametrize(
    ("limits", "sentences"),
    [
        ({"header_bytes": 0, "uri_bytes": 0, "token_bytes": 0}, ["header_bytes: must be from 1 byte to 1MiB", "uri_bytes: must be from 1 byte to 1MiB", "token_bytes: must be at least 1 byte", "token_bytes: must be smaller than header_bytes: the token arrives in a header"]),
        ({"header_bytes": (1 << 20) + 1}, ["header_bytes: must be from 1 byte to 1MiB"]),
        ({"uri_bytes": 32769}, ["uri_bytes: must not be larger than header_bytes, which includes the request line"]),
        ({"token_bytes": 32768}, ["token_bytes: must be smaller than header_bytes: the token arrives in a header"]),
        ({"header_count": 0}, ["header_count: must be from 1 to 10000"]),
        ({"routes": 20_001}, ["routes: must be from 1 to 20000"]),
        ({"header_count": -1}, ["header_count: must be from 1 to 10000"]),
        ({"connections": 10**9}, ["connections: must be from 1 to 1000000"]),
        ({"header_timeout": 0}, ["header_timeout: must be longer than nothing"]),
        ({"keepalive": 0}, ["keepalive: must be longer than nothing"]),
        ({"body_timeout": 0, "send_timeout": 0}, ["body_timeout: must be longer than nothing", "send_timeout: must be longer than nothing"]),
        ({"body_bytes": 0}, ["body_bytes: must be at least 1 byte; null is any"]),
        ({"body_bytes": 1}, []),
        ({"tunnels": 0}, ["tunnels: must be at least 1; null is three quarters of each upstream's max_connections"]),
        ({"tunnels": 1}, []),
        ({"body_rate": 0}, ["body_rate: must be from 1 byte to 1MiB a second; null is any"]),
        ({"body_rate": (1 << 20) + 1}, ["body_rate: must be from 1 byte to 1MiB a second; null is any"]),
        ({"body_rate": 1 << 20}, []),
        ({"body_rate": None}, []),
        ({"drain_delay": 0, "drain": 0}, []),
    ],
)  # fmt: skip
def test_limits_are_positive_and_fit_one_another(limits: dict[str, Any], sentences: list[str]) -> None:
    assert [str(problem) for problem in limit_problems(Limits(**limits))] == [
        f"limits.{sentence}" for sentence in sentences
    ]


def test_a_drain_that_kubernetes_would_cut_is_warned_of() -> None:
    assert [warning.path for warning in limit_warnings(Limits(drain=25))] == ["limits.drain"]  # type: ignore[arg-type]
    assert not list(limit_warnings(Limits()))


def test_draining_ends_before_the_gateway_is_killed() -> None:
    assert not list(grace_problems(Limits(), 25.5))
    assert [str(problem) for problem in grace_problems(Limits(), 25)] == [
        "limits.drain: is 25s with drain_delay, and after 25s it is killed"
    ]
