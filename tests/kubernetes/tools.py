"""The programs of Kubernetes and around it, built from the Go module proxy into a folder outside the clone, once per machine.

`python tests/kubernetes/tools.py` builds all of them and shows how far it is; a name after it builds that one and prints its path.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: where they are kept; $K8S_HOME names another folder
HOME: Final = Path(os.environ.get("K8S_HOME") or "/var/cache/bearer-gateway/kubernetes")
KUBERNETES: Final = "1.37.2"
#: flags of `go build` that are the same for all, so that one uses what was compiled for another
COMPILING: Final = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
#: variables of `go build`: a quarter of the compiler's time is spent on giving back memory that it need not have back
UNCOLLECTED: Final = {"CGO_ENABLED": "0", "GOGC": "off", "GOMEMLIMIT": "2GiB"}
#: seconds between two lines that say how far a build is
_TOLD_EVERY: Final = 15.0

_VERSION: Final = "k8s.io/component-base/version"
_HELM3: Final = "helm.sh/helm/v3/pkg"


class BuildFailed(Exception):
    """A program could not be built; the message ends with what the compiler said."""


@dataclass(frozen=True)
class Recipe:
    """Programs of one Go module that are built together."""

    module: str
    version: str
    #: program as it is called here: its package within the module
    programs: dict[str, str]
    #: what to expect, on two cores
    minutes: float
    #: variables set by the linker
    variables: tuple[str, ...] = ()
    #: version of the modules that are replaced by folders of the module's own repository, where it has some
    siblings: str | None = None
    #: gigabytes of intermediate results are thrown away
    huge: bool = False

    @property
    def stamp(self) -> str:
        """What a build is made of: another stamp, another build."""
        return repr((self.module, self.version, self.programs, self.variables, self.siblings))


RECIPES: Final = {
    "kubernetes": Recipe(
        "k8s.io/kubernetes",
        f"v{KUBERNETES}",
        {
            name: f"cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        },
        minutes=8,
        variables=(f"{_VERSION}.gitVersion=v{KUBERNETES}", f"{_VERSION}.gitMajor=1", f"{_VERSION}.gitMinor=37"),
        siblings=f"v0.{KUBERNETES.removeprefix('1.')}",
        huge=True,
    ),
    # Without the variables helm 3 believes in Kubernetes 1.20 when it renders without a cluster.
    "helm3": Recipe(
        "helm.sh/helm/v3",
        "v3.22.0",
        {"helm3": "cmd/helm"},
        minutes=1.5,
        variables=(
            f"{_HELM3}/chartutil.k8sVersionMajor=1",
            f"{_HELM3}/chartutil.k8sVersionMinor=37",
            f"{_HELM3}/lint/rules.k8sVersionMajor=1",
            f"{_HELM3}/lint/rules.k8sVersionMinor=37",
        ),
    ),
    "helm4": Recipe("helm.sh/helm/v4", "v4.3.1", {"helm4": "cmd/helm"}, minutes=2.5),
    "untt": Recipe("github.com/helm-unittest/helm-unittest", "v1.1.2", {"untt": "cmd/helm-unittest"}, minutes=0.5),
    "helm-docs": Recipe("github.com/norwoodj/helm-docs", "v1.14.2", {"helm-docs": "cmd/helm-docs"}, minutes=0.2),
    "kubeconform": Recipe("github.com/yannh/kubeconform", "v0.8.0", {"kubeconform": "cmd/kubeconform"}, minutes=0.1),
    "kube-score": Recipe("github.com/zegl/kube-score", "v1.20.0", {"kube-score": "cmd/kube-score"}, minutes=0.5),
    "coredns": Recipe("github.com/coredns/coredns", "v1.14.7", {"coredns": ""}, minutes=3, huge=True),
    "metrics-server": Recipe(
        "sigs.k8s.io/metrics-server", "v0.8.0", {"metrics-server": "cmd/metrics-server"}, minutes=3, huge=True
    ),
    "kube-router": Recipe(
        "github.com/cloudnativelabs/kube-router/v2", "v2.1.0", {"kube-router": "cmd/kube-router"}, minutes=2, huge=True
    ),
    "prometheus-adapter": Recipe(
        "sigs.k8s.io/prometheus-adapter", "v0.12.0", {"prometheus-adapter": "cmd/adapter"}, minutes=3, huge=True
    ),
    "controller-gen": Recipe(
        "sigs.k8s.io/controller-tools", "v0.23.0", {"controller-gen": "cmd/controller-gen"}, minutes=0.3
    ),
}
_RECIPE_OF: Final = {program: name for name, recipe in RECIPES.items() for program in recipe.programs}

_MONITORING: Final = ("github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring", "v0.95.2")
_GATEWAY_API: Final = ("sigs.k8s.io/gateway-api", "v1.6.3")


def tool(name: str) -> Path:
    """The program called `name`: one of RECIPES' programs. Built first where it is not there yet, which can take minutes."""
    key = _RECIPE_OF[name]
    recipe = RECIPES[key]
    with once(key, recipe.stamp, [HOME / "bin" / program for program in recipe.programs]) as missing:
        if missing:
            _build(key, recipe)
    return HOME / "bin" / name


def crds(name: str) -> Path:
    """A folder of YAML files with definitions of `monitoring` (ServiceMonitor, PrometheusRule) or `gateway` (HTTPRoute, ...)."""
    made = HOME / "crds" / name
    module, version = {"monitoring": _MONITORING, "gateway": _GATEWAY_API}[name]
    program = tool("controller-gen") if name == "monitoring" else None
    with once(f"crds-{name}", f"{module}@{version}", [made]) as missing:
        if missing:
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
            folder = Path(download(module, version)["Dir"])
            if program is not None:
                _run([str(program), "crd", "paths=./v1", f"output:crd:dir={made}"], folder)
            else:
                for definition in (folder / "config" / "crd" / "standard").glob("*.yaml"):
                    shutil.copyfile(definition, made / definition.name)
    return made


@contextmanager
def once(key: str, stamp: str, results: list[Path]) -> Iterator[bool]:
    """True where `results` have not been made with `stamp` yet. Of several processes one makes them and the others wait."""
    stamps = HOME / "stamps"
    stamps.mkdir(parents=True, exist_ok=True)
    with (stamps / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = stamps / key
        yield not made.exists() or made.read_text() != stamp or not all(result.exists() for result in results)
        made.write_text(stamp)


def _build(key: str, recipe: Recipe) -> None:
    """Builds from a module of our own with the requirements of `recipe`'s: `go install` refuses a module that replaces others."""
    if shutil.which("go") is None:
        raise BuildFailed("go was not found: Go 1.26 or newer builds what these tests run")
    say(f"building {', '.join(recipe.programs)} {recipe.version}: on two cores about {recipe.minutes * 60:.0f} s, once")
    started = time.monotonic()
    work = HOME / "build" / key
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _write_module(recipe, work)
    out = work / "bin"
    out.mkdir()
    environment = {**os.environ, **UNCOLLECTED}
    if recipe.huge:  # unless whoever calls wants to keep them
        environment.setdefault("GOCACHE", str(work / "cache"))
    # Nobody debugs them: what a debugger reads is not made at all.
    linked = "-s -w " + " ".join(f"-X {variable}" for variable in recipe.variables)
    command = ["go", "build", "-v", "-mod=mod", *COMPILING, f"-ldflags={linked}", "-o", f"{out}/"]
    _watch([*command, *_packages(recipe)], work, environment)
    (HOME / "bin").mkdir(exist_ok=True)
    for program, package in zip(recipe.programs, _packages(recipe), strict=True):
        (out / package.rsplit("/", 1)[1]).rename(HOME / "bin" / program)
    shutil.rmtree(work, ignore_errors=True)
    say(f"built {', '.join(recipe.programs)} in {time.monotonic() - started:.0f} s")


def _packages(recipe: Recipe) -> list[str]:
    return [f"{recipe.module}/{package}" if package else recipe.module for package in recipe.programs.values()]


def _write_module(recipe: Recipe, work: Path) -> None:
    """A go.mod that asks for exactly the versions of `recipe`'s own."""
    (work / "go.mod").write_text(Path(download(recipe.module, recipe.version)["GoMod"]).read_text())
    edits = ["-module=built", f"-require={recipe.module}@{recipe.version}"]
    for replaced in json.loads(_run(["go", "mod", "edit", "-json"], work)).get("Replace") or []:
        if replaced["New"]["Path"].startswith("."):
            name = replaced["Old"]["Path"]
            edits.append(f"-replace={name}={name}@{recipe.siblings}" if recipe.siblings else f"-dropreplace={name}")
    _run(["go", "mod", "edit", *edits], work)


def download(module: str, version: str) -> dict[str, str]:
    """Where the module proxy's copy of a module lies: `Dir` and `GoMod`."""
    told: dict[str, str] = json.loads(_run(["go", "mod", "download", "-json", f"{module}@{version}"], HOME))
    return told


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def _watch(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Runs `go build -v`, which names each package it has compiled, and says how far it is."""
    started = told = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as building:
        assert building.stderr is not None
        for line in building.stderr:
            lines.append(line)
            if time.monotonic() - told >= _TOLD_EVERY:
                told = time.monotonic()
                say(f"  {told - started:.0f} s: {len(lines)} packages, at {line.strip()}")
    if building.returncode != 0:
        raise BuildFailed(f"{' '.join(command[:2])} failed:\n{''.join(lines[-30:])}")


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(names: list[str]) -> int:
    """Builds what `names` says, everything without a name, and prints where it is."""
    # What Go compiles for one of them is used for the next; it is thrown away behind the last one.
    cache = HOME / "build" / "cache"
    os.environ.setdefault("GOCACHE", str(cache))
    try:
        for name in names or _RECIPE_OF:
            sys.stdout.write(f"{tool(name)}\n")
        for name in () if names else ("monitoring", "gateway"):
            sys.stdout.write(f"{crds(name)}\n")
    except BuildFailed as failed:
        say(str(failed))
        return 1
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
