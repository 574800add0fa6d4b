"""How a pod with a gateway ends: the API goes on while load balancers learn of it."""

import math
from collections.abc import Iterator

from gateway.inject.pods import Workload, mapping
from gateway.inject.wanted import Remark, Wanted

#: seconds, of Kubernetes
_DEFAULT_GRACE = 30


def write_ending(workload: Workload, wanted: Wanted) -> Iterator[Remark]:
    """Has the ordinary containers wait for the gateway's drain_delay and a second; the pod has that much longer."""
    if workload.is_job:
        # Its containers end by themselves, and nobody waits for it.
        return
    wait = math.ceil(wanted.drain_delay) + 1
    changes = workload.manifest.changes
    has_waiting = False
    for container in workload.containers:
        at = (*workload.at, "containers", f"name={container.get('name')}")
        if mapping(container.get("lifecycle")).get("preStop"):
            yield Remark(
                "note",
                workload.label,
                f"container {container.get('name')} has a preStop of its own, which stays: it should last {wait} s, "
                "while the gateway still gets requests",
            )
            continue
        changes.put((*at, "lifecycle"), "preStop", {"sleep": {"seconds": wait}})
        has_waiting = True
    if not has_waiting:
        return
    grace = workload.pod.get("terminationGracePeriodSeconds")
    before = grace if isinstance(grace, int) else _DEFAULT_GRACE
    where = (*workload.at, "terminationGracePeriodSeconds")
    if grace is None and "terminationGracePeriodSeconds" not in workload.pod:
        changes.put(workload.at, where[-1], before + wait)
    else:
        changes.set(where, before + wait)
    yield Remark(
        "note",
        workload.label,
        f"its containers wait {wait} s before they end (preStop: sleep; Kubernetes below 1.30 drops it), and the pod "
        f"has {before + wait} s in all",
    )
    if before + wait < wanted.drain_delay + wanted.drain:
        yield Remark(
            "warning",
            workload.label,
            f"has {before + wait} s to end, less than the limits drain_delay and drain together "
            f"({wanted.drain_delay + wanted.drain:g} s): what runs longer is cut",
        )
