"""Which `audience`, `acr`, `max_age` and `condition` of routes make sense, and whether APIs are kept apart.

Whether a condition compiles is asked where its library is (`conditions`).
"""

import re
from collections.abc import Iterable, Iterator

from gateway.core.config.condition import condition_sentences
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.issuers import Issuer, audiences_of, issuer_name
from gateway.core.config.routes import RouteSection, route_audiences
from gateway.core.config.upstreams import DEFAULT_UPSTREAM
from gateway.core.config.words import ConfigProblem, did_you_mean, joined

#: RFC 9470 section 3: values that blanks separate, within a quoted string
_ACR = re.compile(r"[!#-\[\]-~]+")


def demand_problems(config: Config) -> Iterator[ConfigProblem]:
    """What is wrong, route by route."""
    for index, route in enumerate(config.routes):
        path = joined("routes", index)
        for key, sentence in _own_problems(route):
            yield ConfigProblem(joined(path, key), sentence)
        known = {one for issuer in _issuers_of(route, config) for one in audiences_of(issuer)}
        whose = "that the route names" if route.issuers else "here"
        for key, audience in _by_key("audience", route.audience):
            if audience.strip() and known and audience not in known:
                sentence = f"is no audience of an issuer {whose}, so that no token could meet it"
                yield ConfigProblem(joined(path, key), f"{sentence}{did_you_mean(audience, known)}")


def demand_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    for index, route in enumerate(config.routes):
        asked = route_audiences(route)
        for place, name in enumerate(route.issuers if asked else ()):
            shares = [set(asked) & set(audiences_of(one)) for one in config.issuers if issuer_name(one) == name]
            if shares and not any(shares):
                sentence = "is in vain: none of its audiences is that of the route"
                yield ConfigProblem(joined(joined(joined("routes", index), "issuers"), place), sentence)
    for index, issuer in enumerate(config.issuers):
        if len(audiences_of(issuer)) > 1 and len(apis := _unnarrowed(issuer, config)) > 1:
            sentence = f"is more than one, and a token for any of them opens all of {len(apis)} upstreams"
            yield ConfigProblem(
                joined(joined("issuers", index), "audience"), f"{sentence}; routes[].audience keeps them apart"
            )


def _own_problems(route: RouteSection) -> Iterator[tuple[str, str]]:
    for key, audience in _by_key("audience", route.audience):
        if not audience.strip():
            yield key, "must not be empty"
    for key, word in _by_key("acr", route.acr):
        if _ACR.fullmatch(word) is None:
            yield key, "must be one value of acr: printable ASCII, not empty, without blanks, quotes and backslashes"
    for name, words in (("audience", route_audiences(route)), ("acr", route.acr)):
        for index, word in enumerate(words):
            if word in words[:index]:
                yield joined(name, index), f"is {joined(name, words.index(word))} again"
    for sentence in () if route.condition is None else condition_sentences(route.condition):
        yield "condition", sentence
    if route.max_age is not None and (route.max_age < 1 or route.max_age % 1):
        yield "max_age", "must be whole seconds, at least 1s"


def _by_key(key: str, words: str | Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each word with the key that it stands at."""
    if isinstance(words, str):
        yield key, words
        return
    for index, word in enumerate(words):
        yield joined(key, index), word


def _issuers_of(route: RouteSection, config: Config) -> list[Issuer]:
    """Those whose tokens count on a route."""
    return [issuer for issuer in config.issuers if not route.issuers or issuer_name(issuer) in route.issuers]


def _unnarrowed(issuer: Issuer, config: Config) -> set[str]:
    """The upstreams that an issuer's tokens lead to, whichever audience they name; none once a route narrows that."""
    apis = {DEFAULT_UPSTREAM} & upstreams_of(config).keys() if config.unmatched == "token" else set()
    for route in config.routes:
        if route.access != "public" and issuer in _issuers_of(route, config):
            # What belongs to a resource is narrowed by that.
            if route_audiences(route) or config.resources:
                return set()
            apis.add(route.upstream)
    return apis
