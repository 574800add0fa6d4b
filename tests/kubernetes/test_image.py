"""The image as it is built: what is in it and what is not, that it is the same twice, and how it runs with next to no rights."""

import json
import os
import re
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from packaging.markers import Marker
from sbom import read_image, written

from gateway.demo.issuer import DemoIssuer
from tests.kubernetes.image import EPOCH, IMAGE, ROOT, base_image, build_image, is_built_the_same_twice
from tests.locks import pins

MIB = 1 << 20
#: MIB; what the files of the image take, with every extra that there is
SIZE = 200
#: the same without what only extras need
SIZE_WITHOUT_EXTRAS = 150
#: what those are called in site-packages
OF_EXTRAS = (
    "cel_expr_python",
    "bazel-project",
    "redis",
    "h2",
    "hpack",
    "hyperframe",
    "grpc",
    "google",
    "opentelemetry",
)
#: seconds from the start of the process to its first response
FIRST_RESPONSE = 1.5
OURS = "opt/bearer-gateway/"
AUDIENCE = "https://api.example.com"
#: Debian 13's, as locks ask for it
PYTHON = {"python_version": "3.13", "python_full_version": "3.13.5"}


@dataclass
class Root:
    """The root file system of the image, layer upon layer."""

    #: path without the leading slash, to bytes that it takes
    sizes: dict[str, int] = field(default_factory=dict)
    #: path to content, of what is small
    contents: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def archive() -> Path:
    return build_image()


@pytest.fixture(scope="module")
def root(archive: Path) -> Root:
    found = Root()
    with tarfile.open(archive) as outer:
        (entry,) = json.loads(_read(outer, "manifest.json"))
        for layer in entry["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                _add_layer(inner, found)
    return found


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()


def _add_layer(layer: tarfile.TarFile, root: Root) -> None:
    for member in layer:
        path = PurePosixPath("/", member.name).relative_to("/")
        if path.name.startswith(".wh."):
            gone = str(path.with_name(path.name[4:]))
            for known in [known for known in root.sizes if known == gone or known.startswith(f"{gone}/")]:
                del root.sizes[known]
            continue
        root.sizes[str(path)], root.modes[str(path)] = member.size, member.mode
        if member.isfile() and member.size < MIB:
            content = layer.extractfile(member)
            assert content is not None
            root.contents[str(path)] = content.read()


@pytest.fixture(scope="module")
def config(archive: Path) -> dict[str, Any]:
    """The image's own configuration."""
    with tarfile.open(archive) as outer:
        (entry,) = json.loads(_read(outer, "manifest.json"))
        assert f"docker.io/library/{IMAGE}" in entry["RepoTags"]
        made: dict[str, Any] = json.loads(_read(outer, entry["Config"]))
        return made


def test_it_is_small(root: Root) -> None:
    of_extras = {path: size for path, size in root.sizes.items() if _package_of(path) in OF_EXTRAS}
    assert set(map(_package_of, of_extras)) == set(OF_EXTRAS)
    whole = sum(root.sizes.values())
    assert whole / MIB < SIZE
    assert (whole - sum(of_extras.values())) / MIB < SIZE_WITHOUT_EXTRAS


def _package_of(path: str) -> str:
    """The name in site-packages that a file is below; empty: none."""
    _, found, rest = path.partition("/site-packages/")
    return rest.partition("/")[0] if found else ""


@pytest.mark.timeout(1800)
def test_two_builds_are_the_same_bytes(archive: Path) -> None:
    assert is_built_the_same_twice()


SMALL = """\
ARG BASE
FROM ${BASE}
ARG BUILDER
ARG EXTRAS
ARG VERSION
ARG REVISION
RUN echo made >/made
USER 65532
HEALTHCHECK CMD ["true"]
"""


def test_podman_and_buildah_build_the_same(tmp_path: Path) -> None:
    """What they write of themselves is taken out. An image of two lines shows it as well as one of minutes."""
    (tmp_path / "Dockerfile").write_text(SMALL)
    base, builder = base_image()
    name = f"localhost/bearer-gateway-small:{os.getpid()}"
    variables = {"BASE": base, "BUILDER": builder, "SOURCE_DATE_EPOCH": EPOCH, "REVISION": ""}
    variables |= {"FLAGS": f"--no-cache --file {tmp_path}/Dockerfile"}
    built = []
    for engine in ("podman", "buildah"):
        run = ["sh", "deploy/image/build.sh", name]
        done = subprocess.run(
            run,
            cwd=ROOT,
            env={**os.environ, **variables, "ENGINE": engine},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (made,) = json.loads(podman("inspect", "--type", "image", name).stdout)
        podman("rmi", name)
        assert made["Config"]["User"] == "65532"
        assert made["Healthcheck"]["Test"] == ["CMD", "true"]
        built.append(made["Id"])
    assert built[0] == built[1]


def test_nothing_is_in_it_that_the_gateway_does_not_run_on(root: Root) -> None:
    paths = set(root.sizes)
    programs = {PurePosixPath(path).name for path in paths if re.match(r"(usr/(local/)?)?s?bin/|opt/.*/bin/", path)}
    assert (
        programs & {"cc", "gcc", "ld", "make", "strip", "pip", "pip3", "curl", "wget", "git", "idle", "pydoc3"} == set()
    )
    for pattern in (
        r"/ensurepip/", r"/idlelib/", r"/tkinter/", r"/(dist|site)-packages/pip", r"python3[^/]*/test/", r"usr/include/.*\.h$",
        r"^var/lib/apt/lists/.", r"^var/cache/apt/.", r"-old$", r"^var/log/(apt|dpkg)", r"^root/\.cache", r"^build", r"^etc/pip\.",
    ):  # fmt: skip
        assert [path for path in paths if re.search(pattern, path)] == [], pattern
    ours = {path for path in paths if path.startswith(OURS)}
    assert [path for path in ours if re.search(r"/tests?/|\.(c|h|pyx|pxd|pyi)$", path)] == []
    assert [
        path for path in ours if root.contents.get(path, b"").startswith((b"#!/bin/", b"#!/usr/bin/env bash"))
    ] == []
    assert {PurePosixPath(path).name for path in ours if re.match(rf"{OURS}bin/.", path)} == {
        "bearer-gateway", "python", "python3", "python3.13",
    }  # fmt: skip


def test_no_program_lends_anybody_rights(root: Root) -> None:
    assert [path for path, mode in root.modes.items() if mode & 0o6000 and path in root.contents] == []


def test_what_every_request_passes_through_is_compiled(root: Root) -> None:
    assert [path for path in root.sizes if re.search(r"site-packages/gateway/gate\.cpython-313-.*\.so$", path)]


def test_byte_code_asks_for_no_source(root: Root) -> None:
    """Or a program without a place to write would compile the library at every start."""
    compiled = {path: content[4:8] for path, content in root.contents.items() if path.endswith(".pyc")}
    assert set(compiled.values()) == {b"\1\0\0\0"}
    for module in ("usr/lib/python3.13/asyncio/base_events", f"{OURS}lib/python3.13/site-packages/gateway/cli"):
        folder, _, name = module.rpartition("/")
        assert f"{folder}/__pycache__/{name}.cpython-313.pyc" in compiled


def test_it_says_how_it_is_run(config: dict[str, Any]) -> None:
    said = config["config"]
    assert said["User"] == "65532:65532"
    assert (said["Entrypoint"], said["Cmd"]) == (["bearer-gateway"], ["serve"])
    assert said["ExposedPorts"].keys() == {"8080/tcp", "9090/tcp"}
    assert said["StopSignal"] == "SIGTERM"
    assert said["Healthcheck"]["Test"] == ["CMD", "bearer-gateway", "health"]
    assert said["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert f":{said['Labels']['org.opencontainers.image.version']}" == IMAGE.removeprefix("bearer-gateway")
    assert not [line for line in said["Env"] if line.startswith("PIP_")]


def test_the_list_of_what_is_in_it_has_every_package_with_the_hash_of_the_lock(archive: Path) -> None:
    listed = json.loads(written(read_image(archive)))
    found = {one["name"]: one for one in listed["components"]}
    for pin in pins((ROOT / "requirements-extras.txt").read_text()):
        if pin.marker and not Marker(pin.marker).evaluate(PYTHON):
            continue
        one = found[str(pin.name)]
        assert one["version"] == str(pin.version)
        assert {each["content"] for each in one["hashes"]} <= pin.hashes
        assert one["hashes"]
    assert {"libc6", "libssl3t64", "python3.13", "ca-certificates", "debian"} <= found.keys()
    within = {each["name"] for one in listed["components"] for each in one.get("components", ())}
    assert {"openssl", "libuv", "llhttp"} <= within


@dataclass
class Container:
    """One that runs, with next to no rights."""

    name: str
    url: str
    admin: str

    def podman(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return podman(*arguments)

    def state(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(podman("inspect", self.name).stdout)[0]["State"]
        return made

    def logs(self) -> str:
        done = podman("logs", self.name)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of podman: runc, because crun refuses hybrid cgroups; limits that may be set where no limit may be raised."""
    path = tmp_path_factory.mktemp("podman") / "containers.conf"
    path.write_text(
        '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
        '[engine]\nruntime = "runc"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n'
    )
    os.environ["CONTAINERS_CONF"] = str(path)
    return path


@pytest.fixture(scope="module")
def loaded(archive: Path, settings: Path) -> Iterator[str]:
    """Its name in podman's storage."""
    done = podman("load", "--quiet", "--input", str(archive))
    assert done.returncode == 0, done.stderr
    yield f"docker.io/library/{IMAGE}"
    podman("rmi", *re.findall(r"\S+:\S+$", done.stdout, re.MULTILINE))


def podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=120, check=False)


RIGHTS = (
    "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65532", "--memory", "256m",
    "--network", "host", "--no-healthcheck",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(image: str, *options: str, **variables: str) -> Iterator[Container]:
    traffic, admin = free_port(), free_port()
    given = {"GATEWAY_LISTEN": f"127.0.0.1:{traffic}", "GATEWAY_ADMIN": f"127.0.0.1:{admin}", **variables}
    name = f"bearer-gateway-{traffic}"
    words = [word for pair in given.items() for word in ("--env", "=".join(pair))]
    done = podman("run", "--detach", "--name", name, *RIGHTS, *words, *options, image)
    assert done.returncode == 0, done.stderr
    try:
        yield Container(name, f"http://127.0.0.1:{traffic}", f"http://127.0.0.1:{admin}")
    finally:
        podman("rm", "--force", "--time", "0", name)


def first_response(url: str) -> int:
    """The status of the first response that comes; asks until one does."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            with urlopen(url, timeout=5) as response:
                return int(response.status)
        except HTTPError as error:
            return error.code
        except OSError:
            time.sleep(0.01)
    raise TimeoutError(url)


@pytest.fixture
async def issuer() -> Any:
    demo = DemoIssuer(audience=AUDIENCE)
    await demo.start()
    yield demo
    await demo.stop()


def three_variables(issuer: str) -> dict[str, str]:
    return {"GATEWAY_UPSTREAM": "http://127.0.0.1:9", "GATEWAY_ISSUER": issuer, "GATEWAY_AUDIENCE": AUDIENCE}


def test_it_serves_soon_without_rights_is_well_and_ends_in_good_order(loaded: str) -> None:
    variables = three_variables("http://127.0.0.1:9")
    with running(loaded, **variables) as container:
        assert first_response(container.url) == 401
        responded = time.time()
        state = container.state()
        started = datetime.fromisoformat(re.sub(r"\.\d+", lambda found: found[0][:7], state["StartedAt"])).timestamp()
        # When others have the processors, that is not its doing.
        waited = int(Path(f"/proc/{state['Pid']}/schedstat").read_text().split()[1]) / 1e9
        assert responded - started - waited < FIRST_RESPONSE
        status = dict(re.findall(r"^(\w+):\s*(.*)$", Path(f"/proc/{state['Pid']}/status").read_text(), re.MULTILINE))
        assert set(status["Uid"].split()) == {"65532"}
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        done = podman("exec", container.name, "bearer-gateway", "health")
        assert (done.stdout, done.returncode) == (f"{container.admin}/livez: 200\n", 0), done.stderr
        assert podman("exec", container.name, "touch", "/tmp/here").returncode != 0
        assert "(compiled)" in container.logs()
        assert podman("stop", "--time", "30", container.name).returncode == 0
        assert container.state()["ExitCode"] == 0


def test_a_file_is_mounted_in_the_place_of_the_one_that_is_empty(loaded: str, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "upstream: http://127.0.0.1:9\nissuers: [{issuer: https://login.example.com, audience: orders}]\n"
    )
    mounted = ("--volume", f"{config}:/etc/bearer-gateway/gateway.yaml:ro")
    done = podman("run", "--rm", *RIGHTS, *mounted, loaded, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "value    upstream: from file /etc/bearer-gateway/gateway.yaml line 1\n" in done.stdout
    with running(loaded, *mounted) as container:
        assert first_response(container.url) == 401


def test_without_either_it_says_what_is_missing(loaded: str) -> None:
    done = podman("run", "--rm", *RIGHTS, loaded)
    assert done.returncode == 1
    assert "upstream: is required; GATEWAY_UPSTREAM can give it" in done.stderr


def test_workers_count_in_a_place_of_their_own(loaded: str) -> None:
    variables = three_variables("http://127.0.0.1:9") | {"GATEWAY_WORKERS": "2"}
    with running(loaded, "--tmpfs", "/tmp", **variables) as container:
        assert first_response(container.url) == 401
        assert podman("stop", "--time", "30", container.name).returncode == 0
        assert container.state()["ExitCode"] == 0
