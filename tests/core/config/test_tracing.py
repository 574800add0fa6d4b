import pytest

from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.config.tracing import TracingSection

ISSUER = {"issuer": "https://i.example", "audience": "a"}


def read(tracing: object) -> tuple[TracingSection | None, list[str]]:
    found = convert({"upstream": "http://a", "issuers": [ISSUER], "tracing": tracing}, Config)
    assert isinstance(found.config, Config)
    return found.config.tracing, [str(problem) for problem in found.problems]


def test_one_request_of_a_hundred_unless_somebody_says_otherwise() -> None:
    assert read({"endpoint": "http://c:4318"}) == (TracingSection(endpoint="http://c:4318", sample=0.01), [])
    assert read(None) == (None, [])
    found, _ = read({"endpoint": "http://c", "sample": 1, "headers": {"X-Key": {"env": "KEY"}, "X-Tenant": "t"}})
    assert found is not None
    assert (found.sample, found.headers) == (1, {"X-Key": Secret(env="KEY"), "X-Tenant": "t"})


@pytest.mark.parametrize(
    "tracing", [{}, {"endpoint": 1}, {"endpoint": "http://c", "headers": {"X-Key": 7}}, "sk-live-1"]
)
def test_what_cannot_be_read_is_a_problem_that_quotes_nothing(tracing: object) -> None:
    _, problems = read(tracing)
    assert problems
    assert "sk-live" not in "".join(problems)
