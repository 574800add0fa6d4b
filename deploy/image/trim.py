"""Leaves of an environment what the gateway runs on: the first stage of Dockerfile, never anything else.

Takes out distributions that belong to no extra that was asked for, and of the rest tests, headers, sources of what is
compiled and what nobody imports; strips shared objects; writes byte-code that does not ask how old its source is, and
beside each distribution which archive it came out of.
"""

import argparse
import compileall
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from py_compile import PycInvalidationMode
from shutil import rmtree
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT: Final = "bearer-gateway"
#: what no program imports: sources of extension modules, their headers, stubs
_SOURCES: Final = frozenset({".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx", ".rs"})
_TESTS: Final = frozenset({"test", "tests"})
#: extensions of CEL's library, each with the whole library in it, which no condition of a route can name: 26 MiB
_UNUSED: Final = ("cel_expr_python/ext",)
#: what pip wrote of itself: true no longer, and of files as they were before they were stripped
_NOTES: Final = frozenset({"RECORD", "direct_url.json"})
#: kept of bin/: no scripts to activate it, no tools of the packages
_PROGRAMS: Final = frozenset({PROJECT, "python", "python3"})


class CannotTrim(Exception):
    """The sentence says why there will be no image."""


def chosen(text: str, offered: Iterable[str]) -> frozenset[str]:
    """The extras that `all`, `none` or a list of names stands for. CannotTrim: one that there is not."""
    known = frozenset(offered)
    if text in {"all", "none", ""}:
        return known if text == "all" else frozenset()
    names = frozenset(canonicalize_name(name.strip()) for name in text.split(","))
    if unknown := sorted(names - known):
        there = ", ".join(sorted(known)) or "none yet"
        raise CannotTrim(f"EXTRAS: no extra is called {', '.join(unknown)}; there are: {there} (or say all, or none)")
    return names


def needed(found: Sequence[Distribution], extras: Iterable[str]) -> frozenset[str]:
    """Names of whatever the project needs with these extras, itself included. CannotTrim: something is missing."""
    by_name = {canonicalize_name(one.name): one for one in found}
    waiting = [(canonicalize_name(PROJECT), frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, wanted = entry = waiting.pop()
        if entry in seen:
            continue
        seen.add(entry)
        if name not in by_name:
            raise CannotTrim(f"{name} is needed and not installed: requirements-extras.txt does not name it")
        for line in by_name[name].requires or ():
            asked = Requirement(line)
            if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                waiting.append((canonicalize_name(asked.name), frozenset(map(canonicalize_name, asked.extras))))
    return frozenset(name for name, _ in seen)


def trim(root: Path, extras: str, installed: dict[str, Any]) -> None:
    """Does all of it to the environment at `root`. `installed`: the report that pip wrote. CannotTrim."""
    (packages,) = root.glob("lib/python3*/site-packages")
    found = list(distributions(path=[str(packages)]))
    offered: list[str] = []
    for one in found:
        if canonicalize_name(one.name) == PROJECT:
            offered += map(canonicalize_name, one.metadata.get_all("Provides-Extra") or ())
    kept = needed(found, chosen(extras, offered))
    for one in found:
        if canonicalize_name(one.name) not in kept:
            _remove(one, packages)
    for item in installed["install"]:
        _write_archive(item, packages)
    _leave_out(packages)
    for program in (root / "bin").iterdir():
        if program.name not in _PROGRAMS and not program.name.startswith("python3."):
            program.unlink()
    rmtree(root / "include", ignore_errors=True)
    (root / ".gitignore").unlink(missing_ok=True)
    shared = sorted(path for path in packages.rglob("*") if ".so" in path.suffixes and path.is_file())
    if shared:
        subprocess.run(["strip", "--strip-unneeded", *shared], check=True)  # noqa: S603, S607 -- the builder's own
    # One process: what is shared between modules would be written by whoever came first.
    if not compileall.compile_dir(
        packages, maxlevels=50, force=True, quiet=1, workers=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    ):
        raise CannotTrim("a module cannot be compiled")


def _remove(one: Distribution, packages: Path) -> None:
    for file in one.files or ():
        path = packages / file
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == packages or not folder.is_relative_to(packages) or any(folder.iterdir()):
                break
            folder.rmdir()


def _write_archive(item: dict[str, Any], packages: Path) -> None:
    """The name of the archive and its hash, for sbom.py. Not where it came from: a mirror may be nobody's business."""
    name, version = canonicalize_name(item["metadata"]["name"]), item["metadata"]["version"]
    written = {
        "name": PurePosixPath(unquote(urlsplit(item["download_info"]["url"]).path)).name,
        "hashes": item["download_info"]["archive_info"]["hashes"],
    }
    for folder in packages.glob(f"*-{version}.dist-info"):
        if canonicalize_name(folder.name.removesuffix(f"-{version}.dist-info")) == name:
            (folder / "archive.json").write_text(json.dumps(written, sort_keys=True) + "\n")


def _leave_out(packages: Path) -> None:
    for folder in _UNUSED:
        rmtree(packages / folder, ignore_errors=True)
    for path in sorted(packages.rglob("*"), reverse=True):
        if path.is_dir():
            if path.name in _TESTS or path.name == "__pycache__":
                rmtree(path)
            elif not any(path.iterdir()):
                path.rmdir()
        elif path.suffix in _SOURCES or (path.name in _NOTES and path.parent.suffix == ".dist-info"):
            path.unlink()


def main() -> int:
    """Trims as the command line says; 1 when that cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the environment")
    parser.add_argument("--extras", required=True, help="all, none, or names of extras, separated by commas")
    parser.add_argument("--report", required=True, type=Path, help="the report that pip wrote")
    arguments = parser.parse_args()
    try:
        trim(arguments.root, arguments.extras, json.loads(arguments.report.read_text()))
    except CannotTrim as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
