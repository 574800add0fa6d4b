"""What a route asks of an identity, and what it says when the identity has it not."""

from typing import Any

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.errors import ClaimMismatch, ClientNotAllowed, InsufficientScope, Refusal
from gateway.core.routing.policy import check_policy
from gateway.core.routing.route import compile_route
from gateway.core.token.identity import Identity
from gateway.core.token.lacks import Lacks
from gateway.core.token.markers import Verdict


def identity(**changes: Any) -> Identity:
    given: dict[str, Any] = {
        "issuer": "local",
        "subject": "alice",
        "client": "app",
        "scopes": ("read", "write"),
        "claims": {},
        "expires_at": 1.0,
        "not_before": None,
        "leeway": 0.0,
        "key": "k",
        "verdict": Verdict("access", ""),
        "token_id": "",
        "headers": (),
    }
    return Identity(**(given | changes))


def refusal(route: dict[str, Any], **changes: Any) -> Refusal | None:
    try:
        check_policy(compile_route(RouteSection(path="/a", name="a", **route)), identity(**changes))
    except Refusal as refused:
        return refused
    return None


@pytest.mark.parametrize(
    ("route", "changes", "missing"),
    [
        ({}, {"scopes": ()}, None),
        ({"scopes": ("read",)}, {}, None),
        ({"scopes": ("read", "write")}, {}, None),
        ({"scopes": ("read", "admin")}, {}, ("admin",)),
        ({"scopes": ("b", "read", "a")}, {}, ("b", "a")),
        ({"scopes": ("READ",)}, {}, ("READ",)),
        ({"scopes": ("rea",)}, {}, ("rea",)),
        ({"scopes": ("read",)}, {"scopes": ()}, ("read",)),
        ({"any_scope": ("admin", "read")}, {}, None),
        ({"any_scope": ("admin", "owner")}, {}, ("admin",)),
        ({"any_scope": ("admin",)}, {"scopes": ()}, ("admin",)),
        ({"scopes": ("read",), "any_scope": ("admin", "write")}, {}, None),
        ({"scopes": ("read",), "any_scope": ("admin",)}, {}, ("admin",)),
        ({"scopes": ("owner",), "any_scope": ("admin",)}, {}, ("owner",)),
        ({"scopes": ("owner",), "any_scope": ("read",)}, {}, ("owner",)),
    ],
)
def test_a_refusal_names_the_scopes_that_are_missing(
    route: dict[str, Any], changes: dict[str, Any], missing: tuple[str, ...] | None
) -> None:
    refused = refusal(route, **changes)
    if missing is None:
        assert refused is None
    else:
        assert isinstance(refused, InsufficientScope)
        assert refused.scope == missing
        held = "no scope" if "scopes" in changes else "read write"
        assert refused.evidence == f"route a asks for {' '.join(missing)}; the token has {held}"


def test_evidence_says_what_the_token_has_and_what_a_preset_would_read() -> None:
    unread = "/realm_access/roles would count with preset keycloak"
    refused = refusal({"scopes": ("admin",)}, scopes=("read", "b\xfcro\n"), unread=unread)
    assert refused is not None
    assert refused.evidence == f"route a asks for admin; the token has read b\\xfcro\\n; {unread}"
    many = refusal({"scopes": ("admin",)}, scopes=tuple(f"scope-{number}" for number in range(100)))
    assert many is not None
    assert many.evidence.endswith("...")
    assert len(many.evidence) < 250


@pytest.mark.parametrize(
    ("asked", "found", "fits"),
    [
        ("x", "x", True),
        ("x", "X", False),
        ("x", ["a", "x"], True),
        ("x", ["a", "b"], False),
        ("x", [], False),
        ("x", [["x"]], False),
        ("x", {"x": True}, False),
        ("x", "x y", False),
        ("x", None, False),
        (("x", "y"), "y", True),
        (("x", "y"), ["a", "y"], True),
        (("x", "y"), "z", False),
        (1, 1, True),
        (1, 1.0, True),
        (1, "1", False),
        ("1", 1, False),
        (1, True, False),
        (0, False, False),
        (True, True, True),
        (True, 1, False),
        (True, "true", False),
        (False, False, True),
        (False, None, False),
        (False, 0, False),
        (1.5, 1.5, True),
        ((1, True), [False, True], True),
        (1, [True], False),
        ("", "", True),
        ("", None, False),
    ],
)
def test_a_claim_has_one_of_the_values_or_a_member_that_has(asked: Any, found: Any, *, fits: bool) -> None:
    refused = refusal({"claims": {"c": asked}}, claims={"c": found})
    assert isinstance(refused, ClaimMismatch | None)
    assert (refused is None) is fits


def test_an_absent_claim_is_a_mismatch_and_all_claims_must_fit() -> None:
    route = {"claims": {"a": "x", "/b/c": ("y", "z")}}
    assert refusal(route, claims={"a": "x", "/b/c": "z"}) is None
    for claims in ({}, {"a": "x"}, {"/b/c": "y"}, {"a": "x", "/b/c": "x"}):
        assert isinstance(refusal(route, claims=claims), ClaimMismatch)
    told: list[tuple[dict[str, Any], str]] = [
        ({"a": "secret"}, "route a asks for another value of a"),
        ({}, "route a asks for a, which the token does not have"),
        ({"a": None}, "route a asks for a, which is null"),
        ({"a": "x"}, "route a asks for /b/c, which the token does not have"),
    ]
    for claims, evidence in told:
        refused = refusal(route, claims=claims)
        assert refused is not None
        assert refused.evidence == evidence


@pytest.mark.parametrize(
    ("route", "changes", "kind"),
    [
        ({"clients": ("app",)}, {}, None),
        ({"clients": ("other", "app")}, {}, None),
        ({"clients": ("other",)}, {}, ClientNotAllowed),
        ({"clients": ("app",)}, {"client": None}, ClientNotAllowed),
        ({"issuers": ("local",)}, {}, None),
        ({"issuers": ("staff", "local")}, {}, None),
        ({"issuers": ("staff",)}, {}, ClaimMismatch),
        ({"issuers": ("staff",), "clients": ("other",), "scopes": ("x",)}, {}, ClaimMismatch),
        ({"clients": ("other",), "scopes": ("x",), "claims": {"a": 1}}, {}, ClientNotAllowed),
        ({"scopes": ("x",), "claims": {"a": 1}}, {}, InsufficientScope),
    ],
)
def test_clients_and_issuers_are_judged_first(
    route: dict[str, Any], changes: dict[str, Any], kind: type[Refusal] | None
) -> None:
    refused = refusal(route, **changes)
    assert type(refused) is (kind or type(None))


@pytest.mark.parametrize(
    ("route", "client", "evidence"),
    [
        ({"clients": ("b", "a")}, "app", "route a is for ['a', 'b']; the client is 'app'"),
        ({"clients": ("a",)}, None, "route a is for ['a']; the client is None"),
        ({"issuers": ("staff", "partners")}, "app", "route a is for tokens of partners, staff; this one is of local"),
    ],
)
def test_evidence_has_who_may_beside_who_it_was(route: dict[str, Any], client: str | None, evidence: str) -> None:
    refused = refusal(route, client=client)
    assert refused is not None
    assert refused.evidence == evidence


def test_a_client_of_any_length_fits_into_evidence() -> None:
    refused = refusal({"clients": ("x",)}, client="\u2028\n" + "c" * 500)
    assert refused is not None
    assert refused.evidence.isascii()
    assert refused.evidence.isprintable()
    assert len(refused.evidence) < 200


LACKS = Lacks(frozenset({"groups"}), by_all=False, claims={}, words=())


@pytest.mark.parametrize("name", ["groups", "/groups/0", ("groups", "0")])
def test_a_claim_that_is_still_to_be_asked_for_is_judged_when_it_is_there(name: Any) -> None:
    route = compile_route(RouteSection(path="/a", name="a"))
    route = type(route)(**{key: getattr(route, key) for key in route.__slots__} | {"claims": {name: ("staff",)}})
    check_policy(route, identity(lacks=LACKS))
    with pytest.raises(ClaimMismatch, match="which neither the token nor userinfo has"):
        check_policy(route, identity(bare=identity(lacks=LACKS)))


def test_others_are_judged_at_once_and_so_are_scopes() -> None:
    asked = {"claims": {"groups": "staff", "role": "admin"}}
    mismatch = refusal(asked, lacks=LACKS, claims={"role": "user"})
    assert isinstance(mismatch, ClaimMismatch)
    assert mismatch.evidence == "route a asks for another value of role"
    assert refusal(asked, lacks=LACKS, claims={"role": "admin"}) is None
    assert isinstance(refusal({**asked, "scopes": ("delete",)}, lacks=LACKS), InsufficientScope)
