"""Who may reach the pods of a workload once a gateway guards one of their ports: NetworkPolicies, old ones and ours."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from gateway.inject.container import listens
from gateway.inject.pods import Workload, listed, mapping, mappings, within
from gateway.inject.ports import Guarded
from gateway.inject.stream import MANAGED_BY, MANAGER, Manifest
from gateway.inject.wanted import NAME, Remark, Wanted

#: longest name of an object
_MAX_NAME = 253
#: characters of a hash that tell two names apart
_HASH = 8


#: of pods without labels
UNPICKED: Final = (
    "its pods have no labels by which a NetworkPolicy could pick them: the API's port can be reached at their "
    "addresses; give the template of the pods labels, or use --loopback"
)


def labels_of(workload: Workload) -> dict[str, Any]:
    """The labels by which a policy picks its pods; none: it cannot."""
    return mapping(within(workload.manifest.value, ("spec", "selector", "matchLabels"))) or workload.pod_labels


def policies_for(workload: Workload, objects: list[Manifest]) -> list[Manifest]:
    """Those of the stream that say who may reach its pods."""
    found = []
    for one in objects:
        spec = mapping(one.value.get("spec")) if one.kind == "NetworkPolicy" else {}
        if (
            not spec
            or one.namespace != workload.manifest.namespace
            or "Ingress" not in (spec.get("policyTypes") or ["Ingress"])
        ):
            continue
        labels = mapping(within(spec, ("podSelector", "matchLabels")))
        if all(workload.pod_labels.get(name) == value for name, value in labels.items()):
            found.append(one)
    return found


def follow(
    workload: Workload, guarded: Guarded, policies: list[Manifest], wanted: Wanted, done: set[int]
) -> Iterator[Remark]:
    """Has old policies let in to the gateway whom they let in to the API; with the last part, to the API no more."""
    _, port = listens(wanted, guarded)
    closes = wanted.part != "workload" and not wanted.take_port
    for one in policies:
        if mapping(within(one.value, ("spec", "podSelector"))).get("matchExpressions"):
            sentence = (
                f"picks pods by expressions, which are not read here: does it let in to {port} of {workload.label}?"
            )
            yield Remark("warning", one.label, sentence)
        for index, rule in enumerate(listed(within(one.value, ("spec", "ingress")))):
            ports = listed(mapping(rule).get("ports"))
            if not ports and not wanted.loopback:
                sentence = (
                    f"lets in to every port of {workload.label}, the API's own {guarded.number} among them: "
                    f"not guarded there"
                )
                yield Remark("warning", one.label, sentence)
            if id(one) not in done and not wanted.take_port:
                yield from _follow_ports(one, index, ports, guarded, port, closes=closes)
        done.add(id(one))


def _follow_ports(
    one: Manifest, index: int, ports: list[Any], guarded: Guarded, port: int, *, closes: bool
) -> Iterator[Remark]:
    at = ("spec", "ingress", str(index), "ports")
    for place, told in enumerate(mappings(ports)):
        last = told.get("endPort")
        if (told.get("protocol") or "TCP") != "TCP" or not isinstance(first := told.get("port"), int):
            continue
        if isinstance(last, int) and first <= guarded.number <= last:
            sentence = (
                f"lets in to the ports {first} to {last}, the API's own {guarded.number} among them: not guarded there"
            )
            yield Remark("warning", one.label, sentence)
        elif first == guarded.number and closes:
            one.changes.set((*at, str(place), "port"), port)
            yield Remark("note", one.label, f"lets in to the gateway's {port} in place of the API's {guarded.number}")
        elif first == guarded.number:
            one.changes.append_at(at, len(ports), {"protocol": "TCP", "port": port})
            yield Remark(
                "note",
                one.label,
                f"lets in to the gateway's {port} too; to the API's {guarded.number} until --part service",
            )


def policy(
    workload: Workload, guarded: Guarded, old: list[Manifest], wanted: Wanted
) -> tuple[dict[str, Any] | None, str]:
    """The policy that closes the API's port, and a sentence about it. `old`: policies that say who else may come."""
    labels = labels_of(workload)
    if not labels:
        return None, UNPICKED
    _, port = listens(wanted, guarded)
    rules: list[dict[str, Any]] = []
    if not old:
        rules.append({"ports": [{"protocol": "TCP", "port": port}]})
        others = {(one.protocol, one.number): None for one in workload.ports() if one.number != guarded.number}
        others |= {(one.protocol, one.number): None for one in workload.ports() if one.protocol != "TCP"}
        if others:
            rules.append({"ports": [{"protocol": protocol, "port": number} for protocol, number in others]})
    if wanted.metrics_from is not None:
        space = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": wanted.metrics_from}}}
        rules.append({"from": [space], "ports": [{"protocol": "TCP", "port": wanted.admin.port}]})
    if not rules:
        return None, f"{old[0].label} says who may reach its pods; no other policy is written"
    metadata: dict[str, Any] = {"name": _name(workload, labels)}
    if workload.manifest.namespace:
        metadata["namespace"] = workload.manifest.namespace
    metadata["labels"] = {MANAGED_BY: MANAGER}
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"], "ingress": rules}
    written = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    return written, (
        f"NetworkPolicy/{metadata['name']} closes the API's port {guarded.number}, if the network of the "
        f"cluster enforces policies; "
        "ports that no container declares are closed too"
    )


def _name(workload: Workload, labels: dict[str, Any]) -> str:
    """Of the policy, by that of the workload; by the labels of its pods too, where several may begin like this one."""
    manifest = workload.manifest
    name = f"{NAME}-{manifest.kind.lower()}-{manifest.name}"
    if "name" in mapping(manifest.value.get("metadata")) and len(name) <= _MAX_NAME:
        return name
    picked = hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:_HASH]
    return f"{name[: _MAX_NAME - _HASH - 1].rstrip('-.')}-{picked}"
