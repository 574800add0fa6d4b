"""What is left of an environment, and what is not: on one of our own making."""

import ctypes
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import uvloop
from trim import CannotTrim, chosen, trim


def distribution(
    packages: Path, name: str, *files: str, requires: tuple[str, ...] = (), extras: tuple[str, ...] = ()
) -> None:
    """Installs one by hand, version 1, with these files of no content."""
    info = packages / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1"]
    lines += [f"Requires-Dist: {line}" for line in requires] + [f"Provides-Extra: {extra}" for extra in extras]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    (info / "RECORD").write_text(
        "".join(f"{file},,\n" for file in (*files, f"{info.name}/METADATA", f"{info.name}/RECORD"))
    )
    for file in files:
        (packages / file).parent.mkdir(parents=True, exist_ok=True)
        (packages / file).write_text("")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    packages = tmp_path / "lib" / "python3.13" / "site-packages"
    distribution(
        packages, "bearer-gateway", "gateway/__init__.py",
        requires=("http", 'redis[fast]; extra == "store"', 'grpc; extra == "grpc"', 'old; python_version < "3"'),
        extras=("store", "grpc"),
    )  # fmt: skip
    distribution(
        packages, "http", "http/__init__.py", "http/parser.pyx", "http/include/parser.h", "http/tests/test_it.py", "http/data.json"
    )  # fmt: skip
    distribution(packages, "redis", "redis/__init__.py", requires=('hiredis; extra == "fast"',))
    distribution(packages, "hiredis", "hiredis/__init__.py")
    distribution(packages, "grpc", "grpc/__init__.py")
    (tmp_path / "bin").mkdir()
    for program in ("python", "python3", "python3.13", "bearer-gateway", "pip", "activate", "activate.fish", "mypyc"):
        (tmp_path / "bin" / program).write_text("")
    return tmp_path


def installed(*names: str) -> dict[str, Any]:
    """What pip reports."""
    return {
        "install": [
            {
                "metadata": {"name": name, "version": "1"},
                "download_info": {
                    "url": f"https://user:hunter2@mirror.example/{name}-1-py3-none-any.whl",
                    "archive_info": {"hashes": {"sha256": "00" * 32}},
                },
            }
            for name in names
        ]
    }


def left(root: Path) -> set[str]:
    packages = root / "lib" / "python3.13" / "site-packages"
    return {path.name for path in packages.iterdir() if path.suffix != ".dist-info"}


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ("all", {"gateway", "http", "redis", "hiredis", "grpc"}),
        ("none", {"gateway", "http"}),
        ("", {"gateway", "http"}),
        ("store", {"gateway", "http", "redis", "hiredis"}),
        ("GRPC, store", {"gateway", "http", "redis", "hiredis", "grpc"}),
    ],
)
def test_only_what_was_asked_for_stays(root: Path, extras: str, expected: set[str]) -> None:
    trim(root, extras, installed())
    assert left(root) == expected


def test_an_extra_that_there_is_not_is_told_with_those_there_are() -> None:
    with pytest.raises(CannotTrim, match=r"^EXTRAS: no extra is called reddis; there are: grpc, store \(or"):
        chosen("reddis,grpc", ["store", "grpc"])
    with pytest.raises(CannotTrim, match="there are: none yet"):
        chosen("store", [])


def test_what_is_needed_and_not_there_ends_it(root: Path) -> None:
    shutil.rmtree(next(root.rglob("hiredis-1.dist-info")))
    with pytest.raises(CannotTrim, match="hiredis is needed and not installed"):
        trim(root, "all", installed())


def test_sources_headers_tests_and_tools_go_and_the_rest_is_byte_code_that_asks_for_no_source(root: Path) -> None:
    trim(root, "none", installed())
    packages = root / "lib" / "python3.13" / "site-packages"
    assert {path.name for path in (packages / "http").rglob("*") if path.is_file()} == {
        "__init__.py", "data.json", Path(importlib.util.cache_from_source("__init__.py")).name,
    }  # fmt: skip
    # The flags behind the magic number (PEP 552): by hash, and unchecked.
    assert {path.read_bytes()[4:8] for path in packages.rglob("*.pyc")} == {b"\1\0\0\0"}
    assert not list(packages.glob("*.dist-info/RECORD"))
    assert {path.name for path in (root / "bin").iterdir()} == {"python", "python3", "python3.13", "bearer-gateway"}


def test_what_nobody_imports_goes_too(root: Path) -> None:
    packages = root / "lib" / "python3.13" / "site-packages"
    distribution(packages, "hiredis", "cel_expr_python/cel.py", "cel_expr_python/ext/ext_math.py")
    trim(root, "all", installed())
    assert {path.name for path in (packages / "cel_expr_python").rglob("*.py")} == {"cel.py"}


def test_each_says_which_archive_it_came_out_of_and_not_where_that_lay(root: Path) -> None:
    trim(root, "none", installed("http", "grpc"))
    found = {path.parent.name: path.read_text() for path in root.rglob("archive.json")}
    assert found.keys() == {"http-1.dist-info"}
    assert json.loads(found["http-1.dist-info"]) == {"name": "http-1-py3-none-any.whl", "hashes": {"sha256": "00" * 32}}


def test_shared_objects_lose_their_symbols_and_still_load(root: Path) -> None:
    target = root / "lib" / "python3.13" / "site-packages" / "http" / Path(uvloop.loop.__file__).name
    shutil.copy(uvloop.loop.__file__, target)
    before = target.stat().st_size
    trim(root, "none", installed())
    assert target.stat().st_size < before / 4
    ctypes.PyDLL(str(target))
