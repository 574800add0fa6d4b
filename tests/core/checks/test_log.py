from typing import Any

import pytest

from gateway.core.checks.log import log_problems, log_warnings
from gateway.core.config.file import Config
from gateway.core.config.log import Log
from gateway.core.config.routes import RouteSection


def config(*routes: Any, **log: Any) -> Config:
    return Config(issuers=(), log=Log(**log), routes=tuple(RouteSection(path="/", log=wanted) for wanted in routes))


@pytest.mark.parametrize("sample", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_share_is_from_nothing_to_all(sample: float) -> None:
    told = "log.sample: must be from 0 to 1: the share of admitted requests that are logged"
    assert [str(problem) for problem in log_problems(config(sample=sample))] == [told]


@pytest.mark.parametrize("sample", [0.0, 0.01, 1.0])
def test_a_share_may_be_nothing_and_all(sample: float) -> None:
    assert list(log_problems(config(sample=sample))) == []
    assert list(log_warnings(config(sample=sample))) == []


def warned(*routes: Any, **log: Any) -> list[str]:
    return [warning.path for warning in log_warnings(config(*routes, **log))]


def test_a_plain_subject_is_nobody_s_business_without_an_access_log() -> None:
    assert warned(subject="plain") == ["log.subject"]
    assert warned("none", None, subject="plain", access="none") == []
    assert warned("refused", subject="plain", access="none") == ["log.subject"]


def test_a_share_of_nothing_is_told_of() -> None:
    assert warned(sample=0.5, access="refused") == ["log.sample"]
    assert warned("all", sample=0.5, access="refused") == []
