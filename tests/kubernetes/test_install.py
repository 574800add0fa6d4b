"""The chart on a real cluster, by the commands of its README, with both versions of helm."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster, CommandFailed
from tests.kubernetes.load import Load
from tests.kubernetes.workloads import container, deployment, listed, service

CHART = str(Path(__file__).parents[2] / "helm" / "bearer-gateway")
WORKLOAD = "deployment/gateway-bearer-gateway"
CONFIG = """\
upstream: http://orders
issuers:
  - issuer: http://issuer:8090
    audience: https://api.example.com
    allow_http: true
"""


#: Others use the node at the same time: who asks for half a core waits until they have gone.
LITTLE = "--set=resources.requests.cpu=100m"


class Shop:
    """A namespace under Pod Security restricted with an API, an issuer, and what `helm` makes of the chart."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, helm: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._config = folder / "gateway.yaml"
        self._helm = helm

    def helm(self, *arguments: str, check: bool = True) -> tuple[int, str]:
        """Exit code and what was printed."""
        done = self.cluster.run(self._helm, "--namespace", self.namespace, *arguments, check=check, timeout=240)
        return done.returncode, done.stdout + done.stderr

    def install(self, *arguments: str, config: str = CONFIG) -> None:
        self._config.write_text(config)
        self.helm("install", "gateway", CHART, f"--set-file=config={self._config}", LITTLE, "--wait", *arguments)
        self.cluster.wait_rollout(WORKLOAD, self.namespace)

    def upgrade(self, *arguments: str, config: str = CONFIG, check: bool = True) -> tuple[int, str]:
        self._config.write_text(config)
        values = (f"--set-file=config={self._config}", LITTLE)
        return self.helm("upgrade", "gateway", CHART, *values, *arguments, check=check)

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, check=check)

    def address(self, name: str) -> str:
        return self.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")

    def token(self, kind: str = "access") -> str:
        with self.cluster.inside():
            url = f"http://{self.address('issuer')}:8090/token?kind={kind}&audience=https://api.example.com"
            with urllib.request.urlopen(url, timeout=5) as response:
                return str(response.read().decode())

    def ask(self, token: str | None = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a response of the gateway's Service."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"http://{self.address('gateway-bearer-gateway')}/orders/1", headers=headers)
        with self.cluster.inside():
            try:
                with urllib.request.urlopen(request, timeout=5) as response:
                    return response.status, json.load(response)
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code, json.load(refused)

    def challenge(self) -> str:
        """What somebody without a token is told to bring."""
        request = urllib.request.Request(f"http://{self.address('gateway-bearer-gateway')}/")
        with self.cluster.inside(), pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        with refused.value:
            return str(refused.value.headers["WWW-Authenticate"])


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(cluster: Cluster, namespace: str, tmp_path: Path, helm: str, image: str, api: str) -> Shop:
    issuer = container(
        image=image,
        args=["demo", "issuer", "--listen", ":8090", "--url", "http://issuer:8090"],
        ports=[{"name": "http", "containerPort": 8090}],
        readinessProbe={"httpGet": {"path": "/jwks", "port": "http"}, "periodSeconds": 1},
    )
    published = service("issuer")
    published["spec"]["ports"][0]["port"] = 8090
    workloads = [deployment("issuer", issuer), published, deployment("orders", container()), service("orders")]
    cluster.apply(listed(*workloads), namespace)
    cluster.wait_rollout("deployment/issuer", namespace)
    cluster.wait_rollout("deployment/orders", namespace)
    return Shop(cluster, namespace, tmp_path, helm)


@pytest.mark.long
def test_a_release_is_installed_tested_upgraded_rolled_back_and_uninstalled(shop: Shop) -> None:
    shop.install()
    assert "The configuration is sound." in shop.kubectl("logs", WORKLOAD, "-c", "check")
    assert shop.ask()[1]["reason"] == "missing_credential"
    assert shop.ask(shop.token("id"))[1]["reason"] == "id_token"
    status, told = shop.ask(shop.token())
    assert (status, told["headers"]["X-User-Id"]) == (200, "alice")
    assert "Authorization" not in told["headers"]
    assert re.search(r"Phase:\s+Succeeded", shop.helm("test", "gateway")[1])

    shop.upgrade("--wait", "--set=replicas=1", config=CONFIG + "realm: upgraded\n")
    shop.cluster.wait_rollout(WORKLOAD, shop.namespace)
    assert shop.kubectl("get", WORKLOAD, "-o", "jsonpath={.spec.replicas}") == "1"
    assert "upgraded" in shop.kubectl("get", "configmap", "gateway-bearer-gateway", "-o", "yaml")
    shop.helm("rollback", "gateway", "1", "--wait")
    shop.cluster.wait_rollout(WORKLOAD, shop.namespace)
    assert shop.kubectl("get", WORKLOAD, "-o", "jsonpath={.status.readyReplicas}") == "2"
    assert shop.ask(shop.token())[0] == 200

    shop.helm("uninstall", "gateway", "--wait")
    kinds = "deployment,service,configmap,serviceaccount,poddisruptionbudget,networkpolicy,horizontalpodautoscaler"
    assert "gateway" not in shop.kubectl("get", kinds, "-o", "name")


@pytest.mark.parametrize("helm", ["helm4"], indirect=True)
def test_a_container_of_the_gateway_has_no_rights(shop: Shop) -> None:
    shop.install("--set=replicas=1")
    script = "import os; print(os.getuid(), os.access('/', os.W_OK), os.access('/opt', os.W_OK), os.path.exists('/var/run/secrets'))"
    told = shop.kubectl("exec", WORKLOAD, "-c", "bearer-gateway", "--", "python3", "-c", script)
    assert told.split() == ["65532", "False", "False", "False"]
    status = shop.kubectl("exec", WORKLOAD, "-c", "bearer-gateway", "--", "cat", "/proc/1/status")
    assert re.search(r"CapEff:\s+0+\n", status)
    assert re.search(r"NoNewPrivs:\s+1\n", status)
    assert re.search(r"Seccomp:\s+2\n", status)


def test_a_typo_in_the_configuration_is_refused_with_its_path(shop: Shop) -> None:
    values = ["--set=config.upstream=http://orders", "--set=config.limits.bodybytes=1"]
    code, told = shop.helm("install", "gateway", CHART, *values, check=False)
    assert code != 0
    assert "config" in told
    assert "limits" in told
    assert "bodybytes" in told
    assert "gateway" not in shop.kubectl("get", "deployment", "-o", "name")


def test_a_bad_configuration_leaves_the_old_pods_serving_and_says_why_in_the_log(shop: Shop) -> None:
    shop.install()
    old = set(shop.kubectl("get", "pods", "-l", "app.kubernetes.io/instance=gateway", "-o", "name").split())
    shop.upgrade(config=CONFIG.replace("audience:", "audiense:"))
    selected = ("get", "pods", "-l", "app.kubernetes.io/instance=gateway", "-o", "name")
    shop.cluster.wait_until(lambda: len(shop.kubectl(*selected).split()) == 3, "a new pod")
    [new] = set(shop.kubectl(*selected).split()) - old
    reason = ("logs", new, "-c", "check")  # empty while it is tried again
    shop.cluster.wait_until(lambda: "audiense" in shop.kubectl(*reason, check=False), "the reason in the log")
    assert shop.kubectl("get", WORKLOAD, "-o", "jsonpath={.status.readyReplicas}") == "2"
    assert shop.ask(shop.token())[0] == 200
    shop.helm("rollback", "gateway", "--wait")
    shop.cluster.wait_rollout(WORKLOAD, shop.namespace)
    shop.cluster.wait_until(lambda: new not in shop.kubectl(*selected).split(), f"{new} is gone")


@pytest.mark.long
@pytest.mark.parametrize("helm", ["helm4"], indirect=True)
def test_no_request_fails_through_two_rolling_restarts(shop: Shop) -> None:
    shop.install()
    with Load(shop.cluster, shop.address("gateway-bearer-gateway"), 80, shop.token(), connections=50) as load:
        load.wait_for_more()
        for _ in range(2):
            shop.kubectl("rollout", "restart", WORKLOAD)
            shop.cluster.wait_rollout(WORKLOAD, shop.namespace, timeout=180)
            load.wait_for_more()
    assert load.failed == []
    assert load.opened > 50


def test_a_rollout_that_does_not_end_is_told(cluster: Cluster, namespace: str) -> None:
    missing = deployment("missing", container(image="localhost/missing:1"))
    cluster.apply(listed(missing), namespace)
    with pytest.raises(CommandFailed, match="ErrImageNeverPull"):
        cluster.wait_rollout("deployment/missing", namespace, timeout=5)
