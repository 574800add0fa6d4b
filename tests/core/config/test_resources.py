"""The section `resources`, as it stands in a file."""

from gateway.core.config.conversion import convert
from gateway.core.config.resources import ResourceSection

FILE = {"issuers": [{"issuer": "https://i.example", "audience": "a"}], "upstream": "http://127.0.0.1:3000"}
TOOLS = "https://api.example.com/mcp"


def test_without_it_there_are_none() -> None:
    assert convert(FILE).config.resources == {}


def test_an_identifier_is_enough() -> None:
    converted = convert({**FILE, "resources": {"tools": {"identifier": TOOLS}}})
    assert converted.problems == ()
    assert converted.config.resources == {"tools": ResourceSection(identifier=TOOLS)}


def test_all_of_it() -> None:
    section = {
        "identifier": TOOLS,
        "name": "Tools",
        "documentation": "https://docs.example.com",
        "authorization_servers": ["https://i.example"],
        "publish_scopes": True,
    }
    converted = convert({**FILE, "resources": {"tools": section}, "routes": [{"path": "/mcp", "resource": "tools"}]})
    assert converted.problems == ()
    assert converted.config.routes[0].resource == "tools"
    assert converted.config.resources["tools"] == ResourceSection(
        identifier=TOOLS,
        name="Tools",
        documentation="https://docs.example.com",
        authorization_servers=("https://i.example",),
        publish_scopes=True,
    )


def test_identifiers_that_cannot_be_read_are_not_each_other_again() -> None:
    converted = convert({**FILE, "resources": {"one": {"identifier": 1}, "two": {}}})
    assert [problem.path for problem in converted.problems] == ["resources.one.identifier", "resources.two.identifier"]
    one, two = converted.config.resources.values()
    assert one.identifier != two.identifier
