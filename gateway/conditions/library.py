"""Google's CEL, its names, types and failures put into ours. The only module that knows it.

It says most failures as values of type ERROR, not as exceptions, and some of its messages quote the value that did not
fit: none of them goes further than this.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cel_expr_python import cel

from gateway.core.condition.result import ERROR, FALSE, TRUE, Result
from gateway.core.config.condition import MEMBERS
from gateway.core.config.words import did_you_mean

#: each name and its type. Subject and client may be null; a claim is whatever the issuer writes.
_TYPES: Final = {
    "token": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "identity.subject": cel.Type.DYN,
    "identity.client": cel.Type.DYN,
    "identity.scopes": cel.Type.List(cel.Type.STRING),
    "identity.issuer": cel.Type.STRING,
    "identity.audience": cel.Type.List(cel.Type.STRING),
    "request.method": cel.Type.STRING,
    "request.host": cel.Type.STRING,
    "request.path": cel.Type.STRING,
    "request.headers": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    "request.query": cel.Type.Map(cel.Type.STRING, cel.Type.List(cel.Type.STRING)),
}
#: what it says of a mistake in a text: where, and which
_MISTAKE: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_NESTED: Final = re.compile("recursion (?:depth|limit)", re.IGNORECASE)
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
#: mistakes that are told of
_TOLD: Final = 3
#: how its messages begin, and what that means
_WHYS: Final = (
    ("NOT_FOUND: Key not found", "something that it names is not there"),
    ("UNKNOWN: No matching overload", "a value is of another type than it is used as"),
    ("UNKNOWN: Index error", "a list is shorter than it takes it to be"),
    ("INVALID_ARGUMENT: divide by zero", "it divides by zero"),
    ("INTERNAL: Iteration budget exceeded", "it goes through more than 10000 members"),
)
_OTHER: Final = "it cannot be worked out"


class Mistake(Exception):
    """A text is no condition; a sentence that may follow its key."""


class Expression:
    """One condition, or a part of one, compiled."""

    __slots__ = ("_compiled",)

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def evaluate(self, values: Mapping[str, Any]) -> Result:
        """How it comes out with these values. Raises nothing: whatever is no truth is an error."""
        try:
            value = self._compiled.eval(data=values)
            kind, found = value.type(), value.value()
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is not true
            return Result(ERROR, _why(str(error)))
        if kind == cel.Type.BOOL:
            return Result(TRUE) if found is True else Result(FALSE)
        if kind == cel.Type.ERROR:
            return Result(ERROR, _why(str(found)))
        return Result(ERROR, "its result is neither true nor false")


class Library:
    """What compiles: one for all conditions of a configuration."""

    def __init__(self) -> None:
        self._environment = cel.NewEnv(variables=_TYPES)

    def compile(self, text: str) -> Expression:
        """A condition that is true or false, or turns out to be neither. Mistake."""
        try:
            compiled = self._environment.compile(text)
        except Exception as error:  # noqa: BLE001 -- it has no class of its own for what is wrong with a text
            raise Mistake(_sentence(str(error))) from None
        kind = compiled.return_type()
        if kind not in (cel.Type.BOOL, cel.Type.DYN):
            raise Mistake(f"must be true or false; its result is of the type {kind.name().lower()}")
        return Expression(compiled)


def _why(message: str) -> str:
    return next((why for beginning, why in _WHYS if message.startswith(beginning)), _OTHER)


def _sentence(message: str) -> str:
    """What is wrong with a text, and where."""
    if _NESTED.search(message) is not None:
        return "cannot be compiled: it is nested too deeply, and 32 is the most"
    found = list(dict.fromkeys(_mistakes(message)))
    return "cannot be compiled: " + ("; ".join(found[:_TOLD]) or "it is no CEL")


def _mistakes(message: str) -> Iterator[str]:
    for line, column, what in _MISTAKE.findall(message):
        undeclared = _UNDECLARED.match(what)
        name = "" if undeclared is None else undeclared[1]
        root = name.partition(".")[0]
        if root in MEMBERS:
            members = [f"{root}.{member}" for member in MEMBERS[root]]
            yield f"there is no {name}{did_you_mean(name, members)}; there are {', '.join(members)}"
        elif name:
            yield f"there is no {name}{did_you_mean(name, _TYPES)}"
        else:
            yield f"line {line}, column {column}: {what}"
