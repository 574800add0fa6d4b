"""A gateway beside APIs that know nothing of it: who gets through before, during and after, and what the API server thinks of it."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.inject.patch import inject, remove
from tests.inject.manifests import CORPUS, gateway_of, objects, wanted
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.load import PATIENCE, Load
from tests.kubernetes.tools import KUBERNETES, download, tool
from tests.kubernetes.workloads import container, deployment, listed, pod, service

ROOT = Path(__file__).parents[2]
#: where Kubernetes keeps manifests for its own tests and parts
OF_KUBERNETES = ("test/e2e/testing-manifests", "cluster/addons")
CONFIG = """\
issuers:
  - issuer: http://issuer:8090
    audience: https://api.example.com
    allow_http: true
limits: {drain_delay: 3s, drain: 5s}
"""
#: ways of injecting that what inject writes depends on
WAYS: dict[str, dict[str, Any]] = {
    "all": {"part": "all", "metrics_from": "monitoring"},
    "loopback": {"part": "service", "loopback": True},
    "take-port": {"part": "workload", "take_port": True},
}
#: of tests/data/manifests: which port, where there are several, and what the cluster has made itself
PORTS = {"metrics-exporter.yaml": "http-metrics", "boutique-cart.yaml": "7070"}
NOT_NEW = {"live-object.json"}
#: an API that is left alone by its clients before it ends, as one must be that is to lose no request
WAITS = {"lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}
SCALED = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "orders"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders"},
        "minReplicas": 2,
        "maxReplicas": 2,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
    },
}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "orders"}, "data": {"VERSION": "7"}}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "orders"},
    "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "orders"}}},
}


def run_inject(text: str, *options: str) -> tuple[int, str, str]:
    """Exit code, the stream and what is said, by the program."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "inject", *options],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class Shop:
    """A namespace under Pod Security restricted with an issuer, where `text` may be applied with and without a gateway."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, image: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        config = folder / "gateway.yaml"
        config.write_text(CONFIG)
        self._options = ("--config", str(config), "--image", image)

    def inject(self, text: str, *options: str) -> str:
        code, stream, said = run_inject(text, *self._options, *options)
        assert code == 0, said
        return stream

    def apply(self, text: str, *workloads: str) -> None:
        self.cluster.apply(text, self.namespace)
        for workload in workloads:
            self.cluster.wait_rollout(workload, self.namespace)

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, check=check)

    def address(self, name: str) -> str:
        return self.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")

    def pods(self) -> list[str]:
        """The addresses of the API's pods that are to stay."""
        told = json.loads(self.kubectl("get", "pods", "-l", "app=orders", "-o", "json"))
        return [one["status"]["podIP"] for one in told["items"] if "deletionTimestamp" not in one["metadata"]]

    def token(self) -> str:
        url = f"http://{self.address('issuer')}:8090/token?kind=access&audience=https://api.example.com"
        with self.cluster.inside(), urllib.request.urlopen(url, timeout=5) as response:
            return str(response.read().decode())

    def ask(self, url: str, token: str | None = None) -> int | None:
        """Status of a response; None: there is none."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        with self.cluster.inside():
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE) as response:
                    return int(response.status)
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code
            except OSError:
                return None

    @contextmanager
    def asked_all_the_time(self, url: str, token: str) -> Iterator[None]:
        """Meanwhile clients ask, each request on a connection of its own; in the end all of them must have got their response."""
        ending = threading.Event()
        statuses: list[int | None] = []

        def ask() -> None:
            while not ending.is_set():
                statuses.append(self.ask(url, token))
                time.sleep(0.05)

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            ending.set()
            for client in clients:
                client.join()
        assert len(statuses) > 50
        assert set(statuses) == {200}


@pytest.fixture
def shop(cluster: Cluster, namespace: str, tmp_path: Path, image: str, api: str) -> Shop:
    issuer = container(
        name="issuer",
        image=image,
        args=["demo", "issuer", "--listen", ":8090", "--url", "http://issuer:8090"],
        ports=[{"name": "http", "containerPort": 8090}],
        readinessProbe={"httpGet": {"path": "/jwks", "port": "http"}, "periodSeconds": 1},
    )
    published = service("issuer")
    published["spec"]["ports"][0]["port"] = 8090
    made = Shop(cluster, namespace, tmp_path, image)
    made.apply(listed(deployment("issuer", issuer), published), "deployment/issuer")
    return made


def test_a_service_by_name_takes_one_step_and_loses_no_request(shop: Shop) -> None:
    api = container(**WAITS, envFrom=[{"configMapRef": {"name": "orders"}}])
    before = listed(SETTINGS, deployment("orders", api, replicas=2), service("orders"), SCALED, BUDGET)
    shop.apply(before, "deployment/orders")
    url, token = f"http://{shop.address('orders')}/orders/1", shop.token()
    assert shop.ask(url) == 200
    with shop.asked_all_the_time(url, token):
        shop.apply(shop.inject(before), "deployment/orders")
    assert {shop.ask(url) for _ in range(20)} == {401}
    assert shop.ask(url, token) == 200
    with Load(shop.cluster, shop.address("orders"), 80, token, connections=50) as load:
        load.wait_for_more()
        for _ in range(2):
            shop.kubectl("rollout", "restart", "deployment/orders")
            shop.cluster.wait_rollout("deployment/orders", shop.namespace, timeout=180)
            load.wait_for_more()
    assert load.failed == []


def test_a_service_by_number_takes_two_steps_and_loses_no_request(shop: Shop) -> None:
    by_number = service("orders")
    by_number["spec"]["ports"][0]["targetPort"] = 8080
    before = listed(deployment("orders", container(**WAITS), replicas=2), by_number)
    shop.apply(before, "deployment/orders")
    url, token = f"http://{shop.address('orders')}/", shop.token()
    with shop.asked_all_the_time(url, token):
        shop.apply(shop.inject(before), "deployment/orders")
        assert shop.ask(url) == 200
        shop.apply(shop.inject(before, "--part", "service"), "deployment/orders")
    assert {shop.ask(url) for _ in range(20)} == {401}
    assert shop.ask(url, token) == 200


def test_clients_of_a_headless_service_find_the_gateway_at_the_apis_number(shop: Shop) -> None:
    headless = service("orders")
    headless["spec"]["clusterIP"] = "None"
    local = container(env=[{"name": "ONLY_LOCAL", "value": "1"}], readinessProbe={"tcpSocket": {"port": 8080}})
    text = listed(deployment("orders", local), headless)
    assert "headless" in run_inject(text, "--issuer", "http://127.0.0.1:1", "--audience", "a")[2]
    shop.apply(shop.inject(text, "--take-port"), "deployment/orders")
    (address,) = shop.pods()
    assert shop.ask(f"http://{address}:8080/") == 401
    assert shop.ask(f"http://{address}:8080/", shop.token()) == 200


def test_an_api_on_loopback_is_probed_through_the_gateway(shop: Shop) -> None:
    local = container(env=[{"name": "ONLY_LOCAL", "value": "1"}], livenessProbe={"tcpSocket": {"port": "http"}})
    text = listed(deployment("orders", local), service("orders"))
    shop.apply(shop.inject(text, "--loopback"), "deployment/orders")
    (address,) = shop.pods()
    assert shop.ask(f"http://{address}:8080/") is None
    assert shop.ask(f"http://{address}:15080/") == 401
    assert shop.ask(f"http://{shop.address('orders')}/", shop.token()) == 200


def test_a_policy_closes_the_apis_own_port(shop: Shop, network_policies: None) -> None:
    text = listed(deployment("orders", container()), service("orders"))
    shop.apply(listed(pod("asker", container(name="asker"))))
    shop.kubectl("wait", "--for=condition=Ready", "pod/asker", "--timeout=60s")
    shop.apply(shop.inject(text), "deployment/orders")
    (address,) = shop.pods()
    assert _asked_from_a_pod(shop, f"http://{address}:8080/") == "200"
    shop.apply(shop.inject(text, "--part", "service"), "deployment/orders")
    closed = lambda: _asked_from_a_pod(shop, f"http://{address}:8080/") == "nothing"  # noqa: E731
    shop.cluster.wait_until(closed, "the port closes", 60)
    assert _asked_from_a_pod(shop, f"http://{address}:15080/") == "401"
    assert _asked_from_a_pod(shop, f"http://{address}:15090/livez") == "nothing"


def _asked_from_a_pod(shop: Shop, url: str) -> str:
    script = (
        "import urllib.request as r, urllib.error as e\n"
        f"try: print(r.urlopen({url!r}, timeout=2).status)\n"
        "except e.HTTPError as refused: print(refused.code)\n"
        "except OSError: print('nothing')"
    )
    return shop.kubectl("exec", "asker", "--", "python3", "-c", script).strip()


def test_a_job_ends_with_its_main_container(shop: Shop) -> None:
    main = container(
        command=["python3", "-c", "import time; time.sleep(3)"], ports=[{"containerPort": 8080}], readinessProbe=None
    )
    spec = pod("orders", main, restartPolicy="Never")["spec"]
    template = {"metadata": {"labels": {"app": "orders"}}, "spec": spec}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "orders"}, "spec": {"template": template}}
    shop.apply(shop.inject(listed(job)))
    shop.kubectl("wait", "--for=condition=Complete", "job/orders", "--timeout=60s")
    (one,) = json.loads(shop.kubectl("get", "pods", "-l", "app=orders", "-o", "json"))["items"]
    ended = [
        datetime.fromisoformat(told["state"]["terminated"]["finishedAt"])
        for told in (one["status"]["containerStatuses"][0], one["status"]["initContainerStatuses"][-1])
    ]
    assert (ended[1] - ended[0]).total_seconds() <= 2


def test_what_inject_wrote_is_taken_out_of_what_the_cluster_has(shop: Shop) -> None:
    text = listed(deployment("orders", container(**WAITS)), service("orders"))
    shop.apply(text, "deployment/orders")
    shop.apply(shop.inject(text), "deployment/orders")
    there = json.loads(shop.kubectl("get", "deployment", "orders", "-o", "json"))
    # The cluster's own, which changes while the status does.
    del there["status"], there["metadata"]["resourceVersion"]
    code, without, said = run_inject(json.dumps(there, indent=4), "--remove")
    assert (code, said) == (0, "")
    shop.apply(without, "deployment/orders")
    url = f"http://{shop.address('orders')}/"
    assert shop.ask(url) == 200


@pytest.fixture(scope="module")
def of_kubernetes() -> dict[str, str]:
    """Manifests of Kubernetes itself that have a place for a gateway, by their paths in its module."""
    folder = Path(download("k8s.io/kubernetes", f"v{KUBERNETES}")["Dir"])
    paths = [path for part in OF_KUBERNETES for path in sorted((folder / part).rglob("*.yaml"))]
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in paths}


def test_manifests_of_kubernetes_are_given_a_gateway_and_taken_back(
    of_kubernetes: dict[str, str], cluster: Cluster
) -> None:
    given = 0
    for path, text in of_kubernetes.items():
        for way in WAYS.values():
            asked = wanted(unsafe=True, **way)
            patched = inject(text, asked)
            if not patched.is_sound:
                assert patched.text == "", path
                continue
            given += 1
            assert inject(patched.text, asked).text == patched.text, path
            assert remove(patched.text).text == text, path
            if way["part"] == "all" and is_taken(cluster, text):
                assert is_taken(cluster, patched.text), path
    assert given >= 30


@pytest.mark.parametrize("path", [path for path in CORPUS if path.name not in NOT_NEW], ids=lambda path: path.name)
def test_the_api_server_takes_what_inject_writes(cluster: Cluster, shop_exists: None, path: Path) -> None:
    text = path.read_bytes().decode()
    assert is_taken(cluster, text)
    for way in WAYS.values():
        patched = inject(text, wanted(unsafe=True, target=PORTS.get(path.name), **way))
        assert is_taken(cluster, patched.text), patched.remarks


def test_the_example_is_taken(cluster: Cluster) -> None:
    example = ROOT / "deploy" / "kubernetes"
    assert is_taken(cluster, (example / "api.yaml").read_text())
    assert is_taken(cluster, (example / "with-gateway.yaml").read_text())


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_helm_has_what_it_renders_injected(tmp_path: Path, helm: str) -> None:
    program = tmp_path / "bin" / "bearer-gateway"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m gateway "$@"\n')
    program.chmod(0o755)
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: orders\nversion: 0.1.0\n")
    (chart / "templates" / "api.yaml").write_text((ROOT / "deploy" / "kubernetes" / "api.yaml").read_text())
    folders = {f"HELM_{name}_HOME": str(tmp_path / name) for name in ("DATA", "CONFIG", "CACHE")}
    environ = {**os.environ, **folders, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    told = [f"--config={ROOT}/deploy/kubernetes/gateway.yaml", "--image=registry.example.com/bearer-gateway:0.1.0"]

    def run(*arguments: str) -> str:
        command = [str(tool(helm)), *arguments]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    if helm == "helm3":
        told.insert(0, "inject")
    else:
        run("plugin", "install", str(ROOT / "deploy" / "kubernetes" / "helm-plugin"))
    arguments = [word for one in told for word in ("--post-renderer-args", one)]
    rendered = run("template", "orders", str(chart), "--post-renderer", "bearer-gateway", *arguments)
    found = objects(rendered)
    assert gateway_of(found["Deployment/orders"])["image"] == "registry.example.com/bearer-gateway:0.1.0"
    assert any(name.startswith("ConfigMap/bearer-gateway-") for name in found)


@pytest.fixture
def shop_exists(cluster: Cluster, monitoring_crds: None) -> None:
    """The namespace and the kinds that manifests name."""
    cluster.kubectl("create", "namespace", "shop", check=False)


def is_taken(cluster: Cluster, text: str) -> bool:
    """Whether the API server would make all of it."""
    done = cluster.run("kubectl", "create", "--dry-run=server", "-f", "-", input=text, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
    return done.returncode == 0
