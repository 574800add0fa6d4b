"""What was replaced in an object and what was added to it, in its annotation, and the way back from there.

The way back is told by names, so that it is found in a text that somebody else has changed or written anew since.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml.nodes import Node

from gateway.inject.editing import Editor, Edits, Pointer
from gateway.inject.reading import Unfit, plain

ANNOTATION: Final = "bearer-gateway.io/original"

#: characters; the API server takes no more
_MAX_RECORD: Final = 256 << 10
#: columns that an entry may stand elsewhere than before
_MAX_MOVE: Final = 200

_ANNOTATIONS: Final = ("metadata", "annotations")


@dataclass(slots=True)
class Changes:
    """Changes to one object, which remember the way back."""

    editor: Editor
    #: what is new: members of mappings and lists that were there
    _added: list[Pointer] = field(default_factory=list)
    #: mappings and lists that had no members, and what stood there; None: the key was not there
    _made: dict[Pointer, str | None] = field(default_factory=dict)
    #: values that were others
    _values: dict[Pointer, str] = field(default_factory=dict)
    #: keys that were others, with their values: column and text
    _entries: dict[Pointer, tuple[int, str]] = field(default_factory=dict)

    @property
    def is_made(self) -> bool:
        """Whether there are any."""
        return bool(self._added or self._values or self._entries)

    def set(self, pointer: Pointer, value: Any, *, known_as: Pointer | None = None) -> None:
        """Another value. `known_as`: where it stands once all is changed, when a name on the way changes."""
        self._values[known_as or pointer] = self.editor.source(pointer)
        self.editor.set(pointer, value)

    def set_entry(self, pointer: Pointer, name: str, value: Any, *, known_as: Pointer | None = None) -> None:
        """Another key with another value in the place of one."""
        self._entries[(*(known_as or pointer)[:-1], name)] = self.editor.entry_source(pointer)
        self.editor.set_entry(pointer, name, value)

    def put(self, pointer: Pointer, name: str, value: Any, *, known_as: Pointer | None = None) -> None:
        """One more key in the mapping at `pointer`, which is made when it is not there."""
        known = known_as or pointer
        self._grow(pointer, {name: value}, known)
        self._added.append((*known, name))

    def append(self, pointer: Pointer, members: list[Any], *, known_as: Pointer | None = None) -> None:
        """More members in the list at `pointer`, which is made when it is not there; each with a name of its own."""
        known = known_as or pointer
        self._grow(pointer, members, known)
        self._added.extend((*known, f"name={member['name']}") for member in members)

    def append_at(self, pointer: Pointer, index: int, member: Any) -> None:
        """One more member without a name at the end of a list that has `index` members."""
        self._grow(pointer, [member], pointer)
        self._added.append((*pointer, str(index)))

    def _grow(self, pointer: Pointer, members: dict[str, Any] | list[Any], known: Pointer) -> None:
        if self.editor.find(pointer) is None:
            self._made[known] = None
            self.editor.add(pointer[:-1], {pointer[-1]: members})
        elif self.editor.is_empty(pointer):
            self._made[known] = self.editor.source(pointer)
            self.editor.set(pointer, members)
        else:
            self.editor.add(pointer, members)

    def remember(self) -> None:
        """Writes the annotation; the last of the changes to an object."""
        if not self.is_made:
            return
        parts: dict[str, Any] = {"added": self._added, "made": self._made}
        parts |= {"values": self._values, "entries": self._entries}
        where = (*_ANNOTATIONS, ANNOTATION)
        parts["added"] = [*self._added, where]
        if self.editor.find(_ANNOTATIONS) is None:
            parts["made"] = {**self._made, _ANNOTATIONS: None}
        elif self.editor.is_empty(_ANNOTATIONS):
            parts["made"] = {**self._made, _ANNOTATIONS: self.editor.source(_ANNOTATIONS)}
        self._grow(_ANNOTATIONS, {ANNOTATION: _as_json(parts)}, _ANNOTATIONS)


def is_changed(value: Any) -> bool:
    """Whether an object has the annotation."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and ANNOTATION in annotations


def has_other_values(value: Any) -> bool:
    """Whether an object tells of values that were others. Unfit: its annotation is not one of ours."""
    return is_changed(value) and bool(_record(value["metadata"]["annotations"][ANNOTATION])["values"])


def restore(edits: Edits, root: Node) -> list[str]:
    """Undoes what the annotation of an object tells of; sentences about what is not there any more.

    Unfit: the annotation is not one of ours.
    """
    editor = Editor(edits, root)
    record = _record(plain(root)["metadata"]["annotations"][ANNOTATION])
    gone: list[Pointer] = []

    def there(pointers: Iterable[Pointer]) -> Iterator[Pointer]:
        for pointer in pointers:
            if editor.find(pointer) is None:
                gone.append(pointer)
            else:
                yield pointer

    added = [_pointer(text) for text in record["added"]]
    made, values, entries = (
        {_pointer(text): told for text, told in record[part].items()} for part in ("made", "values", "entries")
    )
    emptied = _remove_made(editor, added, made)
    for pointer in there(pointer for pointer in added if pointer not in emptied):
        editor.remove(pointer)
    for pointer in there(values):
        editor.put_source(pointer, values[pointer])
    for pointer in there(entries):
        column, source = entries[pointer]
        now, _ = editor.entry_source(pointer)
        editor.put_entry_source(pointer, _moved(source, now - column))
    return [f"{'.'.join(pointer)} is not there any more, and was left like that" for pointer in gone]


def _remove_made(editor: Editor, added: list[Pointer], made: dict[Pointer, str | None]) -> set[Pointer]:
    """Takes out what had no members before, unless somebody else has put some in; the members that went with it."""
    emptied: set[Pointer] = set()
    for pointer, source in made.items():
        ours = {other for other in added if other[:-1] == pointer}
        if editor.find(pointer) is None or _count(editor, pointer) > sum(editor.find(one) is not None for one in ours):
            continue
        emptied |= ours
        if source is None:
            editor.remove(pointer)
        else:
            editor.put_source(pointer, source)
    return emptied


def _count(editor: Editor, pointer: Pointer) -> int:
    place = editor.find(pointer)
    return 0 if place is None else len(place.value.value)


def _moved(source: str, by: int) -> str:
    """The text of an entry whose key stands `by` columns to the right of where it stood."""
    if not by or "\n" not in source:
        return source
    if abs(by) > _MAX_MOVE:
        raise Unfit(f"has an annotation {ANNOTATION} that cannot be read: take the gateway out by hand")
    first, *rest = source.split("\n")
    return "\n".join([first, *(_indented(line, by) for line in rest)])


def _indented(line: str, by: int) -> str:
    text = line.lstrip(" ")
    return " " * max(0, len(line) - len(text) + by) + text if text.strip() else line


def _record(text: Any) -> dict[str, Any]:
    try:
        record = json.loads(text) if len(text) <= _MAX_RECORD else {}
        fits = (
            isinstance(record, dict)
            and all(isinstance(one, str) for one in record["added"])
            and all(isinstance(one, str | None) for one in record["made"].values())
            and all(isinstance(one, str) for one in record["values"].values())
            and all(isinstance(column, int) and isinstance(one, str) for column, one in record["entries"].values())
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        fits = False
    if not fits:
        raise Unfit(f"has an annotation {ANNOTATION} that cannot be read: take the gateway out by hand")
    return dict(record)


def _as_json(parts: dict[str, Any]) -> str:
    record = {
        name: [_text(one) for one in part] if isinstance(part, list) else {_text(key): one for key, one in part.items()}
        for name, part in parts.items()
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _text(pointer: Pointer) -> str:
    """As a JSON Pointer (RFC 6901)."""
    return "".join("/" + segment.replace("~", "~0").replace("/", "~1") for segment in pointer)


def _pointer(text: str) -> Pointer:
    return tuple(segment.replace("~1", "/").replace("~0", "~") for segment in text.split("/")[1:])
