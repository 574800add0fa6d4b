"""Changes to the text of one manifest at the places of its nodes: everything else stays as it is, byte for byte.

A place is a pointer: the names of keys from the top; of a list, `name=api` or the index of a member.
"""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.inject import writing
from gateway.inject.reading import Unfit, compose, plain, shared

Pointer = tuple[str, ...]

_BY_NAME: Final = "name="
#: a dash at the end of a line, but for a comment; what stands before it
_LONE_DASH: Final = re.compile(r"^([ \t]*(?:[-?:][ \t]+)*)-[ \t]*(?:(?<=[ \t])#.*)?\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member of a mapping or a list stands."""

    parent: MappingNode | SequenceNode
    index: int
    #: None in a list
    key: ScalarNode | None
    value: Node


@dataclass(slots=True)
class Edits:
    """Changes to one text, made all at once, so that each is told by where things stood before."""

    text: str
    #: start, end, how deep, how many there were before, what stands there instead
    _made: list[tuple[int, int, int, int, str]] = field(default_factory=list)

    def replace(self, start: int, end: int, text: str, *, depth: int = sys.maxsize) -> None:
        """Of several insertions at one place the deepest comes first, whatever came in which order."""
        self._made.append((start, end, -depth, len(self._made), text))

    def applied(self) -> str:
        """The text with all changes."""
        parts = []
        position = 0
        for start, end, _, _, text in sorted(self._made):
            if start < position:
                raise Unfit("has two changes at one place: take the gateway out by hand")
            parts += [self.text[position:start], text]
            position = end
        return "".join([*parts, self.text[position:]])


class Editor:
    """Changes to one object of a text: a document of its own, or a member of a List."""

    def __init__(self, edits: Edits, root: Node) -> None:
        self._edits = edits
        self._text = edits.text
        self._root = root
        self._shared = shared(root)
        self._break = "\r\n" if "\r\n" in edits.text else "\n"

    def find(self, pointer: Pointer) -> Place | None:
        """The place, if it is there. Unfit: an alias leads there, or a merge of mappings."""
        place: Place | None = None
        node = self._root
        for segment in pointer:
            place = _member(node, segment)
            if place is None:
                return None
            node = place.value
            if id(node) in self._shared:
                line = node.start_mark.line + 1
                raise Unfit(f"uses an anchor and aliases for {pointer[-1]!r} (line {line}): write it out there")
        return place

    def source(self, pointer: Pointer) -> str:
        """What stands behind the key, from its colon on."""
        place = self._found(pointer)
        return self._text[slice(*self._value_span(place))]

    def entry_source(self, pointer: Pointer) -> tuple[int, str]:
        """The column of the key, and the text from the key to the end of its value."""
        place = self._found(pointer)
        if place.key is None:
            raise Unfit(f"has no key at {'.'.join(pointer)}")
        return place.key.start_mark.column, self._text[place.key.start_mark.index : self._value_span(place)[1]]

    def put_source(self, pointer: Pointer, text: str) -> None:
        """Puts such a text behind the key."""
        place = self._found(pointer)
        text = self._in_brackets(f'"":{text}')[3:] if place.parent.flow_style else text
        self._edits.replace(*self._value_span(place), text)

    def put_entry_source(self, pointer: Pointer, text: str) -> None:
        """Puts a text in the place of a key and its value."""
        place = self._found(pointer)
        assert place.key is not None
        text = self._in_brackets(text) if place.parent.flow_style else text
        self._edits.replace(place.key.start_mark.index, self._value_span(place)[1], text)

    def set(self, pointer: Pointer, value: Any) -> None:
        """Another value behind a key that is there."""
        place = self._found(pointer)
        start, end = self._value_span(place)
        self._edits.replace(start, end, self._rendered(place, value))

    def set_entry(self, pointer: Pointer, name: str, value: Any) -> None:
        """Another key and another value in place of one that is there."""
        place = self._found(pointer)
        assert place.key is not None
        if place.parent.flow_style:
            text = f"{writing.flow(name)}: {writing.flow(value)}"
        else:
            column = place.key.start_mark.column
            text = self._break.join(writing.entry(name, value, column)).lstrip(" ")
        self._edits.replace(place.key.start_mark.index, self._value_span(place)[1], text)

    def add(self, pointer: Pointer, members: dict[str, Any] | Sequence[Any]) -> None:
        """More members at the end of a mapping or a list that is there and not empty."""
        node = self._found(pointer).value if pointer else self._root
        assert isinstance(node, MappingNode | SequenceNode)
        end = self._end_of_member(node, len(node.value) - 1)
        if node.flow_style:
            text = writing.flow(members)[1:-1]
            self._edits.replace(end, end, f", {text}", depth=len(pointer))
            return
        column = self._column(node)
        lines = self._break.join(writing.block(members, column))
        position = self._line_end(end)
        self._edits.replace(position, position, self._break + lines, depth=len(pointer))

    def is_empty(self, pointer: Pointer) -> bool:
        """Whether what stands there has no members: null, {} or []."""
        value = self._found(pointer).value
        return not value.value or (isinstance(value, ScalarNode) and value.tag == "tag:yaml.org,2002:null")

    def remove(self, pointer: Pointer) -> None:
        """Takes a member out of its mapping or list, with the lines that it alone stands on."""
        place = self._found(pointer)
        if place.parent.flow_style:
            self._remove_in_brackets(place)
            return
        start = self._start(place)
        end = self._line_end(self._value_span(place)[1])
        line = self._text.rfind("\n", 0, start)
        if self._text[line + 1 : start].strip():
            self._remove_behind_dash(place, start)
        elif line < 0:
            self._edits.replace(0, min(len(self._text), end + len(self._break)), "")
        else:
            before = line - 1 if self._text[line - 1 : line] == "\r" else line
            self._edits.replace(before, end, "")

    def remove_members(self, pointer: Pointer, indexes: Sequence[int]) -> None:
        """Takes several members out of a list."""
        node = self._found(pointer).value
        assert isinstance(node, SequenceNode)
        if not node.flow_style:
            for index in indexes:
                self.remove((*pointer, str(index)))
            return
        kept = [index for index in range(len(node.value)) if index not in indexes]
        if not kept:
            self._edits.replace(_start(node, 0), self._end_of_member(node, len(node.value) - 1), "")
            return
        if kept[0]:
            self._edits.replace(_start(node, 0), _start(node, kept[0]), "")
        for before, after in pairwise([*kept, len(node.value)]):
            if after - before > 1:
                self._edits.replace(self._end_of_member(node, before), self._end_of_member(node, after - 1), "")

    def _remove_behind_dash(self, place: Place, start: int) -> None:
        """The first key of a mapping that stands behind the dash of a list: the next one moves up."""
        if len(place.parent.value) == 1:
            self._edits.replace(start, self._value_span(place)[1], "{}")
            return
        self._edits.replace(start, _start(place.parent, place.index + 1), "")

    def _remove_in_brackets(self, place: Place) -> None:
        end = self._value_span(place)[1]
        if place.index:
            self._edits.replace(self._end_of_member(place.parent, place.index - 1), end, "")
        elif len(place.parent.value) > 1:
            self._edits.replace(self._start(place), _start(place.parent, 1), "")
        else:
            self._edits.replace(self._start(place), end, "")

    def _in_brackets(self, text: str) -> str:
        """A key and its value as they may stand in brackets: as they are where that is possible, else as JSON."""
        try:
            whole = f"{{{text}}}"
            if self._text.lstrip().startswith("{"):
                json.loads(whole)
            else:
                compose(whole)
        except ValueError:
            (root,) = compose(text)
            return writing.flow(plain(root))[1:-1]
        return text

    def _rendered(self, place: Place, value: Any) -> str:
        if place.parent.flow_style or not isinstance(value, dict | list) or not value:
            return f" {writing.flow(value)}"
        assert place.key is not None
        column = place.key.start_mark.column + writing.STEP
        return self._break + self._break.join(writing.block(value, column))

    def _found(self, pointer: Pointer) -> Place:
        place = self.find(pointer)
        if place is None:
            raise Unfit(f"has no {'.'.join(pointer)} of its own: is it merged from elsewhere? write it out there")
        return place

    def _value_span(self, place: Place) -> tuple[int, int]:
        """From behind the colon, or from the member of a list itself, to the end of the value."""
        if place.key is None:
            start = place.value.start_mark.index
            return start, self._end(place.value, start)
        start = self._colon(place.key)
        return start, self._end(place.value, start)

    def _start(self, place: Place) -> int:
        return _start(place.parent, place.index) if place.key is not None else self._dash(place)

    def _dash(self, place: Place) -> int:
        """Where the member of a list begins: at its dash, in brackets at itself."""
        start = place.value.start_mark.index
        return start if place.parent.flow_style else self._dash_before(start)

    def _dash_before(self, position: int) -> int:
        """The dash of a member of a list that begins at `position`: only comments may stand between. Unfit: none."""
        line = self._text.rfind("\n", 0, position) + 1
        before = self._text[line:position].rstrip(" \t")
        if before.endswith("-"):
            return line + len(before) - 1
        while line and not before:
            end = line - 1
            line = self._text.rfind("\n", 0, end) + 1
            if match := _LONE_DASH.match(self._text, line, end):
                return match.end(1)
            before = self._text[line:end].strip().partition("#")[0]
        number = self._text.count("\n", 0, position) + 1
        raise Unfit(f"has a list of an unusual form at line {number}: write it as `- value`")

    def _colon(self, key: Node) -> int:
        """The place behind the colon of a key."""
        position: int = key.end_mark.index
        while self._text[position : position + 1].isspace():
            position += 1
        if self._text[position : position + 1] != ":":
            raise Unfit(f"has a key of an unusual form at line {key.start_mark.line + 1}: write it as `name: value`")
        return position + 1

    def _end(self, node: Node, after: int) -> int:
        """Where a value that begins at `after` or later ends, the line break of its last line left out."""
        if isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index:
            return after
        if node.start_mark.index < after:
            raise Unfit(f"uses an alias that leads to line {node.start_mark.line + 1}: write it out")
        end: int = node.end_mark.index
        if isinstance(node, ScalarNode):
            if node.style in {"|", ">"}:
                end -= self._text[end - 1 : end] == "\n"
                end -= self._text[end - 1 : end] == "\r"
            return end
        assert isinstance(node, MappingNode | SequenceNode)
        return end if node.flow_style else self._end_of_member(node, len(node.value) - 1)

    def _end_of_member(self, node: MappingNode | SequenceNode, index: int) -> int:
        if isinstance(node, MappingNode):
            key, value = node.value[index]
            return self._end(value, self._colon(key))
        member = node.value[index]
        if member.start_mark.index != member.end_mark.index:
            return self._end(member, member.start_mark.index)
        # `-` and nothing behind it.
        before = self._end_of_member(node, index - 1) if index else node.start_mark.index
        if index == 0 and self._text[before : before + 1] == "-":
            return before + 1
        if match := _LONE_DASH.search(self._text, before):
            return match.end(1) + 1
        raise Unfit(f"has a list of an unusual form at line {node.start_mark.line + 1}: write it as `- value`")

    def _column(self, node: MappingNode | SequenceNode) -> int:
        """The column of a mapping's keys, of a list's dashes."""
        first = node.value[0]
        if isinstance(node, MappingNode):
            column: int = first[0].start_mark.column
            return column
        dash = self._dash_before(first.start_mark.index)
        return dash - self._text.rfind("\n", 0, dash) - 1

    def _line_end(self, position: int) -> int:
        end = self._text.find("\n", position)
        end = len(self._text) if end < 0 else end
        return end - (self._text[end - 1 : end] == "\r" and end > position)


def _member(node: Node, segment: str) -> Place | None:
    if isinstance(node, MappingNode):
        for index, (key, value) in enumerate(node.value):
            if isinstance(key, ScalarNode) and key.value == segment:
                return Place(node, index, key, value)
    elif isinstance(node, SequenceNode):
        for index, member in enumerate(node.value):
            if segment == str(index) or (segment.startswith(_BY_NAME) and _name_of(member) == segment[len(_BY_NAME) :]):
                return Place(node, index, None, member)
    return None


def _name_of(node: Node) -> str | None:
    place = _member(node, "name") if isinstance(node, MappingNode) else None
    return str(place.value.value) if place is not None else None


def _start(parent: MappingNode | SequenceNode, index: int) -> int:
    member = parent.value[index]
    start: int = (member[0] if isinstance(parent, MappingNode) else member).start_mark.index
    return start
