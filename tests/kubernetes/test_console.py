"""The console of a release: RBAC decides who gets its key and the way to it, and nobody in the cluster reaches it otherwise."""

import json

import pytest

from tests.kubernetes.test_install import WORKLOAD, Shop, shop
from tests.kubernetes.test_operations import status_seen_by

__all__ = ["shop"]

PORT = 9091
#: asks until it is there: a way through takes a moment
ASKS = """
kubectl --namespace {namespace} port-forward {workload} {port} >/dev/null 2>&1 &
way=$!
for _ in $(seq 100); do
    python3 -c 'import json, sys, urllib.request as r
asked = r.Request("http://127.0.0.1:{port}/api/status", headers={{"Authorization": "Bearer {key}"}})
print(r.urlopen(asked, timeout=5).read().decode())' 2>/dev/null && break
    sleep 0.1
done
kill $way
"""


@pytest.fixture
def helm() -> str:
    return "helm4"


def test_whoever_may_exec_and_port_forward_has_a_console_and_nobody_else(shop: Shop) -> None:
    shop.install("--set=replicas=1,console.enabled=true")
    told = json.loads(
        shop.kubectl("exec", WORKLOAD, "-c", "bearer-gateway", "--", "bearer-gateway", "console", "--json")
    )
    assert told["url"] == f"http://127.0.0.1:{PORT}/"
    shop.ask(shop.token("id"))
    script = ASKS.format(namespace=shop.namespace, workload=WORKLOAD, port=PORT, key=told["key"])
    told_of = "sends an ID token instead of an access token"
    shop.cluster.wait_until(lambda: told_of in shop.cluster.run("sh", "-c", script, check=False).stdout, told_of, 60)
    # From the network of the cluster there is nothing there, with the key or without.
    address = shop.kubectl(
        "get", "pods", "-l", "app.kubernetes.io/name=bearer-gateway", "-o", "jsonpath={.items[0].status.podIP}"
    )
    assert (
        status_seen_by(shop, "deployment/orders", f"http://{address}:{PORT}/api/status", token=told["key"]) == "nothing"
    )
