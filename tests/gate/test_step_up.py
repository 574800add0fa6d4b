"""Audiences for each route, and logins that must be strong and recent, at the gate: judged on every request."""

from typing import Any

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.errors import InsufficientAuthentication, Refusal, WrongAudience
from gateway.core.http.challenge import Challenges
from gateway.core.routing.admission import Admission
from gateway.core.trail import Step
from gateway.ports import Ending
from tests.gate.test_gate import MemoryExchange, World
from tests.gate.test_introspection import World as AskedWorld
from tests.memory import facts
from tests.signer import AUDIENCE, ISSUER, NOW, sign, some_claims

ORDERS, USERS = "https://orders.example", "https://users.example"
ROUTES = (
    RouteSection(path="/orders", audience=ORDERS),
    RouteSection(path="/users", audience=(USERS, "users")),
    RouteSection(path="/payments", acr=("gold", "platinum"), max_age=Seconds(600)),
    RouteSection(path="/recent", max_age=Seconds(600)),
    RouteSection(path="/trial", acr=("gold",), mode="report"),
    RouteSection(path="/any"),
)


def world() -> World:
    return World(routes=ROUTES, issuer_settings={"audience": (ORDERS, USERS, AUDIENCE)})


async def asked(world: World, token: bytes, target: bytes) -> tuple[Admission | Refusal, Ending]:
    ending = Ending()
    try:
        return await world.gate.admit(facts(token, target=target), ending), ending
    except Refusal as refusal:
        return refusal, ending


@pytest.mark.parametrize(
    ("aud", "passes"),
    [
        (ORDERS, {b"/orders", b"/any"}),
        (USERS, {b"/users", b"/any"}),
        ([USERS, ORDERS], {b"/orders", b"/users", b"/any"}),
        ([ORDERS, "users"], {b"/orders", b"/users", b"/any"}),
        # What no issuer's audience has never passes the issuer's own.
        ("users", set()),
        (AUDIENCE, {b"/any"}),
    ],
)
async def test_a_token_for_one_api_opens_no_route_of_another(aud: Any, passes: set[bytes]) -> None:
    token, behind = sign(some_claims(aud=aud)), world()
    for _ in range(2):
        found = {}
        for target in (b"/orders", b"/users", b"/any"):
            outcome, ending = await asked(behind, token, target)
            found[target] = isinstance(outcome, Admission)
            if isinstance(outcome, Refusal):
                assert type(outcome) is WrongAudience
                assert ending.step is (Step.POLICY if passes else Step.AUDIENCE)
                assert target[1:].decode() in outcome.evidence or not passes
        assert {target for target, passed in found.items() if passed} == passes


async def test_a_login_grows_old_while_its_token_is_remembered() -> None:
    behind = world()
    token = sign(some_claims(acr="gold", auth_time=NOW, exp=NOW + 7200))
    outcome, _ = await asked(behind, token, b"/payments")
    assert isinstance(outcome, Admission)
    behind.now = NOW + 630
    outcome, ending = await asked(behind, token, b"/payments")
    assert isinstance(outcome, Admission)
    assert Step.REMEMBERED in ending.steps
    behind.now += 1
    outcome, ending = await asked(behind, token, b"/payments")
    assert isinstance(outcome, InsufficientAuthentication)
    assert (ending.steps[-1], Step.REMEMBERED in ending.steps) == (Step.POLICY, True)
    assert (await asked(behind, token, b"/any"))[0].__class__ is Admission
    assert ending.identity is not None
    assert (ending.identity.acr, ending.identity.auth_time) == (("gold",), NOW)


async def test_the_client_is_told_what_to_ask_for() -> None:
    behind = world()
    client = MemoryExchange(facts(sign(some_claims(acr="bronze", auth_time=NOW)), target=b"/payments"))
    ending = await behind.handled(client)
    (refusal,) = client.refused
    assert (ending.status, refusal.reason) == (401, "insufficient_user_authentication")
    (value,) = Challenges(realm="api").values(refusal)
    assert value == (
        'Bearer realm="api", error="insufficient_user_authentication", error_description="This request needs a login '
        'that is stronger or more recent.", acr_values="gold platinum", max_age="600"'
    )
    client = MemoryExchange(facts(sign(), target=b"/recent"))
    await behind.handled(client)
    (value,) = Challenges(realm="api").values(client.refused[0])
    assert value.endswith('more recent.", max_age="600"')


async def test_a_route_that_only_reports_lets_a_weak_login_pass() -> None:
    outcome, ending = await asked(world(), sign(), b"/trial")
    assert isinstance(outcome, Admission)
    assert (type(ending.reported), ending.reported_at) == (InsufficientAuthentication, Step.POLICY)


@pytest.mark.parametrize("value", [True, "1800000000", None, [NOW], -1, NOW * 1000])
async def test_a_login_at_no_time_is_none(value: Any) -> None:
    outcome, _ = await asked(world(), sign(some_claims(auth_time=value)), b"/recent")
    assert isinstance(outcome, InsufficientAuthentication)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
async def test_what_is_no_number_of_json_does_not_even_come_that_far(value: bytes) -> None:
    claims = b'{"iss":"%s","aud":"%s","sub":"a","exp":%d,"auth_time":%s}' % (
        ISSUER.encode(),
        AUDIENCE.encode(),
        NOW + 60,
        value,
    )
    outcome, ending = await asked(world(), sign(claims), b"/recent")
    assert isinstance(outcome, Refusal)
    assert (outcome.reason, ending.step) == ("token_malformed", Step.FORM)


@pytest.mark.parametrize(
    ("route", "members", "reason"),
    [
        ({"acr": ("gold",), "max_age": Seconds(600)}, {"acr": "gold", "auth_time": NOW - 60}, None),
        ({"acr": ("gold",)}, {}, "insufficient_user_authentication"),
        ({"max_age": Seconds(600)}, {"auth_time": NOW - 631}, "insufficient_user_authentication"),
        ({"audience": ORDERS}, {}, "wrong_audience"),
        ({"audience": AUDIENCE}, {}, None),
        ({"audience": AUDIENCE}, {"aud": ...}, "wrong_audience"),
    ],
)
async def test_what_its_issuer_says_of_an_opaque_token_counts_as_if_it_stood_in_it(
    route: dict[str, Any], members: dict[str, Any], reason: str | None
) -> None:
    asked_about = AskedWorld(route=route, require_audience=False)
    asked_about.say(b"opaque", **members)
    if reason is None:
        await asked_about.admit(b"opaque")
    else:
        assert (await asked_about.refusal(b"opaque")).reason == reason
