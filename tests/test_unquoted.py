"""What stands in a configuration may be a secret in the wrong place: nothing that is printed of it quotes a text."""

import copy
import itertools
import json
import zlib
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
    "decisions_grpc": {
        "address": "127.0.0.1:0",
        "tls": {"certificate": "/nowhere/g.pem", "key": "/nowhere/g.key", "client_ca": "/nowhere/envoys.pem"},
    },
    "console": {
        "address": "127.0.0.1:0",
        "operators": {"secret": {"file": "/nowhere/operator"}, "scopes": ["gateway:operate", "a"]},
        "hosts": ["console.example", "console.test"],
        "socket": "/nowhere/console.sock",
    },
    "tracing": {
        "endpoint": "https://collector.example:4318",
        "headers": {"X-Api-Key": {"file": "/nowhere/collector"}, "X-Tenant": "a"},
        "ca_file": "/nowhere/ca",
    },
    "reload": "watch",
    "trusted_proxies": ["10.0.0.0/8", "10.0.0.0/8"],
    "realm": "api",
    "hosts": ["api.example", "*.example"],
    "external_url": ["https://api.example", "https://api.example/v1"],
    "credentials": ["authorization", {"header": "X-Access-Token"}],
    "tls": {
        "certificate": "/nowhere/tls.pem",
        "key": "/nowhere/tls.key",
        "client_ca": "/nowhere/clients.pem",
        "client_certificates": "optional",
    },
    "resources": {
        "shop": {
            "identifier": "https://api.example/shop",
            "name": "Shop",
            "documentation": "https://docs.example",
            "authorization_servers": ["https://a.example"],
        },
    },
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
            "scope_claims": ["scope", "scope", {"keys_of": "roles"}],
            "discovery_url": "https://a.example",
            "jwks_max_stale": "1h",
            "jwks_refresh": "1m",
            "ca_file": "/nowhere/ca.pem",
            "userinfo": {
                "claims": ["email", "email"],
                "endpoint": "https://a.example/me",
                "cache": "1m",
                "by": "token",
                "on_failure": "absent",
                "on_401": "refuse",
                "timeout": "1s",
            },
            "introspection": {
                "tokens": "all",
                "endpoint": "https://a.example/introspect",
                "client_id": "gateway",
                "client_secret": {"file": "/nowhere/secret"},
                "key": {"file": "/nowhere/key.pem"},
                "key_id": "k",
                "assertion_audience": "https://a.example",
                "bearer": {"env": "GATEWAY_TEST_BEARER"},
                "tls": {"certificate": "/nowhere/a.pem", "key": "/nowhere/a.key"},
                "auth": "client_secret_basic",
                "prefix": ["a", "a"],
                "pattern": "a",
                "answer": "json",
                "cache": "1m",
                "timeout": "1s",
            },
            "backchannel_logout": {"client_ids": ["app", "app"], "path": "/logged-out", "by": "sid"},
        },
        {"issuer": "https://b.example", "audience": ["b", "b"], "jwks_url": "https://b.example/keys"},
        {"issuer": "https://c.example", "audience": "c", "jwks_file": "/nowhere/jwks.json"},
        {
            "issuer": "https://d.example/{tid}",
            "audience": "d",
            "tenants": ["a", "b"],
            "fetch": {
                "authorization": {"file": "/nowhere/token"},
                "origin": "https://d.example",
                "proxy": "http://egress.example:3128",
            },
        },
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
            "claims": {"a": "b", "c": ["d", "d"], "e": {"keys_of": "roles", "one_of": ["f", "f"]}},
            "clients": ["app", "app"],
            "issuers": ["a", "b.example"],
            "name": "a",
            "upstream": "shop",
            "strip_prefix": "/a",
            "timeout": "1s",
            "mode": "report",
            "cors": "inherit",
            "log": "refused",
            "where": {"id": "sub"},
            "audience": ["a", "b"],
            "acr": ["gold", "silver"],
            "max_age": "10m",
            "condition": "identity.subject == 'a'",
            "resource": "shop",
            "credentials": [{"websocket": "bearer"}, {"query": "access_token"}, {"cookie": "__Host-token"}],
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
        "fourth": {
            "url": "https://fourth.example",
            "authorization": {
                "client_credentials": {
                    "token_endpoint": "https://a.example/token",
                    "client_id": "gateway",
                    "client_secret": {"file": "/nowhere/secret"},
                    "audience": "shop",
                    "resource": "https://shop.example",
                    "scope": "a b",
                    "timeout": "1s",
                    "ca_file": "/nowhere/ca.pem",
                }
            },
        },
        "fifth": {
            "url": "https://fifth.example",
            "authorization": {
                "exchange": {
                    "kind": "rfc8693",
                    "token_endpoint": "https://a.example/token",
                    "client_id": "gateway",
                    "client_secret": {"env": "NOWHERE"},
                    "cache": "1m",
                }
            },
        },
    },
    "revocation": {"file": "/nowhere/revoked", "keep": "24h"},
    "rates": [{"name": "a", "per": "client", "window": "1m", "limit": 1}],
    "bad_tokens": {"window": "1m"},
    "probes": {
        "api": {
            "startup": {"grpc": "127.0.0.1:3001", "service": "shop"},
            "liveness": {"tcp": "127.0.0.1:3000"},
            "readiness": {"http": "http://127.0.0.1:3000/health", "timeout": "1s", "headers": {"X-Probe": "a"}},
        }
    },
    "limits": {
        **dict.fromkeys(("header_bytes", "uri_bytes", "token_bytes", "body_bytes", "body_rate"), "8KiB"),
        **dict.fromkeys(("header_timeout", "body_timeout", "send_timeout", "keepalive", "drain_delay", "drain"), "1s"),
    },
    "store": {
        "url": "rediss://redis.example:6379/0",
        "username": "gateway",
        "password": {"file": "/nowhere/password"},
        "sentinel_username": "gateway",
        "sentinel_password": {"env": "NOWHERE"},
        "ca_file": "/nowhere/ca",
        "secrets": [{"file": "/nowhere/secret"}, {"file": "/nowhere/secret"}],
        "timeout": "250ms",
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


def at(path: tuple[Any, ...]) -> Any:
    """What stands there."""
    value: Any = FULL
    for key in path:
        value = value[key]
    return value


def with_secret(path: tuple[Any, ...], secret: Any) -> dict[str, Any]:
    values = copy.deepcopy(FULL)
    target: Any = values
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = secret
    return values


def quoting(values: dict[str, Any]) -> list[str]:
    """What is said of a configuration and quotes the secret."""
    conversion = convert(values)
    said = [*conversion.problems, *problems(conversion.config), *warnings(conversion.config)]
    return [line for line in map(str, said) if CANARY in line]


def is_turn(path: tuple[Any, ...], number: int) -> bool:
    """Whether the one of this number is tried in this place: a quarter of them, in each place others.

    What is said depends on the kind of place, of which there are several each, and all of them would take a minute.
    """
    return (zlib.crc32(repr(path).encode()) + number) % 4 == 0


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
    for number, secret in enumerate(SECRETS):
        if is_turn(path, number):
            assert quoting(with_secret(path, secret)) == []


@pytest.mark.parametrize(
    "path", [path for path in leaves(FULL) if path[-1] in READ], ids=lambda path: ".".join(map(str, path))
)
def test_no_text_that_names_a_file_or_a_variable_is_quoted(
    path: tuple[Any, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.yaml"
    # In each place another one.
    secret = SECRETS[zlib.crc32(repr(path).encode()) % 3]
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


#: a secret in place of a key, or of a key and its value
KEYS = (
    f"X-Key {CANARY}",
    f"X-Key: {CANARY}",
    f"X-Key:{CANARY}",
    f"X-Key={CANARY}",
    f"{CANARY} {CANARY}",
    f"https://admin:{CANARY}@host",
    f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n",
    f"eyJhbGciOiJIUzI1NiJ9.{CANARY * 10}.{CANARY * 10}",
)
#: what may stand behind it
VALUES = (None, "a", ["a", 5], {"file": "/nowhere/x", "claim": 5, "url": "http://host"})


@pytest.mark.parametrize(
    "path",
    [(), *(path for path in holders(FULL) if isinstance(at(path), dict))],
    ids=lambda path: ".".join(map(str, path)) or "top",
)
def test_no_key_of_the_file_is_quoted_that_may_be_a_secret(path: tuple[Any, ...]) -> None:
    for number, (secret, value) in enumerate(itertools.product(KEYS, VALUES)):
        if is_turn(path, number):
            assert quoting(with_secret((*path, secret), value)) == []


@pytest.mark.parametrize("command", ["check", "serve", "explain"])
@pytest.mark.parametrize(
    "text",
    [
        "identity_headers: {X-User: sub, 'X-Key: c4n4ry': sub}",
        "identity_headers: {X-User: sub, X-Key c4n4ry}",
        "identity_headers: {X-Key c4n4ry, X-Key c4n4ry}",
        "identity_headers: {X-Key c4n4ry: sub, X-Key c4n4ry: sub}",
        "identity_headers: {X-User: {claim c4n4ry}}",
        "upstreams: {a: {url: http://a, headers: {X-Key c4n4ry}}}",
        "upstreams: {a: {url: http://a, headers: {X-Key:c4n4ry}}}",
        "upstreams: {a: {url: http://a, headers: {c4n4ry}}}",
        "upstreams: {a: {url: http://a, headers: {c4n4ry, c4n4ry}}}",
        "upstreams: {a: {url: http://a, headers: {X-A: b, 'X-Key: c4n4ry': {env: NOWHERE}}}}",
        "upstreams: {a: {url: http://a, headers: {'X-A c4n4ry': b}, authorization: keep}}",
        "upstreams: {a c4n4ry: {url: https://a, tls: {ca_file: /nowhere/ca}}}",
        "upstreams: {a c4n4ry: {url: https://a, tls: {allow_insecure: true}, authorization: keep}, b: 5}",
        "routes: [{path: /a, claims: {role c4n4ry}}]",
        "routes: [{path: /a, claims: {'/role~c4n4ry x': 5}}]",
        "routes: [{path: /a, upstream: a c4n4rx}]\nupstreams: {a c4n4ry: {url: http://a}}",
        "routes: [{path: /a, cors: {origins c4n4ry}}]",
        "cors: {origins: [https://a.example], headers=c4n4ry}",
        "limits: {drain c4n4ry}",
        "log: {'level: c4n4ry': {a: b}}",
        "'realm: c4n4ry': {a: b}",
        "? c4n4ry a\n: b",
    ],
)
def test_no_command_quotes_a_key_that_may_be_a_secret(
    command: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.yaml"
    # What is wrong besides keeps a sound one from being served.
    file.write_text(f"issuers: []\nupstream: http://127.0.0.1:1\nunmatched: maybe\n{text}\n")
    assert main([command, "--config", str(file)]) == 1
    said = "".join(capsys.readouterr())
    assert "unmatched: must be" in said
    assert "c4n4r" not in said


def test_a_key_that_is_not_shown_is_found_by_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("identity_headers:\n  X-User: sub\n  'X-Key: c4n4ry': sub\n")
    assert main(["check", "--config", str(file)]) == 1
    said = capsys.readouterr().out
    assert f"value    identity_headers[key 2]: from file {file} line 3\n" in said
    assert "problem  identity_headers[key 2]: is not a valid header name" in said


@pytest.mark.parametrize("name", ["GATEWAY_c4n4rySECRET", "GATEWAY_KEY=c4n4ry", "GATEWAY_KEY c4n4ry"])
def test_no_variable_is_named_that_may_be_a_secret(name: str) -> None:
    loaded = load(None, {name: "x", f"{name}2": "y"})
    assert [str(warning) for warning in loaded.warnings] == [
        "a variable that begins with GATEWAY_: is not a variable of the gateway"
    ]
    assert "c4n4ry" not in str([loaded.problems, loaded.origins, loaded.notes])
