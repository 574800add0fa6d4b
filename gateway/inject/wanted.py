"""What is asked of inject, and what it has to say: plain values."""

from dataclasses import dataclass, field
from typing import Final, Literal

#: of the container that is written, and of what belongs to it
NAME: Final = "bearer-gateway"

Part = Literal["workload", "service", "all"]


@dataclass(frozen=True, slots=True)
class Secrets:
    """A Secret of the cluster whose keys the gateway gets as files."""

    name: str
    #: None: every key
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where the gateway listens: `:15080`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    image: str
    listen: Address = Address("", 15080)
    admin: Address = Address("", 15090)
    #: a native sidecar, else an ordinary container
    is_native: bool = True
    part: Part = "workload"
    take_port: bool = False
    loopback: bool = False
    unsafe: bool = False
    #: name or number of the API's port
    target: str | None = None
    #: `NAME` or `KIND/NAME`; empty: all
    names: tuple[str, ...] = ()
    #: label, what it must be (None: there), or must not be
    selector: tuple[tuple[str, str | None, bool], ...] = ()
    metrics_from: str | None = None
    #: the text of the configuration file, for a ConfigMap
    config: str | None = None
    #: or a ConfigMap that is there: name and key
    config_map: tuple[str, str] | None = None
    #: names of ConfigMaps whose keys the gateway gets as files
    files: tuple[str, ...] = ()
    secrets: tuple[Secrets, ...] = ()
    #: more variables of the environment
    variables: dict[str, str] = field(default_factory=dict)
    #: the port of the API that the configuration names itself; None: it names none
    upstream: int | None = None
    #: seconds, of the configuration's limits
    drain_delay: float = 5.0
    drain: float = 20.0
    #: the gateway asks the cluster for keys, and needs what its service account has for that
    needs_token: bool = False
    #: its port speaks TLS, and so does every Service that leads there
    speaks_tls: bool = False
    #: the port of its console, as the configuration has it; None: it has none
    console: int | None = None
    #: the command line up to its options of parts, for the steps that are shown
    command: str = "bearer-gateway inject -f -"


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence for whoever runs it."""

    kind: Literal["note", "warning", "problem"]
    #: `Deployment/web`; empty: the stream
    about: str
    sentence: str

    def __str__(self) -> str:
        about = f"{self.about}: " if self.about else ""
        return f"{self.kind:<8} {about}{self.sentence}"
