"""Preset kubernetes on a real cluster: the gateway asks it for its keys as its own pod, and takes what pods have for its audience."""

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.test_install import CHART, LITTLE, WORKLOAD
from tests.kubernetes.workloads import container, deployment, listed, pod, service

CONFIG = """\
upstream: http://orders
issuers:
  - issuer: https://kubernetes.default.svc
    audience: orders
    preset: kubernetes
identity_headers:
  X-User-Id: sub
  X-Namespace: /kubernetes.io/namespace
"""
LEGACY = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "legacy", "annotations": {"kubernetes.io/service-account.name": "default"}},
    "type": "kubernetes.io/service-account-token",
}


def projected(audience: str) -> dict[str, Any]:
    return {"serviceAccountToken": {"audience": audience, "expirationSeconds": 600, "path": audience}}


class Tokens:
    """A caller's pod with tokens for two audiences, and the gateway that it calls."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments)

    def of_pod(self, audience: str) -> str:
        return self.kubectl("exec", "caller", "--", "cat", f"/tokens/{audience}").strip()

    def legacy(self) -> str:
        def found() -> str:
            return self.kubectl("get", "secret", "legacy", "-o", "jsonpath={.data.token}")

        self.cluster.wait_until(lambda: bool(found()), "a legacy token")
        return base64.b64decode(found()).decode()

    def ask(self, token: str) -> tuple[int, dict[str, Any]]:
        address = self.kubectl("get", "service", "gateway-bearer-gateway", "-o", "jsonpath={.spec.clusterIP}")
        request = urllib.request.Request(f"http://{address}/orders/1", headers={"Authorization": f"Bearer {token}"})
        with self.cluster.inside():
            try:
                with urllib.request.urlopen(request, timeout=5) as response:
                    return response.status, json.load(response)
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code, json.load(refused)


@pytest.fixture
def tokens(cluster: Cluster, namespace: str, tmp_path: Path, image: str, api: str) -> Tokens:
    mounted = container(image=api, volumeMounts=[{"name": "tokens", "mountPath": "/tokens", "readOnly": True}])
    volume = {"name": "tokens", "projected": {"sources": [projected("orders"), projected("billing")]}}
    workloads = [deployment("orders", container()), service("orders"), pod("caller", mounted, volumes=[volume]), LEGACY]
    cluster.apply(listed(*workloads), namespace)
    config = tmp_path / "gateway.yaml"
    config.write_text(CONFIG)
    install = ["helm3", "--namespace", namespace, "install", "gateway", CHART, f"--set-file=config={config}"]
    cluster.run(*install, "--set=serviceAccount.token=true", "--set=replicas=1", LITTLE, "--wait", timeout=240)
    cluster.wait_rollout(WORKLOAD, namespace)
    cluster.wait_rollout("deployment/orders", namespace)
    cluster.kubectl("--namespace", namespace, "wait", "--for=condition=Ready", "pod/caller", "--timeout=60s")
    return Tokens(cluster, namespace)


def test_a_pod_is_admitted_by_the_token_it_has_for_this_audience_and_by_no_other(tokens: Tokens) -> None:
    status, told = tokens.ask(tokens.of_pod("orders"))
    assert status == 200
    assert told["headers"]["X-User-Id"] == f"system:serviceaccount:{tokens.namespace}:default"
    assert told["headers"]["X-Namespace"] == tokens.namespace
    assert "Authorization" not in told["headers"]
    status, told = tokens.ask(tokens.of_pod("billing"))
    assert (status, told["reason"]) == (401, "wrong_audience")
    # What pods have for the API server, and what a Secret has for everybody and for ever.
    status, told = tokens.ask(tokens.kubectl("create", "token", "default").strip())
    assert (status, told["reason"]) == (401, "wrong_audience")
    status, told = tokens.ask(tokens.legacy())
    assert (status, told["reason"]) == (401, "unknown_issuer")
