"""Which paths of routes make sense: how they are written, and what others would write in place of it."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.core.config.routes import RouteSection
from gateway.core.errors import AmbiguousPath, UriTooLong
from gateway.core.routing.pattern import parse_pattern

#: a segment as other programs write a variable, and the name in it: :id, <id>, <int:id>, [id], $id, {id:int}, {id...}
_OTHERS: Final = re.compile(
    r":(?P<colon>[A-Za-z_]\w*)[?+*]?(?:\(.*\))?"
    r"|<(?:[^<>:]*:)?(?P<angle>[A-Za-z_]\w*)>"
    r"|\[(?P<square>[A-Za-z_]\w*)\]"
    r"|\$(?P<dollar>[A-Za-z_]\w*)"
    r"|\{(?P<typed>[A-Za-z_]\w*):[A-Za-z]+\}"
)
#: the same for everything below
_BELOW: Final = re.compile(r"\*\*|:\w+\*|<path:\w+>|\[\.\.\.\w+\]|\{\w+(?::path|\.\.\.|\*)\}|\{\*+\w*\}|\*\w+")
_NAMED: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_BRACES: Final = re.compile(r"[{}]")
#: characters of a segment that a sentence shows
MAX_SHOWN: Final = 40


def path_problems(route: RouteSection, *, ignore_case: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the path of a route, and the prefix of it that the API does not see: key and sentence."""
    if not route.path.startswith("/"):
        yield "path", "must begin with a slash"
        return
    wrong = False
    for sentence in _spelling(route.path):
        wrong = True
        yield "path", sentence
    if wrong:
        return
    try:
        segments, _ = parse_pattern(route.path, ignore_case=ignore_case)
    except (AmbiguousPath, UriTooLong) as error:
        yield "path", f"could never match, since such requests are refused: {error.evidence}"
        return
    if route.strip_prefix is not None:
        try:
            prefix, below = parse_pattern(route.strip_prefix, ignore_case=ignore_case)
        except (AmbiguousPath, UriTooLong):
            prefix, below = (), True
        if below or not prefix or segments[: len(prefix)] != prefix:
            yield "strip_prefix", "must be whole segments that path begins with, such as /api for /api/orders/*"


def _spelling(path: str) -> Iterator[str]:
    """Whatever is no segment, no variable and not the end of a path, each once."""
    segments = path.removesuffix("/*" if path.endswith("/*") else "/").split("/")[1:]
    told: set[str] = set()
    for place, segment in enumerate(segments):
        sentence = _problem_of(segment, is_last=place == len(segments) - 1)
        if sentence is not None and sentence not in told:
            told.add(sentence)
            yield sentence
    names = [segment[1:-1] for segment in segments if _NAMED.fullmatch(segment)]
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        yield f"has the variable {{{again[0]}}} twice: each needs a name of its own"


def _problem_of(segment: str, *, is_last: bool) -> str | None:
    if _NAMED.fullmatch(segment):
        return None
    if _BELOW.fullmatch(segment):
        hint = "/* at its end" if is_last else "/* at its end, and {name} for one segment before that"
        return f"has {segment[:MAX_SHOWN]}, which means nothing here: everything below a path is written {hint}"
    other = _OTHERS.fullmatch(segment)
    if other is not None:
        name = next(name for name in other.groups() if name is not None)
        meant = f"one segment that may be anything is written {{{name}}}"
        return f"has {segment[:MAX_SHOWN]}, which means nothing here: {meant}"
    if "?" in segment:
        return "must not have a query: routes are matched on paths"
    if "*" in segment:
        if segment == "*" and not is_last:
            return "may have a * as its last segment only: one segment in the middle is written {name}"
        return "may have a * as its last segment only: /orders/* is /orders and all below it"
    if _BRACES.search(segment):
        return (
            "must have braces around a whole segment, with a name of letters, digits and _ in them, such as {id}; "
            "%7B and %7D are braces that a path has"
        )
    return None
