"""What happens to a release of the chart later: it is scaled, closed off and upgraded while clients ask."""

import json
import re
import sys
import urllib.request

import pytest

from tests.kubernetes.addons import watch_pods
from tests.kubernetes.load import Load
from tests.kubernetes.test_install import CONFIG, WORKLOAD, Shop, shop
from tests.kubernetes.workloads import container, listed, pod, service

__all__ = ["shop"]

NAME = "gateway-bearer-gateway"
#: a port that no policy of these tests opens
ELSEWHERE = 8099
#: as Envoy: a connection to the address, and what the health check there says
ASKS_BY_GRPC = """
import sys, grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    asked = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes)
    print(asked(b"", timeout=10, wait_for_ready=True).hex())
"""
#: HealthCheckResponse: SERVING
SERVING = "0801"
#: seconds between two requests of a connection that is to make a gateway busy
BUSY = 0.1


@pytest.fixture
def helm() -> str:
    return "helm4"


def status_seen_by(shop: Shop, workload: str, url: str, *options: str, token: str | None = None) -> str:
    """The status of the response that a container gets; `nothing` where there is none."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    script = (
        "import urllib.request as r, urllib.error as e\n"
        f"try: print(r.urlopen(r.Request({url!r}, headers={headers!r}), timeout=2).status)\n"
        "except e.HTTPError as refused: print(refused.code)\n"
        "except OSError: print('nothing')"
    )
    return shop.kubectl("exec", workload, *options, "--", "python3", "-c", script).strip()


def test_an_autoscaler_adds_gateways_that_are_busy_and_takes_them_away(shop: Shop, metrics_server: None) -> None:
    shop.install(
        "--set=autoscaling.enabled=true,autoscaling.minReplicas=1,autoscaling.maxReplicas=2,autoscaling.cpu=80",
        "--set=autoscaling.behavior.scaleDown.stabilizationWindowSeconds=0",
        "--set=resources.requests.cpu=50m",
    )
    ready = ("get", WORKLOAD, "-o", "jsonpath={.status.readyReplicas}")
    with Load(shop.cluster, shop.address(NAME), 80, shop.token(), connections=50, pause=BUSY) as load:
        shop.cluster.wait_until(lambda: shop.kubectl(*ready) == "2", "a second gateway", 120)
        load.wait_for_more()
    assert load.failed == []
    shop.cluster.wait_until(lambda: shop.kubectl(*ready) == "1", "the second gateway ends", 120)
    assert shop.ask(shop.token())[0] == 200


def test_an_autoscaler_counts_requests_by_the_rule_of_the_documentation(shop: Shop, metrics_adapter: None) -> None:
    shop.install(
        "--set=autoscaling.enabled=true,autoscaling.minReplicas=1,autoscaling.maxReplicas=2,autoscaling.cpu=null",
        "--set=autoscaling.requestsPerPod=5",
    )
    ready = ("get", WORKLOAD, "-o", "jsonpath={.status.readyReplicas}")
    assert shop.kubectl(*ready) == "1"
    told = shop.kubectl("get", "pods", "-l", "app.kubernetes.io/name=bearer-gateway", "-o", "json")
    [gateway] = json.loads(told)["items"]
    address = f"{gateway['status']['podIP']}:9090"
    watch_pods(shop.cluster, {(shop.namespace, gateway["metadata"]["name"]): address})
    with Load(shop.cluster, shop.address(NAME), 80, shop.token(), connections=10, pause=BUSY) as load:
        shop.cluster.wait_until(lambda: shop.kubectl(*ready) == "2", "a second gateway", 120)
    assert load.failed == []


def test_its_policy_lets_in_who_may_ask_and_the_gateway_out_to_what_it_names(
    shop: Shop, network_policies: None
) -> None:
    elsewhere = container(
        env=[{"name": "PORT", "value": str(ELSEWHERE)}], ports=[{"name": "http", "containerPort": ELSEWHERE}]
    )
    others = [pod("client", container()), pod("stranger", container()), pod("elsewhere", elsewhere)]
    shop.cluster.apply(listed(*others, service("elsewhere")), shop.namespace)
    shop.kubectl("wait", "--for=condition=Ready", "pod/client", "pod/stranger", "pod/elsewhere", "--timeout=60s")
    shop.install(
        "--set=replicas=1,networkPolicy.enabled=true,networkPolicy.from[0].podSelector.matchLabels.app=client",
        "--set=networkPolicy.ports={8080}",  # of the API's pods; their Service has 80
    )
    token = shop.token()
    gateway, beyond = f"http://{shop.address(NAME)}/", f"http://{shop.address('elsewhere')}/"
    admin = f"http://{shop.address(f'{NAME}-admin')}:9090/livez"

    def closed() -> bool:
        return status_seen_by(shop, "stranger", gateway, token=token) == "nothing"

    shop.cluster.wait_until(closed, "the policy's effect", 60)
    assert status_seen_by(shop, "client", gateway, token=token) == "200"
    assert status_seen_by(shop, "client", gateway) == "401"
    assert status_seen_by(shop, "client", admin) == "nothing"
    assert status_seen_by(shop, "client", beyond) == "200"
    assert status_seen_by(shop, WORKLOAD, beyond, "-c", "bearer-gateway") == "nothing"
    assert "Succeeded" in shop.helm("test", "gateway")[1]


def test_envoy_finds_a_service_where_it_asks_over_grpc(shop: Shop) -> None:
    asked = "decisions_grpc: ':9001'\ntrusted_proxies: [198.18.0.0/16]\n"
    shop.install("--set=replicas=1,ports.decisionsGrpc=9001", config=CONFIG + asked)
    where = f"{shop.address(f'{NAME}-decisions')}:9001"
    assert shop.cluster.run(sys.executable, "-c", ASKS_BY_GRPC, where).stdout.strip() == SERVING


def test_no_request_fails_through_an_upgrade(shop: Shop) -> None:
    shop.install()
    with Load(shop.cluster, shop.address(NAME), 80, shop.token(), connections=50) as load:
        load.wait_for_more()
        shop.upgrade("--wait", config=CONFIG + "realm: upgraded\n")
        shop.cluster.wait_rollout(WORKLOAD, shop.namespace)
        load.wait_for_more()
    assert load.failed == []
    assert load.opened > 50
    assert all('realm="upgraded"' in shop.challenge() for _ in range(10))


def hashes(shop: Shop) -> set[str]:
    """What `gateway_config_info` says of each gateway that runs."""
    told = shop.kubectl("get", "pods", "-l", "app.kubernetes.io/name=bearer-gateway", "-o", "json")
    found: set[str] = set()
    for item in json.loads(told)["items"]:
        with (
            shop.cluster.inside(),
            urllib.request.urlopen(f"http://{item['status']['podIP']}:9090/metrics", timeout=5) as response,
        ):
            found |= set(re.findall(r'gateway_config_info\{hash="(\w+)"\} 1', response.read().decode()))
    return found


@pytest.mark.long
def test_a_changed_configmap_is_live_in_every_replica_without_a_restart_or_a_failed_request(shop: Shop) -> None:
    shop.install("--set=replicas=2")
    [before] = hashes(shop)
    pods = shop.kubectl("get", "pods", "-l", "app.kubernetes.io/name=bearer-gateway", "-o", "name")
    held = json.loads(shop.kubectl("get", "configmap", NAME, "-o", "json"))
    [key] = held["data"]
    changed = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": held["metadata"].get("labels", {})},
        "data": {key: held["data"][key].rstrip() + "\nrealm: reloaded\n"},
    }
    with Load(shop.cluster, shop.address(NAME), 80, shop.token(), connections=50) as load:
        load.wait_for_more()
        shop.cluster.apply(json.dumps(changed), shop.namespace)
        # The kubelet looks once a minute or so, and the gateway every five seconds.
        shop.cluster.wait_until(lambda: before not in hashes(shop), "the configuration in every replica", 120)
        load.wait_for_more()
    assert load.failed == []
    assert len(hashes(shop)) == 1
    assert all('realm="reloaded"' in shop.challenge() for _ in range(10))
    assert shop.kubectl("get", "pods", "-l", "app.kubernetes.io/name=bearer-gateway", "-o", "name") == pods
    counts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}"
    assert set(shop.kubectl("get", "pods", "-l", "app.kubernetes.io/name=bearer-gateway", "-o", counts).split()) == {
        "0"
    }
