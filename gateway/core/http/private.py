"""A response that nobody but its caller may see again: Cache-Control, and its kin for one kind of cache (RFC 9213)."""

import re
from collections.abc import Iterable
from typing import Final

from gateway.core.http.facts import HeaderLine

#: RFC 9111 section 5.2: a directive may have a quoted value, in which commas separate nothing
_DIRECTIVE: Final = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\Z))+', re.DOTALL)
#: what lets caches share it
_SHARED: Final = frozenset({b"public", b"s-maxage"})
_PRIVATE: Final = frozenset({b"private", b"no-store"})


def private_lines(headers: Iterable[HeaderLine]) -> tuple[HeaderLine, ...]:
    """Lines in place of those that would let a cache share a response with these: what else they say stays."""
    directives: list[bytes] = []
    lines: list[HeaderLine] = []
    for name, value in headers:
        lower = name.lower()
        if lower == b"cache-control":
            directives += [found.strip(b" \t") for found in _DIRECTIVE.findall(value)]
        elif lower.endswith(b"-cache-control") or lower == b"surrogate-control":
            lines.append((name, b"no-store"))
        elif lower == b"x-accel-expires":
            lines.append((name, b"0"))
    kept = [directive for directive in directives if directive and _name(directive) not in _SHARED]
    if not any(directive.lower() in _PRIVATE for directive in kept):
        kept.append(b"private")
    return ((b"Cache-Control", b", ".join(kept)), *dict(lines).items())


def _name(directive: bytes) -> bytes:
    return directive.partition(b"=")[0].strip(b" \t").lower()
