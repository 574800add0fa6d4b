"""`explain --table`: who gets in at each route, and what becomes of everything else."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.commands.who_gets_in import as_json, as_table, entries_of
from gateway.core.config.file import Config
from gateway.core.config.keys_of import AskedKeys
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from tests.commands.program import SOUND
from tests.signer import issuer


def config(*routes: dict[str, Any], **settings: Any) -> Config:
    made = tuple(RouteSection(**{"path": "/a", **route}) for route in routes)
    return Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), routes=made, **settings)


@pytest.mark.parametrize(
    ("route", "who"),
    [
        ({}, "a token"),
        ({"access": "public"}, "anybody"),
        ({"access": "optional"}, "anybody without a credential, or a token"),
        ({"access": "optional", "scopes": ("a",)}, "anybody without a credential, or a token, with scope a"),
        ({"scopes": ("a", "b")}, "a token, with scope a and b"),
        ({"any_scope": ("a", "b")}, "a token, with scope a or b"),
        ({"scopes": ("a",), "any_scope": ("b", "c")}, "a token, with scope a, with scope b or c"),
        ({"clients": ("app", "batch")}, "a token, of client app or batch"),
        ({"issuers": ("local",), "clients": ("app",)}, "a token, of issuer local, of client app"),
        ({"claims": {"role": "admin"}}, 'a token, with role "admin"'),
        ({"claims": {"role": ("a", 1, True), "/x/y": 2}}, 'a token, with role "a" or 1 or true and /x/y 2'),
        (
            {"claims": {"roles": AskedKeys(keys_of="urn:roles", one_of=("a", "b"))}},
            'a token, with "a" or "b" among the keys of urn:roles',
        ),
        ({"path": "/u/{id}", "where": {"id": "sub"}}, "a token, where {id} is its sub"),
        ({"condition": "true"}, "a token, for which the condition holds"),
        (
            {"audience": ("a", "b"), "acr": ("gold",), "max_age": Seconds(600)},
            "a token, for a or b, of a login by gold, of a login at most 600 s ago",
        ),
        ({"mode": "report"}, "anybody, since it only reports; else a token"),
        ({"mode": "report", "access": "public"}, "anybody, since it only reports; else anybody"),
    ],
)
def test_who_gets_in_is_told_in_words(route: dict[str, Any], who: str) -> None:
    entries = entries_of(config(route))
    assert entries[0].who == who
    assert json.loads(as_json(entries))[0]["asks"].keys() <= route.keys()


TOOLS = "https://api.example.com/mcp"


@pytest.mark.parametrize(
    ("identifier", "routes", "told"),
    [
        (TOOLS, ({"path": "/mcp"}, {"path": "/b"}), [f"a token, for {TOOLS}, for the resource tools", "a token", "a token"]),
        (TOOLS, ({"path": "/mcp", "audience": "x"},), ["a token, for x, for the resource tools", "a token"]),
        (TOOLS, ({"path": "/mcp", "access": "public"},), ["anybody", "a token"]),
        # One that is all of a host has what no route names too.
        ("https://a.example", (), ["a token, for https://a.example, for the resource tools"]),
    ],
)  # fmt: skip
def test_what_a_resource_implies_is_told(identifier: str, routes: Any, told: list[str]) -> None:
    resources = {"tools": ResourceSection(identifier=identifier)}
    assert [entry.who for entry in entries_of(config(*routes, resources=resources))] == told


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, [("any path", "a token")]),
        ({"unmatched": "refuse"}, [("any path", "nobody: 404 no_route")]),
        ({"routes": ({},)}, [("any other path", "a token")]),
        ({"routes": ({"methods": ("GET",)},)}, [
            ("a method that no route of the path has", "nobody: 405 method_not_allowed"), ("any other path", "a token")]),
        ({"routes": ({"methods": ("GET",)},), "unmatched_methods": "token", "unmatched": "refuse"}, [
            ("a method that no route of the path has", "a token"), ("any other path", "nobody: 404 no_route")]),
        ({"hosts": ("api.example",)}, [("any other host", "nobody: 421 unknown_host"), ("any path", "a token")]),
    ],
)  # fmt: skip
def test_what_becomes_of_a_request_that_takes_no_route_is_told_too(
    settings: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    routes = settings.pop("routes", ())
    rest = [entry for entry in entries_of(config(*routes, **settings)) if entry.place is None]
    assert [(entry.name, entry.who) for entry in rest] == told
    assert {entry.upstream for entry in rest if entry.who.startswith("nobody")} <= {None}


def test_people_get_columns_and_machines_all_there_is() -> None:
    entries = entries_of(
        config(
            {"path": "/health", "access": "public"},
            {"path": "/orders/*", "methods": ("GET", "PUT"), "hosts": ("api.example",), "scopes": ("x",), "name": "o"},
        )
    )
    assert as_table(entries).splitlines() == [
        "ROUTE                                   METHODS  HOSTS        PATH       UPSTREAM  WHO GETS IN",
        "routes[0]                               any      any          /health    default   anybody",
        "routes[1] o                             GET,PUT  api.example  /orders/*  default   a token, with scope x",
        "a method that no route of the path has                                             nobody: 405 method_not_allowed",
        "any other path                                                           default   a token",
    ]
    told = json.loads(as_json(entries))
    assert told[1] == {
        "place": "routes[1]", "name": "o", "methods": ["GET", "PUT"], "hosts": ["api.example"], "path": "/orders/*",
        "access": "token", "mode": "enforce", "asks": {"scopes": ["x"]}, "upstream": "default", "who": "a token, with scope x",
    }  # fmt: skip
    assert [entry["place"] for entry in told] == ["routes[0]", "routes[1]", None, None]


def test_the_program_prints_the_table_and_asks_for_no_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(SOUND + "routes: [{path: /health, access: public}]\n")
    assert main(["explain", "--config", str(path), "--table"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("anybody")
    assert main(["explain", "--config", str(path), "--table", "--json"]) == 0
    assert [entry["who"] for entry in json.loads(capsys.readouterr().out)] == ["anybody", "a token"]
    path.write_text(SOUND + "routes: [{path: health}]\n")
    assert main(["explain", "--config", str(path), "--table"]) == 1
    assert "must begin with a slash" in capsys.readouterr().err
