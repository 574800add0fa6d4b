"""Workloads that get no gateway: where it could not guard anything, or would never end."""

from typing import Any

from gateway.inject.pods import Workload, mapping
from gateway.inject.reading import Unfit
from gateway.inject.wanted import NAME, Wanted

#: where braces are somebody else's language, and none of ours
_FREE = frozenset({"annotations", "args", "command", "env"})
_TEMPLATE = "{{"


def check_fit(workload: Workload, wanted: Wanted) -> None:
    """Unfit: why not."""
    pod = workload.pod
    _check_rendered(workload.manifest.value)
    if any(container.get("name") == NAME for container in workload.all_containers):
        raise Unfit(f"has a container {NAME} that inject has not written, or no longer knows: take it out first")
    if mapping(pod.get("os")).get("name") == "windows":
        raise Unfit("runs on Windows, and the gateway does not")
    if workload.is_job and not wanted.is_native:
        raise Unfit("would never end with --container: only a native sidecar ends with its job (Kubernetes 1.29)")
    if pod.get("hostNetwork") is True and not wanted.unsafe:
        raise Unfit(
            "shares the network of its node (hostNetwork): everybody there reaches the API around the gateway, and the "
            "gateway's ports are the node's; --unsafe injects all the same"
        )
    if pod.get("shareProcessNamespace") is True and not wanted.unsafe:
        raise Unfit(
            "shares one process namespace (shareProcessNamespace): its containers can read the gateway's secrets "
            "from its memory; --unsafe injects all the same"
        )
    if pod.get("hostPID") is True and not wanted.unsafe:
        raise Unfit(
            "shares the processes of its node (hostPID): its containers can read the gateway's secrets from its "
            "memory; --unsafe injects all the same"
        )


def _check_rendered(value: Any) -> None:
    """Unfit: the text is a template, with braces where Kubernetes has none."""
    if isinstance(value, dict):
        for name, member in value.items():
            if _TEMPLATE in name:
                raise Unfit("is a template; render it first: helm template ... | bearer-gateway inject -f -")
            if name not in _FREE:
                _check_rendered(member)
    elif isinstance(value, list):
        for member in value:
            _check_rendered(member)
    elif isinstance(value, str) and _TEMPLATE in value:
        raise Unfit("is a template; render it first: helm template ... | bearer-gateway inject -f -")
