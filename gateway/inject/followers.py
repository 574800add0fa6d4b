"""What else in the stream names the API's port: it is led to where the port has gone, or told of."""

from collections.abc import Iterator
from typing import Any, Final

from gateway.inject.pods import Workload, mapping, mappings, within
from gateway.inject.ports import Guarded
from gateway.inject.stream import Manifest
from gateway.inject.wanted import Remark, Wanted

_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")


def rename_ports(workload: Workload, guarded: Guarded) -> None:
    """The API's port gives its name to the gateway's."""
    for port in workload.ports():
        if port.name in guarded.renamed and port.number == guarded.number and port.protocol == "TCP":
            new = guarded.renamed[port.name]
            at = (*workload.at, "containers", f"name={port.container}", "ports")
            known_as = (*at, f"name={new}", "name")
            workload.manifest.changes.set((*at, f"name={port.name}", "name"), new, known_as=known_as)


def follow_in_containers(workload: Workload, guarded: Guarded, *, loopback: bool) -> None:
    """Probes and hooks of the API's own containers go on asking the API. `loopback`: its probes ask the gateway."""
    for container in workload.containers:
        own = {port.get("name") for port in mappings(container.get("ports"))} & guarded.renamed.keys()
        at = (*workload.at, "containers", f"name={container.get('name')}")
        asked = [(probe,) for probe in _PROBES if not (loopback and container.get("name") == guarded.container)]
        for where in (*asked, ("lifecycle", "postStart"), ("lifecycle", "preStop")):
            for handler in ("httpGet", "tcpSocket"):
                port = within(container, (*where, handler, "port"))
                if isinstance(port, str) and port in own:
                    workload.manifest.changes.set((*at, *where, handler, "port"), guarded.renamed[port])


class Followers:
    """Objects beside the workloads; one may be beside several of them, and is changed once."""

    def __init__(self, objects: list[Manifest], wanted: Wanted) -> None:
        self._objects = objects
        self._wanted = wanted
        self._done: set[tuple[int, str]] = set()

    def follow(self, workload: Workload, guarded: Guarded) -> Iterator[Remark]:
        """Changes what names the API's port, and says what it cannot change."""
        for one in self._objects:
            if one.kind == "PodMonitor":
                yield from self._pod_monitor(one, workload, guarded)
            elif one.kind == "ServiceMonitor":
                yield from self._service_monitor(one, workload, guarded)
            elif one.kind == "HorizontalPodAutoscaler":
                yield from self._autoscaler(one, workload, guarded)
        for port in workload.ports():
            if port.is_host and port.number == guarded.number:
                sentence = f"port {port.number} is a port of its node as well (hostPort): not guarded there"
                yield Remark("warning", workload.label, sentence)
        annotations = mapping(within(workload.manifest.value, (*workload.template, "metadata", "annotations")))
        if str(annotations.get("prometheus.io/port")) == str(guarded.number) and not self._wanted.take_port:
            sentence = f"its annotation prometheus.io/port has Prometheus ask the API itself, at {guarded.number}"
            yield Remark("note", workload.label, sentence)

    def set_once(self, one: Manifest, at: tuple[str, ...], value: Any) -> bool:
        """Sets what stands there, or adds it; False when that has been done for another workload."""
        key = (id(one), "/".join(at))
        if key in self._done:
            return False
        self._done.add(key)
        if one.changes.editor.find(at) is None:
            one.changes.put(at[:-1], at[-1], value)
        else:
            one.changes.set(at, value)
        return True

    def _pod_monitor(self, one: Manifest, workload: Workload, guarded: Guarded) -> Iterator[Remark]:
        labels = within(one.value, ("spec", "selector", "matchLabels"))
        if not _picks(labels, workload.pod_labels):
            return
        for index, endpoint in enumerate(mappings(within(one.value, ("spec", "podMetricsEndpoints")))):
            if (new := guarded.renamed.get(str(endpoint.get("port")))) is not None:
                at = ("spec", "podMetricsEndpoints", str(index), "port")
                if self.set_once(one, at, new):
                    yield Remark(
                        "note", one.label, f"asks {workload.label} for metrics at the API's port as before, now {new}"
                    )

    def _service_monitor(self, one: Manifest, workload: Workload, guarded: Guarded) -> Iterator[Remark]:
        labels = within(one.value, ("spec", "selector", "matchLabels"))
        routes = [
            route for route in guarded.routes if _picks(labels, within(route.service.value, ("metadata", "labels")))
        ]
        for index, endpoint in enumerate(mappings(within(one.value, ("spec", "endpoints")))):
            if not routes:
                return
            if (new := guarded.renamed.get(str(endpoint.get("targetPort")))) is not None:
                self.set_once(one, ("spec", "endpoints", str(index), "targetPort"), new)
            elif endpoint.get("port") in {route.name for route in routes}:
                own = next(iter(guarded.renamed.values()), None)
                instead = f"`targetPort: {own}` in place of `port` asks the API itself" if own else "ask the API itself"
                yield Remark(
                    "warning",
                    one.label,
                    f"asks for metrics at port {endpoint['port']} of {routes[0].service.label}, which "
                    f"leads to the gateway now and "
                    f"wants a token: {instead}, or make the path public in `routes`",
                )

    def _autoscaler(self, one: Manifest, workload: Workload, guarded: Guarded) -> Iterator[Remark]:
        spec = mapping(one.value.get("spec"))
        target = mapping(spec.get("scaleTargetRef"))
        if (target.get("kind"), target.get("name")) != (workload.manifest.kind, workload.manifest.name):
            return
        by_cpu = [
            mapping(metric.get("resource")).get("target")
            for metric in mappings(spec.get("metrics"))
            if metric.get("type") == "Resource" and mapping(metric.get("resource")).get("name") == "cpu"
        ]
        if "targetCPUUtilizationPercentage" in spec:
            by_cpu.append({"type": "Utilization", "averageUtilization": spec["targetCPUUtilizationPercentage"]})
        for goal in by_cpu:
            told = ", ".join(f"{name}: {value}" for name, value in mapping(goal).items())
            yield Remark(
                "note",
                one.label,
                f"scales {workload.label} by the CPU of the whole pod, the gateway's (requests 100m) "
                f"included; by the API's alone "
                f"(autoscaling/v2): "
                f"{{type: ContainerResource, containerResource: {{name: cpu, container: {guarded.container}, "
                f"target: {{{told}}}}}}}",
            )


def _picks(labels: Any, has: Any) -> bool:
    """Whether the labels of a selector are among those of an object."""
    return isinstance(labels, dict) and all(mapping(has).get(name) == value for name, value in labels.items())
