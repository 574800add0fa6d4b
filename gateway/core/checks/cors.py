"""Which `cors` makes sense, at the top and on each route. What an origin is, is asked of `cors`."""

from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from gateway.core.addresses import is_loopback
from gateway.core.config.cors import Cors
from gateway.core.config.file import Config
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.http.cors import ANY, parse_origin
from gateway.core.http.grammar import FIELD_NAME, METHOD

#: no browser remembers a preflight for longer (Firefox; Chromium 2 h)
MAX_AGE = 24 * 3600


def cors_problems(config: Config) -> Iterator[ConfigProblem]:
    """What is wrong, section by section."""
    for path, cors in _sections(config):
        if isinstance(cors, Cors):
            for key, sentence in (*_origin_problems(cors), *_word_problems(cors)):
                yield ConfigProblem(f"{path}.{key}", sentence)


def cors_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    for path, cors in _sections(config):
        if cors == "upstream":
            yield ConfigProblem(path, "lets preflights reach the API without a token; it must only response them")
        elif isinstance(cors, Cors):
            for index, origin in enumerate(cors.origins):
                where = joined(joined(path, "origins"), index)
                if origin == ANY:
                    yield ConfigProblem(where, "is every page there is: all may read what the API tells them")
                elif urlsplit(origin).scheme == "http" and not is_loopback(urlsplit(origin).hostname or ""):
                    yield ConfigProblem(where, "is unsafe: over http, anybody on the way can be that page")


def _sections(config: Config) -> Iterator[tuple[str, Cors | Literal["inherit", "upstream"] | None]]:
    yield "cors", config.cors
    for index, route in enumerate(config.routes):
        yield joined(joined("routes", index), "cors"), route.cors


def _origin_problems(cors: Cors) -> Iterator[tuple[str, str]]:
    if not cors.origins:
        yield "origins", "must have at least one origin; null instead of cors lets no page of another origin call"
    for index, origin in enumerate(cors.origins):
        if origin != ANY:
            try:
                parse_origin(origin)
            except ValueError as error:
                yield joined("origins", index), str(error)
    if ANY in cors.origins and len(cors.origins) > 1:
        yield "origins", "must have * alone: it is every origin already"
    if ANY in cors.origins and cors.credentials:
        yield "credentials", "must be false beside origins: ['*'], or any page could act as whoever looks at it"


def _word_problems(cors: Cors) -> Iterator[tuple[str, str]]:
    for index, method in enumerate(cors.methods):
        if METHOD.fullmatch(method) is None:
            yield joined("methods", index), "must be a method in capital letters, such as GET"
    for key, names in (("headers", cors.headers), ("expose", cors.expose)):
        for index, name in enumerate(names):
            if FIELD_NAME.fullmatch(name) is None or name == ANY:
                yield joined(key, index), "must be the name of one header"
    if cors.max_age > MAX_AGE:
        yield "max_age", "must be at most 24h: no browser remembers for longer"
