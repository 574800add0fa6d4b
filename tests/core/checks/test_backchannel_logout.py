"""Which `backchannel_logout` make sense: a path of its own, clients, and a list to write into."""

from typing import Any

import pytest

from gateway.core.checks.problems import notes, problems, warnings
from gateway.core.config.conversion import convert

FIRST, SECOND = "https://one.example", "https://two.example"


def config_of(*sections: Any, **settings: Any) -> dict[str, Any]:
    issuers = [
        {"issuer": url, "audience": "a", "backchannel_logout": section, "preset": None}
        for url, section in zip((FIRST, SECOND), sections, strict=False)
    ]
    return {"upstream": "http://127.0.0.1:3000", "revocation": {}, "issuers": issuers, **settings}


def told(document: dict[str, Any]) -> list[str]:
    conversion = convert(document)
    return [
        *map(str, conversion.problems),
        *(
            str(problem)
            for problem in problems(conversion.config)
            if conversion.is_readable(problem.path) and "backchannel" in problem.path
        ),
    ]


def warned(document: dict[str, Any]) -> list[str]:
    return [str(warning) for warning in warnings(convert(document).config) if "backchannel" in warning.path]


@pytest.mark.parametrize(
    "section",
    [
        None,
        {"client_ids": ["web"]},
        {"client_ids": ["web", "mobile"], "path": "/logged-out", "by": "subject"},
        {"client_ids": ["web"], "path": "/a.b/~c/@d", "by": "sid"},
    ],
)
def test_a_sound_section_is_not_spoken_of(section: Any) -> None:
    document = config_of(section, section and {**section, "path": "/elsewhere"})
    assert told(document) == []
    assert warned(document) == []


@pytest.mark.parametrize(
    ("section", "key", "sentence"),
    [
        ({"client_ids": []}, ".client_ids", "must name at least one client"),
        ({"client_ids": ["web", " "]}, ".client_ids[1]", "must not be empty"),
        ({}, ".client_ids", "is required"),
        ({"client_ids": ["web"], "by": "jti"}, ".by", "must be"),
        *(
            ({"client_ids": ["web"], "path": path}, ".path", "must be a path such as /logged-out")
            for path in ("", "/", "logged-out", "/a/", "//a", "/a?b", "/a#b", "/a%20b", "/a/../b", "/.", "/a;b", "/ü", "/" + "a" * 256)
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(section: Any, key: str, sentence: str) -> None:
    (problem,) = told(config_of(section))
    assert problem.startswith(f"issuers[0].backchannel_logout{key}: ")
    assert sentence in problem


def test_a_name_that_cannot_stand_in_a_path_needs_one() -> None:
    document = config_of({"client_ids": ["web"]})
    document["issuers"][0]["name"] = "the first one"
    (problem,) = told(document)
    assert "must be given: the issuer's name cannot stand behind /.gateway/backchannel-logout/" in problem


def test_two_issuers_do_not_share_a_path() -> None:
    section = {"client_ids": ["web"], "path": "/.gateway/backchannel-logout/one.example"}
    (problem,) = told(config_of({"client_ids": ["web"]}, section))
    assert problem == ("issuers[1].backchannel_logout.path: must differ: issuers[0].backchannel_logout has it as well")


def test_what_is_logged_out_has_to_be_remembered_somewhere() -> None:
    (problem,) = told(config_of({"client_ids": ["web"]}, revocation=None))
    assert problem.startswith("issuers[0].backchannel_logout: needs revocation")


@pytest.mark.parametrize(
    ("routes", "which"),
    [
        ([{"path": "/*"}], None),
        ([{"path": "/other"}, {"path": "/hooks/other/*"}, {"path": "/Hooks/out"}], None),
        ([{"path": "/other"}, {"path": "/hooks/out", "name": "mine"}], "routes[1] (mine)"),
        ([{"path": "/*"}, {"path": "/hooks/*", "methods": ["POST"]}], "routes[1] (POST /hooks/*)"),
        ([{"path": "/hooks/%6fut"}], "routes[0] (/hooks/%6fut)"),
        # Wrong in themselves, which is said elsewhere.
        ([{"path": "/hooks//out"}], None),
    ],
)
def test_a_route_that_is_passed_over_is_told(routes: list[Any], which: str | None) -> None:
    document = config_of({"client_ids": ["web"], "path": "/hooks/out"}, routes=routes)
    expected = (
        f"issuers[0].backchannel_logout.path: comes before {which}: its requests for this path never reach the API"
    )
    assert warned(document) == ([] if which is None else [expected])


def test_case_is_ignored_where_routes_ignore_it() -> None:
    section = {"client_ids": ["web"], "path": "/hooks/out"}
    document = config_of(section, routes=[{"path": "/Hooks/OUT"}], path_case="insensitive")
    assert len(warned(document)) == 1


def test_a_path_that_is_none_shadows_nothing() -> None:
    assert warned(config_of({"client_ids": ["web"], "path": "/a//b"}, routes=[{"path": "/a/*"}])) == []


@pytest.mark.parametrize(
    ("preset", "by", "warns"), [("okta", "sid", True), ("okta", "auto", False), ("keycloak", "sid", False)]
)
def test_sessions_that_no_token_names_are_told(preset: str, by: str, *, warns: bool) -> None:
    document = config_of({"client_ids": ["web"], "by": by})
    document["issuers"][0]["preset"] = preset
    assert [warning.split(": ")[0] for warning in warned(document)] == ["issuers[0].backchannel_logout.by"] * warns


def test_what_only_the_provider_can_be_told_is_noted() -> None:
    document = config_of({"client_ids": ["web"]}, {"client_ids": ["a", "b"], "path": "/bye"})
    found = [str(note) for note in notes(convert(document).config) if "backchannel" in note.path]
    told = "is heard at {}: register that, behind the address of this API, for {} at the provider"
    assert found == [
        f"issuers[0].backchannel_logout: {told.format('/.gateway/backchannel-logout/one.example', 'the client web')}",
        f"issuers[1].backchannel_logout: {told.format('/bye', 'each of client_ids')}",
    ]
