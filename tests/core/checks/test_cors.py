"""Which `cors` makes sense."""

from typing import Any

import pytest

from gateway.core.checks.cors import cors_problems, cors_warnings
from gateway.core.config.conversion import convert
from gateway.core.config.cors import Cors
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds

APP = "https://app.example.com"
SMALLEST = {"upstream": "http://127.0.0.1:3000", "issuers": [{"issuer": "https://i", "audience": "a"}]}


def configured(cors: Any = None, **rest: Any) -> Config:
    return Config(upstream="http://u", issuers=(Issuer(issuer="https://i", audience="a"),), cors=cors, **rest)


def test_a_sound_section_has_neither_problems_nor_warnings() -> None:
    sound = Cors(
        origins=(APP, "https://*.example.com:8443", "http://localhost:5173", "http://[::1]:80"),
        methods=("GET", "PATCH"),
        headers=("X-Trace",),
        expose=("ETag",),
        max_age=Seconds(86400),
        credentials=True,
    )
    config = configured(
        sound, routes=(RouteSection(path="/a"), RouteSection(path="/b", cors=sound), RouteSection(path="/c", cors=None))
    )
    assert list(cors_problems(config)) == list(cors_warnings(config)) == []
    assert list(cors_problems(configured("upstream"))) == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"origins": ()}, ["origins: must have at least one origin"]),
        ({"origins": ("null",)}, ["origins[0]: must not be null"]),
        ({"origins": (APP, f"{APP}/", "x")}, ["origins[1]: must be an origin", "origins[2]: must be an origin"]),
        ({"origins": ("https://*.com",)}, ["origins[0]: must have a domain behind a wildcard"]),
        ({"origins": ("*", APP)}, ["origins: must have * alone"]),
        ({"origins": ("*",), "credentials": True}, ["credentials: must be false beside"]),
        (
            {"methods": ("GET", "put", "*")},
            ["methods[1]: must be a method in capital", "methods[2]: must be a method in capital"],
        ),
        ({"headers": ("X-Trace, X-Other",)}, ["headers[0]: must be the name of one header"]),
        ({"expose": ("*",)}, ["expose[0]: must be the name of one header"]),
        ({"max_age": Seconds(86401)}, ["max_age: must be at most 24h"]),
    ],
)
def test_each_mistake_is_told_at_its_key(settings: dict[str, Any], told: list[str]) -> None:
    cors = Cors(**{"origins": (APP,), **settings})
    for path, config in (
        ("cors", configured(cors)),
        ("routes[1].cors", configured(routes=(RouteSection(path="/a"), RouteSection(path="/b", cors=cors)))),
    ):
        found = [str(problem) for problem in cors_problems(config)]
        assert len(found) == len(told)
        for sentence, start in zip(found, told, strict=True):
            assert sentence.startswith(f"{path}.{start}")


@pytest.mark.parametrize(
    ("cors", "told"),
    [
        (Cors(origins=("*",)), "cors.origins[0]: is every page there is: all may read what the API tells them"),
        (Cors(origins=(APP, "http://app.example.com")), "cors.origins[1]: is unsafe: over http, anybody on the way can be that page"),
        (Cors(origins=("http://*.example.com",)), "cors.origins[0]: is unsafe: over http, anybody on the way can be that page"),
        ("upstream", "cors: lets preflights reach the API without a token; it must only response them"),
    ],
)  # fmt: skip
def test_what_is_loose_is_told(cors: Any, told: str) -> None:
    assert [str(warning) for warning in cors_warnings(configured(cors))] == [told]
    routes = (RouteSection(path="/a", cors=cors),)
    assert [str(warning) for warning in cors_warnings(configured(routes=routes))] == [f"routes[0].{told}"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"cors": "upstraem"}, ["cors: must be a mapping of keys to values or upstream, not this text (did you mean upstream?)"]),
        ({"cors": {"origin": [APP]}}, ["cors.origin: is not a key here (did you mean origins?)"]),
        ({"cors": {}}, ["cors.origins: is required"]),
        ({"cors": {"origins": APP}}, ["cors.origins: must be a list, not this text"]),
        ({"cors": {"origins": [APP], "max_age": "long"}}, ["cors.max_age: must be"]),
        ({"routes": [{"path": "/a", "cors": "off"}]}, ["routes[0].cors: must be a mapping of keys to values or inherit or upstream, not this text"]),
        ({"routes": [{"path": "/a", "cors": True}]}, ["routes[0].cors: must be"]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_once(values: dict[str, Any], told: list[str]) -> None:
    conversion = convert({**SMALLEST, **values})
    found = [str(problem) for problem in conversion.problems]
    found += [str(problem) for problem in cors_problems(conversion.config) if conversion.is_readable(problem.path)]
    assert len(found) == len(told)
    for sentence, start in zip(found, told, strict=True):
        assert sentence.startswith(start)


def test_a_route_inherits_replaces_or_switches_off() -> None:
    config = convert(
        {
            **SMALLEST,
            "cors": {"origins": [APP], "max_age": "1h"},
            "routes": [{"path": "/a"}, {"path": "/b", "cors": None}, {"path": "/c", "cors": "upstream"}],
        }
    ).config
    assert config.cors == Cors(origins=(APP,), max_age=Seconds(3600))
    assert [route.cors for route in config.routes] == ["inherit", None, "upstream"]
