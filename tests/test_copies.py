"""dataclasses.replace, asdict, astuple and fields are given dataclasses only, which no type checker sees.

mypy takes a struct of msgspec for a dataclass, and these functions refuse it when they run. So what each call in gateway/ is given is
told here from what stands in its module; a call of which that cannot be told needs an annotation. The other way round, a dataclass for
msgspec.structs, mypy refuses by itself.
"""

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from tests.parsed import parsed

ROOT = Path(__file__).parents[1]
ONLY_DATACLASSES = {"replace", "asdict", "astuple", "fields"}
#: what a module says that calls one of them
IMPORTED = re.compile(rf"from dataclasses import (\(|[^\n]*\b({'|'.join(ONLY_DATACLASSES)})\b)|\bimport dataclasses\b")
#: what defines a function, and so what its names are
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Unknown(Exception):
    """What cannot be told."""


class Told:
    """The types of what stands in one module."""

    def __init__(self, path: Path, module: ModuleType) -> None:
        self.tree = parsed(path)
        self._module = module
        self._parent = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def calls(self) -> Iterator[ast.Call]:
        """Of what only dataclasses may be given to."""
        own = {
            (alias.asname or alias.name): alias.name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
            for alias in node.names
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                whole = ast.unparse(node.func)
                if (
                    own.get(whole, whole.removeprefix("dataclasses.") if "dataclasses." in whole else "")
                    in ONLY_DATACLASSES
                ):
                    yield node

    def type_of(self, node: ast.expr) -> Any:
        """Of an expression; of a class, the class. Unknown."""
        match node:
            case ast.Name():
                return self._type_of_name(node)
            case ast.Await():
                return self.type_of(node.value)
            case ast.Attribute():
                return self._member(self.type_of(node.value), node.attr)
            case ast.Call(func=ast.Name(id=name)) if isinstance(vars(self._module).get(name), type):
                return vars(self._module)[name]
            case ast.Call(func=ast.Name(id=name)):
                called = vars(self._module).get(name)
                return self._told(getattr(called, "__module__", "")).returned(self._original(name))
            case ast.Call(func=ast.Attribute()):
                return self.type_of(node.func)
        raise Unknown(ast.unparse(node))

    def returned(self, name: str) -> Any:
        """What a function of this module gives."""
        for node in self.tree.body:
            if isinstance(node, FUNCTIONS) and node.name == name and node.returns is not None:
                return self._read(node.returns)
        raise Unknown(name)

    def member(self, name: str, attribute: str) -> Any:
        """The type of an attribute of a class of this module, or what its method or property gives."""
        for node in self.tree.body:
            for part in node.body if isinstance(node, ast.ClassDef) and node.name == name else ():
                if isinstance(part, FUNCTIONS) and part.name == attribute and part.returns is not None:
                    return self._read(part.returns)
                if isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == attribute:
                    return self._read(part.annotation)
        raise Unknown(f"{name}.{attribute}")

    def _member(self, owner: Any, attribute: str) -> Any:
        if not isinstance(owner, type) or not owner.__module__.startswith("gateway."):
            raise Unknown(f"{owner}.{attribute}")
        return self._told(owner.__module__).member(owner.__name__, attribute)

    def _told(self, name: str) -> "Told":
        return self if name == self._module.__name__ else told_of(name)

    def _original(self, name: str) -> str:
        """The name that something has where it is defined."""
        for node in ast.walk(self.tree):
            for alias in node.names if isinstance(node, ast.ImportFrom) else ():
                if alias.asname == name:
                    return alias.name
        return name

    def _read(self, annotation: ast.expr) -> Any:
        value = ast.literal_eval(annotation) if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
        return eval(value, {**vars(self._module)})

    def _type_of_name(self, node: ast.Name) -> Any:
        around: ast.AST = node
        while around in self._parent:
            around = self._parent[around]
            if isinstance(around, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
                for part in around.generators:
                    if ast.unparse(part.target) == node.id:
                        return self._element(part.iter)
            elif isinstance(around, FUNCTIONS) and (found := self._local(around, node.id)) is not None:
                return found
        value = vars(self._module).get(node.id)
        if value is None:
            raise Unknown(node.id)
        return value if isinstance(value, type) else type(value)

    def _local(self, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Any:
        """What a function takes by that name, or sets it to. None: nothing."""
        owner = self._parent[function]
        if name == "self" and isinstance(owner, ast.ClassDef):
            return vars(self._module)[owner.name]
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
            if argument.arg == name and argument.annotation is not None:
                return self._read(argument.annotation)
        for part in ast.walk(function):
            if isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == name:
                return self._read(part.annotation)
            if isinstance(part, ast.Assign) and [ast.unparse(target) for target in part.targets] == [name]:
                return self.type_of(part.value)
            if isinstance(part, ast.For) and ast.unparse(part.target) == name:
                return self._element(part.iter)
        return None

    def _element(self, node: ast.expr) -> Any:
        inner = get_args(self.type_of(node))
        if not inner:
            raise Unknown(ast.unparse(node))
        return inner[0]


def told_of(name: str) -> Told:
    """Of a module of the gateway. Unknown: of another."""
    if not name.startswith("gateway."):
        raise Unknown(name)
    path = ROOT.joinpath(*name.split("."))
    return Told(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"), importlib.import_module(name))


def mistakes(told: Told) -> list[str]:
    found = []
    for call in told.calls():
        try:
            given = told.type_of(call.args[0])
        except Unknown as unknown:
            found.append(f"line {call.lineno}: of what class is {ast.unparse(call.args[0])}? ({unknown}) Annotate it")
        else:
            if not dataclasses.is_dataclass(given):
                found.append(f"line {call.lineno}: {given} is no dataclass, take msgspec.structs")
    return found


def test_what_only_dataclasses_may_be_given_to_is_given_dataclasses() -> None:
    found = {}
    calls = 0
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        if IMPORTED.search(path.read_text()) is None:
            continue
        told = told_of(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        calls += len(list(told.calls()))
        if wrong := mistakes(told):
            found[path.relative_to(ROOT).as_posix()] = wrong
    assert not found
    assert calls >= 10


HEAD = """
import dataclasses
from dataclasses import dataclass, asdict as of_all, replace
import msgspec
class Struct(msgspec.Struct):
    a: int = 0
@dataclass
class Data:
    inner: list[Struct]
    def struct(self) -> "Struct": ...
    def copy(self) -> "Data": return replace(self)
def made() -> Struct: ...
CONSTANT = Struct()
"""


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("def f(x: Data): replace(x, inner=[])", ""),
        ("def f(x: Struct): replace(x, a=1)", "is no dataclass"),
        ("def f(x: Struct): dataclasses.replace(x, a=1)", "is no dataclass"),
        ("def f(x: Struct): msgspec.structs.replace(x, a=1)", ""),
        ("def f(x: Data): return [of_all(one) for one in x.inner]", "is no dataclass"),
        ("def f(x: Data):\n    for one in x.inner:\n        replace(one)", "is no dataclass"),
        ("async def f(x: Data):\n    one = await x.struct()\n    replace(one)", "is no dataclass"),
        ("def f(): dataclasses.fields(Struct)", "is no dataclass"),
        ("def f(): dataclasses.fields(Data)", ""),
        ("def f(): replace(CONSTANT)", "is no dataclass"),
        ("def f():\n    one: Struct = g()\n    replace(one)", "is no dataclass"),
        ("def f():\n    one = Struct()\n    replace(one)", "is no dataclass"),
        ("def f(x): replace(x)", "of what class is x?"),
        ("def f(x: Data): replace(x.inner[0])", "of what class is x.inner[0]?"),
        ("def f(): replace(made())", "is no dataclass"),
    ],
)  # fmt: skip
def test_a_struct_is_found_out(tmp_path: Path, body: str, wrong: str) -> None:
    module = ModuleType("gateway.that_is_none")
    path = tmp_path / "that_is_none.py"
    path.write_text(HEAD + body)
    exec(compile(path.read_text(), path, "exec"), vars(module))
    found = mistakes(Told(path, module))
    assert len(found) == (wrong != "")
    assert all(wrong in sentence for sentence in found)
