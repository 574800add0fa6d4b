"""Probes of an API that listens on 127.0.0.1 only: kubelet asks the gateway, and the gateway asks the API."""

from typing import Any, Final

from gateway.inject.editing import Editor, Edits
from gateway.inject.pods import Workload, mapping, mappings
from gateway.inject.ports import Guarded
from gateway.inject.reading import Unfit, compose, plain
from gateway.inject.wanted import Remark, Wanted
from gateway.inject.writing import block

#: the section of the gateway's configuration that says what is asked
SECTION: Final = "probes"

_KINDS: Final = {"startupProbe": "startup", "livenessProbe": "liveness", "readinessProbe": "readiness"}
_HANDLERS: Final = ("httpGet", "tcpSocket", "grpc")

#: seconds; the gateway waits no longer
_LONGEST: Final = 60

Probes = dict[str, dict[str, dict[str, Any]]]


def write_probes(workload: Workload, guarded: Guarded, wanted: Wanted) -> tuple[Probes, list[Remark]]:
    """Has kubelet ask the gateway's admin port in place of the API's container; what the gateway must then ask."""
    found: dict[str, dict[str, Any]] = {}
    remarks: list[Remark] = []
    for container in workload.containers:
        if container.get("name") != guarded.container:
            continue
        for name, kind in _KINDS.items():
            probe = mapping(container.get(name))
            handler = next((one for one in _HANDLERS if isinstance(probe.get(one), dict)), None)
            if handler is None:
                continue
            if probe[handler].get("host"):
                remarks.append(
                    Remark("warning", workload.label, f"the {kind} probe of {guarded.container} names a host and stays")
                )
                continue
            found[kind] = _asked(container, probe, handler)
            at = (*workload.at, "containers", f"name={guarded.container}", name, handler)
            value = {"path": f"/probe/{guarded.container}/{kind}", "port": wanted.admin.port}
            workload.manifest.changes.set_entry(at, "httpGet", value)
        for name, hook in mapping(container.get("lifecycle")).items():
            if isinstance(hook, dict) and ("httpGet" in hook or "tcpSocket" in hook):
                sentence = (
                    f"{name} of container {guarded.container} is asked at the pod's address, where the API no longer is"
                )
                remarks.append(Remark("warning", workload.label, sentence))
    return ({guarded.container: found} if found else {}), remarks


def with_probes(config: str, probes: Probes) -> str:
    """The text of a configuration with that section behind it. Unfit: it has one."""
    if not probes:
        return config
    roots = compose(config)
    if not roots:
        return (
            config
            + ("\n" if config and not config.endswith("\n") else "")
            + "\n".join(block({SECTION: probes}, 0))
            + "\n"
        )
    if SECTION in mapping(plain(roots[0])):
        raise Unfit(f"the configuration has a section {SECTION} already, which --loopback writes: take it out")
    edits = Edits(config)
    Editor(edits, roots[0]).add((), {SECTION: probes})
    text = edits.applied()
    return text if text.endswith("\n") else f"{text}\n"


def _asked(container: dict[str, Any], probe: dict[str, Any], handler: str) -> dict[str, Any]:
    """What the gateway asks in place of kubelet."""
    told = probe[handler]
    port = _number(container, told.get("port"))
    asked: dict[str, Any]
    if handler == "httpGet":
        path = str(told.get("path") or "/")
        scheme = str(told.get("scheme") or "HTTP").lower()
        asked = {"http": f"{scheme}://127.0.0.1:{port}{path if path.startswith('/') else '/' + path}"}
        headers = {str(one.get("name")): str(one.get("value") or "") for one in mappings(told.get("httpHeaders"))}
        if headers:
            asked["headers"] = headers
    elif handler == "tcpSocket":
        asked = {"tcp": f"127.0.0.1:{port}"}
    else:
        asked = {"grpc": f"127.0.0.1:{port}"}
        if told.get("service"):
            asked["service"] = str(told["service"])
    timeout = probe.get("timeoutSeconds")
    # A little less than kubelet waits, so that it hears of it.
    return asked | {"timeout": f"{min(timeout if isinstance(timeout, int) else 1, _LONGEST) * 1000 - 100}ms"}


def _number(container: dict[str, Any], port: Any) -> int:
    if isinstance(port, int):
        return port
    for one in mappings(container.get("ports")):
        if one.get("name") == port and isinstance(number := one.get("containerPort"), int):
            return number
    raise Unfit(f"has a probe of port {port}, which container {container.get('name')} does not declare")
