"""Writes what is made from the code, parts of docs/ and files of the chart: `make docs`. tests/test_documents.py fails when one is stale."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.core.config.file import Config
from gateway.core.config.schema import schema
from gateway.core.config.walk import sections_of
from gateway.core.token.markers import MARKERS, Expected, Marker
from gateway.core.token.presets import PRESETS, Preset
from tests import chart

DOCS = Path(__file__).parents[1] / "docs"

_KINDS = {
    "id": "ID",
    "refresh": "refresh",
    "logout": "logout",
    "other": "other",
    "access": "access",
    "hint": "access, unless `nonce`",
    "sure": "access, unless an ID token's",
}


def section_paths(kind: type[Config] = Config) -> dict[str, str]:
    """Name of a section in the schema to the heading it stands under: where it stands, or what it is called there."""
    found = {section.__name__: path for section, path in sections_of(kind).items() if path}
    return found | {"Secret": "SECRET", "Probe": "probes.NAME.KIND"}


def _words(names: object) -> str:
    return ", ".join(f"`{name}`" for name in names)  # type: ignore[attr-defined]


def _expected(expected: Expected) -> str:
    if isinstance(expected, frozenset):
        return _words(sorted(expected))
    if isinstance(expected, re.Pattern):
        return f"matches `{expected.pattern}`".replace("|", "\\|")
    return expected.value


def _condition(marker: Marker) -> str:
    beside = f"; beside {_words(name for name, _ in marker.beside)}" if marker.beside else ""
    without = f"; without {_words(marker.without)}" if marker.without else ""
    return _expected(marker.expected) + beside + without


def marker_table() -> Iterator[str]:
    """Every marker that holds for all providers."""
    yield "| shows | member | value | source |"
    yield "|---|---|---|---|"
    for marker in MARKERS:
        yield f"| {_KINDS[marker.kind]} | {marker.where} `{marker.name}` | {_condition(marker)} | {marker.source} |"


def preset_table() -> Iterator[str]:
    """Every preset, and what it changes."""
    plain = Preset(name="", source="")
    yield "| preset | what it changes | rests on | audience |"
    yield "|---|---|---|---|"
    for preset in PRESETS.values():
        changes = ["every token is refused as an ID token"] if preset.refuses else []
        changes += [f"{_KINDS[marker.kind]}: `{marker.name}` {_condition(marker)}" for marker in preset.markers]
        changes += [f"header typ {_words(sorted(preset.types))}"] if preset.types else []
        if preset.scope_claims != plain.scope_claims:
            changes.append(f"scopes from {_words(preset.scope_claims)}")
        if preset.client_claims != plain.client_claims:
            changes.append(f"client from {_words(preset.client_claims)}")
        yield f"| `{preset.name}` | {'; '.join(changes) or 'nothing'} | {preset.source} | {preset.audience} |"


def key_tables(kind: type[Config] = Config) -> Iterator[str]:
    """Every key of the configuration file, section by section."""
    made, paths = schema(kind), section_paths(kind)
    yield from _key_table(made, paths)
    for name, path in paths.items():
        yield ""
        yield f"## {path}"
        yield ""
        yield made["$defs"][name]["description"]
        yield ""
        yield from _key_table(made["$defs"][name], paths)


def _key_table(section: dict[str, Any], paths: Mapping[str, str]) -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key, member in section["properties"].items():
        default = "**required**" if key in section.get("required", ()) else _default(member, paths)
        yield f"| `{key}` | {_type(member, paths)} | {default} | {member.get('description', '')} |"


def _default(member: dict[str, Any], paths: Mapping[str, str]) -> str:
    if "default" not in member:
        return "see below"
    match member["default"], _type(member, paths):
        case None, _:
            return "`null`"
        case {}, _:
            return "`{}`"
        case [*values], _:
            return f"`[{', '.join(values)}]`"
        case bool() as value, _:
            return f"`{str(value).lower()}`"
        case value, "duration":
            return (
                f"`{value * 1000:g}ms`" if value < 1 else f"`{value // 3600}h`" if value % 3600 == 0 else f"`{value}s`"
            )
        case value, "size":
            return f"`{value // 1024}KiB`" if value % 1024 == 0 else f"`{value}B`"
        case value, _:
            return f"`{value}`"


def _type(member: dict[str, Any], paths: Mapping[str, str]) -> str:
    if "enum" in member:
        # That true and false may stand for some of the words is a note below.
        return " \\| ".join(f"`{value}`" for value in member["enum"] if not isinstance(value, bool))
    if "$ref" in member:
        path = paths[member["$ref"].rpartition("/")[2]]
        return f"[{path}](#{_anchor(path)})"
    forms = member.get("anyOf")
    if forms is None:
        kind = str(member["type"])
        if kind == "array":
            return f"list of {_type(member['items'], paths)}"
        return f"mapping to {_type(member['additionalProperties'], paths)}" if kind == "object" else kind
    patterns = [form.get("pattern", "") for form in forms]
    if any("KiB" in pattern for pattern in patterns):
        return "size"
    if any(pattern for pattern in patterns):
        return "duration"
    return " or ".join(dict.fromkeys(_type(form, paths) for form in forms if form.get("type") != "null"))


def _anchor(path: str) -> str:
    return re.sub(r"[^a-z_]", "", path.lower())


PARTS = {
    ("token-classes.md", "markers"): marker_table,
    ("token-classes.md", "presets"): preset_table,
    ("configuration.md", "keys"): key_tables,
}


def made() -> dict[Path, str]:
    """Each page as it should be, what stands between its marks written anew; and each file of the chart."""
    pages: dict[Path, str] = {}
    for (name, part), rows in PARTS.items():
        page = DOCS / name
        text = pages.get(page) or page.read_text()
        begin, end = f"<!-- {part}: made by `make docs` -->\n", f"<!-- {part}: end -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{name} lacks the marks of {part}"
        pages[page] = before + begin + "\n" + "\n".join(rows()) + "\n\n" + end + after
    return pages | chart.made()


if __name__ == "__main__":
    for path, content in made().items():
        path.write_text(content)
