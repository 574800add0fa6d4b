"""The house rules that no linter knows: sizes, mirrored tests, reasons spelled once and documented."""

import ast
import re
import tomllib
import warnings
from pathlib import Path

import pytest

from gateway.core.errors import Denied, Refusal, reasons
from tests.parsed import parsed

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for path in (ROOT / "gateway").rglob("*.py") if path.name != "__init__.py")
ARCHITECTURE = ROOT / "docs" / "architecture.md"
REFUSALS = ROOT / "docs" / "refusals.md"
#: lines
WARN, FAIL = 250, 400
#: data, with a source beside each entry: long, and read like a table
TABLES = {"gateway/core/token/presets.py", "gateway/core/token/markers.py"}
#: the one room where reasons are spelled: tables by family, tested as one
REASONS = ROOT / "gateway" / "core" / "errors"
#: modules without rules of their own, or tested where they are used
UNMIRRORED = {
    "gateway/__main__.py": "tests/e2e runs it",
    "gateway/events.py": "structs; tests/observe/metrics/test_rare_metrics.py counts each of them",
    "gateway/messages.py": "as ports",
    "gateway/reloading.py": "a protocol and what it gives; tests/process/test_reloader.py is about who stands behind it",
    "gateway/assembly.py": "tests/test_compose.py builds and closes them, tests/process/test_replacing.py replaces them",
    "gateway/process/supervised.py": "tests/process/test_supervisor.py has some",
    "gateway/process/reloads.py": "tests/process/test_alone.py and tests/e2e/test_reload.py ask for it",
    "gateway/ports.py": "protocols; mypy checks who stands behind them",
    "gateway/relay/client/wire.py": "connections are tested on sockets: test_connection.py, test_exchange.py, test_closing.py",
    "gateway/core/config/assertion.py": "a struct; read by tests/core/config/test_conversion.py",
    "gateway/core/config/backchannel_logout.py": "a struct; tests/core/checks/test_backchannel_logout.py reads it",
    "gateway/core/config/cors.py": "as above",
    "gateway/core/config/dpop.py": "a struct; tests/core/checks/test_dpop.py reads it",
    "gateway/core/config/identity_headers.py": "as above",
    "gateway/core/config/issuers.py": "as above, and tests/core/config/test_file.py",
    "gateway/core/config/limits.py": "as above",
    "gateway/core/config/log.py": "as above; what may stand in it: tests/core/checks/test_log.py",
    "gateway/core/config/rates.py": "a struct; tests/core/checks/test_rates.py reads it",
    "gateway/core/config/probes.py": "a struct; tests/core/checks/test_probes.py reads it",
    "gateway/core/config/revocation.py": "a struct; tests/core/checks/test_revocation.py reads it",
    "gateway/core/config/userinfo.py": "a struct; tests/core/checks/test_userinfo.py says what may stand in it",
    "gateway/core/config/upstream_tokens.py": "structs; tests/core/checks/test_upstream_tokens.py reads them",
    "gateway/console/sources.py": "as ports",
    "gateway/process/consoled.py": "protocols, and the way to process/console, whose tests go it",
    "gateway/settings/secrets.py": "tests/settings/test_settings.py has every kind of secret",
    "gateway/commands/finding.py": "tests/commands/test_online.py finds, and draws the table",
    "gateway/commands/demo.py": "tests/e2e/test_demo.py runs it, and tests/demo/test_alone.py its parts",
    "gateway/core/decision/envoy.py": "tests/core/decision/test_question.py asks in every style",
    "gateway/core/decision/forward.py": "as above",
    "gateway/core/decision/nginx.py": "as above",
    "gateway/core/decision/source.py": "as above",
    "gateway/demo/run.py": "tests/e2e/test_demo.py runs it",
    "gateway/demo/echo.py": "tests/e2e/test_demo.py runs it",
}
#: what is called as a reason is, and is none: the field of a form that OpenID Connect names so
NAMESAKES = {("gateway/logouts.py", "logout_token")}
#: names that say nothing
REFUSED_NAMES = {"utils", "helpers", "common", "base", "manager", "middleware", "service", "misc"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """Every module, read once."""
    return {path: parsed(path) for path in MODULES}


@pytest.mark.filterwarnings("default:.*split it by what it decides")
def test_a_module_is_short_enough_to_read() -> None:
    lines = {relative(path): len(path.read_text().splitlines()) for path in MODULES}
    for name, count in lines.items():
        if count > WARN and name not in TABLES:
            warnings.warn(f"{name} has {count} lines: split it by what it decides", UserWarning, stacklevel=1)
    assert not {name: count for name, count in lines.items() if count > FAIL}


def test_the_gate_is_read_in_one_sitting() -> None:
    # What it imports grows with the steps, and nobody reads it.
    text = (ROOT / "gateway" / "gate.py").read_text()
    assert len(text[text.index("class Gate:") :].splitlines()) < 250


def test_a_module_says_what_it_decides(trees: dict[Path, ast.Module]) -> None:
    lines = {relative(path): len((ast.get_docstring(tree) or "").splitlines()) for path, tree in trees.items()}
    assert not {name: count for name, count in lines.items() if not 1 <= count <= 5}


def test_the_tree_of_refusals_is_drawn_where_a_reader_looks_first() -> None:
    drawn = set(re.findall(r"[├└]─ (\w+)", ast.get_docstring(parsed(REASONS / "__init__.py")) or ""))
    kinds = [kind for parent in (Refusal, Denied) for kind in parent.__subclasses__()]
    assert drawn == {kind.__name__ for kind in kinds if kind.__module__.startswith("gateway.")}


def mirrors(path: Path) -> list[Path]:
    """The files that a module may be tested in."""
    room = path.relative_to(ROOT / "gateway").parent
    if path.parent == REASONS:
        return [ROOT / "tests" / room.parent / f"test_{room.name}.py"]
    return [ROOT / "tests" / room / f"test_{path.stem}.py", ROOT / "tests" / path.stem / f"test_{path.stem}.py"]


def test_a_module_is_tested_under_its_own_name() -> None:
    mirrored = [path for path in MODULES if relative(path) not in UNMIRRORED]
    assert not [relative(path) for path in mirrored if not any(name.exists() for name in mirrors(path))]


def test_a_test_in_core_mirrors_a_module() -> None:
    for path in (ROOT / "tests" / "core").rglob("test_*.py"):
        room = path.relative_to(ROOT / "tests").parent
        mirrored = ROOT / "gateway" / room / path.stem.removeprefix("test_")
        assert mirrored.is_dir() or mirrored.with_suffix(".py").exists(), path.name


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def refused_words() -> dict[str, str]:
    """Words that docs/architecture.md has another one for, and that one."""
    table = re.search(r"\n## Words\n(.*?)\n## ", ARCHITECTURE.read_text(), re.DOTALL)
    assert table is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines() if line[:2] == "| "]
    return {word: row[0] for row in rows[1:] for word in row[2].split(", ") if word and " " not in word}


#: where the syntax has a name that somebody chose
NAMES: dict[type[ast.AST], str] = {
    ast.ClassDef: "name", ast.FunctionDef: "name", ast.AsyncFunctionDef: "name", ast.Name: "id", ast.arg: "arg", ast.Attribute: "attr",
}  # fmt: skip


def named(tree: ast.AST) -> set[str]:
    """Every name in a module that somebody chose."""
    return {getattr(node, NAMES[type(node)]) for node in ast.walk(tree) if type(node) in NAMES}


REFUSED = refused_words()


def test_the_glossary_says_what_a_thing_is_not_called() -> None:
    assert {"answer", "rejection", "backend"} <= REFUSED.keys()


def test_one_word_stands_for_one_thing(trees: dict[Path, ast.Module]) -> None:
    names = {name: relative(path) for path, tree in trees.items() for name in named(tree)}
    for name, module in names.items():
        wrong = words_of(name) & REFUSED.keys()
        assert not wrong, f"{name} in {module}; docs/architecture.md says {[REFUSED[word] for word in wrong]}"


def drawn_rooms() -> set[str]:
    """The rooms that docs/architecture.md draws, by path."""
    drawing = re.search(r"```\n(gateway/\n.*?)```", ARCHITECTURE.read_text(), re.DOTALL)
    assert drawing is not None
    rooms: list[str] = []
    found: set[str] = set()
    for line in drawing[1].splitlines():
        room = re.match(r"( *)([a-z0-9_]+)/", line)
        if room is not None:
            del rooms[len(room[1]) // 2 :]
            rooms.append(room[2])
            found.add("/".join(rooms))
    return found


def test_the_rooms_are_those_that_are_drawn() -> None:
    rooms = {relative(path.parent) for path in MODULES}
    drawn = {room for room in drawn_rooms() if room != "gateway"}
    # A room within a room may be told in its line.
    missing = {
        room for room in rooms - drawn - {"gateway"} if room not in {"gateway/observe/metrics", "gateway/remote/keys"}
    }
    assert not missing
    assert not drawn - rooms - {"gateway/core", "gateway/relay"}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [relative(path) for path in MODULES if path.stem in REFUSED_NAMES]


def test_a_reason_is_spelled_in_errors_only(trees: dict[Path, ast.Module]) -> None:
    words = reasons()
    spelled = {
        (relative(path), node.value)
        for path, tree in trees.items()
        if path.parent != REASONS
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words
    }
    assert spelled == NAMESAKES


def test_every_reason_stands_in_the_table_with_its_status_and_code() -> None:
    lines = [line for line in REFUSALS.read_text().splitlines() if line.startswith("| `")]
    for reason, refusal in sorted(reasons().items()):
        rows = [line for line in lines if line.startswith(f"| `{reason}` |")]
        assert len(rows) == 1, reason
        cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
        assert cells[1:4] == [str(refusal.status), refusal.code or "none", refusal.public], reason


def test_the_table_has_no_reason_that_does_not_exist() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", REFUSALS.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(reasons())


def with_a_sentence() -> list[type[Refusal]]:
    """Every refusal with a public sentence of its own, those that share a reason among them."""
    found: list[type[Refusal]] = [Refusal]
    for kind in found:  # grows
        found.extend(kind.__subclasses__())
    return [kind for kind in found if "public" in vars(kind) and kind.__module__.startswith("gateway.")]


@pytest.mark.parametrize("refusal", with_a_sentence(), ids=lambda refusal: refusal.__name__)
def test_a_public_sentence_fits_into_a_quoted_string_and_stands_in_the_table(refusal: type[Refusal]) -> None:
    assert re.fullmatch(r"[ !#-\[\]-~]+\.", refusal.public)
    (row,) = [line for line in REFUSALS.read_text().splitlines() if line.startswith(f"| `{refusal.reason}` |")]
    assert refusal.public in row


def test_a_public_sentence_fits_into_a_quoted_string() -> None:
    public = {reason: refusal.public for reason, refusal in reasons().items()}
    assert not {reason: said for reason, said in public.items() if not re.fullmatch(r"[ !#-\[\]-~]+\.", said)}


def compiled() -> list[Path]:
    """The modules that hatch_build.py compiles."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["groups"]
    return [ROOT / module for modules in groups.values() for module in modules]


def test_what_is_compiled_is_there() -> None:
    assert len(compiled()) == len(set(compiled()))
    assert set(compiled()) <= set(MODULES)


def test_a_compiled_module_has_nothing_that_means_less_when_it_is_compiled(trees: dict[Path, ast.Module]) -> None:
    # mypyc passes over them: `frozen=True` and `omit_defaults=True` of a msgspec struct.
    for path in compiled():
        for node in ast.walk(trees[path]):
            assert not isinstance(node, ast.ClassDef) or not node.keywords, f"keywords of class {node.name}, {path}"


def test_a_compiled_module_does_not_wait_while_it_handles_an_exception(trees: dict[Path, ast.Module]) -> None:
    # A coroutine of mypyc that waits there leaves its exception to the thread: other tasks see it as their own, and chain it.
    waits = (ast.Await, ast.AsyncFor, ast.AsyncWith)
    for path in compiled():
        for node in ast.walk(trees[path]):
            for part in [*node.handlers, *node.finalbody] if isinstance(node, ast.Try) else []:
                lines = [inner.lineno for inner in ast.walk(part) if isinstance(inner, waits)]
                assert not lines, relative(path)
