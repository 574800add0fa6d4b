from typing import Any

import pytest

from gateway.core.config.conversion import convert
from gateway.core.config.decisions_grpc import GrpcDecisions, GrpcTls
from gateway.core.config.file import Config

ISSUER = {"issuer": "https://i.example", "audience": "a"}


def read(asked: Any) -> tuple[str | GrpcDecisions | None, list[str]]:
    found = convert({"upstream": "http://a", "issuers": [ISSUER], "decisions_grpc": asked}, Config)
    assert isinstance(found.config, Config)
    return found.config.decisions_grpc, [str(problem) for problem in found.problems]


@pytest.mark.parametrize(
    ("asked", "section"),
    [
        (None, None),
        ("127.0.0.1:9001", "127.0.0.1:9001"),
        ({"address": ":9001"}, GrpcDecisions(address=":9001")),
        (
            {"address": ":9001", "tls": {"certificate": "c", "key": "k", "client_ca": "a"}},
            GrpcDecisions(address=":9001", tls=GrpcTls(certificate="c", key="k", client_ca="a")),
        ),
    ],
)
def test_an_address_or_the_long_form(asked: Any, section: str | GrpcDecisions | None) -> None:
    assert read(asked) == (section, [])


@pytest.mark.parametrize("asked", [7, {}, {"address": ":1", "more": 1}, {"address": ":1", "tls": {"key": "k"}}])
def test_what_cannot_be_read_is_a_problem(asked: Any) -> None:
    assert read(asked)[1]
