"""The gateway's container as inject writes it, and the volumes that it mounts."""

from typing import Any, Final

from gateway.inject.ports import Guarded, free_name
from gateway.inject.wanted import NAME, Wanted

#: who the gateway is, whatever the pod says; the image has the same
USER: Final = 65532
#: where its files are
CONFIG_AT: Final = "/etc/bearer-gateway/config"
CONFIG_KEY: Final = "gateway.yaml"
SECRETS_AT: Final = "/etc/bearer-gateway/secrets"
FILES_AT: Final = "/etc/bearer-gateway/files"

_SCRATCH_AT: Final = "/tmp"  # noqa: S108 -- in the container, and nobody else's

ADMIN_PORT: Final = "gateway-admin"

#: where the cluster would mount the token of the pod's service account
_TOKEN_AT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 -- a path
_TOKEN_VOLUME: Final = f"{NAME}-no-token"
_CONFIG_VOLUME: Final = f"{NAME}-config"
#: read by everybody in the one container that mounts it, and written by nobody: 0444
_READABLE: Final = 0o444


def listens(wanted: Wanted, guarded: Guarded) -> tuple[str, int]:
    """GATEWAY_LISTEN, and its port."""
    if not wanted.take_port:
        return str(wanted.listen), wanted.listen.port
    # Beside an API on 127.0.0.1 with the same number.
    return f"{wanted.listen.host or '$(POD_IP)'}:{guarded.number}", guarded.number


def container(
    wanted: Wanted, guarded: Guarded, *, config_map: str | None, taken: set[Any], is_job: bool = False
) -> dict[str, Any]:
    """The container. `config_map`: where its configuration is, if in one; `taken`: names of ports in the pod."""
    _, port = listens(wanted, guarded)
    names = list(guarded.renamed) or [free_name("gateway", taken, "")]
    admin = free_name(ADMIN_PORT, {*taken, *names}, "")
    probe = {"timeoutSeconds": 3, "failureThreshold": 3}
    built: dict[str, Any] = {"name": NAME, "image": wanted.image}
    if wanted.is_native:
        built["restartPolicy"] = "Always"
    built |= {
        "args": ["serve"],
        "env": _environment(wanted, guarded, config_map),
        "ports": [
            *({"name": name, "containerPort": port, "protocol": "TCP"} for name in names),
            {"name": admin, "containerPort": wanted.admin.port, "protocol": "TCP"},
        ],
        # The API may start before the provider of tokens responds: only traffic waits for that.
        "startupProbe": {**_asks("/livez", wanted), "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": 60},
        "livenessProbe": {**_asks("/livez", wanted), "periodSeconds": 10, **probe},
        "readinessProbe": {**_asks("/readyz", wanted), "periodSeconds": 2, **probe},
    }
    # A native sidecar goes on until the ordinary containers have ended, and nobody else tells it that they will.
    # A job has ended by then: nothing is left to wait for.
    drain = ["bearer-gateway", "drain", *(["--timeout", "0"] if is_job else [])]
    built["lifecycle"] = {"preStop": {"exec": {"command": drain}}}
    return built | {
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "384Mi"}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": volume["name"], "mountPath": path, **({} if path == _SCRATCH_AT else {"readOnly": True})}
            for volume, path in _mounted(wanted, config_map)
        ],
    }


def volumes(wanted: Wanted, *, config_map: str | None) -> list[dict[str, Any]]:
    """The volumes that it mounts; nobody else does."""
    return [volume for volume, _ in _mounted(wanted, config_map)]


def _mounted(wanted: Wanted, config_map: str | None) -> list[tuple[dict[str, Any], str]]:
    # Where several workers count; everything else is read-only.
    scratch = {"name": f"{NAME}-tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}
    found: list[tuple[dict[str, Any], str]] = [(scratch, _SCRATCH_AT)]
    if config_map is not None:
        found.append(({"name": _CONFIG_VOLUME, "configMap": {"name": config_map}}, CONFIG_AT))
    for index, secret in enumerate(wanted.secrets):
        source: dict[str, Any] = {"secretName": secret.name, "defaultMode": _READABLE}
        if secret.key is not None:
            source["items"] = [{"key": secret.key, "path": secret.key}]
        found.append(({"name": f"{NAME}-secret-{index}", "secret": source}, f"{SECRETS_AT}/{secret.name}"))
    for index, name in enumerate(wanted.files):
        found.append(({"name": f"{NAME}-files-{index}", "configMap": {"name": name}}, f"{FILES_AT}/{name}"))
    if not wanted.needs_token:
        # In memory and empty: where something is mounted already, the cluster mounts no token.
        found.append(({"name": _TOKEN_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, _TOKEN_AT))
    return found


#: by the names of OpenTelemetry's conventions
_POD_ATTRIBUTES: Final = "k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE)"


def _environment(wanted: Wanted, guarded: Guarded, config_map: str | None) -> list[dict[str, Any]]:
    listen, _ = listens(wanted, guarded)
    found: list[dict[str, Any]] = []
    if "$(POD_IP)" in listen:
        found.append({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
    found.append({"name": "GATEWAY_LISTEN", "value": listen})
    found.append({"name": "GATEWAY_ADMIN", "value": str(wanted.admin)})
    if wanted.upstream is None:
        found.append({"name": "GATEWAY_UPSTREAM", "value": f"http://127.0.0.1:{guarded.number}"})
    if "GATEWAY_TRACING" in wanted.variables:
        # Which pod a span is of.
        found += [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": _POD_ATTRIBUTES},
        ]
    if config_map is not None:
        key = wanted.config_map[1] if wanted.config_map is not None else CONFIG_KEY
        found.append({"name": "GATEWAY_CONFIG", "value": f"{CONFIG_AT}/{key}"})
        if "GATEWAY_RELOAD" not in wanted.variables:
            # The ConfigMap is mounted as a whole: what is changed there comes by itself, some minute later.
            found.append({"name": "GATEWAY_RELOAD", "value": "watch"})
    return found + [{"name": name, "value": value} for name, value in wanted.variables.items()]


def _asks(path: str, wanted: Wanted) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": wanted.admin.port}}
