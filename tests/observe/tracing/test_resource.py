import pytest

from gateway import __version__
from gateway.observe.tracing.resource import resource_of


def test_without_variables_it_is_the_gateway() -> None:
    made = resource_of({"OTEL_SERVICE_VERSION": "9", "OTEL_TRACES_SAMPLER": "always_on"})
    assert (made["service.name"], made["service.version"]) == ("bearer-gateway", __version__)
    assert made["service.instance.id"] != resource_of({})["service.instance.id"]


def test_two_variables_have_a_say() -> None:
    made = resource_of(
        {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a, deployment.environment.name=pro%20d,,service.version=1"}
    )
    assert (made["service.name"], made["deployment.environment.name"], made["service.version"]) == ("a", "pro d", "1")
    assert resource_of({"OTEL_SERVICE_NAME": "b", "OTEL_RESOURCE_ATTRIBUTES": "service.name=a"})["service.name"] == "b"


@pytest.mark.parametrize(
    "text", ["a", "a=1,b", "=1", "a b=1", "é=1", "a=%ff", ",".join(f"k{number}=1" for number in range(129))]
)
def test_what_cannot_be_read_is_passed_over_as_a_whole_and_told(text: str, caplog: pytest.LogCaptureFixture) -> None:
    made = resource_of({"OTEL_RESOURCE_ATTRIBUTES": f"x=1,{text}"})
    assert "x" not in made
    assert "OTEL_RESOURCE_ATTRIBUTES is passed over" in caplog.text
