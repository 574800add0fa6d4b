"""A configuration that runs in a pod, judged here as `check` would there: files are those that are mounted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from gateway.core.addresses import parse_address
from gateway.core.config.console import console_section_of
from gateway.core.config.file import Config, has_rates, upstreams_of
from gateway.core.config.upstreams import DEFAULT_UPSTREAM
from gateway.core.config.words import ConfigProblem
from gateway.inject.container import CONFIG_AT, FILES_AT, SECRETS_AT
from gateway.inject.wanted import Address, Remark, Secrets, Wanted
from gateway.settings.document import parse_document
from gateway.settings.settings import Loaded, judge

#: where a pod has what it shows to the cluster, and the cluster's authority
_OF_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/"
#: where files of the image are
_OF_IMAGE: Final = ("/etc/ssl/", "/usr/", _OF_ACCOUNT)
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: RFC 5737: stands for the address of a pod
_SOME_POD: Final = "192.0.2.1"

Mounts = tuple[tuple[Secrets, ...], tuple[str, ...]]
#: GATEWAY_LISTEN, GATEWAY_ADMIN
Addresses = tuple[str, str]


@dataclass(slots=True)
class Judged:
    """What inject needs to know of it."""

    #: for a ConfigMap; None: it is none of ours
    text: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    problems: list[Remark] = field(default_factory=list)
    upstream: int | None = None
    drain_delay: float = 5.0
    drain: float = 20.0
    needs_token: bool = False
    speaks_tls: bool = False
    console: int | None = None

    @classmethod
    def wrong(cls, sentence: str) -> "Judged":
        """Nothing could be read."""
        return cls(problems=[Remark("problem", "", sentence)])


def judged(text: str, variables: Mapping[str, str], *, source: str, mounts: Mounts, addresses: Addresses) -> Judged:
    """The configuration in a text, with variables over it. `addresses`: where the gateway will listen."""
    named: list[str] = []
    loaded = _loaded(text, variables, source, mounts, addresses, named)
    found = Judged(text, {**variables}, problems=[_remark("problem", problem) for problem in loaded.problems])
    if not text:
        found.problems = [replace(problem, sentence=_by_options(problem.sentence)) for problem in found.problems]
    found.remarks = [_remark("warning", warning) for warning in loaded.warnings]
    if loaded.config is not None:
        config = loaded.config
        found.drain_delay, found.drain = float(config.limits.drain_delay), float(config.limits.drain)
        found.speaks_tls = config.tls is not None
        if (console := console_section_of(config.console)) is not None:
            found.console = parse_address(console.address).port
        found.needs_token = any(path.startswith(_OF_ACCOUNT) for path in named)
        found.problems += map(partial(_remark, "problem"), _homeless(config))
        found.remarks += map(partial(_remark, "warning"), _unshared(config))
        if _names_upstream(text):
            _note_upstream(found, config)
    return found


def problems_of(text: str, wanted: Wanted) -> list[Remark]:
    """What is wrong with a text of a ConfigMap that inject has written."""
    mounts, addresses = (
        (wanted.secrets, wanted.files),
        addresses_of(wanted.listen, wanted.admin, take_port=wanted.take_port),
    )
    loaded = _loaded(text, wanted.variables, "ConfigMap", mounts, addresses, [])
    homeless = () if loaded.config is None else _homeless(loaded.config)
    return [_remark("problem", problem) for problem in (*loaded.problems, *homeless)]


def addresses_of(listen: Address, admin: Address, *, take_port: bool) -> Addresses:
    """GATEWAY_LISTEN and GATEWAY_ADMIN, as far as they are known before there is a pod."""
    if take_port:
        # The API's number, at an address which the API does not listen on.
        return f"{_SOME_POD}:{listen.port}", str(admin)
    return str(listen).replace("$(POD_IP)", _SOME_POD), str(admin)


def _loaded(
    text: str, variables: Mapping[str, str], source: str, mounts: Mounts, addresses: Addresses, named: list[str]
) -> Loaded:
    """`named` gets the path of every file that the configuration names."""
    environ = {"GATEWAY_LISTEN": addresses[0], "GATEWAY_ADMIN": addresses[1], **variables}
    if not _names_upstream(text):
        taken = {address.rpartition(":")[2] for address in addresses}
        environ["GATEWAY_UPSTREAM"] = f"http://127.0.0.1:{next(port for port in '123' if port not in taken)}"

    def missing(path: str) -> str | None:
        named.append(path)
        return _missing(path, mounts)

    return judge(text, environ, source=source, missing=missing)


def _names_upstream(text: str) -> bool:
    """Whether the configuration says itself where the API is."""
    try:
        values = parse_document(text).values
    except ValueError:
        return True
    upstreams = values.get("upstreams")
    return values.get("upstream") is not None or (isinstance(upstreams, dict) and DEFAULT_UPSTREAM in upstreams)


def _note_upstream(found: Judged, config: Config) -> None:
    url = urlsplit(upstreams_of(config)[DEFAULT_UPSTREAM].url)
    if url.hostname in _HERE:
        found.upstream = url.port or _DEFAULT_PORTS[url.scheme]
        return
    sentence = (
        "upstream is not in the pod: beside its API the gateway asks http://127.0.0.1:PORT, which inject "
        "writes when the file has no upstream"
    )
    found.problems.append(Remark("problem", "", sentence))


def _homeless(config: Config) -> Iterator[ConfigProblem]:
    """What must be written where nothing in the pod is, or asked at a socket that is not there."""
    if config.revocation is not None and config.revocation.file is not None:
        sentence = (
            "is the journal of one gateway, and in a pod nothing that is written stays: pods share what is revoked in "
            "a store; write revocation: {} and store.url"
        )
        yield ConfigProblem("revocation.file", sentence)
    if config.store.url is not None and config.store.url.startswith("unix:"):
        yield ConfigProblem("store.url", "names a socket, and there is none in the gateway's container")


def _unshared(config: Config) -> Iterator[ConfigProblem]:
    """What each pod would know for itself alone."""
    if config.store.url is not None:
        return
    if config.revocation is not None:
        sentence = "without store.url each pod knows only what it heard itself: a logout, for one, reaches one of them"
        yield ConfigProblem("revocation", sentence)
    if has_rates(config):
        yield ConfigProblem("rates", "without store.url each pod counts for itself")


def _missing(path: str, mounts: Mounts) -> str | None:
    secrets, files = mounts
    for secret in secrets:
        at = f"{SECRETS_AT}/{secret.name}/"
        if path.startswith(at):
            named = path.removeprefix(at)
            return (
                None
                if secret.key in {None, named}
                else f"names a key that --secret {secret.name}:{secret.key} leaves out"
            )
    if any(path.startswith(f"{FILES_AT}/{name}/") for name in files) or path.startswith(_OF_IMAGE):
        return None
    return (
        f"names a file that is not in the pod: --secret NAME mounts a Secret at {SECRETS_AT}/NAME, --files "
        f"NAME a ConfigMap "
        f"at {FILES_AT}/NAME; nothing else but the configuration at {CONFIG_AT} is there"
    )


def _by_options(sentence: str) -> str:
    """Here it is options that give what a variable gives to the gateway."""
    for name in ("issuer", "audience", "preset"):
        sentence = sentence.replace(f"GATEWAY_{name.upper()} can give it", f"give --config FILE, or --{name}")
    return sentence


def _remark(kind: str, problem: ConfigProblem) -> Remark:
    return Remark("problem" if kind == "problem" else "warning", "configuration", str(problem))
