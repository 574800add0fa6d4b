"""The house as docs/architecture.md has it, where import-linter cannot see: what is pure, who composes, who says what once."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.test_layout import ARCHITECTURE, MODULES, ROOT, compiled, relative

CORE = [path for path in MODULES if path.is_relative_to(ROOT / "gateway" / "core")]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
#: all that core stands on besides itself: arithmetic on values, none of which waits, asks the machine, or knows the time
PURE = {
    "ast", "base64", "binascii", "collections", "collections.abc", "cryptography.exceptions", "cryptography.hazmat.primitives.asymmetric.padding",
    "cryptography.hazmat.primitives.asymmetric.rsa", "dataclasses", "difflib", "enum",
    "fractions", "functools", "hashlib", "heapq", "hmac", "http", "ipaddress", "itertools", "joserfc.errors", "joserfc.jwk", "joserfc.jws",
    "json", "math", "msgspec", "msgspec.structs", "re", "sys", "types", "typing", "unicodedata", "urllib.parse", "warnings",
}  # fmt: skip
#: of those below the sockets in `relay`: bytes in, events out
SANS_IO = [path for path in MODULES if path.parent.name == "http1"] + [
    ROOT / "gateway" / "relay" / "client" / "phase.py"
]
#: what sockets, loops and clocks come from
IO = {"asyncio", "socket", "ssl", "selectors", "threading", "time", "os"}
#: what reads a clock, the machine or a stranger although no import shows it
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "breakpoint", "__import__"}
#: what stands behind the ports: made in one place, from one configuration
COMPOSED = {
    "Gate", "HttpUpstreams", "RemoteIntrospections", "RemoteIssuers", "RemoteTokens", "RemoteUserInfo", "SignedAssertions",
}  # fmt: skip


def imports(tree: ast.AST) -> set[str]:
    """What a module imports that is none of ours."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return {name for name in found if name.partition(".")[0] != "gateway"}


def calls(tree: ast.AST) -> set[str]:
    """Names of what is called, without whose it is."""
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        func.id if isinstance(func, ast.Name) else func.attr
        for func in called
        if isinstance(func, ast.Name | ast.Attribute)
    }


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_core_is_values_and_functions(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert imports(tree) <= PURE
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, waits)]
    assert not calls(tree) & IMPURE_CALLS


@pytest.mark.parametrize("path", SANS_IO, ids=relative)
def test_a_parser_knows_no_socket_and_no_loop(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not {name.partition(".")[0] for name in imports(tree)} & IO
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]


@pytest.mark.parametrize("name", ["FlowControl", "Signal", "is_token68", "parse_length"])
def test_what_both_sides_need_is_written_once(name: str) -> None:
    found = [
        relative(path) for path in MODULES if re.search(rf"^(?:class|def) {name}\b", path.read_text(), re.MULTILINE)
    ]
    assert len(found) == 1
    # Nobody reads a length by itself, in digits of any number.
    if name == "parse_length":
        own = [relative(path) for path in MODULES if re.search(r"int\(\w*length\w*\)", path.read_text())]
        assert own == []


def test_the_floors_are_those_that_are_drawn() -> None:
    drawing = re.search(r"## Who may import whom\n\n```\n(.*?)```", ARCHITECTURE.read_text(), re.DOTALL)
    assert drawing is not None
    rooms, _, below = drawing[1].partition("\n\n")
    core, relay = (re.search(rf"{name}: +(.*?)(?: {{3,}}\(.*)?$", below, re.MULTILINE) for name in ("core", "relay"))
    assert core is not None
    assert relay is not None
    for drawn, container in ((rooms, "gateway"), (core[1], "gateway.core"), (relay[1], "gateway.relay")):
        (contract,) = [one for one in CONTRACTS if one["type"] == "layers" and one["containers"] == [container]]
        assert contract["exhaustive"]
        told = [set(re.findall(r"\w+", floor)) for floor in re.sub(r"the ground \(.*?\)", "ground", drawn).split(">")]
        assert told == [
            {"ground"} if "errors" in floor else set(re.findall(r"\w+", floor)) for floor in contract["layers"]
        ]


@pytest.mark.parametrize("path", compiled(), ids=relative)
def test_what_every_request_passes_has_its_steps_at_hand(path: Path) -> None:
    # `Step.X` looks a name up in a class, as dear as a call; the module has each as a Final.
    if path.stem == "trail":
        return
    named = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Step"
    ]
    assert named == []


def test_what_stands_behind_the_ports_is_composed_in_one_place() -> None:
    texts = {relative(path): path.read_text() for path in MODULES}
    suspects = {path: text for path, text in texts.items() if any(f"{name}(" in text for name in COMPOSED)}
    made = {path: calls(ast.parse(text)) & COMPOSED for path, text in suspects.items()}
    # `check --online` asks each issuer for its keys, without a gate.
    assert made.pop("gateway/commands/online_issuers.py") == {"RemoteIssuers"}
    assert {path: sorted(names) for path, names in made.items() if names} == {"gateway/compose.py": sorted(COMPOSED)}
