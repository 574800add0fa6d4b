"""Who may reach the pods of a workload once a gateway guards one of their ports: NetworkPolicies, old ones and ours."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.inject.container import listens
from gateway.inject.pods import Workload, listed, mapping, mappings, selects, within
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


@dataclass(slots=True)
class Beside:
    """The other workloads of a stream, which one policy may be for as well; and what has been done to policies."""

    #: with the number that their gateway guards; None: they get no gateway
    workloads: list[tuple[Workload, int | None]]
    #: policies and the guarded numbers that they follow
    done: set[tuple[int, int]] = field(default_factory=set)
    #: policies and indices of their rules that let in to the gateway too
    grown: set[tuple[int, int]] = field(default_factory=set)

    def needing(self, one: Manifest, workload: Workload, number: int) -> list[str]:
        """Labels of the others that a policy is for, and whose port of that number no gateway guards."""
        return [
            other.label
            for other, guarded in self._others(workload)
            if guarded != number
            and policies_for(other, [one])
            and (_declares(other, number) or (guarded is None and not other.ports()))
        ]

    def picked(self, workload: Workload, written: dict[str, Any]) -> list[str]:
        """Labels of those without a gateway whose pods a policy that is written here is for as well."""
        selector = written["spec"]["podSelector"]
        return [
            other.label
            for other, guarded in self._others(workload)
            if guarded is None
            and other.manifest.namespace == workload.manifest.namespace
            and selects(selector, other.pod_labels)
        ]

    def _others(self, workload: Workload) -> list[tuple[Workload, int | None]]:
        return [one for one in self.workloads if one[0].manifest is not workload.manifest]


def _declares(workload: Workload, number: int) -> bool:
    return any(port.number == number and port.protocol == "TCP" for port in workload.ports())


def policies_for(workload: Workload, objects: list[Manifest]) -> list[Manifest]:
    """Those of the stream that say who may reach its pods."""
    found = []
    for one in objects:
        spec = mapping(one.value.get("spec")) if one.kind == "NetworkPolicy" else {}
        if (
            not spec
            or one.namespace != workload.manifest.namespace
            or "Ingress" not in (listed(spec.get("policyTypes")) or ["Ingress"])
        ):
            continue
        if selects(spec.get("podSelector"), workload.pod_labels):
            found.append(one)
    return found


def follow(
    workload: Workload, guarded: Guarded, policies: list[Manifest], wanted: Wanted, beside: Beside
) -> Iterator[Remark]:
    """Has old policies let in to the gateway whom they let in to the API; with the last part, to the API no more."""
    for one in policies:
        for index, rule in enumerate(listed(within(one.value, ("spec", "ingress")))):
            ports = listed(mapping(rule).get("ports"))
            # A port that says its protocol only is every port of it.
            is_wide = any(told.get("port") is None and _is_tcp(told) for told in mappings(ports))
            if (not ports or is_wide) and not wanted.loopback and not wanted.take_port:
                sentence = (
                    f"lets in to every port of {workload.label}, the API's own {guarded.number} among them: "
                    f"not guarded there"
                )
                yield Remark("warning", one.label, sentence)
            if not wanted.take_port:
                yield from _follow_ports(one, index, workload, guarded, wanted, beside)
        beside.done.add((id(one), guarded.number))


def _follow_ports(
    one: Manifest, index: int, workload: Workload, guarded: Guarded, wanted: Wanted, beside: Beside
) -> Iterator[Remark]:
    _, port = listens(wanted, guarded)
    at = ("spec", "ingress", str(index), "ports")
    ports = listed(within(listed(one.value["spec"]["ingress"])[index], ("ports",)))
    for place, told in enumerate(ports):
        if not isinstance(told, dict) or not _is_tcp(told) or not isinstance(first := told.get("port"), int):
            continue
        last = told.get("endPort")
        if isinstance(last, int) and first <= guarded.number <= last:
            sentence = (
                f"lets in to the ports {first} to {last}, the API's own {guarded.number} among them: not guarded there"
            )
            yield Remark("warning", one.label, sentence)
            continue
        if first != guarded.number or (id(one), guarded.number) in beside.done:
            continue
        others = beside.needing(one, workload, guarded.number)
        closes = wanted.part != "workload"
        if closes and not others:
            one.changes.set((*at, str(place), "port"), port)
            yield Remark("note", one.label, f"lets in to the gateway's {port} in place of the API's {guarded.number}")
            continue
        if (id(one), index) not in beside.grown:
            beside.grown.add((id(one), index))
            one.changes.append_at(at, len(ports), {"protocol": "TCP", "port": port})
        if closes:
            sentence = (
                f"lets in to the gateway's {port} too, and still to {guarded.number}, which {', '.join(others)} needs: "
                f"{guarded.number} of {workload.label} is NOT GUARDED there; write one policy for each of them"
            )
            yield Remark("warning", one.label, sentence)
        else:
            sentence = f"lets in to the gateway's {port} too; to the API's {guarded.number} until --part service"
            yield Remark("note", one.label, sentence)


def _is_tcp(port: dict[str, Any]) -> bool:
    return (port.get("protocol") or "TCP") == "TCP"


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
