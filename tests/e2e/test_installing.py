"""What README and Makefile say installs what the locks name, on a day when the index has something newer of everything."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from package_index import Index, serving
from packaging.utils import canonicalize_name

from tests.locks import LOCKS, ROOT, pins

#: what a fresh environment brings by itself
BROUGHT = {"pip", "setuptools"}
OURS = "bearer-gateway"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def index() -> Iterator[Index]:
    with serving() as index:
        yield index


@pytest.fixture
def clone(index: Index, tmp_path: Path) -> Path:
    """The project with the locks of the index."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "gateway", clone / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "tests").mkdir()
    for name in ("Makefile", "README.md", "LICENSE", "pyproject.toml", "hatch_build.py", "tests/compiler_packages.sh"):
        shutil.copy(ROOT / name, clone / name)
    for lock in LOCKS:
        (clone / lock).write_text(index.locks[lock])
    return clone


#: A `python3` whose `-m venv` is a copy of what the real one has made: to install pip takes it six seconds of a processor.
_PYTHON = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exec {python} "$@"
cp -a {made} "$3" && sed -i "s|{made}|$PWD/$3|g" "$3"/pyvenv.cfg "$3"/bin/pip* "$3"/bin/activate*
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That one."""
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-m", "venv", folder / "made"], check=True)
    (folder / "bin").mkdir()
    program = folder / "bin" / "python3"
    program.write_text(_PYTHON.format(python=sys.executable, made=folder / "made"))
    program.chmod(0o755)
    return program


def run(*command: str, at: Path, index: Index, python: Path) -> subprocess.CompletedProcess[str]:
    """Runs it as somebody would who has just logged in, to whom the index is all there is."""
    env = {
        "PATH": os.pathsep.join([str(python.parent), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(at),
        "HATCH_BUILD_NO_HOOKS": "true",  # what compiles is a stub on this index
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index.url,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_PROGRESS_BAR": "off",
    }
    return subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, check=False)


def installed(venv: Path, *, besides: set[str]) -> dict[str, str]:
    """Name to version; `besides`: what may be there without being asked for."""
    (room,) = venv.glob("lib/python*/site-packages")
    found = {canonicalize_name(one.name): one.version for one in metadata.distributions(path=[str(room)])}
    return {name: version for name, version in found.items() if name not in besides}


def locked(lock: str) -> dict[str, str]:
    return {pin.name: str(pin.version) for pin in pins((ROOT / lock).read_text()) if pin.applies()}


def examples() -> list[str]:
    """The console examples of README that install something, as scripts."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return ["".join(re.findall(r"^\$ (.*\n)", block, re.MULTILINE)) for block in blocks if "pip install" in block]


def check(lock: str, *, venv: Path, index: Index, ours: bool) -> None:
    wanted = locked(lock)
    besides = (BROUGHT - set(wanted)) | {OURS}
    assert installed(venv, besides=besides) == wanted
    assert (OURS in installed(venv, besides=set())) is ours
    assert index.newer() == []


def test_make_installs_the_locks_and_nothing_newer(clone: Path, index: Index, python: Path) -> None:
    for target, lock, ours in (
        (".venv/.runtime", "requirements.txt", False),
        ("wheel", "requirements-build.txt", False),
        (".venv/.dev", "requirements-dev.txt", True),
    ):
        done = run("make", target, f"PYTHON={python}", at=clone, index=index, python=python)
        assert done.returncode == 0, done.stderr
        check(lock, venv=clone / ".venv", index=index, ours=ours)
    assert len(list((clone / "dist").glob("*.whl"))) == 1


def test_readme_installs_the_locks_and_nothing_newer(clone: Path, index: Index, python: Path, tmp_path: Path) -> None:
    here, elsewhere = examples()
    done = run("sh", "-euc", here, at=clone, index=index, python=python)
    assert done.returncode == 0, done.stderr
    check("requirements-build.txt", venv=clone / "venv", index=index, ours=True)

    # What `make wheel` does, in an environment that is here already.
    built = run("venv/bin/hatchling", "build", "-t", "wheel", "-d", "dist", at=clone, index=index, python=python)
    assert built.returncode == 0, built.stderr
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(clone / "requirements.txt", other)
    (wheel,) = (clone / "dist").glob("*.whl")
    shutil.copy(wheel, other)
    done = run("sh", "-euc", elsewhere, at=other, index=index, python=python)
    assert done.returncode == 0, done.stderr
    check("requirements.txt", venv=other / "venv", index=index, ours=True)


def test_the_index_tempts_whoever_resolves_and_nobody_who_builds_in_isolation(
    clone: Path, index: Index, python: Path
) -> None:
    made = run("python3", "-m", "venv", "venv", at=clone, index=index, python=python)
    assert made.returncode == 0, made.stderr
    done = run("venv/bin/pip", "install", "--no-deps", ".", at=clone, index=index, python=python)
    assert done.returncode == 0, done.stderr
    assert index.newer() == []
    version = locked("requirements-dev.txt")["pytest-cov"]
    run("venv/bin/pip", "install", f"pytest-cov=={version}", at=clone, index=index, python=python)
    assert [wheel for wheel in index.newer() if wheel.startswith("coverage-")] != []


def test_who_is_not_root_is_not_asked_for_what_is_installed(tmp_path: Path) -> None:
    # Their PATH has no sbin, where Debian puts nginx and haproxy.
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    script = ROOT / "tests" / "system_packages.sh"
    env = {"PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", script], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
