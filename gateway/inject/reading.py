"""Text of a manifest as nodes that know where they stand, and as plain values, both as kubectl reads them: YAML 1.1.

Knows no kind and no key by name.
"""

import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scanner import Scanner

#: Values of one document, aliases counted where they are used.
MAX_VALUES: Final = 200_000

#: Brackets within brackets. ruamel looks at all that are open for each character of a line.
MAX_BRACKETS: Final = 300

#: texts whose nodes are kept: what was written is read again right away, and asked for the way back
_KEPT: Final = 4
#: characters of a key in a sentence
_SHOWN: Final = 60

_TAG = "tag:yaml.org,2002:"
#: the tag of the key `<<`
MERGE: Final = f"{_TAG}merge"
_TRUE = frozenset({"yes", "true", "on", "y"})
_TEMPLATE = "{{"
_TOO_DEEP = "is nested too deep"


class Unfit(ValueError):
    """A sentence for whoever wrote the manifest: why nothing is written into it."""


class _Bounded(Scanner):
    """Finds tokens, and no more brackets within brackets than are read."""

    def fetch_flow_collection_start(self, *arguments: Any, **named: Any) -> None:
        """Takes one more `[` or `{`. Unfit: one too many."""
        super().fetch_flow_collection_start(*arguments, **named)
        if self.flow_level > MAX_BRACKETS:
            raise Unfit(_TOO_DEEP)


def compose(text: str, *, line: int = 0) -> list[Node]:
    """The documents of a text, empty ones left out. Unfit: no YAML. `line`: how many lines stand before the text.

    Nobody changes nodes: whoever asks for the same text again may get the same ones.
    """
    # A tab is white space in JSON and none in YAML; in a string of JSON none can stand.
    text = text.replace("\t", " ") if text.lstrip().startswith("{") else text
    try:
        return list(_composed(text))
    except Unfit:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f" at line {mark.line + line + 1}" if mark else ""
        about = ", ".join(part for part in (error.context, error.problem) if part)
        raise Unfit(f"is not valid YAML{at}: {about}{render_first(text)}") from None
    except RecursionError:
        raise Unfit(_TOO_DEEP) from None
    except (YAMLError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unfit(f"is not valid YAML ({type(error).__name__}){render_first(text)}") from None


@lru_cache(maxsize=_KEPT)
def _composed(text: str) -> tuple[Node, ...]:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    yaml.Scanner = _Bounded
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(node for node in yaml.compose_all(text) if node is not None and not _is_empty(node))


def render_first(text: str) -> str:
    """What to do about a text that is a template, to follow a sentence; empty when it is none."""
    if _TEMPLATE not in text:
        return ""
    return "; it is a template, render it first: helm template ... | bearer-gateway inject -f -"


class Allowance:
    """How many values all objects of a text may have, aliases counted where they are used."""

    def __init__(self, characters: int) -> None:
        self._left = characters + MAX_VALUES

    def take(self) -> None:
        """One value. Unfit: no more."""
        self._left -= 1
        if self._left < 0:
            raise Unfit("has more values than its text can have: its aliases make too much of it")


def plain(root: Node, *, line: int = 0, allowance: Allowance | None = None) -> Any:
    """The node as text, int, float, bool, None, lists and mappings with text as keys.

    Unfit: too large, odd keys, a key twice. `line`: how many lines stand before the text.
    """
    left = [MAX_VALUES]

    def build(node: Node) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Unfit(f"has more than {MAX_VALUES} values")
        if allowance is not None:
            allowance.take()
        if isinstance(node, MappingNode):
            seen: set[str] = set()
            made: dict[str, Any] = {}
            merged: dict[str, Any] = {}
            for key, value in node.value:
                if not isinstance(key, ScalarNode):
                    template = "; is it a template? render it first: helm template ... | bearer-gateway inject -f -"
                    raise Unfit(f"has a key that is not a name at line {key.start_mark.line + line + 1}{template}")
                if key.value in seen:
                    raise Unfit(f"has a key twice at line {key.start_mark.line + line + 1}: {key.value[:_SHOWN]!r}")
                seen.add(key.value)
                if key.tag == MERGE:
                    built = build(value)
                    for source in reversed(built if isinstance(built, list) else [built]):
                        merged |= source if isinstance(source, dict) else {}
                else:
                    made[key.value] = build(value)
            return {**merged, **made}
        if isinstance(node, SequenceNode):
            return [build(item) for item in node.value]
        return _scalar(node)

    try:
        return build(root)
    except RecursionError:
        raise Unfit(_TOO_DEEP) from None


def shared(root: Node) -> set[int]:
    """The ids of nodes that stand in more than one place, by aliases."""
    seen: set[int] = set()
    again: set[int] = set()
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            again.add(id(node))
            continue
        seen.add(id(node))
        todo.extend(_children(node))
    return again


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, SequenceNode):
        yield from node.value


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.value


def _scalar(node: Node) -> Any:
    value: str = node.value
    tag = str(node.tag).removeprefix(_TAG)
    if tag == "null":
        return None
    if tag == "bool":
        return value.lower() in _TRUE
    if tag == "int":
        return _integer(value)
    if tag == "float":
        try:
            return float(value.replace("_", ""))
        except ValueError:
            return value
    return value


def _integer(value: str) -> int | str:
    """As YAML 1.1 has it: 010 is eight. What is none stays text."""
    digits = value.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    bases = {"0x": 16, "0b": 2, "0o": 8}
    base = bases.get(digits[:2], 8 if digits.startswith("0") and len(digits) > 1 else 10)
    try:
        return sign * int(digits, base)
    except ValueError:
        return value
