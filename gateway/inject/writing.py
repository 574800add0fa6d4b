"""Values as text: block style as people write it, or JSON where the place is in brackets. Text is double-quoted.

kubectl reads YAML 1.1, where `on`, `010` and `12:30` are no text: quoted they are, and JSON's escapes are YAML's.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

#: deeper by this for each level
STEP: Final = 2

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
#: what JSON lets stand in a text, and YAML does not or reads as a line break
_UNSHOWN = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def flow(value: Any) -> str:
    """JSON, on one line."""
    return _UNSHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def key_text(name: str) -> str:
    """A key of a mapping in block style."""
    return name if _KEY.fullmatch(name) and name.lower() not in _WORDS else flow(name)


def entry(name: str, value: Any, column: int) -> list[str]:
    """The lines of one key and its value, the first one at `column`."""
    indent = " " * column
    if isinstance(value, dict | list) and value:
        return [f"{indent}{key_text(name)}:", *block(value, column + STEP)]
    return [f"{indent}{key_text(name)}: {flow(value)}"]


def block(value: Any, column: int) -> list[str]:
    """The lines of a mapping or a list, at `column`."""
    if isinstance(value, dict):
        return [line for name, member in value.items() for line in entry(name, member, column)]
    return [line for member in value for line in item(member, column)]


def item(value: Any, column: int) -> list[str]:
    """The lines of one member of a list, its dash at `column`."""
    if not isinstance(value, dict | list) or not value:
        return [f"{' ' * column}- {flow(value)}"]
    first, *rest = block(value, column + STEP)
    return [f"{' ' * column}- {first.lstrip(' ')}", *rest]


def document(value: dict[str, Any]) -> str:
    """A whole document in block style, without a line break at its end."""
    return "\n".join(_document(value))


def _document(value: dict[str, Any]) -> Iterator[str]:
    for name, member in value.items():
        if name == "data" and isinstance(member, dict):
            yield "data:"
            for inner, text in member.items():
                yield from _literal(inner, text)
        else:
            yield from entry(name, member, 0)


def _literal(name: str, text: str) -> Iterator[str]:
    """A text of many lines as it is, where YAML can say it so."""
    indent = " " * STEP
    lines = text.split("\n")
    shown = not _UNSHOWN.search(text) and all(line.replace("\t", " ").isprintable() for line in lines)
    if not shown or not text.endswith("\n") or text.endswith("\n\n") or text[:1] in {" ", "\n", "\t"}:
        yield f"{indent}{key_text(name)}: {flow(text)}"
        return
    yield f"{indent}{key_text(name)}: |"
    for line in lines[:-1]:
        yield f"{indent * 2}{line}" if line else ""
