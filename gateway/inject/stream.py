"""A stream of manifests: its documents, the objects in them, and the documents that inject itself has added.

Only what may be of interest is read as YAML: a definition of a megabyte passes as it is.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.inject import writing
from gateway.inject.editing import Editor, Edits
from gateway.inject.original import ANNOTATION, Changes, has_other_values, is_changed, restore
from gateway.inject.reading import MERGE, Allowance, Unfit, compose, plain
from gateway.inject.wanted import NAME

#: the label of documents that are written here, and what it says
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "bearer-gateway-inject"

WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")
#: what may name a workload's ports
BESIDE: Final = ("Service", "NetworkPolicy", "PodMonitor", "ServiceMonitor", "HorizontalPodAutoscaler")

#: what may say `containers` and runs none
_DEFINITION: Final = "CustomResourceDefinition"

_OWN_KINDS: Final = ("ConfigMap", "NetworkPolicy")

#: Lists in Lists
MAX_DEPTH: Final = 100

#: what begins a document of ours where the text before it had no line break at its end
_UNENDED: Final = "--- # there was no line break before this line"

#: where a List has its objects
_ITEMS: Final = ("items",)

#: lines at the left edge of a document that is one mapping, written as people write it
_PLAIN_LINE = re.compile(r"[A-Za-z][\w./-]*:([ \t].*)?|-([ \t].*)?|#.*|---[ \t]*(#.*)?|([ \t].*)?")
_PLAIN_KEY = re.compile(r"[A-Za-z]")
_PLAIN_KIND = re.compile(r"""kind:[ \t]+(["']?)(\w+)\1[ \t]*([ \t]#.*)?""")
#: whether anything in a text may say what kind of object it is
_ANY_KIND = re.compile(r"""["']?kind["']?\s*:\s*["']?(\w+)""")
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
#: lines of a document that has none
_NO_LINE = ("#", "%", "...")


@dataclass(slots=True)
class Manifest:
    """One object of a stream."""

    kind: str
    name: str
    #: empty: whatever kubectl is told
    namespace: str
    value: dict[str, Any]
    changes: Changes

    @property
    def label(self) -> str:
        """As kubectl names it."""
        return f"{self.kind}/{self.name}"


@dataclass(slots=True)
class Chunk:
    """One document of a stream with the line that separates it from the one before."""

    text: str
    #: lines before it
    line: int
    objects: list[Manifest] = field(default_factory=list)
    edits: Edits = field(init=False)

    def __post_init__(self) -> None:
        self.edits = Edits(self.text)


@dataclass(slots=True)
class Stream:
    """All of them."""

    chunks: list[Chunk]
    is_json: bool
    #: white space behind the last document of JSON
    tail: str = ""

    @property
    def objects(self) -> list[Manifest]:
        """In their order."""
        return [manifest for chunk in self.chunks for manifest in chunk.objects]

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing but comments."""
        return all(_is_empty(chunk.text) for chunk in self.chunks)

    def written(self, added: list[dict[str, Any]]) -> str:
        """The text with all changes, and with more documents behind."""
        if self.is_json and added and (editor := self._list()) is not None:
            # Whoever reads one document of JSON would not see, or refuse, what stands behind it.
            editor.add(_ITEMS, added)
            added = []
        text = "".join(chunk.edits.applied() for chunk in self.chunks)
        if self.is_json:
            return text + "".join("\n" + json.dumps(one, ensure_ascii=False, indent=4) for one in added) + self.tail
        line = "\r\n" if "\r\n" in text else "\n"
        for one in added:
            begins = "---\n" if text.endswith("\n") or not text else f"\n{_UNENDED}\n"
            text += f"{begins}{writing.document(one)}\n".replace("\n", line)
        return text

    def _list(self) -> Editor | None:
        """The last List, unless it has nothing."""
        for chunk in reversed(self.chunks):
            for root in compose(chunk.text, line=chunk.line):
                items = _items(root)
                if items is not None and items.value:
                    return Editor(chunk.edits, root)
        return None


def _own_items(root: Node, chunk: Chunk, allowance: Allowance) -> list[int]:
    """The places in a List of objects that inject has written."""
    items = _items(root)
    values = (plain(item, line=chunk.line, allowance=allowance) for item in (items.value if items else ()))
    return [index for index, value in enumerate(values) if _is_own(value)]


def joined(first: str, more: list[str]) -> str:
    """Several texts as one stream: a line `---` stands between two of them, unless all are JSON."""
    is_json = all(_is_braced(one) for one in (first, *more) if one.strip())
    text = first
    for one in more:
        if not one.strip():
            continue
        line = "\r\n" if "\r\n" in text else "\n"
        text += line if text and not text.endswith("\n") else ""
        if text.strip() and not _SEPARATOR.match(one) and not is_json:
            text += f"---{line}"
        text += one
    return text


def parse(text: str) -> Stream:
    """The stream, as it is. Unfit: no YAML, or a template; the sentence is about the whole text."""
    stream = _split(text)
    allowance = Allowance(len(text))
    for chunk in stream.chunks:
        kind = _told_kind(chunk.text, is_json=stream.is_json)
        if _is_empty(chunk.text) or (kind is not None and not _is_of_interest(kind, chunk.text)):
            continue
        for root in compose(chunk.text, line=chunk.line):
            for node in _objects_of(root, chunk.line):
                if not _may_matter(node, chunk.text):
                    continue
                if (manifest := _manifest(node, chunk, allowance)) is not None:
                    chunk.objects.append(manifest)
    return stream


def check_manifests(text: str) -> None:
    """Unfit: no YAML, as for `parse`, or YAML of something else: not one document says its kind."""
    parse(text)
    full = [chunk for chunk in _split(text).chunks if not _is_empty(chunk.text)]
    nameless = [chunk for chunk in full if not _ANY_KIND.search(chunk.text)]
    for chunk in nameless:
        compose(chunk.text, line=chunk.line)
    if full and len(nameless) == len(full):
        raise Unfit("has no manifest of Kubernetes: nothing in it says its kind")


def find_config_map(text: str, name: str, key: str) -> str | None:
    """What a ConfigMap of the stream has under a key; None: it is not there. Unfit: as for `parse`."""
    allowance = Allowance(len(text))
    for chunk in _split(text).chunks:
        if "ConfigMap" not in chunk.text or name not in chunk.text:
            continue
        for root in compose(chunk.text, line=chunk.line):
            for node in _objects_of(root, chunk.line):
                if not _is_kind(node, "ConfigMap"):
                    continue
                manifest = _manifest(node, chunk, allowance)
                if manifest is not None and (manifest.kind, manifest.name) == ("ConfigMap", name):
                    data = manifest.value.get("data")
                    found = data.get(key) if isinstance(data, dict) else None
                    return found if isinstance(found, str) else None
    return None


def has_service_part(text: str) -> bool:
    """Whether the part of Services has been written into the stream. Unfit: as for `original`."""
    allowance = Allowance(len(text))
    for chunk in _split(text).chunks:
        if MANAGER in chunk.text or ANNOTATION in chunk.text:
            for root in compose(chunk.text, line=chunk.line):
                for node in _objects_of(root, chunk.line):
                    if _is_of_service_part(plain(node, line=chunk.line, allowance=allowance)):
                        return True
    return False


def original(text: str) -> tuple[str, list[str]]:
    """The stream as it was before anything was written into it, and sentences about what could not be undone."""
    stream = _split(text)
    allowance = Allowance(len(text))
    told: list[str] = []
    kept: list[str] = []
    for chunk in stream.chunks:
        is_marked = MANAGER in chunk.text
        roots = compose(chunk.text, line=chunk.line) if is_marked or ANNOTATION in chunk.text else []
        if is_marked and any(_is_own(plain(root, line=chunk.line, allowance=allowance)) for root in roots):
            if kept and chunk.text.startswith(_UNENDED):
                kept[-1] = kept[-1].removesuffix("\n").removesuffix("\r")
            continue
        for root in roots:
            if own := _own_items(root, chunk, allowance):
                Editor(chunk.edits, root).remove_members(_ITEMS, own)
            for node in _objects_of(root, chunk.line):
                if is_changed(value := plain(node, line=chunk.line, allowance=allowance)):
                    about = f"{value.get('kind')}/{value['metadata'].get('name')}"
                    told += [f"{about}: {sentence}" for sentence in restore(chunk.edits, node)]
        kept.append(chunk.edits.applied())
    return "".join(kept) + stream.tail, told


def _split(text: str) -> Stream:
    if _is_braced(text) and (found := _split_json(text)) is not None:
        return found
    starts = [match.start() for match in _SEPARATOR.finditer(text)]
    bounds = [*({0, *starts}), len(text)]
    bounds.sort()
    chunks = []
    line = 0
    for start, end in pairwise(bounds):
        chunks.append(Chunk(text[start:end], line))
        line += text.count("\n", start, end)
    return Stream(chunks, is_json=False)


def _is_braced(text: str) -> bool:
    return text.lstrip()[:1] == "{"


def _split_json(text: str) -> Stream | None:
    """Objects of JSON, one behind the other; None: it is something else."""
    decoder = json.JSONDecoder()
    chunks = []
    start = line = 0
    while text[start:].strip():
        begin = start + len(text[start:]) - len(text[start:].lstrip())
        try:
            value, end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            return None
        chunks.append(Chunk(text[start:end], line))
        line += text.count("\n", start, end)
        start = end
    return Stream(chunks, is_json=True, tail=text[start:])


def _is_empty(text: str) -> bool:
    lines = (line.removeprefix("---").strip() for line in text.splitlines())
    return all(not line or line.startswith(_NO_LINE) for line in lines)


def _told_kind(text: str, *, is_json: bool) -> str | None:
    """The kind of a document that is one object and says so plainly; None: only reading it as YAML can tell.

    Escapes, aliases, merges, tags, brackets, a second document behind `...`: all of that is read.
    """
    if is_json:
        kind = json.loads(text).get("kind")
        return kind if isinstance(kind, str) else None
    kinds: list[str | None] = []
    has_begun = False
    for line in text.splitlines():
        if not _PLAIN_LINE.fullmatch(line):
            return None
        if not has_begun and line.strip() and not line.lstrip().startswith(("#", "---")):
            if not _PLAIN_KEY.match(line):
                return None
            has_begun = True
        if line.startswith("kind:"):
            told = _PLAIN_KIND.fullmatch(line)
            kinds.append(told[2] if told else None)
    return kinds[0] if len(kinds) == 1 else None


def _is_of_interest(kind: str, text: str) -> bool:
    if kind in {*WORKLOADS, *BESIDE} or kind.endswith("List"):
        return True
    # A kind of somebody's own that runs containers.
    return "containers" in text and kind != _DEFINITION


def _may_matter(node: Node, text: str) -> bool:
    """Whether an object that has been read is of interest, by its own kind."""
    members = node.value if isinstance(node, MappingNode) else []
    kinds = [value.value for key, value in members if isinstance(key, ScalarNode) and key.value == "kind"]
    return len(kinds) != 1 or not isinstance(kinds[0], str) or _is_of_interest(kinds[0], text)


def _is_kind(node: Node, kind: str) -> bool:
    members = node.value if isinstance(node, MappingNode) else []
    return any(key.value == "kind" and value.value == kind for key, value in members)


def _objects_of(root: Node, line: int) -> Iterator[Node]:
    """The object that a document is, or those of a List. Unfit: one of them stands there by an alias, or too deep."""
    seen: set[int] = set()

    def walk(node: Node, depth: int) -> Iterator[Node]:
        members = node.value if isinstance(node, MappingNode) else []
        value = {key.value: member for key, member in members if isinstance(key, ScalarNode)}
        kind = value.get("kind")
        is_told = isinstance(kind, ScalarNode) and not kind.value.endswith("List")
        if not is_told and any(key.tag == MERGE for key, _ in members):
            at = node.start_mark.line + line + 1
            raise Unfit(f"has an object at line {at} that is merged from elsewhere: write it out there")
        items = _items(node)
        if items is None:
            yield node
            return
        if depth > MAX_DEPTH:
            raise Unfit(f"has Lists in Lists more than {MAX_DEPTH} deep")
        for item in items.value:
            # Twice the same text cannot be two objects: a change of one would be one of the other.
            if id(item) in seen:
                at = item.start_mark.line + line + 1
                raise Unfit(f"has an alias in a List for the object at line {at}: write it out there")
            seen.add(id(item))
            yield from walk(item, depth + 1)

    seen.add(id(root))
    return walk(root, 1)


def _items(root: Node) -> SequenceNode | None:
    """What a List has; None: it is none."""
    members = root.value if isinstance(root, MappingNode) else []
    value = {key.value: member for key, member in members if isinstance(key, ScalarNode)}
    kind, items = value.get("kind"), value.get("items")
    is_list = isinstance(kind, ScalarNode) and kind.value.endswith("List") and isinstance(items, SequenceNode)
    return items if is_list else None


def _manifest(node: Node, chunk: Chunk, allowance: Allowance) -> Manifest | None:
    value = plain(node, line=chunk.line, allowance=allowance)
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or not isinstance(value.get("kind"), str):
        return None
    name, namespace = metadata.get("name") or metadata.get("generateName"), metadata.get("namespace")
    return Manifest(
        kind=value["kind"],
        name=str(name),
        namespace=namespace if isinstance(namespace, str) else "",
        value=value,
        changes=Changes(Editor(chunk.edits, node)),
    )


def _is_of_service_part(value: Any) -> bool:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == "Service":
        return is_changed(value)
    # The part of the workload only adds to policies of others.
    return kind == "NetworkPolicy" and (_is_own(value) or has_other_values(value))


def _is_own(value: Any) -> bool:
    """Whether inject has written the whole object: its label, on a kind and with a name of its own."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict):
        return False
    labels = metadata.get("labels")
    return (
        isinstance(labels, dict)
        and labels.get(MANAGED_BY) == MANAGER
        and value.get("kind") in _OWN_KINDS
        and str(metadata.get("name")).startswith(f"{NAME}-")
    )
