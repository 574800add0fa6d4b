"""Where clients find the gateway: URLs that make sense, each once."""

from typing import Any

import pytest

from gateway.core.checks.problems import problems, warnings
from gateway.core.config.file import Config
from tests.signer import issuer


def told(url: Any, **settings: Any) -> list[str]:
    config = Config(issuers=(issuer(),), upstream="http://localhost:1", external_url=url, **settings)
    return [str(problem) for problem in (*problems(config), *warnings(config)) if problem.path.startswith("external")]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://api.example.com",
        "https://api.example.com/v1/",
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        ("https://api.example.com", "https://api.example.org"),
    ],
)
def test_urls_may_be_told(url: Any) -> None:
    assert told(url) == []


def test_a_url_is_told_of_where_it_stands() -> None:
    assert told("api.example.com") == ["external_url: must be a URL that begins with https:// or http://"]
    assert told(("https://a.example", "https://b.example?x")) == [
        "external_url[1]: must not have a query: it is where the paths of requests begin"
    ]
    assert told(()) == ["external_url: must have at least one URL; null is none"]


def test_a_url_stands_once() -> None:
    assert told(("https://a.example", "https://A.example:443/")) == ["external_url[1]: is external_url[0] again"]


def test_somebody_must_say_by_which_of_two_paths_a_request_came() -> None:
    urls = ("https://a.example/v1", "https://a.example/v2")
    assert told(urls, trusted_proxies=("10.0.0.0/8",)) == []
    (problem,) = told(urls)
    assert problem.startswith("external_url[1]: differs from external_url[0] in its path only: ")


def test_http_is_for_this_machine() -> None:
    assert told("http://api.example.com") == [
        "external_url: is unsafe: over http, anybody on the way has the tokens",
    ]
