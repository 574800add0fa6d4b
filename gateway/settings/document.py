"""The text of a YAML 1.2 document as plain values, and the line of each key. Knows no key by name.

Bounded in depth and in number of values, aliases counted as often as they are used.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import ReaderError

from gateway.core.config.words import ConfigProblem, joined, named

#: The configuration needs five levels.
MAX_DEPTH = 20
#: Values in all, keys included.
MAX_VALUES = 50_000
#: Longer numbers mean nothing here, and Python refuses to read them beyond 4300 digits.
MAX_DIGITS = 40

_TOO_MANY = f"has more than {MAX_VALUES} values, aliases counted where they are used"
_TAG = "tag:yaml.org,2002:"
#: YAML 1.2 has no dates, no merge keys and no = : they are text.
_TEXT = {f"{_TAG}{name}" for name in ("str", "timestamp", "merge", "value")}
_NUMBERS = {f"{_TAG}int", f"{_TAG}float"}
#: What ruamel quotes of the text, other than one character and its own words for tokens: names of aliases, anchors and
#: tags, which may be a password that begins with * or &.
_QUOTED = re.compile(r"""(['"])(?!<[a-z ]+>\1)(?:(?!\1).){2,}\1""")


class UnreadableDocument(ValueError):
    """A sentence with line and column."""


@dataclass(frozen=True, slots=True)
class Document:
    """One mapping, read."""

    #: of text, int, float, bool, None, lists and mappings with text as keys
    values: Mapping[str, Any]
    #: key path, such as `issuers[0].audience`, to line, from 1
    lines: Mapping[str, int]
    #: keys that are given twice, of which the first was taken
    problems: tuple[ConfigProblem, ...]


def parse_document(text: str) -> Document:
    """One document whose top is a mapping; an empty one is an empty mapping.

    UnreadableDocument: no YAML, several documents, tags, too deep, too large.
    """
    root, yaml = _compose(text)
    if yaml.resolver.processing_version != (1, 2):
        raise UnreadableDocument("asks for another version than YAML 1.2; remove the %YAML line")
    builder = _Builder(yaml)
    values = {} if root is None else builder.build(root, "", 0)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise UnreadableDocument(f"must be a mapping of keys to values at its top, not {_form(values)}")
    return Document(values, builder.lines, tuple(builder.problems))


#: what is meant where a value begins with a slash and goes on with a brace
_BRACES: Final = '; between { and } a value with braces needs quotes, such as path: "/users/{id}"'


def _compose(text: str) -> tuple[Node | None, YAML]:
    """The nodes of the text. ruamel's own errors are renamed here, those that are its slips included."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Parser = _Bounded
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return yaml.compose(text), yaml
    except UnreadableDocument:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _at(mark) if mark else ""
        if error.context == "expected a single document in the stream":
            raise UnreadableDocument(f"must have one document only; a second one begins{where}") from None
        about = _QUOTED.sub("'...'", ", ".join(part for part in (error.context, error.problem) if part))
        hint = _BRACES if error.context == "while parsing a flow mapping" and "'{'" in str(error.problem) else ""
        raise UnreadableDocument(f"is not valid YAML{where}: {about}{hint}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableDocument(f"is not valid YAML at line {line}: a character that YAML does not allow") from None
    except (YAMLError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnreadableDocument(f"is not valid YAML ({type(error).__name__})") from None


class _Bounded(Parser):
    """Gives the events of a text, no deeper and no more than are read: ruamel recurses into what it is given."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self._depth = self._count = 0

    def get_event(self) -> Any:
        """The next one. UnreadableDocument: one too many, or too deep."""
        event = super().get_event()
        self._depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_VALUES + 1:
            bound = f"is nested more than {MAX_DEPTH} levels deep" if self._depth > MAX_DEPTH else _TOO_MANY
            raise UnreadableDocument(bound + _at(event.start_mark))
        return event


class _Builder:
    def __init__(self, yaml: YAML) -> None:
        self._constructor = yaml.constructor
        self._count = 0
        self.lines: dict[str, int] = {}
        self.problems: list[ConfigProblem] = []

    def build(self, node: Node, path: str, depth: int) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise UnreadableDocument(_TOO_MANY)
        if depth > MAX_DEPTH:
            raise UnreadableDocument(f"is nested more than {MAX_DEPTH} levels deep{_where(node)}")
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            items = []
            for index, item in enumerate(node.value):
                member = joined(path, index)
                self.lines.setdefault(member, item.start_mark.line + 1)
                items.append(self.build(item, member, depth + 1))
            return items
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        raise UnreadableDocument(f"has a tag that is not read here{_where(node)}")

    def _mapping(self, node: MappingNode, path: str, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first: dict[str, Node] = {}
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise UnreadableDocument(f"has a key that is not a name{_where(key)}")
        paths = named(path, dict.fromkeys(key.value for key, _ in node.value))
        for key, value in node.value:
            self._count += 1
            # A key is a name, however it looks: `404` and `null` too.
            name: str = key.value
            member = paths[name]
            if name in first:
                sentence = f"is given twice:{_where(first[name])}, and again{_where(key)}"
                self.problems.append(ConfigProblem(member, sentence))
                continue
            first[name] = key
            self.lines.setdefault(member, key.start_mark.line + 1)
            values[name] = self.build(value, member, depth + 1)
        return values

    def _scalar(self, node: ScalarNode) -> Any:
        if node.tag in _TEXT:
            return node.value
        if node.tag == f"{_TAG}null":
            return None
        if node.tag == f"{_TAG}bool" or (node.tag in _NUMBERS and len(node.value) <= MAX_DIGITS):
            try:
                return self._constructor.construct_object(node)
            except (YAMLError, ArithmeticError, LookupError, ValueError):
                raise UnreadableDocument(f"has a value that its tag does not fit{_where(node)}") from None
        if node.tag in _NUMBERS:
            raise UnreadableDocument(f"has a number of more than {MAX_DIGITS} digits{_where(node)}")
        raise UnreadableDocument(f"has a tag that is not read here{_where(node)}")


def _where(node: Node) -> str:
    return _at(node.start_mark)


def _at(mark: StringMark) -> str:
    return f" at line {mark.line + 1}, column {mark.column + 1}"


def _form(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"
