"""What is left to be done, as commands: which order loses no request, and what is not guarded before its end."""

from collections.abc import Iterator

from gateway.inject.network_policy import UNPICKED, labels_of
from gateway.inject.pods import Workload
from gateway.inject.ports import Guarded
from gateway.inject.stream import Manifest
from gateway.inject.wanted import NAME, Remark, Wanted

_ROLLED_OUT = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def steps(injected: list[tuple[Workload, Guarded]], wanted: Wanted, closed: set[int]) -> Iterator[Remark]:
    """What to do next, and what to know. `closed`: ids of manifests whose API's port policies have closed."""
    if wanted.is_native and any(_is_named(found) for _, found in injected):
        sentence = "named ports of a native sidecar are found by Services since Kubernetes 1.32; before: --container"
        yield Remark("note", "", sentence)
    for workload, found in injected:
        yield Remark("note", workload.label, _guards(found, wanted))
        if not found.routes and not workload.is_job:
            yield _unseen(workload, found, wanted, is_closed=id(workload.manifest) in closed)
        if wanted.console is not None and workload.manifest.kind in _ROLLED_OUT:
            yield _console(workload.manifest, wanted.console)
    if wanted.part == "workload" and not wanted.take_port:
        yield from _two_steps(injected, wanted)


def _unseen(workload: Workload, found: Guarded, wanted: Wanted, *, is_closed: bool) -> Remark:
    """What a Service must say that is not in the stream."""
    port = found.number if wanted.take_port else wanted.listen.port
    says = " or ".join([f"`targetPort: {port}`", *(f"`targetPort: {name}`" for name in found.renamed)])
    if not is_closed:
        sentence = f"no Service of the stream leads to its port {found.number}: one elsewhere must say {says}"
        return Remark("note", workload.label, sentence)
    sentence = (
        f"its port {found.number} is closed by a NetworkPolicy now, and no Service of the stream leads to it: whoever "
        f"comes through one elsewhere with `targetPort: {found.number}` is cut off. That Service must say {says}; "
        "give it in the same run, and inject writes that"
    )
    return Remark("warning", workload.label, sentence)


def _console(manifest: Manifest, port: int) -> Remark:
    """How its console is opened: of one pod at a time."""
    namespace = f" -n {manifest.namespace}" if manifest.namespace else ""
    which = f"{manifest.kind.lower()}/{manifest.name}"
    sentence = (
        f"its console, of one pod at a time: kubectl{namespace} exec {which} -c {NAME} -- bearer-gateway console; "
        f"kubectl{namespace} port-forward {which} {port}"
    )
    return Remark("note", manifest.label, sentence)


def _is_named(found: Guarded) -> bool:
    return any(not route.is_numeric for route in found.routes)


def _guards(found: Guarded, wanted: Wanted) -> str:
    port = found.number if wanted.take_port else wanted.listen.port
    where = f"127.0.0.1:{found.number}" if wanted.loopback or wanted.take_port else f"{found.number}"
    listens = f"; container {found.container} must listen on {where} only" if where.startswith("127") else ""
    return f"the gateway listens on {port} for the API on {where}{listens}"


def _two_steps(injected: list[tuple[Workload, Guarded]], wanted: Wanted) -> Iterator[Remark]:
    numeric = [(workload, [route for route in found.routes if route.is_numeric]) for workload, found in injected]
    numeric = [(workload, routes) for workload, routes in numeric if routes]
    if not numeric:
        unpicked = [workload.label for workload, _ in injected if not wanted.loopback and not labels_of(workload)]
        for label in unpicked:
            yield Remark("warning", label, UNPICKED)
        if len(injected) > len(unpicked) and not wanted.loopback:
            sentence = (
                "the API's port can still be reached at the addresses of the pods: after the rollout close it by "
                f"{wanted.command} --part service | kubectl apply -f - (a NetworkPolicy) and say --part service for "
                "every later change, or use --loopback"
            )
            yield Remark("warning", "", sentence)
        return
    services = sorted({route.service.label for _, routes in numeric for route in routes})
    leads = "leads to the API by its number and is" if len(services) == 1 else "lead to the API by its number and are"
    lines = [
        f"{', '.join(services)} {leads} NOT GUARDED YET. In this order no request is lost:",
        f"  {wanted.command} --part workload | kubectl apply -f -",
        *(f"  {_wait(workload.manifest)}" for workload, _ in numeric),
        f"  {wanted.command} --part service | kubectl apply -f -",
        "From then on say --part service for every change: without it this guard is taken out again.",
    ]
    yield Remark("warning", "", "\n         ".join(lines))


def _wait(manifest: Manifest) -> str:
    space = f" -n {manifest.namespace}" if manifest.namespace else ""
    name = f"{manifest.kind.lower()}/{manifest.name}"
    if manifest.kind in _ROLLED_OUT:
        return f"kubectl rollout status {name}{space}"
    return f"kubectl wait --for=condition=Ready {name}{space}"
