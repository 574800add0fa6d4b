"""Which `rates` and `bad_tokens` make sense: bounds, names, and whether somebody says whose address counts."""

import re
from collections.abc import Iterator

from gateway.core.checks.store import sharing_problems
from gateway.core.config.file import Config, asks_issuers
from gateway.core.config.rates import PER_ADDRESS, PER_CALLER, BadTokensSection, Rate
from gateway.core.config.words import ConfigProblem, joined
from gateway.core.http.client_address import says_whose_address

#: a label of metrics, and a String in a header without anything to escape (RFC 9651 section 3.3.3)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_WINDOW = 24 * 3600
MAX_LIMIT = 1_000_000
#: in a second; the time between two is counted in whole microseconds, and rounding it must not matter
MAX_PACE = 10_000
#: rates that one request is counted by
MAX_RATES = 8

_NOBODYS = "needs trusted_proxies, or bad_tokens.direct: true: nobody says whose address counts"


def rate_problems(config: Config) -> Iterator[ConfigProblem]:
    """What is wrong, at the top and then route by route."""
    names: dict[str, str] = {}
    for path, rate in _rates(config):
        for key, sentence in _own_problems(rate, config):
            yield ConfigProblem(joined(path, key), sentence)
        if rate.name in names:
            sentence = f"must differ: {names[rate.name]} is called so as well"
            yield ConfigProblem(joined(path, "name"), sentence)
        names.setdefault(rate.name, path)
    for index, route in enumerate(config.routes):
        path = joined(joined("routes", index), "rates")
        if route.rates is not None and len(config.rates) + len(route.rates) > MAX_RATES:
            yield ConfigProblem(path, f"must not have more than {MAX_RATES} rates with those at the top")
        for place, rate in enumerate(route.rates or ()):
            if route.access == "public" and rate.per in PER_CALLER:
                sentence = "must be address or route: nobody knows who calls a public route"
                yield ConfigProblem(joined(joined(path, place), "per"), sentence)
    if len(config.rates) > MAX_RATES:
        yield ConfigProblem("rates", f"must not have more than {MAX_RATES} rates")
    yield from _worker_problems(config)
    yield from _bad_token_problems(config)


def rate_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    if isinstance(config.bad_tokens, BadTokensSection) and config.bad_tokens.direct and config.trusted_proxies:
        sentence = "has no effect beside trusted_proxies: whoever is none of them is a client"
        yield ConfigProblem("bad_tokens.direct", sentence)
    for index, route in enumerate(config.routes):
        counted = () if route.rates is None else (*config.rates, *route.rates)
        if route.access == "optional" and counted and all(rate.per in PER_CALLER for rate in counted):
            sentence = (
                "count only who shows a token, and access is optional: a rate per address or route counts everybody"
            )
            yield ConfigProblem(joined(joined("routes", index), "rates"), sentence)
    if config.bad_tokens is None and asks_issuers(config) and not says_whose_address(config):
        sentence = (
            "are not counted, and each may cost a call: trusted_proxies, or direct: true, say whose address counts"
        )
        yield ConfigProblem("bad_tokens", sentence)


def _lists(config: Config) -> Iterator[tuple[str, tuple[Rate, ...]]]:
    """Where rates stand, the top first."""
    yield "rates", config.rates
    for index, route in enumerate(config.routes):
        yield joined(joined("routes", index), "rates"), route.rates or ()


def _rates(config: Config) -> Iterator[tuple[str, Rate]]:
    for path, rates in _lists(config):
        for index, rate in enumerate(rates):
            yield joined(path, index), rate


def _own_problems(rate: Rate, config: Config) -> Iterator[tuple[str, str]]:
    if _NAME.fullmatch(rate.name) is None:
        yield "name", "must be 1 to 64 letters, digits, dots, hyphens and underscores"
    if not 1 <= rate.limit <= MAX_LIMIT:
        yield "limit", f"must be from 1 to {MAX_LIMIT}"
    if not (1 <= rate.window <= MAX_WINDOW and float(rate.window).is_integer()):
        yield "window", "must be whole seconds, from 1s to 24h"
    elif rate.limit > MAX_PACE * rate.window:
        yield "limit", f"must not be more than {MAX_PACE} a second"
    if rate.burst is not None and not 1 <= rate.burst <= rate.limit:
        yield "burst", "must be from 1 to limit; null is limit"
    if rate.per == PER_ADDRESS and not says_whose_address(config):
        yield "per", _NOBODYS


def _worker_problems(config: Config) -> Iterator[ConfigProblem]:
    for path in [path for path, rates in _lists(config) if rates][:1]:
        yield from sharing_problems(config, path, "buckets")


def _bad_token_problems(config: Config) -> Iterator[ConfigProblem]:
    section = config.bad_tokens
    if not isinstance(section, BadTokensSection):
        return
    if not 1 <= section.limit <= MAX_LIMIT:
        yield ConfigProblem("bad_tokens.limit", f"must be from 1 to {MAX_LIMIT}")
    if not 1 <= section.window <= MAX_WINDOW:
        yield ConfigProblem("bad_tokens.window", "must be from 1s to 24h")
    if not says_whose_address(config):
        yield ConfigProblem("bad_tokens", "needs trusted_proxies, or direct: true: nobody says whose address counts")
