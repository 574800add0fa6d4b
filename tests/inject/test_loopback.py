import pytest

from gateway.inject.loopback import with_probes
from gateway.inject.reading import Unfit, compose, plain
from tests.inject.manifests import CONFIG, DEPLOYMENT, injected, objects, pod_of, problems, said

PROBES = """\
        livenessProbe:
          grpc: {port: 8081, service: live}
          timeoutSeconds: 3
        startupProbe:
          httpGet: {path: up, port: http, scheme: HTTPS, httpHeaders: [{name: Host, value: x}]}
      - name: other
        image: other
        livenessProbe: {tcpSocket: {port: 1}}
"""


def test_kubelet_asks_the_gateway_and_the_gateway_the_api() -> None:
    patched = injected(DEPLOYMENT + PROBES, loopback=True)
    api, other = pod_of(objects(patched.text)["Deployment/web"])["containers"]
    asked = {kind: api[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {kind: {"path": f"/probe/api/{kind}", "port": 15090} for kind in asked}
    assert api["livenessProbe"]["timeoutSeconds"] == 3
    assert other["livenessProbe"] == {"tcpSocket": {"port": 1}}
    (config,) = patched.configs
    (root,) = compose(config)
    assert plain(root)["probes"] == {
        "api": {
            "startup": {"http": "https://127.0.0.1:8080/up", "headers": {"Host": "x"}, "timeout": "900ms"},
            "liveness": {"grpc": "127.0.0.1:8081", "service": "live", "timeout": "2900ms"},
            "readiness": {"http": "http://127.0.0.1:8080/health", "timeout": "900ms"},
        }
    }
    assert config.startswith(CONFIG)


def test_a_socket_is_asked_at_its_address() -> None:
    text = DEPLOYMENT.replace("httpGet:\n            path: /health\n            port: http", "tcpSocket: {port: http}")
    (config,) = injected(text, loopback=True).configs
    (root,) = compose(config)
    assert plain(root)["probes"] == {"api": {"readiness": {"tcp": "127.0.0.1:8080", "timeout": "900ms"}}}


def test_the_gateway_waits_no_longer_than_it_may() -> None:
    text = DEPLOYMENT.replace("        readinessProbe:", "        readinessProbe:\n          timeoutSeconds: 300")
    assert 'timeout: "59900ms"' in injected(text, loopback=True).configs[0]


def test_without_probes_there_is_nothing_to_ask() -> None:
    text = DEPLOYMENT[: DEPLOYMENT.index("        readinessProbe")]
    assert injected(text, loopback=True).configs == [CONFIG]


def test_what_cannot_be_asked_is_said() -> None:
    text = DEPLOYMENT.replace("port: http", "port: http\n            host: 10.0.0.1")
    text += "        lifecycle: {postStart: {httpGet: {path: /, port: http}}}\n"
    told = said(injected(text, loopback=True))
    assert "the readiness probe of api names a host and stays" in told
    assert "postStart of container api is asked at the pod's address" in told
    assert "a probe of port nobody" in problems(DEPLOYMENT.replace("port: http", "port: nobody"), loopback=True)[0]
    assert (
        "give the configuration by --config"
        in problems(DEPLOYMENT, loopback=True, config=None, config_map=("c", "k"))[0]
    )


def test_a_gateway_of_variables_gets_a_file_for_its_probes() -> None:
    (config,) = injected(DEPLOYMENT, loopback=True, config=None).configs
    assert config.startswith("probes:\n")


@pytest.mark.parametrize("config", ["", "# none\n", "a: 1", "a: 1\n", "{a: 1}\n", "a:\n- 1\n# end\n"])
def test_the_section_comes_behind_the_rest(config: str) -> None:
    text = with_probes(config, {"api": {"liveness": {"tcp": "127.0.0.1:1"}}})
    (root,) = compose(text)
    assert plain(root)["probes"] == {"api": {"liveness": {"tcp": "127.0.0.1:1"}}}
    assert text.endswith("\n")
    assert with_probes(config, {}) == config


def test_a_section_that_is_there_is_not_written_over() -> None:
    with pytest.raises(Unfit, match="already"):
        with_probes("probes: {}\n", {"api": {}})
