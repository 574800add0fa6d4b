"""`bearer-gateway inject`: a gateway beside each API of a stream of Kubernetes manifests, or none any more."""

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway import __version__
from gateway.commands.configured import FAILED, OK
from gateway.commands.judged import Judged, addresses_of, judged, problems_of
from gateway.inject.container import CONFIG_KEY
from gateway.inject.patch import Patched, inject, remove
from gateway.inject.reading import Unfit
from gateway.inject.stream import find_config_map, has_service_part, joined
from gateway.inject.wanted import Address, Part, Remark, Secrets, Wanted

HELP: Final = "write a gateway beside the API into Kubernetes manifests"
DESCRIPTION: Final = (
    "Reads manifests and prints them with a gateway in each Deployment, StatefulSet, DaemonSet, Job, "
    "CronJob and Pod that has a "
    "port: kubectl apply -f - takes it from there. What is to be known is said on standard error. Running "
    "it again changes nothing; "
    "--remove takes everything out again. docs/kubernetes.md has the whole story."
)

#: a stream beyond this is something else
MAX_STREAM: Final = 64 << 20

_MARK: Final = "\ufeff"
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_PORT: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_LABEL: Final = re.compile(r"(!?)([A-Za-z0-9][-A-Za-z0-9_./]*)(?:(=|==|!=)([-A-Za-z0-9_.]*))?")
#: options that are shown again in the commands of further steps
_SHOWN: Final = (
    "filename", "config", "config_map", "issuer", "audience", "preset", "tracing", "secret", "files", "image", "listen",
    "admin", "container", "take_port", "loopback", "target_port", "name", "selector", "metrics_from", "unsafe",
)  # fmt: skip
_DEFAULTS: Final[dict[str, object]] = {
    "image": f"bearer-gateway:{__version__}",
    "listen": Address("", 15080),
    "admin": Address("", 15090),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        default=[],
        help="the manifests; again for more, which are read as one stream; -: standard input, the default",
    )
    parser.add_argument(
        "--remove",
        action="store_true",
        help="take out what inject has written, restore what it replaced, and pass over all other options",
    )
    told = parser.add_argument_group("what the gateway is told (one of the three, or both of the last)")
    told.add_argument("--config", metavar="FILE", help="its configuration; goes into a ConfigMap behind the manifests")
    told.add_argument(
        "--config-map", metavar="NAME[:KEY]", type=_config_map, help=f"one that is there; key {CONFIG_KEY}"
    )
    told.add_argument("--issuer", metavar="URL", help="whose tokens are accepted; without a file")
    told.add_argument("--audience", metavar="NAME", help="what they must be for; with --issuer")
    told.add_argument("--preset", metavar="NAME", help="which provider that is; with --issuer")
    told.add_argument("--tracing", metavar="URL", help="a collector of OpenTelemetry (http://host:4318)")
    told.add_argument(
        "--secret", metavar="NAME[:KEY]", type=_secret, action="append", default=[],
        help="a Secret, as files in /etc/bearer-gateway/secrets/NAME; again for more",
    )  # fmt: skip
    told.add_argument(
        "--files", metavar="NAME", type=_object, action="append", default=[],
        help="a ConfigMap, as files in /etc/bearer-gateway/files/NAME; again for more",
    )  # fmt: skip
    where = parser.add_argument_group("which workloads, and which port of them")
    where.add_argument("--name", metavar="[KIND/]NAME", action="append", default=[], help="this one; again for more")
    where.add_argument(
        "--selector", "-l", metavar="LABELS", type=_selector, default=(), help="those with these labels: a=b,c!=d,e,!f"
    )
    where.add_argument(
        "--target-port",
        "--port",
        metavar="PORT",
        type=_port,
        help="name or number of the API's port, where there are several",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--image", metavar="IMAGE", default=_DEFAULTS["image"], help="default: %(default)s")
    how.add_argument(
        "--listen", metavar=":PORT", type=_address, default=_DEFAULTS["listen"], help="default: %(default)s"
    )
    how.add_argument(
        "--admin",
        metavar=":PORT",
        type=_address,
        default=_DEFAULTS["admin"],
        help="probes and metrics; default: %(default)s",
    )
    how.add_argument("--container", action="store_true", help="an ordinary container, for Kubernetes before 1.29")
    how.add_argument(
        "--part", choices=("workload", "service", "all"),
        help="workload: the pods; service: Services by number and NetworkPolicies too, once those pods run; "
        "all: the same at once, when nothing is running yet. Default: what inject wrote into these manifests before, "
        "else workload",
    )  # fmt: skip
    how.add_argument(
        "--loopback", action="store_true", help="the API listens on 127.0.0.1 only: the gateway passes its probes on"
    )
    how.add_argument(
        "--take-port", action="store_true",
        help="the gateway listens at the API's number on the pod's address, for headless Services; implies --loopback",
    )  # fmt: skip
    how.add_argument("--metrics-from", metavar="NAMESPACE", type=_object, help="who may ask for the gateway's metrics")
    how.add_argument("--unsafe", action="store_true", help="also where somebody can get around the gateway")


def run(arguments: argparse.Namespace) -> int:
    """Prints the stream, unless something is wrong; 1 when it is."""
    try:
        mark, text = _stream(arguments.filename or ["-"])
    except ValueError as error:
        return _failed([Remark("problem", "", str(error))])
    if arguments.remove:
        return _printed(remove(text), mark)
    told = _told(arguments, text)
    if told.problems:
        return _failed([*told.remarks, *told.problems])
    part = _part(arguments, text, told.remarks)
    wanted = _wanted(arguments, told, part)
    patched = inject(text, wanted)
    patched.remarks[:0] = told.remarks
    for config in patched.configs:
        if config != told.text:
            patched.remarks += problems_of(config, wanted)
    return _printed(patched, mark)


def _told(arguments: argparse.Namespace, text: str) -> Judged:
    """The configuration that is meant, judged."""
    mounts = (tuple(arguments.secret), tuple(arguments.files))
    addresses = addresses_of(arguments.listen, arguments.admin, take_port=arguments.take_port)
    variables = {
        f"GATEWAY_{name.upper()}": value
        for name in ("issuer", "audience", "preset", "tracing")
        if (value := getattr(arguments, name)) is not None
    }
    if arguments.config is not None and arguments.config_map is not None:
        return Judged.wrong("--config and --config-map cannot both be meant: give one of them")
    if arguments.config is not None:
        try:
            config = _read(arguments.config)
        except ValueError as error:
            return Judged.wrong(f"the configuration file {arguments.config!r} {error}")
        return judged(
            config.removeprefix(_MARK), variables, source=arguments.config, mounts=mounts, addresses=addresses
        )
    if arguments.config_map is not None:
        name, key = arguments.config_map
        try:
            found = find_config_map(text, name, key)
        except Unfit as error:
            return Judged.wrong(f"the stream {error}")
        if found is None:
            sentence = f"is not in the stream with a key {key}: `bearer-gateway check` judges it, inject does not"
            return Judged(variables=variables, remarks=[Remark("warning", f"ConfigMap/{name}", sentence)])
        judgement = judged(found, variables, source=f"ConfigMap/{name}", mounts=mounts, addresses=addresses)
        judgement.text = None
        return judgement
    judgement = judged("", variables, source="variables", mounts=mounts, addresses=addresses)
    judgement.text = None
    return judgement


def _part(arguments: argparse.Namespace, text: str, remarks: list[Remark]) -> Part:
    """The part that is meant: what the stream has stays, unless it is told to go."""
    part: Part | None = arguments.part
    try:
        has_service = part in {None, "workload"} and has_service_part(text)
    except Unfit:
        has_service = False  # said when the stream is read as a whole
    if part is None:
        return "service" if has_service else "workload"
    if has_service and not arguments.take_port:
        sentence = (
            "--part workload takes the guard out that --part service has written into this stream: Services by number "
            "lead to the API again, and its port is open; leave --part out to keep the guard"
        )
        remarks.append(Remark("warning", "", sentence))
    return part


def _wanted(arguments: argparse.Namespace, told: Judged, part: Part) -> Wanted:
    return Wanted(
        image=arguments.image,
        listen=arguments.listen,
        admin=arguments.admin,
        is_native=not arguments.container,
        part=part,
        take_port=arguments.take_port,
        loopback=arguments.loopback,
        unsafe=arguments.unsafe,
        target=arguments.target_port,
        names=tuple(arguments.name),
        selector=arguments.selector,
        metrics_from=arguments.metrics_from,
        config=told.text,
        config_map=arguments.config_map,
        files=tuple(arguments.files),
        secrets=tuple(arguments.secret),
        variables=told.variables,
        upstream=told.upstream,
        drain_delay=told.drain_delay,
        drain=told.drain,
        needs_token=told.needs_token,
        speaks_tls=told.speaks_tls,
        console=told.console,
        command=_command(arguments),
    )


def _printed(patched: Patched, mark: str) -> int:
    if not patched.is_sound:
        return _failed(patched.remarks)
    _say(patched.remarks)
    sys.stdout.buffer.write((mark + patched.text).encode())
    sys.stdout.buffer.flush()
    return OK


def _failed(remarks: list[Remark]) -> int:
    _say(remarks)
    count = sum(remark.kind == "problem" for remark in remarks)
    print(f"Nothing is printed: {count} {'problem' if count == 1 else 'problems'}.", file=sys.stderr)
    return FAILED


def _say(remarks: list[Remark]) -> None:
    for remark in dict.fromkeys(map(str, remarks)):
        print(remark, file=sys.stderr)


def _stream(names: list[str]) -> tuple[str, str]:
    """A byte order mark, if the first file has one, and the text of all as one stream. ValueError: a sentence."""
    if names.count("-") > 1:
        raise ValueError("-f - can be given once: standard input is read once")
    texts: list[str] = []
    for name in names:
        try:
            texts.append(_read(name))
        except ValueError as error:
            raise ValueError(f"the stream {error}" if name == "-" else f"the file {name!r} {error}") from None
    if sum(map(len, texts)) > MAX_STREAM:
        raise ValueError(f"the files are larger than {MAX_STREAM >> 20}MiB together")
    mark = _MARK if texts[0].startswith(_MARK) else ""
    first, *more = [text.removeprefix(_MARK) for text in texts]
    return mark, joined(first, more)


def _read(name: str) -> str:
    """The text of a file or of standard input. ValueError: a sentence to follow what it is."""
    try:
        if name == "-":
            if sys.stdin.isatty():
                raise ValueError("is expected on standard input, or as -f FILE")
            content = sys.stdin.buffer.read(MAX_STREAM + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_STREAM + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_STREAM:
        raise ValueError(f"is larger than {MAX_STREAM >> 20}MiB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8 text: byte 0x{content[error.start]:02x} at line {line}") from None


def _command(arguments: argparse.Namespace) -> str:
    """The command line without --part, to be shown again."""
    words = ["bearer-gateway", "inject"]
    for name in _SHOWN:
        value = getattr(arguments, name)
        words += _option(name, value or ["-"] if name == "filename" else value)
    shown = shlex.join(words)
    return f"... | {shown}" if "-" in (arguments.filename or ["-"]) else shown


def _option(name: str, value: object) -> Iterator[str]:
    if value == _DEFAULTS.get(name):
        return
    option = "-f" if name == "filename" else f"--{name.replace('_', '-')}"
    if value is True:
        yield option
    elif isinstance(value, list):
        for one in value:
            text = (one.name if one.key is None else f"{one.name}:{one.key}") if isinstance(one, Secrets) else str(one)
            yield from (option, text)
    elif name == "config_map" and isinstance(value, tuple):
        yield from (option, ":".join(value))
    elif name == "selector":
        if isinstance(value, tuple) and value:
            yield from (option, ",".join(_label(*one) for one in value))
    elif value not in {None, False}:
        yield from (option, str(value))


def _label(name: str, value: str | None, is_wanted: bool) -> str:  # noqa: FBT001 -- as Wanted has it
    if value is None:
        return name if is_wanted else f"!{name}"
    return f"{name}{'=' if is_wanted else '!='}{value}"


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: one is written as :15080")
    if host.strip("[]") in {"127.0.0.1", "localhost", "::1"}:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be reached from outside of the pod: write :{port}")
    return Address(host, int(port))


def _port(text: str) -> str:
    if not (0 < int(text) < 65536 if text.isascii() and text.isdecimal() else _PORT.fullmatch(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port: one is written as its number, 8080, or as its name in the manifest, http"
        )
    return text


def _object(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of an object of Kubernetes")
    return text


def _secret(text: str) -> Secrets:
    name, colon, key = text.partition(":")
    return Secrets(_object(name), _key(key) if colon else None)


def _config_map(text: str) -> tuple[str, str]:
    name, colon, key = text.partition(":")
    return _object(name), _key(key) if colon else CONFIG_KEY


def _key(text: str) -> str:
    if not _KEY.fullmatch(text) or text.startswith(".."):
        raise argparse.ArgumentTypeError(f"{text!r} is no key of a Secret or ConfigMap")
    return text


def _selector(text: str) -> tuple[tuple[str, str | None, bool], ...]:
    found: list[tuple[str, str | None, bool]] = []
    for part in text.split(","):
        match = _LABEL.fullmatch(part.strip())
        if match is None or (match[1] and match[3]):
            raise argparse.ArgumentTypeError(
                f"{part!r} is no selector: one is written as app=web, app!=web, app or !app"
            )
        found.append((match[2], match[4], not match[1] and match[3] != "!="))
    return tuple(found)
