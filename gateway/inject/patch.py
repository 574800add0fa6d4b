"""A stream of manifests with a gateway beside each API in it; or none any more.

Reading order of one workload: what is refused, which port, who reaches it, the container, the ending, probes, policies.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.inject.container import CONFIG_KEY, container, listens, volumes
from gateway.inject.ending import write_ending
from gateway.inject.followers import Followers, follow_in_containers, rename_ports
from gateway.inject.loopback import Probes, with_probes, write_probes
from gateway.inject.network_policy import Beside, follow, policies_for, policy
from gateway.inject.pods import Workload, chosen, every, mappings, unknown
from gateway.inject.ports import Guarded, Route, check_free, guarded, routes_to
from gateway.inject.proof import check_written
from gateway.inject.reading import Unfit
from gateway.inject.steps import steps
from gateway.inject.stream import MANAGED_BY, MANAGER, Stream, check_manifests, original, parse
from gateway.inject.unfit import check_fit
from gateway.inject.wanted import NAME, Remark, Wanted

#: what comes of a list where a name should be, and the like
_ODD = (TypeError, AttributeError, LookupError, AssertionError)


@dataclass(slots=True)
class Patched:
    """What came of it. With problems among the remarks the text is of no use."""

    text: str
    remarks: list[Remark] = field(default_factory=list)
    #: every text of a configuration that is in the stream now
    configs: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether the text may be printed."""
        return not any(remark.kind == "problem" for remark in self.remarks)


def remove(text: str) -> Patched:
    """The stream as it was before inject; a problem when it is no stream of manifests."""
    try:
        check_manifests(text)
    except Unfit as error:
        return Patched("", [Remark("problem", "", f"the stream {error}")])
    return _without_ours(text)


def _without_ours(text: str) -> Patched:
    try:
        before, told = original(text)
    except Unfit as error:
        return Patched("", [Remark("problem", "", f"the stream {error}")])
    except _ODD as error:
        return Patched("", [Remark("problem", "", f"the stream {_odd(error)}")])
    return Patched(before, [Remark("warning", "", sentence) for sentence in told])


def inject(text: str, wanted: Wanted) -> Patched:
    """The stream with gateways; where there are some already they are written anew, so that twice is once."""
    before = _without_ours(text)
    if not before.is_sound:
        return before
    try:
        stream = parse(before.text)
        workloads = [] if stream.is_empty else list(chosen(stream.objects, wanted))
    except Unfit as error:
        return Patched("", [Remark("problem", "", f"the stream {error}")])
    except _ODD as error:
        return Patched("", [Remark("problem", "", f"the stream {_odd(error)}")])
    if stream.is_empty:
        return Patched("", [Remark("problem", "", "the stream is empty: has the program before it printed anything?")])
    patching = _Patching(stream, wanted)
    patching.remarks += before.remarks
    for workload in workloads:
        try:
            patching.patch(workload)
        except Unfit as error:
            patching.remarks.append(Remark("problem", workload.label, str(error)))
        except _ODD as error:
            patching.remarks.append(Remark("problem", workload.label, _odd(error)))
    try:
        patching.finish()
    except _ODD as error:
        patching.remarks.append(Remark("problem", "", f"the stream {_odd(error)}"))
    return Patched(patching.text(), patching.remarks, list(patching.configs.values()))


def _odd(error: Exception) -> str:
    return (
        f"has, or what leads to it has, a value of another type than Kubernetes takes there ({type(error).__name__}): "
        "kubectl apply --dry-run=server says which"
    )


class _Patching:
    """One run over one stream."""

    def __init__(self, stream: Stream, wanted: Wanted) -> None:
        self._stream = stream
        self._wanted = wanted
        self._followers = Followers(stream.objects, wanted)
        self._added: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._injected: list[tuple[Workload, Guarded]] = []
        #: ids of the manifests whose API's port policies have closed
        self._closed: set[int] = set()
        self.remarks: list[Remark] = []
        #: name to text
        self.configs: dict[str, str] = {}

    def patch(self, workload: Workload) -> None:
        """Writes a gateway into one workload, and what belongs to it. Unfit: it gets none."""
        routes = routes_to(workload, self._stream.objects)
        found = guarded(workload, routes, self._wanted)
        if isinstance(found, Remark):
            self.remarks.append(found)
            return
        check_fit(workload, self._wanted)
        check_free(workload, self._wanted, found.number)
        self._check_reached(found)
        probes = self._write_workload(workload, found)
        config_map = self._config_map(workload, probes)
        taken = {port.get("name") for one in workload.all_containers for port in mappings(one.get("ports"))}
        built = container(self._wanted, found, config_map=config_map, taken=taken, is_job=workload.is_job)
        where = "initContainers" if self._wanted.is_native else "containers"
        workload.manifest.changes.append((*workload.at, where), [built])
        if mounted := volumes(self._wanted, config_map=config_map):
            workload.manifest.changes.append((*workload.at, "volumes"), mounted)
        self._injected.append((workload, found))
        self._write_beside(workload, found, routes)

    def finish(self) -> None:
        """What is said and written once all workloads are done."""
        self._write_policies()
        if not self._injected and not any(remark.kind == "problem" for remark in self.remarks):
            self.remarks.append(Remark("problem", "", "the stream has nothing that a gateway was put beside"))
        if self._wanted.metrics_from is not None and (self._wanted.loopback or self._wanted.take_port):
            sentence = "--metrics-from has no effect: no NetworkPolicy is written for an API on 127.0.0.1"
            self.remarks.append(Remark("warning", "", sentence))
        self.remarks += self._neighbours()
        for one in unknown(self._stream.objects):
            self.remarks.append(
                Remark("warning", one.label, "runs containers, is of a kind that is not known here, and stays as it is")
            )
        self.remarks += steps(self._injected, self._wanted, self._closed)
        for manifest in self._stream.objects:
            try:
                manifest.changes.remember()
            except Unfit as error:
                self.remarks.append(Remark("problem", manifest.label, str(error)))

    def text(self) -> str:
        """All of it."""
        if any(remark.kind == "problem" for remark in self.remarks):
            return ""
        try:
            check_written(self._stream, {id(workload.manifest) for workload, _ in self._injected})
            return self._stream.written(list(self._added.values()))
        except Unfit as error:
            self.remarks.append(Remark("problem", "", f"the stream {error}"))
            return ""

    def _check_reached(self, found: Guarded) -> None:
        """Unfit: clients that no Service sends to the gateway."""
        wanted = self._wanted
        for route in found.routes:
            if route.is_headless and not wanted.take_port and not wanted.unsafe:
                raise Unfit(
                    f"is reached through {route.service.label}, which is headless: clients connect to the "
                    f"pods themselves, at the "
                    f"API's number {found.number}. Let the API listen on 127.0.0.1:{found.number} and use "
                    f"--take-port, which gives the gateway "
                    "that number at the pod's address; --unsafe leaves those clients unguarded"
                )
            if route.is_numeric and wanted.loopback and not wanted.take_port and wanted.part == "workload":
                raise Unfit(
                    f"is reached through {route.service.label} by the API's number {found.number}, where "
                    f"nobody listens any more with "
                    "--loopback: put the gateway in first without it, in two steps, and add --loopback "
                    "with --part service "
                    "then; or use --take-port; or --part all when nothing is running yet"
                )

    def _neighbours(self) -> Iterator[Remark]:
        """Workloads without a gateway that a Service leads to beside one with a gateway."""
        done = {id(workload.manifest) for workload, _ in self._injected}
        bare = [one for one in every(self._stream.objects) if id(one.manifest) not in done]
        services = {id(route.service): route.service for _, found in self._injected for route in found.routes}
        for service in services.values():
            for one in bare:
                if one.is_selected(service.value["spec"].get("selector"), service.namespace):
                    sentence = (
                        f"also leads to {one.label}, which gets no gateway: NOT GUARDED there; "
                        f"put one beside it as well, or give its pods other labels"
                    )
                    yield Remark("warning", service.label, sentence)

    def _write_workload(self, workload: Workload, found: Guarded) -> Probes:
        loopback = self._wanted.loopback or self._wanted.take_port
        rename_ports(workload, found)
        follow_in_containers(workload, found, loopback=loopback)
        self.remarks += write_ending(workload, self._wanted)
        if not loopback:
            return {}
        probes, told = write_probes(workload, found, self._wanted)
        self.remarks += told
        return probes

    def _config_map(self, workload: Workload, probes: Probes) -> str | None:
        """The name of the ConfigMap with its configuration; one for each text, so that old pods keep theirs."""
        wanted = self._wanted
        if wanted.config_map is not None:
            if probes:
                raise Unfit(
                    f"has probes that --loopback sends through the gateway, whose configuration in "
                    f"ConfigMap/{wanted.config_map[0]} must "
                    "have them in its section `probes`: give the configuration by --config FILE, and it "
                    "is written there"
                )
            return wanted.config_map[0]
        if wanted.config is None and not probes:
            return None
        text = with_probes(wanted.config or "", probes)
        name = f"{NAME}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
        self.configs[name] = text
        space = workload.manifest.namespace
        metadata: dict[str, Any] = {"name": name}
        if space:
            metadata["namespace"] = space
        metadata["labels"] = {MANAGED_BY: MANAGER}
        self._added["ConfigMap", space, name] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "immutable": True,
            "data": {CONFIG_KEY: text},
        }
        return name

    def _write_beside(self, workload: Workload, found: Guarded, routes: list[Route]) -> None:
        """Services, policies and whatever else leads to the workload."""
        wanted = self._wanted
        _, port = listens(wanted, found)
        if wanted.part != "workload" and not wanted.take_port:
            for route in found.routes:
                if route.is_numeric:
                    at = ("spec", "ports", str(route.index), "targetPort")
                    self._followers.set_once(route.service, at, port)
        self.remarks += _not_guarded(workload, found, routes)
        if wanted.speaks_tls:
            self.remarks += _not_plain(found)
        self.remarks += self._followers.follow(workload, found)

    def _write_policies(self) -> None:
        """Once it is known which workloads get a gateway: one policy may be for several of them."""
        numbers = {id(workload.manifest): found.number for workload, found in self._injected}
        beside = Beside([(one, numbers.get(id(one.manifest))) for one in every(self._stream.objects)])
        for workload, found in self._injected:
            try:
                self._write_policy(workload, found, beside)
            except Unfit as error:
                self.remarks.append(Remark("problem", workload.label, str(error)))

    def _write_policy(self, workload: Workload, found: Guarded, beside: Beside) -> None:
        wanted = self._wanted
        old = policies_for(workload, self._stream.objects)
        told = list(follow(workload, found, old, wanted, beside))
        self.remarks += told
        if wanted.part != "workload" and not wanted.loopback and not wanted.take_port:
            written, sentence = policy(workload, found, old, wanted)
            self.remarks.append(Remark("note" if written or old else "warning", workload.label, sentence))
            if (written or old) and not any(remark.kind == "warning" for remark in told):
                self._closed.add(id(workload.manifest))
            if written is not None:
                name = written["metadata"]["name"]
                self._added["NetworkPolicy", workload.manifest.namespace, name] = written
                for other in beside.picked(workload, written):
                    sentence = f"is for the pods of {other} as well, which get no gateway, and closes their ports"
                    self.remarks.append(Remark("warning", f"NetworkPolicy/{name}", sentence))


def _not_plain(found: Guarded) -> Iterator[Remark]:
    """Services whose clients have to speak TLS from now on, and that do not say so yet."""
    for route in found.routes:
        if "https" in (route.application, route.name):
            continue
        sentence = (
            "leads to a gateway that speaks TLS, since the configuration has tls: clients, Ingresses and monitors that "
            "ask it by http:// get nothing. Have them ask by https:// and say appProtocol: https there, with "
            "--target-port here; or leave tls out and let what stands in front end it"
        )
        yield Remark("warning", route.label, sentence)


def _not_guarded(workload: Workload, found: Guarded, routes: list[Route]) -> Iterator[Remark]:
    for route in routes:
        if route.number is None:
            yield Remark("warning", workload.label, f"{route.label} leads to a port that no container declares")
        elif route.number != found.number:
            sentence = f"{route.label} leads to {route.number} of the API: not guarded"
            yield Remark("warning", workload.label, sentence)
        elif route.protocol != "TCP":
            sentence = f"{route.label} leads to {route.number} of the API by {route.protocol}: not guarded"
            yield Remark("warning", workload.label, sentence)
    led = {route.protocol for route in routes if route.number == found.number}
    for port in workload.ports():
        if port.number == found.number and port.protocol not in {"TCP", *led}:
            sentence = f"its port {port.name or port.number} is {port.number} by {port.protocol}: not guarded"
            yield Remark("warning", workload.label, sentence)
