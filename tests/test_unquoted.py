"""What stands in a configuration may be a secret in the wrong place: nothing that is printed of it quotes a text."""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.core.checks.problems import problems, warnings
from gateway.core.config.conversion import convert
from gateway.core.config.schema import schema
from gateway.settings.settings import load
from gateway.settings.variables import variables_of

CANARY = "c4n4ry"
#: what a secret looks like, wherever it was put by mistake
SECRETS = (
    CANARY,
    f"admin:{CANARY}@host",
    f"http://admin:{CANARY}@host:3000",
    f"https://host/{CANARY}",
    f"/{CANARY}/{CANARY}=",
    f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n",
    f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
    f"  {CANARY} ä",
    f"*{CANARY}",
)
#: keys whose values are looked for beyond the file itself
READ = ("file", "env", "jwks_file", "ca_file", "certificate", "key", "upstream", "url")
#: every text key of the schema; doubled where a second of the same says more
FULL: dict[str, Any] = {
    "upstream": "http://127.0.0.1:3000",
    "listen": "127.0.0.1:0",
    "admin": "127.0.0.1:0",
    "decisions": "127.0.0.1:0",
    "trusted_proxies": ["10.0.0.0/8", "10.0.0.0/8"],
    "realm": "api",
    "unmatched": "token",
    "unmatched_methods": "token",
    "path_case": "insensitive",
    "ambiguous_paths": "refuse",
    "readiness": "any",
    "issuers": [
        {
            "issuer": "https://a.example",
            "audience": "a",
            "name": "a",
            "preset": "okta",
            "algorithms": ["RS256", "RS256"],
            "leeway": "30s",
            "max_lifetime": "1h",
            "audience_claims": ["aud", "aud"],
            "clients": ["app", "app"],
            "scope_claims": ["scope", "scope"],
            "discovery_url": "https://a.example",
            "jwks_max_stale": "1h",
            "jwks_refresh": "1m",
            "ca_file": "/nowhere/ca.pem",
        },
        {"issuer": "https://b.example", "audience": ["b", "b"], "jwks_url": "https://b.example/keys"},
        {"issuer": "https://c.example", "audience": "c", "jwks_file": "/nowhere/jwks.json"},
    ],
    "identity_headers": {
        "X-A": "sub",
        "X-B": ["a", "b"],
        "X-C": {"claim": "a", "format": "csv", "encoding": "none", "max_bytes": "1KiB", "too_large": "omit"},
        "X-D": {"from": "scopes"},
        "X-E": {"claims": "all", "format": "json", "encoding": "base64url"},
    },
    "routes": [
        {
            "path": "/a",
            "methods": ["GET", "GET"],
            "hosts": ["a", "b"],
            "access": "token",
            "scopes": ["a", "a"],
            "any_scope": ["b", "b"],
            "claims": {"a": "b", "c": ["d", "d"]},
            "clients": ["app", "app"],
            "issuers": ["a", "b.example"],
            "name": "a",
            "upstream": "shop",
            "strip_prefix": "/a",
            "timeout": "1s",
            "mode": "report",
            "cors": "inherit",
        },
        {"path": "/b", "name": "b", "access": "public", "cors": {"origins": ["https://app.example.com"]}},
    ],
    "cors": {
        "origins": ["https://app.example.com", "https://app.example.com"],
        "methods": ["GET", "GET"],
        "headers": ["X-A", "X-A"],
        "expose": ["X-B", "X-B"],
        "max_age": "1h",
    },
    "assertion": {
        "issuer": "g",
        "audience": "shop",
        "key": {"file": "/nowhere/key.pem"},
        "lifetime": "1m",
        "claims": ["a", "b"],
        "header": "X-Proof",
    },
    "upstreams": {
        "shop": {
            "url": "https://shop.example",
            "connect_timeout": "1s",
            "response_timeout": "1s",
            "keepalive": "1s",
            "pool_timeout": "1s",
            "host": "upstream",
            "tls": {
                "ca_file": "/nowhere/ca",
                "certificate": "/nowhere/c",
                "key": "/nowhere/k",
                "server_name": "shop.example",
            },
            "authorization": {"bearer": {"file": "/nowhere/token"}},
            "headers": {"X-Key": "a", "X-Other": {"env": "NOWHERE"}},
        },
        "other": {
            "url": "unix:/run/other.sock",
            "authorization": {"basic": {"user": "u", "password": {"env": "NOWHERE"}}},
        },
        "third": {"url": "http://third.example", "authorization": "drop"},
    },
    "limits": {
        **dict.fromkeys(("header_bytes", "uri_bytes", "token_bytes", "body_bytes", "body_rate"), "8KiB"),
        **dict.fromkeys(("header_timeout", "body_timeout", "send_timeout", "keepalive", "drain_delay", "drain"), "1s"),
    },
    "log": {"level": "info", "format": "json", "access": "all", "subject": "hashed"},
}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where texts stand."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from leaves(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from leaves(member, (*path, index))
    elif isinstance(value, str):
        yield path


def holders(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where mappings and lists stand, below the top: somebody may have written a text in their place."""
    if isinstance(value, dict | list):
        if path:
            yield path
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from holders(value[key], (*path, key))


def with_secret(path: tuple[Any, ...], secret: Any) -> dict[str, Any]:
    values = copy.deepcopy(FULL)
    target: Any = values
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = secret
    return values


def is_name(path: tuple[Any, ...]) -> bool:
    """Whether it is harmless by kind: what metrics and logs show anyway."""
    return (path[0], path[-1]) in {("issuers", "name"), ("routes", "name"), ("routes", "path")}


def texts_of_the_schema() -> Iterator[tuple[str, str]]:
    """Section and key of everything that may be a text, or a list or mapping with texts in it."""
    made = schema()
    for section, struct in (("Config", made), *made["$defs"].items()):
        for key, member in struct["properties"].items():
            if '"string"' in str(member).replace("'", '"'):
                yield section, key


def test_the_sample_has_every_text_of_the_schema() -> None:
    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, member in value.items():
                yield key
                yield from keys(member)
        elif isinstance(value, list):
            for member in value:
                yield from keys(member)

    assert {key for _, key in texts_of_the_schema()} - set(keys(FULL)) == set()


@pytest.mark.parametrize("path", [*leaves(FULL), *holders(FULL)], ids=lambda path: ".".join(map(str, path)))
def test_no_text_of_the_file_is_quoted(path: tuple[Any, ...]) -> None:
    if is_name(path):
        return
    for secret in SECRETS:
        conversion = convert(with_secret(path, secret))
        said = [*conversion.problems, *problems(conversion.config), *warnings(conversion.config)]
        assert [line for line in map(str, said) if CANARY in line] == []


@pytest.mark.parametrize(
    "path", [path for path in leaves(FULL) if path[-1] in READ], ids=lambda path: ".".join(map(str, path))
)
def test_no_text_that_names_a_file_or_a_variable_is_quoted(
    path: tuple[Any, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.yaml"
    for secret in SECRETS[:3]:
        file.write_text(json.dumps(with_secret(path, secret)))
        main(["check", "--config", str(file)])
        assert CANARY not in "".join(capsys.readouterr())


@pytest.mark.parametrize("variable", sorted(variables_of()))
def test_no_value_of_a_variable_is_quoted(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = {"GATEWAY_UPSTREAM": "http://a", "GATEWAY_ISSUER": "https://i.example", "GATEWAY_AUDIENCE": "a"}
    for secret in SECRETS:
        loaded = load(None, {**sound, variable: secret})
        assert CANARY not in str([*map(str, loaded.problems), *map(str, loaded.warnings)])


@pytest.mark.parametrize(
    "text",
    [
        "upstreams: {a: {url: http://a, authorization: {bearer: *c4n4ry}}}",
        "upstreams: {a: {url: http://a, authorization: {bearer: !c4n4ry x}}}",
        "upstreams: {a: {url: http://a, authorization: {bearer: !c4n4ry!x y}}}",
        "upstreams: {a: {url: http://a, authorization: {bearer: &c4n4ry x, basic: &c4n4ry y}}}",
        "upstreams: {a: {url: http://a, authorization: {bearer: {c4n4ry}}}}",
        "upstreams: {a: {url: http://a, authorization: {bearer: {c4n4ry: 1, c4n4ry: 2}}}}",
        "upstreams: {a: {url: http://a, authorization: {bearer: {file: {c4n4ry: 1}}}}}",
        "upstreams: {a: {url: http://a, authorization: {c4n4ry}}}",
        "upstreams: {a: {url: http://a, authorization: {basic: {c4n4ry}}}}",
        "upstreams: {a: {url: http://a, headers: {X-A: {c4n4ry}}}}",
        "upstream: 'c4n4ry",
        'upstream: "\\c4n4ry"',
        "upstream: a: c4n4ry",
        "upstream: @c4n4ry",
        "upstream: %c4n4ry",
        "%c4n4ry\n---\na: b",
        "upstream: [c4n4ry",
        "upstream: |c4n4ry\n  x",
        "c4n4ry",
        "- c4n4ry",
    ],
)
def test_what_is_no_yaml_is_not_quoted_either(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    assert main(["check", "--config", str(file)]) == 1
    said = "".join(capsys.readouterr())
    assert "problem" in said
    assert CANARY not in said
