"""The cluster is one: what the other tests stand on does what it does elsewhere."""

import json
import subprocess
import sys
import time
import urllib.request
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster, CommandFailed
from tests.kubernetes.tools import KUBERNETES
from tests.kubernetes.workloads import container, deployment, listed, pod, service


def address_of(cluster: Cluster, namespace: str, name: str) -> str:
    return cluster.kubectl("-n", namespace, "get", "service", name, "-o", "jsonpath={.spec.clusterIP}")


def ask(cluster: Cluster, url: str) -> dict[str, Any]:
    with cluster.inside(), urllib.request.urlopen(url, timeout=5) as response:
        told: dict[str, Any] = json.load(response)
        return told


def ready(cluster: Cluster, namespace: str, name: str) -> str:
    status = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    return cluster.kubectl("-n", namespace, "get", "pod", name, "-o", status)


def test_the_node_is_ready_and_of_the_version_that_was_asked_for(cluster: Cluster) -> None:
    [node] = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{KUBERNETES}"
    assert [c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready"] == ["True"]


def test_a_deployment_is_reached_through_its_service_and_rolls_over(cluster: Cluster, namespace: str, api: str) -> None:
    old = deployment("orders", container(), replicas=2)
    cluster.apply(listed(old, service("orders")), namespace)
    cluster.wait_rollout("deployment/orders", namespace)
    url = f"http://{address_of(cluster, namespace, 'orders')}/hello"
    before = {ask(cluster, url)["host"] for _ in range(30)}
    assert len(before) == 2

    new = deployment("orders", container(env=[{"name": "VERSION", "value": "2"}]), replicas=2)
    cluster.apply(listed(new), namespace)
    cluster.wait_rollout("deployment/orders", namespace)
    assert {ask(cluster, url)["version"] for _ in range(30)} == {"2"}
    cluster.kubectl("-n", namespace, "rollout", "restart", "deployment/orders")
    cluster.wait_rollout("deployment/orders", namespace)
    assert not before & {ask(cluster, url)["host"] for _ in range(30)}


def test_a_pod_finds_a_service_by_its_name_and_shows_its_log(cluster: Cluster, namespace: str, api: str) -> None:
    cluster.apply(listed(pod("orders", container()), service("orders"), pod("client", container())), namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    script = "import urllib.request as r; print(r.urlopen('http://orders/named').read().decode())"
    told = ""

    def found() -> bool:
        nonlocal told
        told = cluster.kubectl("-n", namespace, "exec", "client", "--", "python3", "-c", script, check=False)
        return bool(told)

    cluster.wait_until(found, "the Service's name", 20)
    assert json.loads(told)["path"] == "/named"
    assert '"GET /named HTTP/1.1" 200' in cluster.kubectl("-n", namespace, "logs", "orders")


def test_a_job_with_a_native_sidecar_ends_with_its_main_container(cluster: Cluster, namespace: str, api: str) -> None:
    sidecar = container(name="sidecar", restartPolicy="Always")
    del sidecar["readinessProbe"]
    main = container(command=["python3", "-c", "print('done')"])
    del main["readinessProbe"]
    template = pod("once", main, initContainers=[sidecar], restartPolicy="Never")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": {"spec": template["spec"]}},
    }
    cluster.apply(listed(job), namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Complete", "job/once", "--timeout=60s")


def test_a_pod_that_ends_runs_its_prestop_hook_first(cluster: Cluster, namespace: str, api: str) -> None:
    cluster.apply(listed(pod("orders", container(lifecycle={"preStop": {"sleep": {"seconds": 3}}}))), namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/orders", "--timeout=60s")
    started = time.monotonic()
    cluster.kubectl("-n", namespace, "delete", "pod", "orders")
    assert 3 <= time.monotonic() - started < 12


def test_a_probe_asks_the_address_of_the_pod(cluster: Cluster, namespace: str, api: str) -> None:
    local = container(env=[{"name": "ONLY_LOCAL", "value": "1"}])
    cluster.apply(listed(pod("local", local), pod("open", container())), namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/open", "--timeout=60s")
    cluster.wait_until(
        lambda: "listens" in cluster.kubectl("-n", namespace, "logs", "local", check=False), "its log", 30
    )
    refused = "Readiness probe failed"
    cluster.wait_until(lambda: refused in cluster.kubectl("-n", namespace, "describe", "pod", "local"), refused, 30)
    assert ready(cluster, namespace, "local") == "False"


def test_pod_security_refuses_a_pod_that_says_nothing_of_it(cluster: Cluster, namespace: str) -> None:
    careless = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root"},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    with pytest.raises(CommandFailed, match=r'violates PodSecurity "restricted:latest"'):
        cluster.apply(listed(careless), namespace)


def test_a_disruption_budget_holds_back_an_eviction(cluster: Cluster, namespace: str, api: str) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "orders"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "orders"}}},
    }
    cluster.apply(listed(deployment("orders", container()), budget), namespace)
    cluster.wait_rollout("deployment/orders", namespace)
    name = cluster.kubectl("-n", namespace, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
    eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}})
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    with pytest.raises(CommandFailed, match="would violate the pod's disruption budget"):
        cluster.kubectl("create", "--raw", path, "-f", "-", input=eviction)


def test_an_autoscaler_adds_pods_when_they_are_busy(
    cluster: Cluster, namespace: str, api: str, metrics_server: None
) -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "orders"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2, "metrics": [cpu]},
    }
    busy = container(resources={"requests": {"cpu": "20m"}})
    cluster.apply(listed(deployment("orders", busy), service("orders"), scaler), namespace)
    cluster.wait_rollout("deployment/orders", namespace)
    script = f"import urllib.request as r\nwhile True: r.urlopen('http://{address_of(cluster, namespace, 'orders')}/').read()"
    with cluster.inside():
        load = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        replicas = ("-n", namespace, "get", "deployment", "orders", "-o", "jsonpath={.status.readyReplicas}")
        cluster.wait_until(lambda: cluster.kubectl(*replicas) == "2", "a second pod", 120)
    finally:
        load.kill()
        load.wait()


def test_a_network_policy_closes_a_port(cluster: Cluster, namespace: str, api: str, network_policies: None) -> None:
    cluster.apply(listed(pod("orders", container()), service("orders"), pod("client", container())), namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    url = f"http://{address_of(cluster, namespace, 'orders')}/"
    script = f"import urllib.request as r; r.urlopen('{url}', timeout=2)"
    asked = ("kubectl", "-n", namespace, "exec", "client", "--", "python3", "-c", script)
    cluster.wait_until(lambda: cluster.succeeds(*asked), "the API without a policy", 30)
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed"},
        "spec": {"podSelector": {"matchLabels": {"app": "orders"}}, "policyTypes": ["Ingress"], "ingress": []},
    }
    cluster.apply(listed(policy), namespace)
    cluster.wait_until(lambda: not cluster.succeeds(*asked), "the policy's effect", 30)
    policy["spec"] = {
        "podSelector": {"matchLabels": {"app": "orders"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": "http"}]}],
    }
    cluster.apply(listed(policy), namespace)
    cluster.wait_until(lambda: cluster.succeeds(*asked), "the opening in the policy", 30)
