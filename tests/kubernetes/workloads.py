"""Manifests of an API that nobody has prepared for a gateway, as Kubernetes takes them: in JSON, which is YAML."""

import json
from typing import Any, Final

from tests.kubernetes.images import API

PORT: Final = 8080
#: Pod Security restricted
_POD: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def container(**more: Any) -> dict[str, Any]:
    """The API in a container, with what else is said of it."""
    return {
        "name": "api",
        "image": API,
        "imagePullPolicy": "Never",
        "ports": [{"name": "http", "containerPort": PORT}],
        # On a busy machine it is slow, and ready all the same.
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 10},
        # Who asks for nothing gets next to nothing of processors that others want as well.
        "resources": {"requests": {"cpu": "40m"}},
        "securityContext": _CONTAINER,
        **more,
    }


def pod(name: str, *containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pod of `containers`; `more` stands in its spec."""
    labels = {"app": name}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": _spec(containers, more),
    }


def deployment(name: str, *containers: dict[str, Any], replicas: int = 1, **more: Any) -> dict[str, Any]:
    """A Deployment of pods with the label app=NAME."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _spec(containers, more)},
        },
    }


def service(name: str) -> dict[str, Any]:
    """A Service of port 80 before the pods with the label app=NAME."""
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    spec = {"selector": {"app": name}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def listed(*manifests: dict[str, Any]) -> str:
    """Manifests as one text to apply."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


def _spec(containers: tuple[dict[str, Any], ...], more: dict[str, Any]) -> dict[str, Any]:
    spec = {"securityContext": _POD, "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 5}
    return {**spec, "containers": list(containers), **more}
