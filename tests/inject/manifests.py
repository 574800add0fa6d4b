"""Small manifests for tests, and what is asked of inject."""

from pathlib import Path
from typing import Any

from gateway.inject.editing import Editor, Edits
from gateway.inject.patch import Patched, inject
from gateway.inject.pods import Workload, chosen
from gateway.inject.reading import compose, plain
from gateway.inject.stream import Manifest, parse
from gateway.inject.wanted import Wanted

MANIFESTS = Path(__file__).parents[1] / "data" / "manifests"
CORPUS = sorted(path for path in MANIFESTS.iterdir() if path.suffix in {".yaml", ".json"})

CONFIG = "issuers:\n  - issuer: https://login.example.com\n    audience: https://api.example.com\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: api
        image: api:1
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /health
            port: http
"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - name: http
    port: 80
    targetPort: http
"""
NUMERIC = SERVICE.replace("targetPort: http", "targetPort: 8080")
HEADLESS = SERVICE.replace("spec:\n", "spec:\n  clusterIP: None\n")


def wanted(**changes: Any) -> Wanted:
    return Wanted(**{"image": "bearer-gateway:1", "config": CONFIG, **changes})


def injected(text: str, **changes: Any) -> Patched:
    """What inject makes of a text; there must be no problem."""
    patched = inject(text, wanted(**changes))
    assert patched.is_sound, patched.remarks
    return patched


def problems(text: str, **changes: Any) -> list[str]:
    patched = inject(text, wanted(**changes))
    assert patched.is_sound == (patched.text != "")
    return [str(remark) for remark in patched.remarks if remark.kind == "problem"]


def said(patched: Patched) -> str:
    return "\n".join(map(str, patched.remarks))


def objects(text: str) -> dict[str, Any]:
    """Every object of a stream by kind and name."""
    found: dict[str, Any] = {}
    todo = [plain(node) for node in compose(text)] if not text.startswith("{") else []
    if not todo:
        todo = [one.value for one in parse(text).objects]
    while todo:
        value = todo.pop(0)
        if value["kind"].endswith("List"):
            todo = value["items"] + todo
        else:
            metadata = value["metadata"]
            found[f"{value['kind']}/{metadata.get('name') or metadata.get('generateName')}"] = value
    return found


def pod_of(value: dict[str, Any]) -> dict[str, Any]:
    spec = value["spec"]
    if value["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod: dict[str, Any] = spec if value["kind"] == "Pod" else spec["template"]["spec"]
    return pod


def gateway_of(value: dict[str, Any]) -> dict[str, Any]:
    pod = pod_of(value)
    every = [*pod.get("initContainers", ()), *pod["containers"]]
    (found,) = [one for one in every if one["name"] == "bearer-gateway"]
    assert isinstance(found, dict)
    return found


def workloads(text: str, **changes: Any) -> tuple[list[Workload], list[Manifest]]:
    stream = parse(text)
    return list(chosen(stream.objects, wanted(**changes))), stream.objects


def editor(text: str) -> tuple[Edits, Editor]:
    edits = Edits(text)
    (root,) = compose(text)
    return edits, Editor(edits, root)
