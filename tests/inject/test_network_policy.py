from typing import Any

import pytest

from tests.inject.manifests import DEPLOYMENT, injected, objects, said

OLD = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: old}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: front}}}]
    ports:
    - port: 8080
    - {protocol: UDP, port: 8080}
"""
TWO = DEPLOYMENT.replace("        readiness", "        - {name: dns, containerPort: 53, protocol: UDP}\n        - {name: m, containerPort: 9}\n        readiness")  # fmt: skip
OURS = "NetworkPolicy/bearer-gateway-deployment-web"


def rules(text: str, **changes: Any) -> tuple[dict[str, Any], str]:
    patched = injected(text, **changes)
    found = objects(patched.text)
    return {name: value["spec"] for name, value in found.items() if name.startswith("NetworkPolicy")}, said(patched)


def test_the_last_part_closes_the_apis_port() -> None:
    found, told = rules(TWO, part="service", target="http", metrics_from="monitoring")
    assert found == {
        OURS: {
            "podSelector": {"matchLabels": {"app": "web"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"protocol": "TCP", "port": 15080}]},
                {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 9}]},
                {
                    "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
                    "ports": [{"protocol": "TCP", "port": 15090}],
                },
            ],
        }
    }
    assert "closes the API's port 8080, if the network of the cluster enforces policies" in told


def test_names_that_are_given_later_or_are_too_long_are_told_apart_by_labels() -> None:
    for name, begins in (
        ("generateName: web-", "deployment-web-"),
        (f"name: {'w' * 200}.{'w' * 50}", "deployment-www"),
    ):
        first = DEPLOYMENT.replace("  name: web\n", f"  {name}\n")
        second = first.replace("app: web", "app: other")
        assert "app: other" in second
        [one] = rules(first, part="service")[0]
        [other] = rules(second, part="service")[0]
        assert one != other
        for policy in (one, other):
            made = policy.removeprefix("NetworkPolicy/")
            assert made.startswith(f"bearer-gateway-{begins}")
            assert len(made) <= 253
            assert made[-1].isalnum()
            assert "--" not in made


def test_there_is_none_before_and_none_where_the_api_hides() -> None:
    assert rules(DEPLOYMENT)[0] == {}
    assert rules(DEPLOYMENT, part="all", loopback=True)[0] == {}
    assert rules(DEPLOYMENT, part="all", take_port=True)[0] == {}


def test_an_old_policy_lets_in_to_the_gateway_as_well_and_then_only() -> None:
    first, told = rules(DEPLOYMENT + OLD)
    assert first["NetworkPolicy/old"]["ingress"][0]["ports"] == [
        {"port": 8080},
        {"protocol": "UDP", "port": 8080},
        {"protocol": "TCP", "port": 15080},
    ]
    assert "lets in to the gateway's 15080 too" in told
    second, told = rules(DEPLOYMENT + OLD, part="service")
    assert list(second) == ["NetworkPolicy/old"]
    assert second["NetworkPolicy/old"]["ingress"][0]["ports"][0] == {"port": 15080}
    assert "no other policy is written" in told
    assert OURS in rules(DEPLOYMENT + OLD, part="service", metrics_from="m")[0]


def test_an_old_policy_is_changed_once_for_two_workloads() -> None:
    second = DEPLOYMENT.replace("  name: web\n", "  name: canary\n")
    found, _ = rules(f"{DEPLOYMENT}---\n{second}{OLD}")
    assert len(found["NetworkPolicy/old"]["ingress"][0]["ports"]) == 3


def test_policies_that_leave_the_port_open_are_said() -> None:
    wide = OLD[: OLD.index("    ports:")]
    assert "NetworkPolicy/old: lets in to every port of Deployment/web" in rules(DEPLOYMENT + wide)[1]
    ranged = OLD.replace("- port: 8080", "- {port: 8000, endPort: 9000}")
    assert "lets in to the ports 8000 to 9000" in rules(DEPLOYMENT + ranged)[1]
    for every in ("- {protocol: TCP}", "- {port: null}"):
        told = rules(DEPLOYMENT + OLD.replace("- port: 8080", every), part="all")[1]
        assert "NetworkPolicy/old: lets in to every port of Deployment/web" in told
    assert "every port" not in rules(DEPLOYMENT + OLD.replace("- port: 8080", "- {protocol: UDP}"))[1]


@pytest.mark.parametrize(
    ("expression", "picks"),
    [
        ("{key: app, operator: In, values: [db, web]}", True),
        ("{key: app, operator: In, values: [db]}", False),
        ("{key: app, operator: NotIn, values: [db]}", True),
        ("{key: app, operator: NotIn, values: [web]}", False),
        ("{key: tier, operator: NotIn, values: [web]}", True),
        ("{key: app, operator: Exists}", True),
        ("{key: tier, operator: Exists}", False),
        ("{key: tier, operator: DoesNotExist}", True),
        ("{key: app, operator: DoesNotExist}", False),
        ("{key: app, operator: Near}", False),
    ],
)
def test_a_policy_with_expressions_is_for_the_pods_that_they_pick(expression: str, picks: bool) -> None:  # noqa: FBT001
    expressed = OLD.replace("matchLabels: {app: web}", f"matchExpressions: [{expression}]")
    found, _ = rules(DEPLOYMENT + expressed, part="all")
    assert (OURS in found) is not picks
    assert (found["NetworkPolicy/old"]["ingress"][0]["ports"][0] == {"port": 15080}) is picks


def _other(number: int) -> str:
    return "---\n" + DEPLOYMENT.replace("web", "other").replace("8080", str(number))


def _for_all(*ports: int) -> str:
    told = "".join(f"    - port: {port}\n" for port in ports)
    return OLD[: OLD.index("    - port")].replace("{matchLabels: {app: web}}", "{}") + told


def test_one_policy_follows_every_workload_that_it_is_for() -> None:
    text = DEPLOYMENT + _other(9000) + _for_all(8080, 9000)
    gateway = {"protocol": "TCP", "port": 15080}
    found, _ = rules(text)
    assert found["NetworkPolicy/old"]["ingress"][0]["ports"] == [{"port": 8080}, {"port": 9000}, gateway]
    found, _ = rules(text, part="all")
    assert found["NetworkPolicy/old"]["ingress"][0]["ports"] == [{"port": 15080}, {"port": 15080}]


def test_one_policy_goes_on_letting_in_to_a_neighbour_without_a_gateway() -> None:
    for neighbour in (
        _other(8080),
        _other(8080).replace("containerPort: 8080", "{}").replace("- name: http\n          ", "- "),
    ):
        found, told = rules(DEPLOYMENT + neighbour + _for_all(8080), part="all", names=("web",))
        assert found["NetworkPolicy/old"]["ingress"][0]["ports"] == [{"port": 8080}, {"protocol": "TCP", "port": 15080}]
        assert "which Deployment/other needs: 8080 of Deployment/web is NOT GUARDED there" in told
    found, told = rules(DEPLOYMENT + _other(9000) + _for_all(8080), part="all", names=("web",))
    assert found["NetworkPolicy/old"]["ingress"][0]["ports"] == [{"port": 15080}]
    assert "NOT GUARDED there" not in told


def test_a_new_policy_says_whom_else_it_is_for() -> None:
    canary = "---\n" + DEPLOYMENT.replace("  name: web\n", "  name: canary\n")
    _, told = rules(DEPLOYMENT + canary, part="all", names=("web",))
    assert f"{OURS}: is for the pods of Deployment/canary as well, which get no gateway" in told


def test_policies_of_others_stay() -> None:
    for other in (
        OLD.replace("app: web", "app: shop"),
        OLD.replace("{name: old}", "{name: old, namespace: n}"),
        OLD.replace("  ingress:", "  policyTypes: [Egress]\n  ingress:"),
    ):
        assert rules(DEPLOYMENT + other)[0]["NetworkPolicy/old"]["ingress"][0]["ports"][0] == {"port": 8080}


def test_pods_without_labels_cannot_be_picked() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: n}\nspec:\n  containers: [{name: a, ports: [{containerPort: 80}]}]\n"
    found, told = rules(pod, part="all")
    assert found == {}
    assert "warning  Pod/p: its pods have no labels" in told


def test_what_no_policy_can_close_is_said_once_and_no_policy_promised() -> None:
    job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {containers: [{name: a, ports: [{containerPort: 80}]}]}}}\n"
    for part in ("workload", "service"):
        found, told = rules(job, part=part)
        assert found == {}
        assert told.count("its pods have no labels") == 1
        assert "--part service" not in told
    told = rules(f"{DEPLOYMENT}---\n{job}")[1]
    assert told.count("its pods have no labels") == 1
    assert told.count("--part service") == 2
    assert "its pods have no labels" not in rules(job, loopback=True)[1]
