"""What is missing or contradicts itself in the sections that get tokens for an API, and what is sound."""

from typing import Any

import pytest

from gateway.core.checks.upstream_tokens import client_credentials_problems, exchange_problems
from gateway.core.config.secret import Secret
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange

WHOLE: dict[str, Any] = {
    "token_endpoint": "https://login.example.com/token",
    "client_id": "gateway",
    "client_secret": Secret(file="/run/secret"),
}
HTTPS = "must be https, unless it is on loopback (allow_http: true permits it, and is unsafe)"
SCOPES = "must be scopes with one blank between them, as they are sent: printable ASCII without quotes and backslashes (RFC 6749 section 3.3)"


def told(**settings: Any) -> list[str]:
    return [f"{key}: {sentence}" for key, sentence in exchange_problems(TokenExchange(**{**WHOLE, **settings}))]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"audience": "orders", "resource": "https://orders", "scope": "read:orders write"},
        {"kind": "on_behalf_of", "scope": "api://orders/.default"},
        {"kind": "on_behalf_of", "resource": "00000003-0000-0000-c000-000000000000"},
        {"auth": "client_secret_post", "timeout": 60, "cache": 0, "ca_file": "ca.pem"},
        {"client_secret": None, "key": Secret(env="KEY")},
        {"client_secret": None, "auth": "none"},
        {"token_endpoint": "http://127.0.0.1:8080/token?x"},
        {"token_endpoint": "http://keycloak:8080/token", "allow_http": True},
    ],
)
def test_what_is_whole_is_sound(settings: dict[str, Any]) -> None:
    assert told(**settings) == []


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({"client_secret": None}, ["client_secret: is required for client_secret_basic; or auth names another way"]),
        ({"client_id": None}, ["client_id: is required for client_secret_basic; or auth names another way"]),
        ({"client_secret": None, "client_id": None, "bearer": Secret(env="A")}, ["auth: must not be bearer, which no token endpoint takes"]),
        ({"token_endpoint": "http://keycloak:8080/token"}, [f"token_endpoint: {HTTPS}"]),
        ({"token_endpoint": "login.example.com"}, ["token_endpoint: must be a URL that begins with https:// or http://"]),
        ({"token_endpoint": "https://a:b@login.example.com"}, ["token_endpoint: must not have a user or a password in its URL"]),
        ({"proxy": "http://egress:3128"}, []),
        ({"proxy": "https://egress:3128"}, ["proxy: must be http://host:port: what goes through it is encrypted from end to end all the same"]),
        ({"proxy": "egress"}, ["proxy: must be a URL that begins with https:// or http://"]),
        ({"audience": "", "resource": "", "ca_file": ""}, ["audience: must not be empty", "resource: must not be empty", "ca_file: must not be empty"]),
        *(({"scope": scope}, [f"scope: {SCOPES}"]) for scope in ("", " a", "a  b", "a ", 'a,"b', "a\\b", "ä")),
        *(({"timeout": seconds}, ["timeout: must be more than 0 and at most 1m"]) for seconds in (0, -1, 60.1, float("nan"))),
        ({"kind": "on_behalf_of"}, ["scope: is required for on_behalf_of: it names the API, as api://ID/.default does"]),
        ({"kind": "on_behalf_of", "scope": "a", "audience": "b"}, ["audience: has no effect with on_behalf_of: the API is named in scope"]),
    ],
)  # fmt: skip
def test_what_is_missing_or_makes_no_sense_is_told(settings: dict[str, Any], problems: list[str]) -> None:
    assert told(**settings) == problems


def test_who_shows_nothing_gets_no_token_of_its_own() -> None:
    section = ClientCredentials(**{**WHOLE, "client_secret": None, "auth": "none"})
    assert list(client_credentials_problems(section)) == [
        ("auth", "must not be none: who shows nothing gets no token of its own (RFC 6749 section 4.4)")
    ]
    assert list(client_credentials_problems(ClientCredentials(**WHOLE))) == []
