"""What helm/bearer-gateway has that is made from elsewhere: values.schema.json, rules and dashboard. Written by `make docs`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.core.config.schema import DIALECT, schema

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "bearer-gateway"
#: copied, because a chart cannot read what lies outside of it
COPIES = {
    CHART / "files" / "rules.yaml": ROOT / "deploy" / "prometheus" / "rules.yaml",
    CHART / "files" / "dashboard.json": ROOT / "deploy" / "grafana" / "bearer-gateway.json",
}

#: Beyond it a number that went through JSON once (values of an earlier release, `--reuse-values`) is another one.
EXACT = 2**53 - 1
_NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"}
#: RFC 1123, as Kubernetes has it for the names of objects; names that are a label of DNS are a Service's or a namespace's
_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_OBJECT = {"type": "string", "pattern": rf"^{_PART}(\.{_PART})*$", "maxLength": 253}
_NO_OBJECT_OR = {**_OBJECT, "pattern": rf"^({_PART}(\.{_PART})*)?$"}
_NAMESPACE = {"type": "string", "pattern": f"^({_PART})?$", "maxLength": 63}
#: the templates shorten it
_OWN_NAME = {"type": "string", "pattern": f"^({_PART})?$"}
#: of a Secret or ConfigMap
_KEY = {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$", "maxLength": 253}
_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_TEXT: dict[str, Any] = {"type": "string"}
_BOOL = {"type": "boolean"}
_MAPPING = {"type": "object"}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
#: the gateway binds no port that only root may
_CONTAINER_PORT = {"type": "integer", "minimum": 1024, "maximum": 65535}
_COUNT = {"type": "integer", "minimum": 0}
_COUNT_OR_SHARE = {"anyOf": [_COUNT, {"type": "string", "pattern": "^[0-9]{1,3}%$"}]}
_DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))*$"}


def _list(item: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "array", "items": item or _MAPPING}


def _section(*required: str, **properties: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": list(required)} if required else {})


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {**kind, "type": [kind["type"], "null"]}


def _mounted(key: str) -> dict[str, Any]:
    """Objects by the name of the directory that each is mounted as."""
    members = _section(key, **{key: _OBJECT, "key": _KEY})
    return {"type": "object", "propertyNames": _NAME, "additionalProperties": members}


_PROBE = _section(
    periodSeconds=_PORT,
    timeoutSeconds=_PORT,
    failureThreshold=_PORT,
    initialDelaySeconds=_COUNT,
    successThreshold=_PORT,
)
_ENV = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "value": _TEXT,
        "valueFrom": _MAPPING,
    },
    "additionalProperties": False,
}
_KIND_OF_MONITORING = {"enabled": _BOOL, "namespace": _NAMESPACE, "labels": _LABELS, "annotations": _LABELS}

#: The values of the chart, but for `config`.
VALUES: dict[str, Any] = {
    "existingConfigMap": _NO_OBJECT_OR,
    "secrets": _mounted("secretName"),
    "files": _mounted("configMapName"),
    "store": _section(
        url=_TEXT,
        username=_TEXT,
        password=_section(secretName=_NO_OBJECT_OR, key=_KEY),
        sentinelUsername=_TEXT,
        sentinelPassword=_section(secretName=_NO_OBJECT_OR, key=_KEY),
        secrets=_list(_section("secretName", "key", secretName=_OBJECT, key=_KEY)),
        ca=_section(configMapName=_NO_OBJECT_OR, key=_KEY),
    ),
    "env": _list(_ENV),
    "envFrom": _list(),
    "workload": {"enum": ["deployment", "none"]},
    "image": _section(
        repository={"type": "string", "minLength": 1},
        tag=_TEXT,
        digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
        pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    ),
    "imagePullSecrets": _list(),
    "nameOverride": _OWN_NAME,
    "fullnameOverride": _OWN_NAME,
    "labels": _LABELS,
    "replicas": _COUNT,
    "ports": _section(
        http=_CONTAINER_PORT,
        admin=_CONTAINER_PORT,
        decisions=_or_null(_CONTAINER_PORT),
        decisionsGrpc=_or_null(_CONTAINER_PORT),
    ),
    "console": _section(enabled=_BOOL, port=_CONTAINER_PORT),
    "resources": _MAPPING,
    "terminationGracePeriodSeconds": {"type": "integer", "minimum": 1},
    "minReadySeconds": _COUNT,
    "rollingUpdate": _section(maxUnavailable=_COUNT_OR_SHARE, maxSurge=_COUNT_OR_SHARE),
    "probes": _section(startup=_PROBE, liveness=_PROBE, readiness=_PROBE),
    "podDisruptionBudget": _section(enabled=_BOOL, maxUnavailable=_COUNT_OR_SHARE),
    "autoscaling": _section(
        enabled=_BOOL,
        minReplicas={"type": "integer", "minimum": 1},
        maxReplicas={"type": "integer", "minimum": 1},
        cpu=_or_null({"type": "integer", "minimum": 1}),
        requestsPerPod=_or_null({"type": "integer", "minimum": 1}),
        behavior=_MAPPING,
    ),
    "topologySpreadConstraints": _list(),
    "affinity": _MAPPING,
    "nodeSelector": _LABELS,
    "tolerations": _list(),
    "priorityClassName": _NO_OBJECT_OR,
    "podAnnotations": _LABELS,
    "podLabels": _LABELS,
    "podSecurityContext": _MAPPING,
    "securityContext": _MAPPING,
    "serviceAccount": _section(create=_BOOL, name=_NO_OBJECT_OR, annotations=_LABELS, token=_BOOL),
    "extraVolumes": _list(),
    "extraVolumeMounts": _list(),
    "service": _section(
        type={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
        port=_PORT,
        nodePort=_or_null(_PORT),
        appProtocol={"enum": ["", "http", "https"]},
        annotations=_LABELS,
        extra=_MAPPING,
    ),
    "ingress": _section(
        enabled=_BOOL,
        className=_NO_OBJECT_OR,
        annotations=_LABELS,
        hosts=_list({"type": "string", "minLength": 1}),
        path=_TEXT,
        pathType={"enum": ["Prefix", "Exact", "ImplementationSpecific"]},
        tls=_list(),
    ),
    "httpRoute": _section(
        enabled=_BOOL,
        annotations=_LABELS,
        parentRefs=_list(),
        hostnames=_list({"type": "string", "minLength": 1}),
        matches=_list(),
        filters=_list(),
        timeouts=_MAPPING,
    ),
    "networkPolicy": _section(
        enabled=_BOOL, **{"from": _list()}, metricsFrom=_list(), ports=_list(_PORT), dnsTo=_list(), extraEgress=_list()
    ),
    "serviceMonitor": _section(
        **_KIND_OF_MONITORING,
        interval=_DURATION,
        scrapeTimeout=_DURATION,
        relabelings=_list(),
        metricRelabelings=_list(),
    ),
    "prometheusRule": _section(**_KIND_OF_MONITORING),
    "dashboard": _section(**_KIND_OF_MONITORING),
    "test": _section(
        path={"type": "string", "pattern": "^/"}, expect={"type": "integer", "minimum": 100, "maximum": 599}
    ),
    "global": _MAPPING,
}


def values_schema() -> dict[str, Any]:
    """The schema of values.yaml: the values of the chart, and the configuration with its own schema."""
    config = schema()
    definitions = config.pop("$defs")
    del config["$schema"]
    definitions["Config"] = config
    for definition in definitions.values():
        for part in _parts(definition):
            _bound(part)
    described = {
        "description": "the configuration, as a mapping; or its text, inserted unchanged",
        "type": ["object", "string"],
        # The empty mapping is the default; the templates ask for more where more is needed.
        "if": {"type": "object", "minProperties": 1},
        "then": {"$ref": "#/$defs/Config"},
    }
    return {
        "$schema": DIALECT,
        "title": "Values of the chart bearer-gateway",
        "type": "object",
        "properties": {"config": described, **VALUES},
        "additionalProperties": False,
        "$defs": definitions,
    }


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema, it included."""
    if isinstance(part, dict):
        yield part
        for name, inner in part.items():
            for member in inner.values() if name == "properties" else [inner] if name != "default" else []:
                yield from _parts(member)
    elif isinstance(part, list):
        for inner in part:
            yield from _parts(inner)


def _bound(part: dict[str, Any]) -> None:
    """Refuses numbers that may be other ones by now."""
    if part.get("type") in ("integer", "number"):
        part.setdefault("minimum", -EXACT)
        part.setdefault("maximum", EXACT)


def made() -> dict[Path, str]:
    """Each file of the chart that is made from elsewhere, as it should be."""
    files = {CHART / "values.schema.json": json.dumps(values_schema(), indent=2, ensure_ascii=False) + "\n"}
    return files | {copy: original.read_text() for copy, original in COPIES.items()}
