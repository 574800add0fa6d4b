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
#: RFC 9111 section 3.5: with one of these a cache may share even what was sent for a request with Authorization
_DECIDED: Final = _SHARED | _PRIVATE | {b"must-revalidate"}


def private_lines(headers: Iterable[HeaderLine]) -> tuple[HeaderLine, ...]:
    """Lines in place of those that would let a cache share a response with these: what else they say stays."""
    lines: dict[bytes, bytes] = {}
    received = tuple(headers)
    for name, _ in received:
        lower = name.lower()
        if lower.endswith(b"-cache-control") or lower == b"surrogate-control":
            lines[name] = b"no-store"
        elif lower == b"x-accel-expires":
            lines[name] = b"0"
    kept = [directive for directive in _directives(received) if _name(directive) not in _SHARED]
    if not any(directive.lower() in _PRIVATE for directive in kept):
        kept.append(b"private")
    return ((b"Cache-Control", b", ".join(kept)), *lines.items())


def unshared_lines(headers: Iterable[HeaderLine]) -> tuple[HeaderLine, ...]:
    """What Authorization alone would say to a cache (RFC 9111 section 3.5): not to share, unless the API says so."""
    directives = _directives(headers)
    if any(_name(directive) in _DECIDED for directive in directives):
        return ()
    return ((b"Cache-Control", b", ".join([*directives, b"private"])),)


def _directives(headers: Iterable[HeaderLine]) -> list[bytes]:
    values = [value for name, value in headers if name.lower() == b"cache-control"]
    found = [directive.strip(b" \t") for value in values for directive in _DIRECTIVE.findall(value)]
    return [directive for directive in found if directive]


def _name(directive: bytes) -> bytes:
    return directive.partition(b"=")[0].strip(b" \t").lower()
