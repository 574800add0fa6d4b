"""How issuers are asked: a credential that has one place to go to, a proxy that has a name."""

from typing import Any

import pytest

from gateway.core.checks.fetch import origin_of
from gateway.core.checks.issuers import issuer_problems, issuer_warnings
from gateway.core.config.fetch import Fetch
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.secret import Secret

TOKEN = Secret(file="token")
ORIGIN = "https://keys.example"
PROXY = "http://egress:3128"


def a_config(fetch: dict[str, Any], **settings: Any) -> Config:
    made = Issuer(**{"issuer": "https://keys.example/realm", "audience": "api", "fetch": Fetch(**fetch), **settings})
    return Config(upstream="http://h", issuers=(made,))


def told(fetch: dict[str, Any], **settings: Any) -> list[str]:
    return [str(problem) for problem in issuer_problems(a_config(fetch, **settings))]


@pytest.mark.parametrize(
    "fetch",
    [
        {},
        {"proxy": PROXY},
        {"proxy": "http://[::1]:3128/"},
        {"authorization": TOKEN, "origin": ORIGIN},
        {"authorization": Secret(env="TOKEN"), "origin": "https://keys.example:8443"},
        {"authorization": TOKEN, "origin": "http://127.0.0.1:1"},
    ],
)
def test_a_sound_one_has_no_problem(fetch: dict[str, Any]) -> None:
    assert told(fetch) == []


HTTPS = "must be https, unless it is on loopback: whoever is on the way would have the token"


@pytest.mark.parametrize(
    ("fetch", "sentence"),
    [
        ({"authorization": TOKEN}, "origin: is needed beside authorization: it says where that token may go, and nowhere else"),
        ({"origin": ORIGIN}, "origin: has no effect without authorization"),
        ({"authorization": TOKEN, "origin": ORIGIN, "proxy": PROXY}, "proxy: cannot stand beside authorization: that token goes to its origin directly"),
        ({"authorization": TOKEN, "origin": "http://keys.example"}, f"origin: {HTTPS}"),
        ({"authorization": TOKEN, "origin": "https://keys.example/"}, "origin: must end after the host or the port"),
        ({"authorization": TOKEN, "origin": "https://keys.example/a"}, "origin: must end after the host or the port"),
        ({"authorization": TOKEN, "origin": "https://keys.example?"}, "origin: must end after the host or the port"),
        ({"authorization": TOKEN, "origin": "keys.example"}, "origin: must be a URL that begins with https:// or http://"),
        ({"proxy": "egress:3128"}, "proxy: must be a URL that begins with https:// or http://"),
        ({"proxy": "https://egress:3128"}, "proxy: must be http://host:port: what goes through it is encrypted from end to end all the same"),
        ({"proxy": "http://egress:3128/x"}, "proxy: must end after the port"),
        ({"proxy": "http://egress:3128?"}, "proxy: must end after the port"),
        ({"proxy": "http://user:secret@egress:3128"}, "proxy: must not have a user or a password in its URL"),
        ({"proxy": ""}, "proxy: must not be empty"),
    ],
)  # fmt: skip
def test_each_mistake_has_one_sentence(fetch: dict[str, Any], sentence: str) -> None:
    assert told(fetch) == [f"issuers[0].fetch.{sentence}"]


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, None),
        ({"jwks_url": "https://keys.example:443/keys"}, None),
        ({"jwks_url": "https://else.example/keys"}, "fetch.origin: is not where this issuer is asked"),
        ({"discovery_url": "https://else.example/keys"}, "fetch.origin: is not where this issuer is asked"),
        ({"issuer": "https://else.example"}, "fetch.origin: is not where this issuer is asked"),
        ({"issuer": "https://else.example/{tid}", "tenants": ("a",)}, None),
        ({"issuer": "not a URL"}, None),
        ({"jwks_file": "keys.json"}, "fetch.authorization: has no effect beside jwks_file"),
    ],
)
def test_a_token_that_goes_nowhere_is_warned_of(settings: dict[str, Any], warned: str | None) -> None:
    config = a_config({"authorization": TOKEN, "origin": ORIGIN}, **settings)
    sentences = [str(warning) for warning in issuer_warnings(config)]
    assert len(sentences) == (warned is not None)
    assert warned is None or sentences[0].startswith(f"issuers[0].{warned}")


def test_without_a_credential_nothing_is_warned_of() -> None:
    assert list(issuer_warnings(a_config({"proxy": PROXY}))) == []
    assert list(issuer_warnings(a_config({"authorization": TOKEN}))) == []


def test_an_origin_has_its_default_port() -> None:
    assert origin_of("https://A.example/x") == ("https", "a.example", 443)
    assert origin_of("a.example") is None
