from typing import Any

import pytest

from gateway.core.checks.problems import problems, warnings
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.secret import Secret
from gateway.core.config.tracing import TracingSection
from gateway.core.upstream.own_lines import secret_uses

URL = "https://collector.example:4318"
SECRET = Secret(file="/run/secrets/collector")


def a_config(*, proxies: tuple[str, ...] = (), **tracing: Any) -> Config:
    return Config(
        upstream="http://127.0.0.1:3000",
        issuers=(Issuer(issuer="https://i.example", audience="a"),),
        trusted_proxies=proxies,
        tracing=TracingSection(**{"endpoint": URL, **tracing}),
    )


@pytest.mark.parametrize(
    "config",
    [
        a_config(),
        a_config(endpoint="http://collector:4318/otlp/v1/traces"),
        a_config(endpoint="http://127.0.0.1:4318", headers={"X-Key": SECRET}),
        a_config(headers={"X-Key": SECRET, "X-Tenant": "shop"}, ca_file="/ca.pem"),
        a_config(sample=0, proxies=("10.0.0.0/8",)),
        a_config(sample=1),
    ],
)
def test_sound_ones_have_neither_problems_nor_warnings(config: Config) -> None:
    assert problems(config) == []
    assert warnings(config) == []


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (a_config(endpoint="collector:4318"), "tracing.endpoint: must"),
        (a_config(endpoint=""), "tracing.endpoint: must not be empty"),
        (a_config(endpoint="https://u:p@c"), "tracing.endpoint: must"),
        (a_config(endpoint="https://c/?key=1"), "tracing.endpoint: must have no query"),
        (a_config(endpoint="http://c", ca_file="/ca.pem"), "tracing.ca_file: has no effect"),
        (a_config(sample=-0.1), "tracing.sample: must be from 0 to 1"),
        (a_config(sample=1.1), "tracing.sample: must be from 0 to 1"),
        (a_config(sample=float("nan")), "tracing.sample: must be from 0 to 1"),
        (a_config(headers={"X Key": "a"}), "tracing.headers"),
        (a_config(headers={"Content-Type": "a"}), "tracing.headers.Content-Type: cannot be set here"),
        (a_config(headers={"connection": "a"}), "tracing.headers.connection: cannot be set here"),
        (a_config(headers={"X-Key": "a", "x-key": "b"}), "tracing.headers.x-key: stands there"),
        (a_config(headers={"X-Key": "a\n"}), "tracing.headers.X-Key: must"),
    ],
)
def test_what_must_be_corrected(config: Config, problem: str) -> None:
    assert [str(told)[: len(problem)] for told in problems(config)] == [problem]


@pytest.mark.parametrize(
    ("config", "warning"),
    [
        (a_config(endpoint="https://c:4317"), "tracing.endpoint: has the port where collectors speak OTLP over gRPC"),
        (a_config(endpoint="http://c", headers={"X-Key": SECRET}), "tracing.endpoint: is not https"),
        (a_config(sample=0), "tracing.sample: is 0, and there are no trusted_proxies"),
    ],
)
def test_what_ought_to_be_known(config: Config, warning: str) -> None:
    assert problems(config) == []
    assert [str(told)[: len(warning)] for told in warnings(config)] == [warning]


def test_there_are_no_warnings_of_what_is_no_url() -> None:
    assert warnings(a_config(endpoint="collector")) == []


def test_the_secret_of_a_header_is_read_as_one_of_a_header() -> None:
    (use,) = secret_uses(a_config(headers={"X-Key": SECRET}))
    assert use.path == "tracing.headers.X-Key"
    with pytest.raises(ValueError, match="control"):
        use.check("two\nlines")
