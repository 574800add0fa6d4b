"""Routes whose paths are one another's to whoever ignores case, or blanks and dots behind a segment.

Each takes its own requests, since the file names it; an API that ignores such things has one handler for both.
"""

from collections.abc import Iterator

from gateway.core.config.file import Config
from gateway.core.config.routes import route_name
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.errors import AmbiguousPath, UriTooLong
from gateway.core.http.loosest import loosest
from gateway.core.routing.pattern import Covering, Pattern, is_within, parse_pattern
from gateway.core.routing.route import compile_route
from gateway.core.routing.strictness import is_at_least_as_strict


def twin_warnings(config: Config) -> Iterator[ConfigProblem]:
    """Of two such routes the one that asks for less."""
    if config.ambiguous_paths == "allow":
        return
    patterns: dict[int, Pattern] = {}
    for index, route in enumerate(config.routes):
        try:
            patterns[index] = parse_pattern(route.path, ignore_case=config.path_case == "insensitive")
        except (AmbiguousPath, UriTooLong):
            continue
    covering = Covering()
    for index, pattern in patterns.items():
        covering.add(index, _loosened(pattern))
    for index, pattern in patterns.items():
        for other, _ in covering.find(_loosened(pattern)):
            if is_within(pattern, patterns[other]):
                continue
            for laxer, stricter in ((index, other), (other, index)):
                if not _is_as_strict(config, laxer, stricter):
                    told = f"{joined('routes', stricter)} ({route_name(config.routes[stricter])})"
                    sentence = f"is read as {told} by an API that ignores case, or blanks and dots, and asks for less"
                    yield ConfigProblem(joined("routes", laxer), sentence)
                    break


def _loosened(pattern: Pattern) -> Pattern:
    return Pattern(tuple(None if own is None else loosest(own) for own in pattern.segments), pattern.below)


def _is_as_strict(config: Config, one: int, other: int) -> bool:
    return is_at_least_as_strict(compile_route(config.routes[one]), compile_route(config.routes[other]))
