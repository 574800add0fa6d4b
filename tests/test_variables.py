from gateway.variables import read_variables


def test_unknown_variables_are_warned_of_with_the_near_name() -> None:
    overrides = read_variables({"GATEWAY_LISTN": ":1", "GATEWAY_WORKERS": "2", "OTHER": "x", "GATEWAY": "y"}, {})
    assert [str(warning) for warning in overrides.warnings] == [
        "GATEWAY_LISTN: is not a variable of the gateway (did you mean GATEWAY_LISTEN?)",
        "GATEWAY_WORKERS: is not a variable of the gateway",
    ]
    assert overrides.values == overrides.origins == {}


def test_what_kubernetes_invents_for_a_service_named_gateway_is_passed_over() -> None:
    environ = {
        "GATEWAY_SERVICE_HOST": "10.0.0.1", "GATEWAY_SERVICE_PORT": "80", "GATEWAY_SERVICE_PORT_HTTP": "80",
        "GATEWAY_PORT": "tcp://10.0.0.1:80", "GATEWAY_PORT_80_TCP": "tcp://10.0.0.1:80", "GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
    }  # fmt: skip
    overrides = read_variables(environ, {})
    assert overrides.warnings == overrides.problems == []


def test_the_values_of_the_file_are_not_changed_in_place() -> None:
    file = {"log": {"level": "info"}, "listen": ":1"}
    overrides = read_variables({"GATEWAY_LOG_LEVEL": "debug", "GATEWAY_LISTEN": ":2"}, file)
    assert overrides.values == {"log": {"level": "debug"}, "listen": ":2"}
    assert file == {"log": {"level": "info"}, "listen": ":1"}
