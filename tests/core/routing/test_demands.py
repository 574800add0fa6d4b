"""Whom a token must be for, and how and when its user must have logged in."""

from typing import Any

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.errors import InsufficientAuthentication, WrongAudience
from gateway.core.routing.demands import Demands, demands_of
from gateway.core.token.details import Details
from gateway.core.token.identity import Identity
from tests.core.routing.test_policy import identity
from tests.signer import NOW

LEEWAY = 30.0


def caller(**details: Any) -> Identity:
    return identity(leeway=LEEWAY, details=Details(**details))


def demands(**keys: Any) -> Demands:
    found = demands_of(RouteSection(path="/a", **keys), name="pay")
    assert found is not None
    return found


def test_a_route_that_asks_for_nothing_has_none() -> None:
    assert demands_of(RouteSection(path="/a"), name="pay") is None
    assert demands_of(RouteSection(path="/a", audience=()), name="pay") is None


@pytest.mark.parametrize(
    ("asked", "named", "evidence"),
    [
        ("orders", ("orders",), None),
        ("orders", ("users", "orders"), None),
        (("orders", "users"), ("users",), None),
        ("orders", ("users",), "route pay is for ('orders',); the token is for ('users',)"),
        (("orders", "users"), ("other",), "route pay is for ('orders', 'users'); the token is for ('other',)"),
        ("orders", ("order",), "route pay is for ('orders',); the token is for ('order',)"),
        ("orders", ("Orders",), "route pay is for ('orders',); the token is for ('Orders',)"),
        ("orders", ("orders/",), "route pay is for ('orders',); the token is for ('orders/',)"),
        ("orders", (), "route pay is for ('orders',); the token names none"),
    ],
)
def test_a_token_for_another_api_opens_nothing(asked: Any, named: tuple[str, ...], evidence: str | None) -> None:
    if evidence is None:
        demands(audience=asked).check(caller(audience=named), now=NOW)
        return
    with pytest.raises(WrongAudience) as refused:
        demands(audience=asked).check(caller(audience=named), now=NOW)
    assert refused.value.evidence == evidence


@pytest.mark.parametrize(
    ("acr", "passes"),
    [
        (("gold",), True),
        (("silver",), True),
        (("bronze", "gold"), True),
        (("bronze",), False),
        (("GOLD",), False),
        (("gold silver",), False),
        ((), False),
    ],
)
def test_a_login_that_is_too_weak_is_told_what_is_asked(acr: tuple[str, ...], *, passes: bool) -> None:
    asked = demands(acr=("gold", "silver"), max_age=Seconds(600))
    who = caller(acr=acr, auth_time=NOW)
    if passes:
        asked.check(who, now=NOW)
        return
    with pytest.raises(InsufficientAuthentication) as refused:
        asked.check(who, now=NOW)
    # All of it at once, so that one more login will do.
    assert (refused.value.acr_values, refused.value.max_age) == (("gold", "silver"), 600)
    has = f"the token has {acr!r}" if acr else "the token has none"
    assert refused.value.evidence == f"route pay asks for acr ('gold', 'silver'); {has}"


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ({"auth_time": NOW}, None),
        ({"auth_time": NOW - 600}, None),
        ({"auth_time": NOW - 630}, None),
        ({"auth_time": NOW - 630.9}, None),
        ({"auth_time": NOW - 631}, "it was 631 s ago, and the leeway is 30 s"),
        ({"auth_time": 0.0}, f"it was {NOW:.0f} s ago, and the leeway is 30 s"),
        ({"auth_time": NOW + 30}, None),
        ({"auth_time": NOW + 31}, "auth_time is in 31 s"),
        ({}, "the token has no auth_time"),
        ({"unfit": "'soon'"}, "auth_time is not a time: 'soon'"),
    ],
)
def test_a_login_grows_old(details: dict[str, Any], why: str | None) -> None:
    asked = demands(max_age=Seconds(600))
    if why is None:
        asked.check(caller(**details), now=NOW)
        return
    with pytest.raises(InsufficientAuthentication) as refused:
        asked.check(caller(**details), now=NOW)
    assert (refused.value.acr_values, refused.value.max_age) == ((), 600)
    assert refused.value.evidence == f"route pay asks for a login of at most 600 s ago; {why}"


def test_of_whom_nothing_is_known_nothing_is_met() -> None:
    for keys in ({"audience": "orders"}, {"acr": ("gold",)}, {"max_age": Seconds(600)}):
        with pytest.raises((WrongAudience, InsufficientAuthentication)):
            demands(**keys).check(identity(), now=NOW)


def test_the_audience_comes_first() -> None:
    asked = demands(audience="orders", acr=("gold",), max_age=Seconds(1))
    with pytest.raises(WrongAudience):
        asked.check(caller(), now=NOW)


def test_what_is_met_is_told_in_words() -> None:
    asked = demands(audience="orders", acr=("gold",), max_age=Seconds(60))
    assert asked.in_words() == ("for ('orders',)", "acr ('gold',)", "a login of at most 60 s ago")
    assert demands(acr=("gold",)).in_words() == ("acr ('gold',)",)
    assert demands(max_age=Seconds(60)).in_words() == ("a login of at most 60 s ago",)
    assert demands(audience="a").in_words() == ("for ('a',)",)
