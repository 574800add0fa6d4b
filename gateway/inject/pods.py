"""Workloads of a stream: where each has its pod, what the pod declares, and which of them are meant."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.inject.editing import Pointer
from gateway.inject.reading import Unfit
from gateway.inject.stream import BESIDE, WORKLOADS, Manifest
from gateway.inject.wanted import Wanted

_TEMPLATE: Final = ("spec", "template")
#: where a kind has the template of its pods
_TEMPLATES: Final[dict[str, Pointer]] = {
    "CronJob": ("spec", "jobTemplate", *_TEMPLATE),
    "Pod": (),
}
#: groups of the kinds, without version; another group's Deployment is something else
_GROUPS: Final = {"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "Job": "batch", "CronJob": "batch"}


@dataclass(frozen=True, slots=True)
class DeclaredPort:
    """A port that a container declares."""

    container: str
    #: place in the container's list
    index: int
    number: int
    name: str | None
    protocol: str
    #: also a port of the node
    is_host: bool


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs pods."""

    manifest: Manifest
    template: Pointer

    @property
    def label(self) -> str:
        """As kubectl names it."""
        return self.manifest.label

    @property
    def at(self) -> Pointer:
        """Where the pod's spec stands."""
        return (*self.template, "spec")

    @property
    def pod(self) -> dict[str, Any]:
        """The pod's spec."""
        return mapping(within(self.manifest.value, self.at))

    @property
    def pod_labels(self) -> dict[str, Any]:
        """The labels that its pods get."""
        return mapping(within(self.manifest.value, (*self.template, "metadata", "labels")))

    @property
    def is_job(self) -> bool:
        """Whether its pods end by themselves."""
        return self.manifest.kind in {"Job", "CronJob"}

    @property
    def containers(self) -> list[dict[str, Any]]:
        """The ordinary ones."""
        return mappings(self.pod.get("containers"))

    @property
    def all_containers(self) -> list[dict[str, Any]]:
        """The ordinary ones, and those of init."""
        return [*self.containers, *mappings(self.pod.get("initContainers"))]

    def ports(self) -> list[DeclaredPort]:
        """What its ordinary containers declare."""
        found = []
        for container in self.containers:
            for index, port in enumerate(listed(container.get("ports"))):
                if isinstance(port, dict) and isinstance(number := port.get("containerPort"), int):
                    name = port.get("name")
                    protocol = str(port.get("protocol") or "TCP")
                    found.append(
                        DeclaredPort(
                            str(container.get("name")),
                            index,
                            number,
                            name if isinstance(name, str) else None,
                            protocol,
                            is_host=bool(port.get("hostPort")),
                        )
                    )
        return found

    def is_selected(self, selector: Any, namespace: str) -> bool:
        """Whether the labels of a selector pick its pods; an empty selector picks none."""
        if not isinstance(selector, dict) or not selector or namespace != self.manifest.namespace:
            return False
        labels = self.pod_labels
        return all(labels.get(name) == value for name, value in selector.items())


def every(objects: list[Manifest]) -> list[Workload]:
    """All workloads, whether they are meant or not."""
    return [
        Workload(one, _TEMPLATES.get(one.kind, _TEMPLATE))
        for one in objects
        if one.kind in WORKLOADS and str(one.value.get("apiVersion")).rpartition("/")[0] == _GROUPS.get(one.kind, "")
    ]


def selects(selector: Any, labels: dict[str, Any]) -> bool:
    """Whether a selector with matchLabels and matchExpressions picks what has these labels; an empty one picks all."""
    selector = mapping(selector)
    equal = all(labels.get(name) == value for name, value in mapping(selector.get("matchLabels")).items())
    return equal and all(_holds(one, labels) for one in listed(selector.get("matchExpressions")))


def chosen(objects: list[Manifest], wanted: Wanted) -> Iterator[Workload]:
    """The workloads that are meant. Unfit: one that was named is not there."""
    found = every(objects)
    for name in wanted.names:
        if not any(is_named(one.manifest, name) for one in found):
            there = ", ".join(one.label for one in found) or "none"
            raise Unfit(f"has no workload {name}; it has {there}")
    for one in found:
        named = not wanted.names or any(is_named(one.manifest, name) for name in wanted.names)
        if named and _is_labelled(one.manifest, wanted):
            yield one


def unknown(objects: list[Manifest]) -> Iterator[Manifest]:
    """What runs pods as well, and is of a kind that is not known here."""
    for one in objects:
        if one.kind not in {*WORKLOADS, *BESIDE} and within(one.value, (*_TEMPLATE, "spec", "containers")):
            yield one


def is_named(manifest: Manifest, name: str) -> bool:
    """Whether `web` or `deployment/web` is meant to be it."""
    kind, slash, rest = name.rpartition("/")
    return manifest.name == rest and (not slash or kind.lower() == manifest.kind.lower())


def within(value: Any, pointer: Pointer) -> Any:
    """What stands at a place of plain values; None: nothing."""
    for segment in pointer:
        value = value.get(segment) if isinstance(value, dict) else None
    return value


def mapping(value: Any) -> dict[str, Any]:
    """It, or an empty one where there is something else."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """It, or an empty one where there is something else."""
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[dict[str, Any]]:
    """The mappings of a list."""
    return [one for one in listed(value) if isinstance(one, dict)]


def _holds(expression: Any, labels: dict[str, Any]) -> bool:
    told = mapping(expression)
    key, values = str(told.get("key")), listed(told.get("values"))
    match told.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _is_labelled(manifest: Manifest, wanted: Wanted) -> bool:
    labels = mapping(within(manifest.value, ("metadata", "labels")))
    for name, value, is_wanted in wanted.selector:
        has = name in labels and (value is None or str(labels[name]) == value)
        if has != is_wanted:
            return False
    return True
