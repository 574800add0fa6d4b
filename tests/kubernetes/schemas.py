"""Schemas of Kubernetes for kubeconform, which reads one file for each kind: from PyPI's kubernetes-validate and from CRDs."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

#: where kubeconform looks below a folder
LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"

_REFERENCE = "$ref"


def published() -> Path:
    """The schemas of every version, as kubernetes-validate has them."""
    found = importlib.util.find_spec("kubernetes_validate")
    assert found is not None, "kubernetes-validate is not installed"
    assert found.origin is not None
    return Path(found.origin).parent / "kubernetes-json-schema"


def write_schemas(version: str, kinds: list[str], folder: Path) -> None:
    """Schemas of `kinds` (`deployment-apps-v1`) of one version (1.29), each without references to another file."""
    source = published() / f"v{version}.0-local-strict"
    definitions = json.loads((source / "_definitions.json").read_text())
    definitions = definitions.get("$defs") or definitions["definitions"]
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        schema = json.loads((source / f"{kind}.json").read_text())
        (folder / f"{kind}.json").write_text(json.dumps(_resolved(schema, definitions, frozenset())))


def write_schemas_of_crds(crds: Path, kinds: list[str], folder: Path) -> None:
    """The same for those of `kinds` (`httproute-gateway-v1`) that `crds` define, strict about names."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"{kind.partition('-')[0]}s" for kind in kinds}
    for path in (path for path in crds.glob("*.yaml") if path.stem.rpartition("_")[2] in named):
        for definition in YAML(typ="safe").load_all(path.read_text()):
            if not definition or definition.get("kind") != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                name = f"{spec['names']['singular']}-{spec['group'].split('.')[0]}-{version['name']}.json"
                schema = version["schema"]["openAPIV3Schema"]
                # Known to every object, and left open in a CRD.
                schema["properties"]["metadata"] = {"type": "object"}
                for part in _parts(schema):
                    if "properties" in part and "x-kubernetes-preserve-unknown-fields" not in part:
                        part.setdefault("additionalProperties", False)
                (folder / name).write_text(json.dumps(schema, default=str))


def _resolved(part: Any, definitions: dict[str, Any], within: frozenset[str]) -> Any:
    """A schema with what it refers to in its place; what refers to itself is left open there."""
    if isinstance(part, list):
        return [_resolved(inner, definitions, within) for inner in part]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get(_REFERENCE), str):
        name = part[_REFERENCE].rpartition("/")[2]
        return {} if name in within else _resolved(definitions[name], definitions, within | {name})
    return {key: _resolved(inner, definitions, within) for key, inner in part.items() if key not in ("$schema", "$id")}


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from _parts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _parts(inner)
