"""Names that are the keys of an object: where scopes are read, and what a route asks for."""

from typing import Any

import pytest

from gateway.core.checks.issuers import issuer_problems
from gateway.core.checks.routes import route_problems
from gateway.core.claims import keys_of
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.keys_of import AskedKeys, KeysOf, asked_of, read_name

ISSUER = {"issuer": "https://a.example", "audience": "a"}


def converted(issuer: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> tuple[Config, list[str]]:
    routes = [{"path": "/a", "claims": claims}] if claims is not None else []
    conversion = convert({"upstream": "http://h", "issuers": [{**ISSUER, **(issuer or {})}], "routes": routes})
    return conversion.config, [str(problem) for problem in conversion.problems]


def test_a_file_says_it_of_scopes_and_of_a_route_s_claims() -> None:
    claims = {"role": {"keys_of": "/realm/roles", "one_of": ["admin", "editor"]}, "o": {"keys_of": "o", "one_of": "1"}}
    config, problems = converted({"scope_claims": ["scope", {"keys_of": "roles"}]}, {**claims, "tid": "a"})
    assert problems == []
    assert config.issuers[0].scope_claims == ("scope", KeysOf(keys_of="roles"))
    assert [read_name(name) for name in config.issuers[0].scope_claims] == ["scope", keys_of("roles")]
    assert asked_of(config.routes[0].claims) == {
        keys_of("/realm/roles"): ("admin", "editor"),
        keys_of("o"): ("1",),
        "tid": ("a",),
    }
    assert [*issuer_problems(config), *route_problems(config)] == []


@pytest.mark.parametrize(
    ("scope_claims", "sentence"),
    [
        ([{"keys_of": " "}], "issuers[0].scope_claims[0].keys_of: must not be empty"),
        (["scope", ""], "issuers[0].scope_claims[1]: must not be empty"),
    ],
)
def test_scopes_are_read_somewhere(scope_claims: list[Any], sentence: str) -> None:
    config, _ = converted({"scope_claims": scope_claims})
    assert [str(problem) for problem in issuer_problems(config)] == [sentence]


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"a": {"keys_of": "", "one_of": "x"}}, "a.keys_of: is not the name of a claim, and no valid JSON Pointer"),
        ({"a": {"keys_of": "/~", "one_of": "x"}}, "a.keys_of: is not the name of a claim, and no valid JSON Pointer"),
        ({"a": {"keys_of": "r", "one_of": []}}, "a.one_of: must have at least one name"),
        ({"a": {"keys_of": "r", "one_of": ""}}, "a.one_of: must have at least one name"),
        (
            {"a": {"keys_of": "r", "one_of": "x"}, "b": {"keys_of": "r", "one_of": "y"}},
            "b.keys_of: is that of claims.a again; one of them must go",
        ),
    ],
)
def test_a_route_asks_for_something(claims: dict[str, Any], sentence: str) -> None:
    config, _ = converted(claims=claims)
    assert [str(problem) for problem in route_problems(config)] == [f"routes[0].claims.{sentence}"]


def test_what_is_neither_is_told_so() -> None:
    _, problems = converted({"scope_claims": [{"key_of": "roles"}]})
    assert "issuers[0].scope_claims[0]" in problems[0]
    _, problems = converted(claims={"a": {"keys_of": "roles"}})
    assert problems[0].startswith("routes[0].claims.a")
    assert asked_of({"a": AskedKeys(keys_of="r", one_of="x")}) == {keys_of("r"): ("x",)}
