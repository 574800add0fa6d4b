"""What is kept of a token beyond who is calling, and that nothing is where nothing asks."""

from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.token.details import Details, Kept
from gateway.core.token.jwt import check_token, parse_token
from gateway.core.token.known import KnownIssuers
from gateway.core.token.rules import Candidate, rules_of
from gateway.core.trail import Trail
from tests.signer import AUDIENCE, NOW, compact, issuer, some_claims, some_header

BOTH = ({"audience": AUDIENCE}, {"acr": ("gold",)})


def kept(*routes: dict[str, Any]) -> Kept | None:
    sections = tuple(RouteSection(path=f"/{index}", **route) for index, route in enumerate(routes))
    return Kept.of(Config(issuers=(issuer(),), upstream="http://127.0.0.1:1", routes=sections))


def candidate(claims: dict[str, Any], **settings: Any) -> Candidate:
    token = parse_token(compact(some_header(), claims))
    return check_token(token, KnownIssuers([rules_of(issuer(**settings))]), now=NOW, trail=Trail())


def details(*routes: dict[str, Any], settings: dict[str, Any] | None = None, **claims: Any) -> Details:
    asked = kept(*routes)
    assert asked is not None
    whole = some_claims(**claims)
    return asked.details_of(whole, candidate(whole, **(settings or {})))


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ((), None),
        (({},), None),
        (({"audience": ()},), None),
        (({"audience": AUDIENCE},), (True, False)),
        (({}, {"audience": (AUDIENCE,)}), (True, False)),
        (({"acr": ("gold",)},), (False, True)),
        (({"max_age": Seconds(600)},), (False, True)),
        (BOTH, (True, True)),
    ],
)
def test_what_no_route_asks_for_is_not_kept(routes: tuple[Any, ...], expected: tuple[bool, bool] | None) -> None:
    found = kept(*routes)
    assert (None if found is None else (found.audience, found.login)) == expected


def test_only_what_is_asked_for_is_kept() -> None:
    said: dict[str, Any] = {"acr": "gold", "auth_time": NOW - 5}
    login = {"max_age": Seconds(600)}
    found = details(login, **said)
    assert (found.audience, found.acr, found.auth_time) == ((), ("gold",), NOW - 5)
    found = details(BOTH[0], **said)
    assert (found.audience, found.acr, found.auth_time) == ((AUDIENCE,), (), None)
    found = details(*BOTH, aud=[AUDIENCE, "other"], **said)
    assert (found.audience, found.acr, found.auth_time) == ((AUDIENCE, "other"), ("gold",), NOW - 5)
    assert repr(found) == f"Details(2 audiences, 1 acr, logged in at {NOW - 5})"


@pytest.mark.parametrize(
    ("conditions", "claims"),
    [
        (("request.path == '/'",), None),
        (("token.acr == 'gold'", "token.level == 1", "request.path == '/'"), {"acr": "gold", "level": 5}),
        (("token.acr == 'gold'", "size(token) > 3"), some_claims(acr="gold", level=5)),
        (("token.nobody == 'a'",), {}),
    ],
)
def test_of_the_claims_those_are_kept_that_conditions_name(
    conditions: tuple[str, ...], claims: dict[str, Any] | None
) -> None:
    asked = kept(*({"condition": condition} for condition in conditions))
    if claims is None:
        assert asked is None
        return
    assert asked is not None
    found = details(*({"condition": condition} for condition in conditions), acr="gold", level=5)
    assert found.payload is not None
    assert (found.payload.claims, found.audience, found.acr) == (claims, (), ())


def test_a_condition_may_ask_for_the_audience() -> None:
    found = details({"condition": "'a' in identity.audience"})
    assert (found.audience, found.payload) == ((AUDIENCE,), None)


def test_the_audience_is_what_the_deciding_claim_names() -> None:
    settings = {"audience_claims": ("resource", "aud")}
    found = details(BOTH[0], settings=settings, resource=AUDIENCE, aud=["other"])
    assert found.audience == (AUDIENCE,)


@pytest.mark.parametrize(
    ("value", "auth_time", "unfit"),
    [
        (..., None, ""),
        (None, None, ""),
        (0, 0.0, ""),
        (NOW, NOW, ""),
        (NOW + 0.5, NOW + 0.5, ""),
        (True, None, "True"),
        (False, None, "False"),
        (str(NOW), None, "'1800000000.0'"),
        ([NOW], None, "[1800000000.0]"),
        ({}, None, "{}"),
        (-1, None, "-1"),
        (float("nan"), None, "nan"),
        (float("inf"), None, "inf"),
        (float("-inf"), None, "-inf"),
        (10**400, None, "1000"),
        (NOW * 1000, None, "1800000000000.0 looks like milliseconds, and times in a JWT are seconds"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_login_was_at_a_time_or_at_none(value: Any, auth_time: float | None, unfit: str) -> None:
    asked = kept({"max_age": Seconds(600)})
    assert asked is not None
    # As a payload would be read, NaN and its kin never come that far; judged they are all the same.
    claims = some_claims() if value is ... else some_claims(auth_time=value)
    found = asked.details_of(claims, candidate(some_claims()))
    assert found.auth_time == auth_time
    assert found.unfit.startswith(unfit)
    assert bool(found.unfit) == bool(unfit)


@pytest.mark.parametrize(
    ("preset", "claims", "expected"),
    [
        (None, {}, ()),
        (None, {"acr": "gold"}, ("gold",)),
        (None, {"acr": "urn:a b"}, ("urn:a b",)),
        (None, {"acr": ["gold", "silver", "gold", 1, None, ["x"]]}, ("gold", "silver")),
        (None, {"acr": 1}, ()),
        (None, {"acr": True}, ()),
        (None, {"acr": None}, ()),
        (None, {"acr": {"gold": 1}}, ()),
        (None, {"acrs": ["c1"]}, ()),
        ("entra", {"acrs": ["c1", "c2"], "acr": "1"}, ("c1", "c2", "1")),
        ("entra", {"acr": "1"}, ("1",)),
    ],
)
def test_how_somebody_logged_in_is_one_value_or_a_list(
    preset: str | None, claims: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert details(BOTH[1], settings={"preset": preset}, **claims).acr == expected


def test_the_audience_is_kept_where_a_route_may_belong_to_a_resource() -> None:
    resources = {"tools": ResourceSection(identifier="https://api.example/mcp")}
    config = Config(issuers=(issuer(),), upstream="http://127.0.0.1:1", resources=resources)
    assert Kept.of(config) == Kept(audience=True, login=False, payload=False, claims=frozenset())
