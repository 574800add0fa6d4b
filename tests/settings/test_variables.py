import pytest

from gateway.settings.variables import read_variables


def test_unknown_variables_are_warned_of_with_the_near_name() -> None:
    overrides = read_variables({"GATEWAY_LISTN": ":1", "GATEWAY_THREADS": "2", "OTHER": "x", "GATEWAY": "y"}, {})
    assert [str(warning) for warning in overrides.unknown.values()] == [
        "GATEWAY_LISTN: is not a variable of the gateway (did you mean GATEWAY_LISTEN?)",
        "GATEWAY_THREADS: is not a variable of the gateway",
    ]
    assert overrides.values == overrides.origins == {}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("GATEWAY_hunter2SECRET", ""),
        ("GATEWAY_HUNTER2 SECRET", ""),
        ("GATEWAY_KEY:HUNTER2", ""),
        ("GATEWAY_listen", " (did you mean GATEWAY_LISTEN?)"),
        ("GATEWAY_Log_Level", " (did you mean GATEWAY_LOG_LEVEL?)"),
    ],
)
def test_a_name_that_variables_do_not_have_is_not_shown_for_it_may_be_a_secret(name: str, hint: str) -> None:
    overrides = read_variables({name: "x"}, {})
    assert [str(warning) for warning in overrides.unknown.values()] == [
        f"a variable that begins with GATEWAY_: is not a variable of the gateway{hint}"
    ]


@pytest.mark.parametrize(
    ("text", "value"), [("2", 2), ("0", 0), ("two", "two"), ("", ""), ("-1", "-1"), ("9" * 10, "9" * 10)]
)
def test_a_number_is_read_as_one_and_anything_else_is_left_to_be_complained_of(text: str, value: object) -> None:
    overrides = read_variables({"GATEWAY_WORKERS": text}, {"workers": 1})
    assert overrides.values == {"workers": value}
    assert overrides.origins == {"workers": "GATEWAY_WORKERS"}


def test_what_kubernetes_invents_for_a_service_named_gateway_is_passed_over() -> None:
    environ = {
        "GATEWAY_SERVICE_HOST": "10.0.0.1", "GATEWAY_SERVICE_PORT": "80", "GATEWAY_SERVICE_PORT_HTTP": "80",
        "GATEWAY_PORT": "tcp://10.0.0.1:80", "GATEWAY_PORT_80_TCP": "tcp://10.0.0.1:80", "GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
    }  # fmt: skip
    overrides = read_variables(environ, {})
    assert overrides.unknown == {}
    assert overrides.problems == []


def test_the_values_of_the_file_are_not_changed_in_place() -> None:
    file = {"log": {"level": "info"}, "listen": ":1"}
    overrides = read_variables({"GATEWAY_LOG_LEVEL": "debug", "GATEWAY_LISTEN": ":2"}, file)
    assert overrides.values == {"log": {"level": "debug"}, "listen": ":2"}
    assert file == {"log": {"level": "info"}, "listen": ":1"}
