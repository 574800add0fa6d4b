"""The locks: closures that agree with each other, with what is installed here, and with how they are installed."""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hatch_build import CompileHook
from tests.locks import KUBERNETES, LOCKS, ROOT, SITE, Pin, closure, pins

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = {
    "requirements.txt": [],
    "requirements-extras.txt": [],
    "requirements-build.txt": ["build"],
    "requirements-dev.txt": ["dev"],
    KUBERNETES: ["kubernetes"],
    SITE: ["site"],
}
#: the lock that every optional feature has what it needs from
EXTRAS = "requirements-extras.txt"
EACH_LOCK = pytest.mark.parametrize("lock", LOCKS)

#: wherever somebody could be told to install something
TEXTS = sorted(
    path
    for pattern in (
        "Makefile",
        "Dockerfile",
        "*.md",
        "*.py",
        ".ci/*",
        "docs/**/*",
        "deploy/**/*",
        "tests/**/*.sh",
        "tests/**/*.md",
    )
    for path in ROOT.glob(pattern)
    if path.is_file() and "node_modules" not in path.parts and path.suffix != ".png"
)
_INSTALLS = re.compile(
    r"(?:\bpip3?(?: --python \S+)?|\$\(PIP\)|-m pip(?: --?\S+)*) (?:install|download|wheel)\b(?:\\\n|[^\n`])*"
)


def read(lock: str) -> list[Pin]:
    return pins((ROOT / lock).read_text())


def roots(lock: str) -> list[Requirement]:
    """What pyproject.toml wants in a lock."""
    groups = PROJECT["dependency-groups"]

    def lines(group: str) -> Iterator[str]:
        for entry in groups[group]:
            if isinstance(entry, dict):
                yield from lines(entry["include-group"])
            else:
                yield entry

    wanted = [*PROJECT["project"]["dependencies"], *(line for group in GROUPS[lock] for line in lines(group))]
    if lock == EXTRAS:
        wanted += [line for extra in PROJECT["project"]["optional-dependencies"].values() for line in extra]
    return [Requirement(line) for line in wanted]


@EACH_LOCK
def test_a_lock_is_a_closure(lock: str) -> None:
    check_closure(lock)


def check_closure(lock: str) -> None:
    """Asks what is installed what it needs."""
    pinned = {pin.name: pin.version for pin in read(lock) if pin.applies()}
    wanted = closure(roots(lock))
    missing = [str(asked) for asked in wanted if canonicalize_name(asked.name) not in pinned]
    assert missing == []
    unfit = [
        f"{asked} but {pinned[canonicalize_name(asked.name)]}"
        for asked in wanted
        if not asked.specifier.contains(pinned[canonicalize_name(asked.name)], prereleases=True)
    ]
    assert unfit == []
    assert set(pinned) == {canonicalize_name(asked.name) for asked in wanted}


def test_extras_are_followed() -> None:
    asks = {
        "plugin": ["tool[fast,small]>=1"],
        "tool": ["wheels; extra == 'fast'", "paint; extra == 'colour'", "old; python_version < '3'", "core[deep]"],
        "core": ["depth ; extra == 'deep'"],
    }
    found = closure([Requirement("plugin")], lambda name: [Requirement(line) for line in asks.get(name, [])])
    assert sorted(asked.name for asked in found) == ["core", "depth", "plugin", "tool", "wheels"]


def test_locks_agree() -> None:
    everything = {pin.name: (pin.version, pin.hashes) for pin in read("requirements-dev.txt")}
    for lock in LOCKS:
        assert [pin for pin in read(lock) if everything[pin.name] != (pin.version, pin.hashes)] == [], lock
    plain, extras, build, everything_there_is = ({pin.name for pin in read(lock)} for lock in LOCKS)
    assert plain < extras < everything_there_is
    assert plain < build < everything_there_is
    for lock in (KUBERNETES, SITE):
        beside = read(lock)
        assert plain < {pin.name for pin in beside}
        assert [pin for pin in beside if everything.get(pin.name) not in (None, (pin.version, pin.hashes))] == [], lock


def test_what_is_tested_is_what_is_locked() -> None:
    check_installed("requirements-dev.txt")


def check_installed(lock: str) -> None:
    """Compares what is installed with it."""
    installed = {pin.name: metadata.version(pin.name) for pin in read(lock) if pin.applies()}
    assert installed == {pin.name: str(pin.version) for pin in read(lock) if pin.applies()}


def test_whoever_builds_in_isolation_gets_what_is_locked() -> None:
    locked = {pin.name: pin.version for pin in read("requirements-build.txt")}
    asked = {one.name: one for one in map(Requirement, PROJECT["build-system"]["requires"])}
    needed = {canonicalize_name(one.name) for one in closure([Requirement("hatchling")])}
    assert {name: str(one.specifier) for name, one in asked.items()} == {name: f"=={locked[name]}" for name in needed}
    # And what hatch_build.py asks for, once the backend is there.
    compiling = map(Requirement, CompileHook.dependencies(SimpleNamespace(root=str(ROOT))))  # type: ignore[arg-type]
    found = {canonicalize_name(one.name): (str(one.specifier), str(one.marker or "")) for one in compiling}
    assert found == {
        pin.name: (f"=={pin.version}", str(Marker(pin.marker)) if pin.marker else "")
        for pin in read("requirements-build.txt")
    }
    assert "requirements-build.txt" in PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]


def installs() -> list[tuple[str, str]]:
    """Each command that installs something: where it stands, and the command."""
    return [
        (path.relative_to(ROOT).as_posix(), command)
        for path in TEXTS
        for command in _INSTALLS.findall(path.read_text())
    ]


def test_nothing_is_installed_by_resolving() -> None:
    commands = installs()
    assert {"Makefile", "Dockerfile", "README.md"} <= {place for place, _ in commands}
    for place, command in commands:
        words = command.replace("\\\n", "").partition(" && ")[0].split()
        assert "--no-deps" in words, (place, command)
        assert "-r" in words or words[-1].endswith(".whl") or words[-1] == ".", (place, command)
        if "-r" in words:
            assert "--require-hashes" in words, (place, command)
            assert words[words.index("-r") + 1] in (*LOCKS, KUBERNETES, SITE), (place, command)
        if words[-1] == ".":
            assert "--no-build-isolation" in words, (place, command)


@pytest.mark.parametrize(
    "line",
    [
        "pip --python /venv install x",
        "pip install -r requirements.txt", "$(PIP) install uv", "python -m pip --quiet install .",
        "say `venv/bin/pip install --no-deps .` and",
    ],
)  # fmt: skip
def test_a_command_that_installs_is_found_wherever_it_stands(line: str) -> None:
    assert len(_INSTALLS.findall(line)) == 1


@pytest.mark.parametrize(
    "lock", sorted((ROOT / "tests").glob("e2e/*/package-lock.json")), ids=lambda path: path.parent.name
)
def test_packages_of_node_have_hashes_and_come_from_one_registry(lock: Path) -> None:
    packages = {name: package for name, package in json.loads(lock.read_text())["packages"].items() if name}
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/"), name
