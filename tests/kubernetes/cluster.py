"""A whole Kubernetes of one node, of real parts, for as long as the tests run."""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.kubernetes import parts
from tests.kubernetes.images import pause_image
from tests.kubernetes.machine import Place
from tests.kubernetes.tools import HOME, tool

#: seconds until a part has to be there
_STARTING: Final = 90.0
#: seconds for one command
_COMMAND: Final = 120.0
#: seconds between two questions at most
_PAUSE: Final = 0.5
#: seconds until kube-proxy has heard of what the API server knows
_HEARD: Final = 0.5
#: its own account: when something had changed, and when it last wrote everything down
_PROXY_TIMES: Final = re.compile(
    r'^kubeproxy_sync_proxy_rules_last_(queued_)?timestamp_seconds\{ip_family="IPv4"\} (\S+)$', re.MULTILINE
)
#: variable that names the first process of a cluster which somebody else has brought up, for those that share it
SHARED: Final = "KUBERNETES_OF_TESTS"


class CommandFailed(Exception):
    """A command ended with an error; the message has what it printed."""


class Cluster:
    """One node, one administrator: what `kubectl`, `helm` and clients do is done from the node."""

    def __init__(self, init: int | None = None) -> None:
        """`init`: of one that is up already, as `Cluster.init` says there; that is who brings it down."""
        self._place = Place(HOME / "cluster", in_memory=("containerd", "etcd"), pods=True)
        self.folder = self._place.folder
        if init is not None:
            self._place.enter(init)

    @property
    def init(self) -> int:
        """Its first process, by which others find it."""
        return self._place.init

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; its address is reached from within the cluster's network only: `run` and `inside`."""
        return self.folder / "kubeconfig"

    def up(self) -> None:
        """Starts every part and waits until the node is ready for pods."""
        for name in ("kube-apiserver", "coredns"):
            tool(name)  # before anything waits for it
        self._place.open()
        place, folder = self._place, self.folder
        parts.write_certificates(folder)
        parts.write_network(folder)
        place.start("etcd", parts.etcd())
        place.start("kube-apiserver", parts.api_server())
        place.start("containerd", parts.containerd(folder))
        for command in (
            ["link", "add", "node0", "type", "bridge"],
            ["address", "add", f"{parts.NODE_ADDRESS}/32", "dev", "node0"],
            ["link", "set", "node0", "up"],
            # What is not a Service's address ends here.
            ["route", "add", parts.SERVICES, "dev", "node0"],
        ):
            self.run("ip", *command)
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._until("containerd", lambda: self.succeeds(*parts.ctr(folder), "version"))
        self.load_image(pause_image())
        self._until("kube-apiserver", lambda: self.kubectl("get", "--raw=/readyz", check=False) == "ok")
        place.start("kube-controller-manager", parts.controller_manager())
        place.start("kube-scheduler", parts.scheduler())
        place.start("kubelet", parts.kubelet(folder))
        place.start("kube-proxy", parts.kube_proxy())
        place.start("coredns", parts.core_dns(folder))
        ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
        self._until("kubelet", lambda: self.kubectl("get", "nodes", "-o", ready, check=False) == "True")
        account = ("get", "serviceaccount", "default", "-o", "name")
        self._until("kube-controller-manager", lambda: bool(self.kubectl(*account, check=False)))

    def down(self) -> None:
        """Ends every part and every pod, and leaves nothing on the machine."""
        self._place.close()

    def run(
        self,
        *command: str,
        input: str | None = None,  # noqa: A002 # as subprocess calls it
        check: bool = True,
        timeout: float = _COMMAND,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the cluster's network, with KUBECONFIG; CommandFailed when it ends with an error and `check`.

        `kubectl` is the cluster's own, and the programs of tools.py are found by their names.
        """
        path = f"{HOME / 'bin'}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        variables = {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig), **(environment or {})}
        arguments = [*self._place.entered("net"), *command]
        done = subprocess.run(
            arguments, input=input, env=variables, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode != 0:
            raise CommandFailed(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def succeeds(self, *command: str) -> bool:
        return self.run(*command, check=False).returncode == 0

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 # as above
        """What kubectl prints."""
        return self.run("kubectl", *arguments, input=input, check=check).stdout

    def apply(self, text: str, namespace: str = "default") -> str:
        """Applies manifests as an operator does; says which."""
        return self.kubectl("--namespace", namespace, "apply", "-f", "-", input=text)

    def wait_rollout(self, workload: str, namespace: str = "default", timeout: float = _COMMAND) -> None:
        """Waits until `workload`, KIND/NAME, runs as it is described and its Services lead to it."""
        arguments = ("rollout", "status", workload, f"--timeout={timeout:.0f}s")
        done = self.run("kubectl", "--namespace", namespace, *arguments, check=False, timeout=timeout + 10)
        if done.returncode != 0:
            told = self.kubectl("--namespace", namespace, "describe", "pods", check=False)
            raise CommandFailed(f"{workload} was not rolled out: {done.stderr}\n{told[-4000:]}")
        self.wait_until(lambda: self._is_led_to(namespace), f"Services of {namespace} that lead to what runs there")
        time.sleep(_HEARD)
        self.wait_until(self._is_written_down, "kube-proxy")

    def _is_led_to(self, namespace: str) -> bool:
        """Whether its Services lead to the pods that are ready, and to no others."""
        listed = json.loads(self.kubectl("--namespace", namespace, "get", "pods,services,endpointslices", "-o", "json"))
        ready: dict[str, dict[str, str]] = {}
        leading: dict[str, set[str]] = {}
        for item in listed["items"]:
            if item["kind"] == "Pod" and _is_ready(item):
                ready[item["metadata"]["name"]] = item["metadata"].get("labels", {})
            elif item["kind"] == "EndpointSlice":
                of = item["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
                endpoints = item["endpoints"] or []
                found = {one["targetRef"]["name"] for one in endpoints if one["conditions"].get("ready")}
                leading.setdefault(of, set()).update(found)
        for item in listed["items"]:
            spec = item["spec"] if item["kind"] == "Service" else {}
            if spec.get("selector") and not spec.get("publishNotReadyAddresses"):
                wanted = {name for name, labels in ready.items() if spec["selector"].items() <= labels.items()}
                if leading.get(item["metadata"]["name"], set()) != wanted:
                    return False
        return True

    def _is_written_down(self) -> bool:
        """Whether the node's rules are what kube-proxy has heard of."""
        with self.inside(), urllib.request.urlopen(parts.PROXY_METRICS, timeout=10) as response:
            times = {kind: float(at) for kind, at in _PROXY_TIMES.findall(response.read().decode())}
        return times["queued_"] <= times[""]

    def load_image(self, archive: Path) -> None:
        """Makes the images of a docker-archive known to the node, by the names they have in it."""
        self.run(*parts.ctr(self.folder), "images", "import", str(archive))

    def inside(self) -> AbstractContextManager[None]:
        """What this thread connects, listens on and starts meanwhile is in the cluster's network."""
        return self._place.inside()

    def start(self, name: str, command: list[str]) -> None:
        """Starts one more part, which runs until the cluster is brought down; what it prints is in NAME.log."""
        self._place.start(name, command)

    @contextmanager
    def once(self, what: str) -> Iterator[bool]:
        """True for the first of all processes that use this cluster to ask; the others wait until it is through."""
        with (self.folder / f"{what}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = self.folder / f"{what}.made"
            yield not made.exists()
            made.touch()

    @contextmanager
    def namespace(self, level: str = "restricted") -> Iterator[str]:
        """A namespace of its own for a test, at one of the levels of Pod Security. It is emptied at the end."""
        name = f"test-{uuid.uuid4().hex[:8]}"
        self.kubectl("create", "namespace", name)
        self.kubectl("label", "namespace", name, f"pod-security.kubernetes.io/enforce={level}")
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false", check=False)
            self.kubectl(
                "--namespace", name, "delete", "pods", "--all", "--grace-period=1", "--wait=false", check=False
            )

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Asks `condition` until it holds; CommandFailed names `what` when it never does."""
        deadline = time.monotonic() + timeout
        while True:
            asked = time.monotonic()
            if condition():
                return
            if time.monotonic() > deadline:
                raise CommandFailed(f"{what}: not within {timeout:.0f} s")
            # A kubectl takes the processors from what is waited for.
            time.sleep(min(max(0.1, 3 * (time.monotonic() - asked)), _PAUSE))

    def _until(self, part: str, condition: Callable[[], bool]) -> None:
        try:
            self.wait_until(condition, part, _STARTING)
        except CommandFailed:
            log = self._place.log(part).read_text(errors="replace")
            raise CommandFailed(f"{part} did not come up:\n{log[-3000:]}") from None
        sys.stderr.write(f"{part} is up\n")


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster, brought down whatever happens."""
    cluster = Cluster()
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()
