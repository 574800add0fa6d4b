"""A request path as the segments that routes are matched on; the raw bytes are what is forwarded.

Refuses every path that two programs might read differently. Knows nothing of routes.
"""

import re
from typing import Final
from unicodedata import normalize

from gateway.core.errors import AmbiguousPath, UriTooLong

#: more than any API has; a path of slashes alone is there to cost time
MAX_SEGMENTS: Final = 256
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
#: bytes of a decoded segment that separate, end or hide something elsewhere: / \ ; controls
_SEPARATING: Final = re.compile(rb"[/\\;\x00-\x1f\x7f]")
#: those of them that no route may have
_HIDING: Final = re.compile(rb"[;\x00-\x1f\x7f]")
_DOTS_BETWEEN: Final = re.compile(rb"(?:\A|[/\\])\.\.?(?:\Z|[/\\])")
_ESCAPED_SLASH: Final = re.compile(rb"%(?:2[fF]|5[cC])")
ENCODED_SEPARATOR: Final = "the path has an encoded separator or control character"
#: the same, written as they are; # never belongs to a target
_LITERAL: Final = re.compile(rb"[\\;#]")
#: as a number: to look for bytes in bytes, CPython first raises and swallows a TypeError
_PERCENT: Final = 0x25
#: a path in which nothing is escaped, hidden or separated but by slashes
_PLAIN: Final = re.compile(rb"[ -\"$&-:<-\[\]-~]*")
#: ASCII in upper case only as well, but letters that people write: they are folded, and are the same as ss
_SHARP_S: Final = "\u00df\u1e9e"


def parse_path(
    target: bytes, *, refuse_ambiguous: bool = True, ignore_case: bool = False, keep_slashes: bool = False
) -> tuple[str, ...]:
    r"""The decoded segments of a target in origin-form; one slash at the end does not count.

    AmbiguousPath: dot segments, empty segments, encoded separators, double encoding, `\`, `;`, `#`, and escapes that
    are malformed or no UTF-8, each in any spelling. Without `refuse_ambiguous` the path is decoded as well as it goes.
    With `keep_slashes` an encoded `/` or `\` is a character of its segment, unless dot segments stand between them.
    """
    path = target.partition(b"?")[0]
    if not ignore_case and _PLAIN.fullmatch(path) is not None and (plain := _split(path)) is not None:
        return plain
    if refuse_ambiguous:
        if _LITERAL.search(path):
            raise AmbiguousPath("the path has a backslash, a semicolon or a number sign")
        if _BROKEN_ESCAPE.search(path):
            raise AmbiguousPath("the path has a malformed percent escape")
    raw = path.split(b"/", MAX_SEGMENTS + 2)[1:]
    if raw and not raw[-1]:
        raw.pop()
    if len(raw) > MAX_SEGMENTS:
        raise UriTooLong(f"the path has more than {MAX_SEGMENTS} segments")
    segments = tuple(
        [_decoded(segment, refuse_ambiguous=refuse_ambiguous, keep_slashes=keep_slashes) for segment in raw]
    )
    if not ignore_case:
        return segments
    # Case is ignored where programs agree on it: not for a letter with ASCII in one case only (long s, Kelvin, st).
    if refuse_ambiguous and any(_turns_ascii(char) for segment in segments for char in segment):
        raise AmbiguousPath("the path has a letter that is ASCII to whoever ignores case")
    return tuple(map(_folded, segments))


def _split(path: bytes) -> tuple[str, ...] | None:
    """The segments of a plain path, split at once; None: there are too many, or one is empty or of dots."""
    segments = path.decode("ascii").split("/", MAX_SEGMENTS + 2)
    if not segments[-1]:
        segments.pop()
    del segments[:1]
    if len(segments) > MAX_SEGMENTS or "" in segments or "." in segments or ".." in segments:
        return None
    return tuple(segments)


def _turns_ascii(char: str) -> bool:
    """Whether a character that is not ASCII becomes ASCII, or some of it does, where case or composition is ignored."""
    if char.isascii() or char in _SHARP_S:
        return False
    # Canonical composition belongs to it: file systems that ignore case ignore that too, and it knows a few more.
    forms = char.lower() + char.upper() + char.title() + char.casefold() + normalize("NFC", char)
    return any(form.isascii() for form in forms)


def _folded(segment: str) -> str:
    """A segment as whoever ignores case compares it: full folding, in which one character may become several.

    Canonical caseless matching (Unicode section 3.13, D145), so that what a letter folds to is composed in one way.
    """
    if segment.isascii():
        return segment.lower()
    return normalize("NFC", normalize("NFD", segment).casefold())


def has_slash(target: bytes) -> bool:
    r"""Whether a path has an encoded `/` or `\`."""
    return _PERCENT in target and _ESCAPED_SLASH.search(target.partition(b"?")[0]) is not None


def _decoded(segment: bytes, *, refuse_ambiguous: bool, keep_slashes: bool) -> str:
    decoded = _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), segment) if _PERCENT in segment else segment
    if not refuse_ambiguous:
        return decoded.decode("utf-8", "surrogateescape")
    if not decoded:
        raise AmbiguousPath("the path has an empty segment")
    if decoded in (b".", b".."):
        raise AmbiguousPath("the path has a dot segment")
    if _ESCAPE.search(decoded):
        # %252e, %25%32e: what one program decodes once, the next one decodes again.
        raise AmbiguousPath("the path is percent-encoded twice")
    if _SEPARATING.search(decoded):
        if not keep_slashes or _HIDING.search(decoded):
            raise AmbiguousPath(ENCODED_SEPARATOR)
        if _DOTS_BETWEEN.search(decoded):
            raise AmbiguousPath("the path has a dot segment between encoded slashes")
    try:
        return decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise AmbiguousPath("the path has escapes that are no UTF-8") from None
