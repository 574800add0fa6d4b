"""What may stand in `revocation`."""

from typing import Any

import pytest

from gateway.core.checks.revocation import revocation_problems, revocation_warnings
from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.revocation import Revocation, socket_of
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreSection


def config(*, issuer: dict[str, Any] | None = None, **section: Any) -> Config:
    issuers = (Issuer(issuer="https://i.example", audience="a", **(issuer or {})),)
    return Config(issuers=issuers, revocation=Revocation(**section))


def test_nothing_is_wrong_with_what_is_not_there() -> None:
    assert list(revocation_problems(Config(issuers=()))) == list(revocation_warnings(Config(issuers=()))) == []


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({}, []),
        ({"file": "/var/lib/gateway/revoked", "keep": Seconds(60)}, []),
        ({"file": "revoked"}, ["revocation.file"]),
        ({"file": "/var/lib/"}, ["revocation.file"]),
        ({"file": ""}, ["revocation.file"]),
        ({"file": "/" + "a" * 101}, []),
        ({"file": "/" + "a" * 102}, ["revocation.file"]),
        ({"keep": Seconds(59)}, ["revocation.keep"]),
    ],
)
def test_a_section_that_cannot_work_is_told_of(section: dict[str, Any], told: list[str]) -> None:
    assert [problem.path for problem in revocation_problems(config(**section))] == told


def test_the_socket_stands_beside_the_journal() -> None:
    assert socket_of("/a/revoked") == "/a/revoked.sock"


@pytest.mark.parametrize(("lifetime", "told"), [(None, []), (3600, []), (86401, ["issuers[0].max_lifetime"])])
def test_a_lifetime_beyond_what_is_kept_is_told_of(lifetime: float | None, told: list[str]) -> None:
    issuer = {"max_lifetime": None if lifetime is None else Seconds(lifetime)}
    assert [warning.path for warning in revocation_warnings(config(issuer=issuer, file="/a"))] == told


def test_a_journal_beside_a_store_is_a_problem_and_neither_of_them_is_told_of() -> None:
    store = StoreSection(url="redis://127.0.0.1:6379")
    shared = Config(issuers=(), revocation=Revocation(), store=store)
    assert list(revocation_problems(shared)) == list(revocation_warnings(shared)) == []
    both = Config(issuers=(), revocation=Revocation(file="/a"), store=store)
    assert [problem.path for problem in revocation_problems(both)] == ["revocation.file"]
    neither = Config(issuers=(), revocation=Revocation())
    assert [warning.path for warning in revocation_warnings(neither)] == ["revocation.file"]
