"""Which port of a pod is guarded, who reaches it, and what it is called once the gateway stands before it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.inject.pods import Workload, listed, mappings
from gateway.inject.reading import Unfit
from gateway.inject.stream import Manifest
from gateway.inject.wanted import NAME, Remark, Wanted

#: longest name of a port
MAX_NAME: Final = 15

#: what a port's name begins with when it speaks something else, as service meshes have it: `grpc`, `tcp-db`
_OTHER = re.compile(
    r"(grpc|grpcs|h2c|http2|https|tls|tcp|udp|sctp|redis|mysql|mongo|mongodb|postgres|postgresql|amqp|kafka|"
    r"dns|smtp|ssh|ldap|memcached?|cql|thrift)(-.*)?"
)
_OTHER_NUMBERS: Final = {
    22: "SSH", 25: "SMTP", 53: "DNS", 389: "LDAP", 443: "TLS", 1433: "SQL Server", 2181: "ZooKeeper", 3306: "MySQL",
    5432: "PostgreSQL", 5672: "AMQP", 6379: "Redis", 8443: "TLS", 9042: "Cassandra", 9092: "Kafka", 11211: "memcached",
    27017: "MongoDB",
}  # fmt: skip


_OTHER_PROTOCOLS: Final = ("UDP", "SCTP")


@dataclass(frozen=True, slots=True)
class Route:
    """A port of a Service that leads to a workload."""

    service: Manifest
    index: int
    #: what the Service calls it
    name: str | None
    #: of the pod; None: a name that nobody declares
    number: int | None
    is_numeric: bool
    protocol: str
    application: str | None

    @property
    def label(self) -> str:
        """For sentences."""
        return f"{self.service.label} port {self.name or self.number}"

    @property
    def is_headless(self) -> bool:
        """Whether clients connect to the pods themselves."""
        spec = self.service.value["spec"]
        return bool(spec.get("clusterIP") == "None" or "None" in listed(spec.get("clusterIPs")))


@dataclass(frozen=True, slots=True)
class Guarded:
    """The API's port, and who reaches it."""

    number: int
    container: str
    #: name of the port to what it is called afterwards
    renamed: dict[str, str]
    routes: tuple[Route, ...]


def routes_to(workload: Workload, objects: list[Manifest]) -> list[Route]:
    """Every port of the stream's Services that leads to its pods."""
    numbers: dict[tuple[str, str], int] = {}
    for declared in workload.ports():
        if declared.name:
            # The first container's, as Kubernetes has it.
            numbers.setdefault((declared.name, declared.protocol), declared.number)
    found = []
    for service in objects:
        spec = service.value.get("spec") if service.kind == "Service" else None
        if not isinstance(spec, dict) or not workload.is_selected(spec.get("selector"), service.namespace):
            continue
        ports = spec.get("ports")
        for index, port in enumerate(ports if isinstance(ports, list) else []):
            if not isinstance(port, dict):
                continue
            target = port.get("targetPort") or port.get("port")
            is_numeric = isinstance(target, int)
            protocol = str(port.get("protocol") or "TCP")
            found.append(
                Route(
                    service,
                    index,
                    port.get("name") or None,
                    target if isinstance(target, int) else numbers.get((str(target), protocol)),
                    is_numeric,
                    protocol,
                    port.get("appProtocol"),
                )
            )
    return found


def guarded(workload: Workload, routes: list[Route], wanted: Wanted) -> Guarded | Remark:
    """The port that the gateway stands before; why there is none. Unfit: nobody knows which one it is."""
    number = _number(workload, routes, wanted)
    if isinstance(number, str):
        speaking, _ = _candidates(workload, routes)
        if not speaking:
            return Remark("note", workload.label, number)
        told = ", ".join(map(str, sorted(speaking)))
        return Remark("warning", workload.label, f"{number}: its port {told} is NOT GUARDED")
    taken = {port.get("name") for container in workload.all_containers for port in mappings(container.get("ports"))}
    renamed: dict[str, str] = {}
    for port in workload.ports():
        if port.number == number and port.name and port.protocol == "TCP":
            renamed[port.name] = free_name(port.name, {*taken, *renamed.values()})
    _check_names(workload, number, renamed)
    declaring = [port.container for port in workload.ports() if port.number == number and port.protocol == "TCP"]
    names = declaring or [str(container.get("name")) for container in workload.containers]
    if not names:
        raise Unfit("has no containers")
    led = tuple(route for route in routes if route.number == number and route.protocol == "TCP")
    return Guarded(number, names[0], renamed, led)


def _check_names(workload: Workload, number: int, renamed: dict[str, str]) -> None:
    """Unfit: the name that the gateway's port gets is another port's too, and Services would find that one."""
    for container in workload.all_containers:
        for port in mappings(container.get("ports")):
            name = port.get("name")
            if (
                isinstance(name, str)
                and name in renamed
                and port.get("containerPort") != number
                and (port.get("protocol") or "TCP") == "TCP"
            ):
                raise Unfit(
                    f"has two ports that are called {name}: {number}, and {port.get('containerPort')} of container "
                    f"{container.get('name')}, which Services would find in place of the gateway's: give it another "
                    f"name"
                )


def free_name(name: str, taken: set[Any], suffix: str = "-api") -> str:
    """`NAME-api`, or the nearest to it that nobody has and that is a port's name."""
    for count in range(1, 100):
        tail = suffix if count == 1 else f"{suffix}{count}"
        made = name[: MAX_NAME - len(tail)].rstrip("-") + tail
        if made not in taken:
            return made
    raise Unfit(f"has no name left that is like {name}")


def check_free(workload: Workload, wanted: Wanted, number: int) -> None:
    """Unfit: somebody in the pod uses a port that the gateway wants."""
    numbers = {"--listen": wanted.listen.port, "--admin": wanted.admin.port}
    if wanted.console is not None:
        numbers["console in the configuration"] = wanted.console
    for option, wants in numbers.items():
        if option == "--listen" and wanted.take_port:
            continue
        if wants == number:
            raise Unfit(f"has its API on port {wants}, which is the gateway's: give it another one by {option}")
        for container in workload.all_containers:
            if container.get("name") != NAME and wants in set(_numbers(container)):
                raise Unfit(
                    f"uses port {wants} in container {container.get('name')}, which is the gateway's: "
                    f"give it another one by {option}"
                )


def _numbers(value: Any) -> Iterator[int]:
    """Every number that stands for a port in a container: declared, probed, in a hook."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name in {"containerPort", "hostPort", "port"}:
                if isinstance(member, int):
                    yield member
            elif name != "env":
                yield from _numbers(member)
    elif isinstance(value, list):
        for member in value:
            yield from _numbers(member)


def _number(workload: Workload, routes: list[Route], wanted: Wanted) -> int | str:
    """The number of the API's port; a sentence when there is none. Unfit: nobody knows which one it is."""
    if wanted.target is not None:
        return _given(workload, routes, wanted)
    if wanted.upstream is not None:
        return _of_configuration(workload, routes, wanted.upstream)
    speaking, other = _candidates(workload, routes)
    if len(speaking) > 1:
        ports = ", ".join(f"{number} ({name})" if name else str(number) for number, name in sorted(speaking.items()))
        raise Unfit(f"has several ports: {ports}; say which one is guarded by --target-port, one workload at a time")
    if speaking:
        return next(iter(speaking))
    if other:
        told = ", ".join(f"{number} ({speaks})" for number, speaks in sorted(other.items()))
        return (
            f"speaks no HTTP as far as one can tell, and is left as it is: {told}; --target-port injects all the same"
        )
    return "has no port and no Service in the stream, and is left as it is; --target-port injects all the same"


def _of_configuration(workload: Workload, routes: list[Route], number: int) -> int:
    if number not in _numbers_there(workload, routes):
        raise Unfit(
            f"has no port {number}, which the configuration names as its upstream; leave `upstream` out there, "
            f"or give --target-port {number} when the API listens there all the same"
        )
    return number


def _candidates(workload: Workload, routes: list[Route]) -> tuple[dict[int, str], dict[int, str]]:
    """Numbers of ports that may speak HTTP, and their names; of others, and what they speak.

    Those that Services lead to, when there are any; else those that are declared.
    """
    names = {(port.number, port.protocol): port.name for port in workload.ports() if port.name}
    speaking: dict[int, str] = {}
    other: dict[int, str] = {}
    for route in routes:
        if route.number is not None:
            name = names.get((route.number, route.protocol))
            if speaks := _speaks(route.number, [route.application, route.name, name], route.protocol):
                other[route.number] = speaks
            else:
                speaking[route.number] = route.name or name or ""
    for port in () if speaking else workload.ports():
        if other.get(port.number) in {None, *_OTHER_PROTOCOLS}:
            if speaks := _speaks(port.number, [port.name], port.protocol):
                other[port.number] = speaks
            else:
                speaking[port.number] = port.name or ""
    return speaking, other


def _numbers_there(workload: Workload, routes: list[Route]) -> set[int | None]:
    return {port.number for port in workload.ports()} | {route.number for route in routes}


def _given(workload: Workload, routes: list[Route], wanted: Wanted) -> int | str:
    target = str(wanted.target)
    declared = workload.ports()
    if not target.isdecimal():
        found = next((port.number for port in declared if port.name == target), None)
        return f"has no port that is called {target}, and is left as it is" if found is None else found
    there = _numbers_there(workload, routes)
    # What is declared is documentation: a workload that is meant by its name may listen where it says nothing of.
    if there and int(target) not in there and not wanted.names:
        return f"has no port {target}, and is left as it is; with --name it gets a gateway all the same"
    return int(target)


def _speaks(number: int, names: list[str | None], protocol: str) -> str | None:
    """What a port speaks that is not HTTP, as far as it says so."""
    if protocol != "TCP":
        return protocol
    said = [name.lower() for name in names if name]
    for name in said:
        if _OTHER.fullmatch(name.removeprefix("kubernetes.io/")):
            return name
    return _OTHER_NUMBERS.get(number) if not any(name.startswith("http") for name in said) else None
