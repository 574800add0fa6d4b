"""A segment of the path must be the caller's: as the token has it, and exactly."""

from typing import Any
from urllib.parse import quote

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.errors import PathMismatch
from gateway.core.routing.policy import check_policy
from gateway.core.routing.route import compile_route
from gateway.core.token.identity import Identity
from gateway.core.token.lacks import Lacks
from gateway.core.token.markers import Verdict


def evidence(target: str, where: dict[str, str], path: str = "/users/{id}/*", **changes: Any) -> str | None:
    """Why a request is refused; None: it is not."""
    given: dict[str, Any] = {
        "issuer": "local",
        "subject": "alice",
        "client": "app",
        "scopes": (),
        "claims": {},
        "expires_at": 1.0,
        "not_before": None,
        "leeway": 0.0,
        "key": "k",
        "verdict": Verdict("access", ""),
        "token_id": "",
        "headers": (),
    }
    route = compile_route(RouteSection(path=path, name="own", where=where))
    try:
        check_policy(route, Identity(**(given | changes)), target=target.encode())
    except PathMismatch as refused:
        return refused.evidence
    return None


@pytest.mark.parametrize(
    ("target", "where", "claims"),
    [
        ("/users/alice/x", {"id": "subject"}, {}),
        ("/users/alice/?id=bob", {"id": "subject"}, {}),
        ("/users/%61lice", {"id": "subject"}, {}),
        ("/users/app", {"id": "client"}, {}),
        ("/users/acme", {"id": "tenant"}, {"tenant": "acme"}),
        ("/users/acme", {"id": "/org/name"}, {"/org/name": "acme"}),
        ("/users/" + quote("Bj\u00f6rn a+b"), {"id": "name"}, {"name": "Bj\u00f6rn a+b"}),
        ("/users/auth0%7C12", {"id": "sub"}, {"sub": "auth0|12"}),
    ],
)
def test_a_segment_that_is_the_claim_passes(target: str, where: dict[str, str], claims: dict[str, Any]) -> None:
    assert evidence(target, where, claims=claims) is None


@pytest.mark.parametrize(
    ("target", "where", "claims", "why"),
    [
        *((f"/users/{other}", {"id": "subject"}, {}, "it is another one") for other in ("bob", "Alice", "alice%20", "alic", "alice.", "%20alice")),
        ("/users/app", {"id": "subject"}, {}, "it is another one"),
        ("/users/bjo%CC%88rn", {"id": "name"}, {"name": "bj\u00f6rn"}, "it is another one"),
        ("/users/acme", {"id": "tenant"}, {}, "which the token does not have"),
        ("/users/null", {"id": "tenant"}, {"tenant": None}, "which the token does not have"),
        *(("/users/" + text, {"id": "n"}, {"n": value}, "which the token has not as text") for text, value in (("7", 7), ("True", True), ("a", ["a"]), ("a", {"a": 1}), ("1.0", 1.0))),
    ],
)  # fmt: skip
def test_whatever_else_is_refused(target: str, where: dict[str, str], claims: dict[str, Any], why: str) -> None:
    told = evidence(target, where, claims=claims)
    assert told is not None
    assert told.endswith(why)
    assert told.startswith(f"route own asks that {{id}} be {where['id']}")
    assert not any(str(value) in told for value in claims.values() if isinstance(value, str))


def test_whoever_is_nobody_is_nobodys_segment() -> None:
    assert evidence("/users/None", {"id": "subject"}, subject=None) is not None
    assert evidence("/users/None", {"id": "client"}, client=None) is not None


def test_each_variable_must_fit() -> None:
    path, where = "/{tenant}/users/{id}", {"tenant": "tenant", "id": "subject"}
    assert evidence("/acme/users/alice", where, path, claims={"tenant": "acme"}) is None
    assert evidence("/acme/users/bob", where, path, claims={"tenant": "acme"}) is not None
    assert evidence("/other/users/alice", where, path, claims={"tenant": "acme"}) is not None


def test_a_claim_that_is_still_to_be_asked_for_is_passed_over() -> None:
    lacks = Lacks(frozenset({"tenant"}), by_all=False, claims={}, words=())
    assert evidence("/users/acme", {"id": "tenant"}, lacks=lacks) is None
    assert evidence("/users/acme", {"id": "/tenant/name"}, lacks=lacks) is None
    assert evidence("/users/acme", {"id": "other"}, lacks=lacks) is not None
    assert evidence("/users/bob", {"id": "subject"}, lacks=lacks) is not None
