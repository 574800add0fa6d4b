from typing import Any

from gateway.inject.container import container, listens, volumes
from gateway.inject.ports import Guarded
from gateway.inject.wanted import Address, Secrets
from tests.inject.manifests import wanted

GUARDED = Guarded(8080, "api", {"http": "http-api"}, ())


def built(**changes: Any) -> dict[str, Any]:
    return container(wanted(**changes), GUARDED, config_map="cm", taken={"http", "gateway-admin"})


def environment(**changes: Any) -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in built(**changes)["env"]}


def test_the_container_is_restricted_and_reads_only() -> None:
    context = built()["securityContext"]
    assert context == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert all(
        mount.get("readOnly", mount["mountPath"] == "/tmp") and "subPath" not in mount
        for mount in built()["volumeMounts"]
    )
    assert built()["resources"] == {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "384Mi"}}


def test_probes_ask_for_life_but_traffic_waits_for_readiness() -> None:
    one = built(admin=Address("", 9999))
    asked = {name: one[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {
        "startupProbe": {"path": "/livez", "port": 9999},
        "livenessProbe": {"path": "/livez", "port": 9999},
        "readinessProbe": {"path": "/readyz", "port": 9999},
    }
    assert all(one[name]["timeoutSeconds"] == 3 for name in asked)


def test_it_is_told_to_drain_and_a_job_does_not_wait_for_it() -> None:
    native, ordinary = built(), built(is_native=False)
    assert native["restartPolicy"] == "Always"
    assert native["lifecycle"]["preStop"]["exec"]["command"] == ["bearer-gateway", "drain"]
    assert "restartPolicy" not in ordinary
    assert ordinary["lifecycle"] == native["lifecycle"]
    job = container(wanted(), GUARDED, config_map=None, taken=set(), is_job=True)
    assert job["lifecycle"]["preStop"]["exec"]["command"] == ["bearer-gateway", "drain", "--timeout", "0"]


def test_it_takes_the_name_of_the_port() -> None:
    assert [(port["name"], port["containerPort"]) for port in built()["ports"]] == [
        ("http", 15080),
        ("gateway-admin2", 15090),
    ]
    unnamed = container(wanted(), Guarded(8080, "api", {}, ()), config_map=None, taken={"gateway"})
    assert [port["name"] for port in unnamed["ports"]] == ["gateway2", "gateway-admin"]


def test_variables_say_where_it_stands() -> None:
    assert environment(variables={"GATEWAY_ISSUER": "https://x"}) == {
        "GATEWAY_LISTEN": ":15080",
        "GATEWAY_ADMIN": ":15090",
        "GATEWAY_UPSTREAM": "http://127.0.0.1:8080",
        "GATEWAY_CONFIG": "/etc/bearer-gateway/config/gateway.yaml",
        "GATEWAY_RELOAD": "watch",
        "GATEWAY_ISSUER": "https://x",
    }
    assert "GATEWAY_UPSTREAM" not in environment(upstream=8080)
    assert environment(variables={"GATEWAY_RELOAD": "signal"})["GATEWAY_RELOAD"] == "signal"
    assert environment(config_map=("cm", "g.yml"))["GATEWAY_CONFIG"] == "/etc/bearer-gateway/config/g.yml"


def test_it_may_take_the_apis_number() -> None:
    assert listens(wanted(take_port=True), GUARDED) == ("$(POD_IP):8080", 8080)
    assert listens(wanted(take_port=True, listen=Address("[$(POD_IP)]", 1)), GUARDED) == ("[$(POD_IP)]:8080", 8080)
    assert list(environment(take_port=True)) == [
        "POD_IP",
        "GATEWAY_LISTEN",
        "GATEWAY_ADMIN",
        "GATEWAY_UPSTREAM",
        "GATEWAY_CONFIG",
        "GATEWAY_RELOAD",
    ]


def test_volumes_are_its_own() -> None:
    asked = wanted(secrets=(Secrets("a.b"), Secrets("c", "k")), files=("ca",))
    found = volumes(asked, config_map="cm")
    assert found == [
        {"name": "bearer-gateway-tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "bearer-gateway-config", "configMap": {"name": "cm"}},
        {"name": "bearer-gateway-secret-0", "secret": {"secretName": "a.b", "defaultMode": 292}},
        {
            "name": "bearer-gateway-secret-1",
            "secret": {"secretName": "c", "defaultMode": 292, "items": [{"key": "k", "path": "k"}]},
        },
        {"name": "bearer-gateway-files-0", "configMap": {"name": "ca"}},
        {"name": "bearer-gateway-no-token", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    paths = [mount["mountPath"] for mount in container(asked, GUARDED, config_map="cm", taken=set())["volumeMounts"]]
    assert paths == [
        "/tmp",
        "/etc/bearer-gateway/config",
        "/etc/bearer-gateway/secrets/a.b",
        "/etc/bearer-gateway/secrets/c",
        "/etc/bearer-gateway/files/ca",
        "/var/run/secrets/kubernetes.io/serviceaccount",
    ]


def test_who_asks_the_cluster_for_keys_keeps_its_token() -> None:
    assert [volume["name"] for volume in volumes(wanted(needs_token=True), config_map=None)] == ["bearer-gateway-tmp"]


def test_where_requests_are_traced_spans_say_of_which_pod_they_are() -> None:
    (pod, namespace, attributes) = [
        entry
        for entry in container(
            wanted(variables={"GATEWAY_TRACING": "http://c:4318"}), GUARDED, config_map=None, taken=set()
        )["env"]
        if not entry["name"].startswith("GATEWAY_")
    ]
    assert pod == {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert namespace == {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    assert attributes["value"] == "k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE)"
    assert "POD_NAME" not in [entry["name"] for entry in built()["env"]]
