"""What a cluster has when its owner has added it."""

import base64
import json
from collections.abc import Mapping
from typing import Final

from tests.kubernetes import parts
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.tools import crds, tool

_METRICS_PORT: Final = 14443
_ADAPTER_PORT: Final = 14444
_PROMETHEUS: Final = "127.0.0.1:19090"
_WATCHED: Final = "watched.json"


def define(cluster: Cluster, name: str) -> None:
    """Makes custom resources known: those of tools.crds."""
    cluster.kubectl("apply", "--server-side", "-f", str(crds(name)))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


def start_metrics_server(cluster: Cluster) -> None:
    """Starts it on the node and has the API server ask it; returns when it knows of the node."""
    program = tool("metrics-server")
    who = [f"--{flag}=kubeconfig" for flag in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
    cluster.start(
        "metrics-server",
        [
            str(program),
            *who,
            f"--bind-address={parts.NODE_ADDRESS}",
            f"--secure-port={_METRICS_PORT}",
            "--tls-cert-file=pki/metrics.crt",
            "--tls-private-key-file=pki/metrics.key",
            "--kubelet-certificate-authority=pki/ca.crt",
            "--kubelet-client-certificate=pki/admin.crt",
            "--kubelet-client-key=pki/admin.key",
            "--kubelet-preferred-address-types=Hostname",
            "--metric-resolution=10s",
            "--kubelet-request-timeout=5s",  # must be less
        ],
    )
    _answer_for(cluster, "metrics-server", _METRICS_PORT, "metrics.k8s.io")
    cluster.wait_until(lambda: cluster.succeeds("kubectl", "top", "node", parts.NODE), "metrics of the node", 90)


def start_metrics_adapter(cluster: Cluster, rules: str) -> None:
    """Starts Prometheus, which asks who stands in its list, and prometheus-adapter with `rules`: metrics for an autoscaler."""
    watch_pods(cluster, {})
    # Debian's has no discovery by the API server.
    listed = {"job_name": "gateways", "file_sd_configs": [{"files": [_WATCHED]}]}
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [listed]}
    (cluster.folder / "prometheus.yaml").write_text(json.dumps(config))
    (cluster.folder / "adapter.yaml").write_text(rules)
    program = tool("prometheus-adapter")
    where = [f"--web.listen-address={_PROMETHEUS}", "--storage.tsdb.path=prometheus"]
    cluster.start("prometheus", ["prometheus", "--config.file=prometheus.yaml", *where])
    who = [f"--{flag}-kubeconfig=kubeconfig" for flag in ("lister", "authentication", "authorization")]
    cluster.start(
        "prometheus-adapter",
        [
            str(program),
            *who,
            f"--bind-address={parts.NODE_ADDRESS}",
            f"--secure-port={_ADAPTER_PORT}",
            "--tls-cert-file=pki/metrics.crt",
            "--tls-private-key-file=pki/metrics.key",
            f"--prometheus-url=http://{_PROMETHEUS}/",
            "--config=adapter.yaml",
            "--metrics-relist-interval=2s",
        ],
    )
    _answer_for(cluster, "prometheus-adapter", _ADAPTER_PORT, "custom.metrics.k8s.io")
    asked = ("kubectl", "get", "--raw=/apis/custom.metrics.k8s.io/v1beta1")
    cluster.wait_until(lambda: cluster.succeeds(*asked), "prometheus-adapter", 90)


def watch_pods(cluster: Cluster, pods: Mapping[tuple[str, str], str]) -> None:
    """Has Prometheus ask these pods, by namespace and name, at their addresses."""
    listed = [
        {"targets": [address], "labels": {"namespace": namespace, "pod": pod}}
        for (namespace, pod), address in pods.items()
    ]
    unfinished = cluster.folder / f"{_WATCHED}.unfinished"
    unfinished.write_text(json.dumps(listed))
    unfinished.rename(cluster.folder / _WATCHED)


def _answer_for(cluster: Cluster, name: str, port: int, group: str) -> None:
    """Has the API server ask what listens on the node about that group."""
    named = {"name": name, "namespace": "kube-system"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": named,
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": port}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**named, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [parts.NODE_ADDRESS]}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
    asked = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1beta1.{group}"},
        "spec": {
            "group": group,
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": named,
            "caBundle": base64.b64encode((cluster.folder / "pki" / "ca.crt").read_bytes()).decode(),
        },
    }
    listed = {"apiVersion": "v1", "kind": "List", "items": [service, endpoints, asked]}
    cluster.apply(json.dumps(listed), "kube-system")


def start_network_policies(cluster: Cluster) -> None:
    """Starts the part of kube-router that enforces them, and nothing else of it."""
    program = tool("kube-router")
    cluster.start(
        "kube-router",
        [
            str(program),
            "--kubeconfig=kubeconfig",
            f"--hostname-override={parts.NODE}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            "--run-loadbalancer=false",
            f"--service-cluster-ip-range={parts.SERVICES}",
            "--health-port=0",
            "--metrics-port=0",
            "--iptables-sync-period=5s",
        ],
    )
    chains = ("iptables-save", "-t", "filter")
    cluster.wait_until(lambda: "KUBE-ROUTER-FORWARD" in cluster.run(*chains, check=False).stdout, "kube-router", 60)
