"""The JSON Schema of the configuration file, made from the structs: for editors, the reference and the chart."""

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.core.config.conversion import YAML_1_1
from gateway.core.config.file import Config
from gateway.core.config.section import Seconds, Section, Size
from gateway.core.config.units import MAX_SECONDS, MAX_SIZE, SECONDS_PATTERN, SIZE_PATTERN
from gateway.core.config.walk import sections_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "Bearer Gateway configuration"

_DEFINITIONS = "#/$defs/{name}"
_UNITS = {
    Seconds: [
        {"type": "number", "minimum": 0, "maximum": MAX_SECONDS},
        {"type": "string", "pattern": SECONDS_PATTERN},
    ],
    Size: [
        {"type": "integer", "minimum": 0, "maximum": MAX_SIZE},
        {"type": "string", "pattern": SIZE_PATTERN},
    ],
}


def schema(kind: type[Config] = Config) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of plain values. Rules that span fields are not in it: `check` knows them.

    `kind`: one with more sections.
    """
    (_,), definitions = msgspec.json.schema_components(
        [kind], schema_hook=lambda unit: {"anyOf": _UNITS[unit]}, ref_template=_DEFINITIONS
    )
    _add_defaults(definitions, sections_of(kind))
    _add_yaml_1_1(definitions)
    top = definitions.pop(kind.__name__)
    # Null is neither "none" nor "the default ones" here, so it is refused.
    headers = top["properties"]["identity_headers"]
    headers |= next(form for form in headers.pop("anyOf") if form["type"] == "object")
    del headers["default"]
    made = {"$schema": DIALECT, **top, "title": TITLE, "$defs": definitions}
    result: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))
    return result


def _add_defaults(definitions: dict[str, Any], sections: Iterable[type[Section]]) -> None:
    """Writes the defaults that msgspec cannot write: durations and sizes as numbers, sections as empty ones."""
    for kind in sections:
        for field in msgspec.structs.fields(kind):
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
                plain: object = {} if isinstance(default, msgspec.Struct | dict) else _number(default)
                definitions[kind.__name__]["properties"][field.encode_name]["default"] = plain


def _number(value: float) -> float:
    """As JSON is best written: without a fraction where there is none."""
    return int(value) if value == int(value) else float(value)


def _add_yaml_1_1(form: Any) -> None:
    """Lets true and false stand where they are read as a word, `off` for example."""
    for member in form.values() if isinstance(form, dict) else form if isinstance(form, list) else ():
        _add_yaml_1_1(member)
    if isinstance(form, dict) and "enum" in form:
        form["enum"] += sorted({YAML_1_1[word] for word in form["enum"] if word in YAML_1_1})
