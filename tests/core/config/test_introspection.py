"""The section as it is read, and the kinds of token that it names."""

from typing import Any

import pytest

from gateway.core.config.conversion import convert
from gateway.core.config.introspection import Introspection, forms_of


def read(section: dict[str, Any]) -> tuple[Introspection, list[str]]:
    issuer = {"issuer": "https://i.example", "audience": "a", "introspection": section}
    conversion = convert({"upstream": "http://a", "issuers": [issuer]})
    found = conversion.config.issuers[0].introspection
    assert found is not None
    return found, [str(problem) for problem in conversion.problems]


@pytest.mark.parametrize(
    ("tokens", "forms"),
    [
        ({}, {"opaque"}),
        ({"tokens": "opaque"}, {"opaque"}),
        ({"tokens": "all"}, {"opaque", "jwt"}),
        ({"tokens": ["opaque", "encrypted"]}, {"opaque", "encrypted"}),
        ({"tokens": ["jwt"]}, {"jwt"}),
    ],
)
def test_it_names_kinds_of_token(tokens: dict[str, Any], forms: set[str]) -> None:
    section, problems = read(tokens)
    assert not problems
    assert forms_of(section) == forms


def test_how_responses_come_is_called_answer_in_the_file() -> None:
    assert read({})[0].response == "json"
    section, problems = read({"answer": "jwt", "cache": "0s", "prefix": ["ory_at_"]})
    assert not problems
    assert (section.response, float(section.cache), section.prefix) == ("jwt", 0.0, ("ory_at_",))


def test_what_it_does_not_know_is_told_by_the_name_in_the_file() -> None:
    _, problems = read({"answer": "xml", "tokens": "none", "response": "jwt"})
    assert problems == [
        "issuers[0].introspection.response: is not a key here",
        "issuers[0].introspection.tokens: must be all or opaque or a list, not this text",
        "issuers[0].introspection.answer: must be json or jwt, not this text",
    ]
