from typing import Any

import pytest

from gateway.core.checks.problems import problems, warnings
from gateway.core.checks.rates import MAX_RATES, rate_warnings
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config, bad_tokens_of, counts_senders
from gateway.core.config.introspection import Introspection
from gateway.core.config.rates import BadTokensSection, Rate
from gateway.core.config.routes import RouteSection
from gateway.core.config.words import ConfigProblem
from tests.signer import issuer


def rate(name: str = "one", per: Any = "subject", limit: int = 100, **settings: Any) -> Rate:
    return Rate(name=name, per=per, limit=limit, **settings)


def told(found: list[ConfigProblem]) -> list[str]:
    return [
        str(problem)
        for problem in found
        if problem.path.split("[")[0].split(".")[0] in {"rates", "bad_tokens", "routes"}
    ]


def config(**settings: Any) -> Config:
    return Config(**{"upstream": "http://127.0.0.1:1", "issuers": (issuer(),), **settings})


def wrong(**settings: Any) -> list[str]:
    return told(problems(config(**settings)))


def odd(**settings: Any) -> list[str]:
    return told(warnings(config(**settings)))


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        ({}, []),
        ({"name": "a.b-c_9"}, []),
        ({"name": ""}, ["name: must be 1 to 64 letters, digits, dots, hyphens and underscores"]),
        ({"name": "a" * 65}, ["name: must be 1 to 64 letters, digits, dots, hyphens and underscores"]),
        ({"name": 'a"b'}, ["name: must be 1 to 64 letters, digits, dots, hyphens and underscores"]),
        ({"limit": 0}, ["limit: must be from 1 to 1000000"]),
        ({"limit": 1_000_001, "window": 3600.0}, ["limit: must be from 1 to 1000000"]),
        ({"limit": 10_001, "window": 1.0}, ["limit: must not be more than 10000 a second"]),
        ({"limit": 10_000, "window": 1.0}, []),
        ({"window": 0.5}, ["window: must be whole seconds, from 1s to 24h"]),
        ({"window": 1.5}, ["window: must be whole seconds, from 1s to 24h"]),
        ({"window": 86_401.0}, ["window: must be whole seconds, from 1s to 24h"]),
        ({"window": 86_400.0}, []),
        ({"burst": 0}, ["burst: must be from 1 to limit; null is limit"]),
        ({"burst": 101}, ["burst: must be from 1 to limit; null is limit"]),
        ({"burst": 100}, []),
        (
            {"per": "address"},
            ["per: needs trusted_proxies, or bad_tokens.direct: true: nobody says whose address counts"],
        ),
    ],
)
def test_a_rate_is_within_bounds(settings: dict[str, Any], sentences: list[str]) -> None:
    assert wrong(rates=(rate(**settings),)) == [f"rates[0].{sentence}" for sentence in sentences]
    own = RouteSection(path="/orders", rates=(rate(**settings),))
    assert wrong(routes=(own,)) == [f"routes[0].rates[0].{sentence}" for sentence in sentences]


@pytest.mark.parametrize(
    "settings", [{"trusted_proxies": ("10.0.0.0/8",)}, {"bad_tokens": BadTokensSection(direct=True)}]
)
def test_a_rate_per_address_needs_somebody_who_says_whose_counts(settings: dict[str, Any]) -> None:
    assert wrong(rates=(rate(per="address"),), **settings) == []


def test_no_two_rates_of_the_file_have_one_name() -> None:
    routes = (RouteSection(path="/a", rates=(rate("two"), rate("one"))), RouteSection(path="/b", rates=(rate("two"),)))
    assert wrong(rates=(rate("one"),), routes=routes) == [
        "routes[0].rates[1].name: must differ: rates[0] is called so as well",
        "routes[1].rates[0].name: must differ: routes[0].rates[0] is called so as well",
    ]


def test_a_request_is_counted_by_so_many_rates_at_most() -> None:
    many = tuple(rate(f"r{number}") for number in range(MAX_RATES))
    assert wrong(rates=many, routes=(RouteSection(path="/a"), RouteSection(path="/b", rates=None))) == []
    assert wrong(rates=(*many, rate("more")), routes=(RouteSection(path="/b", rates=None),)) == [
        "rates: must not have more than 8 rates"
    ]
    own = RouteSection(path="/a", rates=(rate("own"),))
    assert wrong(rates=many, routes=(own,)) == [
        "routes[0].rates: must not have more than 8 rates with those at the top"
    ]


@pytest.mark.parametrize("per", ["subject", "client", "issuer"])
def test_a_public_route_knows_no_caller_to_count_by(per: str) -> None:
    public = RouteSection(path="/a", access="public", rates=(rate("own", per),))
    assert wrong(routes=(public,)) == [
        "routes[0].rates[0].per: must be address or route: nobody knows who calls a public route"
    ]
    assert wrong(rates=(rate("top", per),), routes=(RouteSection(path="/a", access="public"),)) == []


def test_where_a_token_is_optional_a_rate_per_caller_alone_counts_nobody_who_shows_none() -> None:
    sentence = "routes[0].rates: count only who shows a token, and access is optional: a rate per address or route counts everybody"
    optional = RouteSection(path="/a", access="optional")
    assert wrong(rates=(rate(),), routes=(optional,)) == []
    own = RouteSection(path="/a", access="optional", rates=(rate("own", "client"),))
    warned: list[list[Any]] = [[optional, [rate()]], [own, []]]
    for route, rates in warned:
        assert list(map(str, rate_warnings(config(rates=tuple(rates), routes=(route,))))) == [sentence]
    fine: list[list[Any]] = [
        [optional, [rate(), rate("all", "route")]],
        [optional, []],
        [RouteSection(path="/a", access="optional", rates=None), [rate()]],
        [RouteSection(path="/a"), [rate()]],
    ]
    for route, rates in fine:
        assert list(rate_warnings(config(rates=tuple(rates), routes=(route,)))) == []


def test_workers_count_together_or_not_at_all() -> None:
    sentence = "needs store.url with several workers: buckets would be kept by each for itself"
    assert wrong(workers=2, rates=(rate(),)) == [f"rates: {sentence}"]
    assert wrong(workers=2, routes=(RouteSection(path="/a", rates=(rate(),)),)) == [f"routes[0].rates: {sentence}"]
    assert wrong(workers=2) == []


@pytest.mark.parametrize(
    ("section", "sentences"),
    [
        ({}, []),
        ({"limit": 0}, ["bad_tokens.limit: must be from 1 to 1000000"]),
        ({"window": 0.5}, ["bad_tokens.window: must be from 1s to 24h"]),
        ({"window": 90_000.0}, ["bad_tokens.window: must be from 1s to 24h"]),
        ({"direct": False}, ["bad_tokens: needs trusted_proxies, or direct: true: nobody says whose address counts"]),
    ],
)
def test_bad_tokens_are_within_bounds_and_somebodys(section: dict[str, Any], sentences: list[str]) -> None:
    assert wrong(bad_tokens=BadTokensSection(**{"direct": True, **section})) == sentences
    assert wrong(bad_tokens="off") == []


def test_direct_beside_trusted_proxies_is_told_to_have_no_effect() -> None:
    direct = BadTokensSection(direct=True)
    assert odd(bad_tokens=direct) == []
    assert odd(bad_tokens=direct, trusted_proxies=("10.0.0.0/8",)) == [
        "bad_tokens.direct: has no effect beside trusted_proxies: whoever is none of them is a client"
    ]


def test_both_are_read_from_a_file() -> None:
    conversion = convert(
        {
            "upstream": "http://127.0.0.1:1",
            "issuers": [{"issuer": "https://i.example", "audience": "a"}],
            "rates": [{"name": "all", "per": "subject", "limit": 100, "window": "1m", "burst": 20}],
            "routes": [{"path": "/health", "rates": None}],
            # as Helm writes `off`
            "bad_tokens": False,
        }
    )
    assert conversion.problems == ()
    assert conversion.config.rates == (rate("all", burst=20),)
    assert (conversion.config.routes[0].rates, conversion.config.bad_tokens) == (None, "off")


def test_a_rate_that_cannot_be_read_stands_in_under_a_name_of_its_own() -> None:
    conversion = convert(
        {
            "upstream": "http://127.0.0.1:1",
            "issuers": [{"issuer": "https://i.example", "audience": "a"}],
            "rates": [{"name": 1, "per": "user", "limit": "many"}, {"name": 2, "per": "subject", "limit": 1}],
        }
    )
    assert [problem.path for problem in conversion.problems] == [
        "rates[0].name", "rates[0].per", "rates[0].limit", "rates[1].name"
    ]  # fmt: skip
    assert told(problems(conversion.config)) == []


def test_where_issuers_are_asked_bad_tokens_are_counted_unless_nobody_says_whose_they_are() -> None:
    asked = (issuer(introspection=Introspection(client_id="gateway")),)
    assert odd(issuers=asked) == [
        "bad_tokens: are not counted, and each may cost a call: trusted_proxies, or direct: true, say whose address counts"
    ]
    assert odd(issuers=asked, bad_tokens="off") == odd(issuers=asked, trusted_proxies=("10.0.0.0/8",)) == []

    def counted(**settings: Any) -> BadTokensSection | None:
        return bad_tokens_of(config(issuers=asked, **settings))

    assert counted(trusted_proxies=("10.0.0.0/8",)) == BadTokensSection()
    assert counted() is counted(bad_tokens="off", trusted_proxies=("10.0.0.0/8",)) is None


def test_senders_are_counted_where_bad_tokens_are_and_where_issuers_are_asked() -> None:
    assert not counts_senders(config())
    assert counts_senders(config(bad_tokens=BadTokensSection(direct=True)))
    # Who asks most waits, also where bad tokens are not counted.
    assert counts_senders(config(issuers=(issuer(introspection=Introspection(client_id="gateway")),), bad_tokens="off"))
