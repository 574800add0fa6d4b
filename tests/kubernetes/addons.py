"""What a cluster has when its owner has added it."""

import base64
import json
from typing import Final

from tests.kubernetes import parts
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.tools import crds, tool

_METRICS_PORT: Final = 14443


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
    named = {"name": "metrics-server", "namespace": "kube-system"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": named,
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": _METRICS_PORT}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**named, "labels": {"kubernetes.io/service-name": "metrics-server"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [parts.NODE_ADDRESS]}],
        "ports": [{"name": "https", "port": _METRICS_PORT, "protocol": "TCP"}],
    }
    asked = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": named,
            "caBundle": base64.b64encode((cluster.folder / "pki" / "ca.crt").read_bytes()).decode(),
        },
    }
    listed = {"apiVersion": "v1", "kind": "List", "items": [service, endpoints, asked]}
    cluster.apply(json.dumps(listed), "kube-system")
    cluster.wait_until(lambda: cluster.succeeds("kubectl", "top", "node", parts.NODE), "metrics of the node", 90)


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
