"""Which places of a token make sense, at the top and on each route, and what is unsafe about them."""

import re
from collections.abc import Iterator

from gateway.core.checks.headers import find_taker
from gateway.core.config.credentials import KINDS, CredentialPlace, Credentials, places_in
from gateway.core.config.file import (
    Config,
    assertion_header_of,
    external_urls_of,
    identity_headers_of,
    is_asked,
    upstreams_of,
)
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.http.grammar import FIELD_NAME
from gateway.core.http.header_names import fold

#: what no program writes in another way
_PARAMETER = re.compile(r"[A-Za-z0-9_-]+")
#: a forwarding header by its name, and a token by what stands in it: oauth2-proxy sets it
_ALLOWED = b"x-forwarded-access-token"


def credential_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    taken = _taken_names(config)
    for path, credentials in _sections(config):
        if not credentials:
            yield ConfigProblem(path, "must have at least one place; authorization is the usual one")
        seen: dict[tuple[str, str], int] = {}
        for index, place in enumerate(credentials):
            where = joined(path, index)
            named = _named(place)
            if len(named) != 1:
                yield ConfigProblem(where, f"must have exactly one of {', '.join(KINDS[:-1])} and {KINDS[-1]}")
                continue
            (kind, name), *_ = named
            key = where if isinstance(place, str) else joined(where, kind)
            first = seen.setdefault((kind, fold(name.encode()).decode() if kind == "header" else name), index)
            if first != index:
                yield ConfigProblem(key, f"is {joined(path, first)} again")
            elif (wrong := _wrong(kind, name, taken)) is not None:
                yield ConfigProblem(key, wrong)
    if config.decisions_sources == "all" and not is_asked(config):
        yield ConfigProblem("decisions_sources", "has no effect without decisions")
    yield from _idle_problems(config)


def _idle_problems(config: Config) -> Iterator[ConfigProblem]:
    """What no request can use."""
    for index, route in enumerate(config.routes):
        path = joined(joined("routes", index), "credentials")
        if route.access == "public" and route.credentials is not None:
            yield ConfigProblem(path, "has no effect on a public route: remove it, or access: public")
        takes_get = not route.methods or not {"GET", "HEAD"}.isdisjoint(route.methods)
        for number, kind, _ in () if takes_get else places_in(route.credentials or ()):
            if kind in {"websocket", "query"}:
                yield ConfigProblem(joined(joined(path, number), kind), "has no effect: the route does not take GET")


def credential_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    kept = sorted(name for name, upstream in upstreams_of(config).items() if upstream.authorization == "keep")
    for number, (where, kind, name) in enumerate(_places(config)):
        if kept and number == 0:
            sentence = f"is not handed to upstream {kept[0]}, which keeps Authorization: it is taken out"
            yield ConfigProblem(where, sentence)
        if kind == "query":
            sentence = "URLs are logged, kept and shared, and the token in them (RFC 9700 section 4.3.2)"
            yield ConfigProblem(where, f"is unsafe: {sentence}")
        if kind == "cookie" and not name.startswith("__Host-"):
            yield ConfigProblem(where, "has no __Host- before its name: other hosts of its domain may set it")
        if kind == "cookie" and not (external_urls_of(config) or config.hosts):
            sentence = "needs external_url or hosts for browsers that do not send Sec-Fetch-Site: no Origin is ours"
            yield ConfigProblem(where, sentence)
        if kind != "header" and is_asked(config) and config.decisions_sources == "headers":
            yield ConfigProblem(where, "is refused by the decision API: the proxy that asks would hand it on")
    if is_asked(config) and config.decisions_sources == "all":
        sentence = (
            "is unsafe: the proxy that asks hands tokens in cookies and queries on, unless it takes them out itself"
        )
        yield ConfigProblem("decisions_sources", sentence)


def _named(place: str | CredentialPlace) -> list[tuple[str, str]]:
    if isinstance(place, str):
        return [("authorization", "")]
    return [(kind, name) for _, kind, name in places_in((place,))]


def _wrong(kind: str, name: str, taken: dict[bytes, str]) -> str | None:
    """What is wrong with one place, or None."""
    if kind == "header":
        if FIELD_NAME.fullmatch(name) is None:
            return "is not a valid header name: letters, digits and hyphens are"
        folded = fold(name.encode("ascii"))
        wrong = taken.get(folded) or (None if folded == _ALLOWED else find_taker(folded))
        return wrong and f"cannot carry a token: it {wrong}"
    if kind == "query" and _PARAMETER.fullmatch(name) is None:
        return "must be letters, digits, hyphens and underscores: it is read as it is written"
    if kind in {"cookie", "websocket"} and FIELD_NAME.fullmatch(name) is None:
        return "must be a name without blanks and separators (RFC 9110 section 5.6.2)"
    return None


def _taken_names(config: Config) -> dict[bytes, str]:
    """Folded names of headers that are set for the API, or read for something else, and what they are."""
    taken = {fold(name.encode()): "is an identity header" for name in identity_headers_of(config)}
    taken[fold(assertion_header_of(config).encode())] = "is the header of the assertion"
    taken[b"dpop"] = "is the proof of possession (RFC 9449)"
    if (header := config.client_certificate_header) is not None:
        taken[fold(header.name.encode())] = "is where a proxy says which certificate its client has"
    for upstream in upstreams_of(config).values():
        taken |= {fold(name.encode()): "is set for an upstream" for name in upstream.headers}
    return taken


def _sections(config: Config) -> Iterator[tuple[str, Credentials]]:
    yield "credentials", config.credentials
    for index, route in enumerate(config.routes):
        if route.credentials is not None:
            yield joined(joined("routes", index), "credentials"), route.credentials


def _places(config: Config) -> Iterator[tuple[str, str, str]]:
    """Key path, kind and name of every place beside Authorization, in the order of the file."""
    for path, credentials in _sections(config):
        for index, kind, name in places_in(credentials):
            yield joined(joined(path, index), kind), kind, name
