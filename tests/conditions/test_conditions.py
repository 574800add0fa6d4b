"""Conditions at the gate: over the token, who is calling, and the request, each time anew."""

from typing import Any

import pytest

from gateway.compose import conditions_of
from gateway.conditions.conditions import CelConditions, condition_problems
from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import ConditionFalse, Refusal
from gateway.core.http.facts import HeaderLine
from gateway.core.trail import Step
from gateway.ports import Ending
from tests.gate.test_gate import MemoryExchange, World
from tests.memory import facts
from tests.signer import AUDIENCE, issuer, sign, some_claims


def world(condition: str, **settings: Any) -> World:
    changes = settings.pop("settings", {})
    return World(routes=(RouteSection(path="/orders/*", condition=condition, **settings),), **changes)


async def outcome(
    condition: str,
    *lines: HeaderLine,
    claims: dict[str, Any] | None = None,
    behind: World | None = None,
    **request: Any,
) -> tuple[str | None, str]:
    """How the condition came out, and why it was refused, or nothing."""
    ending = Ending()
    given = facts(sign(some_claims(**(claims or {}))), *lines, **{"target": b"/orders/1", **request})
    try:
        await (behind or world(condition)).gate.admit(given, ending)
    except ConditionFalse as refusal:
        assert ending.step is Step.CONDITION
        return ending.condition, refusal.evidence
    assert ending.steps[-1] is Step.CONDITION
    return ending.condition, ""


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("token.sub == 'alice'", ("true", "")),
        ("token.sub == 'bob'", ("false", "the condition is false")),
        ("token.nobody == 'bob'", ("error", "the condition is an error: something that it names is not there")),
        (
            "request.method == 'GET' && token.sub == 'bob' && request.path == '/x'",
            ("false", "part 2 of 3 is false: \"token.sub == 'bob'\""),
        ),
        (f"identity.subject == 'alice' && identity.client == 'app' && '{AUDIENCE}' in identity.audience", ("true", "")),
        ("'read:orders' in identity.scopes && identity.issuer == 'local'", ("true", "")),
        ("request.path == '/orders/1' && request.host == 'api.example.com'", ("true", "")),
        ("request.query.id == ['1'] && !('x' in request.query)", ("true", "")),
    ],
)
async def test_a_condition_is_met_or_refused(condition: str, expected: tuple[str, str]) -> None:
    assert await outcome(condition, target=b"/orders/1?id=1") == expected


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ((b"X-Tenant", b"acme"), True),
        ((b"Accept", b"*/*"), True),
        ((b"Origin", b"https://app.example"), True),
        # Credentials, in any spelling, and what may have one in it.
        ((b"Authorization", b"Basic YWxpY2U6c2VjcmV0"), False),
        ((b"authorization", b"Bearer x"), False),
        ((b"Proxy-Authorization", b"Basic x"), False),
        ((b"Cookie", b"session=x"), False),
        ((b"DPoP", b"x.y.z"), False),
        ((b"Sec-WebSocket-Protocol", b"bearer, x"), False),
        # What only a proxy that is trusted may say.
        ((b"X-Forwarded-For", b"192.0.2.7"), False),
        ((b"X-Forwarded-Host", b"other.example"), False),
        ((b"X-Forwarded-Anything", b"x"), False),
        ((b"Forwarded", b"for=192.0.2.7"), False),
        ((b"X-Real-IP", b"192.0.2.7"), False),
        # What the gateway itself tells the API, and what would change the method behind it.
        ((b"X-User-Id", b"root"), False),
        ((b"x_user_id", b"root"), False),
        ((b"X-Gateway-Anything", b"x"), False),
        ((b"X-Request-Id", b"x"), False),
        ((b"X-HTTP-Method-Override", b"DELETE"), False),
        ((b"Connection", b"close"), False),
        ((b"Transfer-Encoding", b"chunked"), False),
    ],
    ids=lambda value: value[0].decode() if isinstance(value, tuple) else "",
)
async def test_a_condition_is_told_what_the_api_is_told_and_no_credential(line: HeaderLine, *, told: bool) -> None:
    name = line[0].decode().lower()
    request = facts(sign(), line, target=b"/orders/1", authorization=(b"Bearer " + sign(),))
    ending = Ending()
    behind = world(f"'{name}' in request.headers")
    try:
        await behind.gate.admit(request, ending)
    except ConditionFalse:
        assert not told
        return
    assert told


PLACES = tuple(
    CredentialPlace(**place)
    for place in ({"header": "X-Access-Token"}, {"websocket": "bearer"}, {"query": "access_token"}, {"cookie": "token"})
)
#: nothing of the request has any of the token in it, wherever that stood
NOWHERE = (
    "request.headers.all(n, n != 'x-access-token' && !request.headers[n].contains('{piece}')) "
    "&& request.query.all(n, n != 'access_token' && request.query[n].all(v, !v.contains('{piece}'))) "
    "&& !request.path.contains('{piece}') && request.query.a == ['1']"
)


@pytest.mark.parametrize("place", ["authorization", "header", "websocket", "query", "cookie"])
async def test_a_token_is_told_nowhere_whatever_place_it_stood_in(place: str) -> None:
    token = sign()
    piece = token[-40:].decode()
    behind = world(NOWHERE.replace("{piece}", piece), settings={"credentials": ("authorization", *PLACES)})
    lines: tuple[HeaderLine, ...] = {
        "header": ((b"X-Access-Token", token),),
        "websocket": ((b"Sec-WebSocket-Protocol", b"bearer, " + token + b", chat"),),
        "cookie": ((b"Cookie", b"a=b; token=" + token), (b"Sec-Fetch-Site", b"same-origin")),
    }.get(place, ())
    target = b"/orders/1?a=1" + (b"&access_token=" + token if place == "query" else b"")
    request = facts(
        token if place == "authorization" else None, *lines, target=target, is_websocket=place == "websocket"
    )
    ending = Ending()
    await behind.gate.admit(request, ending)
    assert (ending.condition, ending.identity is not None) == ("true", True)


async def test_what_a_trusted_proxy_says_is_told() -> None:
    condition = "request.headers['x-forwarded-proto'] == 'https' && request.headers['x-forwarded-client'] == 'a'"
    lines = ((b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-Client", b"a"))
    assert (await outcome(condition, *lines, trusted=True))[0] == "true"
    assert (await outcome(condition, *lines))[0] == "error"


async def test_a_header_that_was_named_away_is_not_told() -> None:
    line = (b"X-Tenant", b"acme")
    assert (await outcome("request.headers['x-tenant'] == 'acme'", line))[0] == "true"
    nominated = (b"Connection", b"X-Tenant")
    assert (await outcome("request.headers['x-tenant'] == 'acme'", line, nominated))[0] == "error"


async def test_a_token_that_is_remembered_is_asked_each_time() -> None:
    behind = world("request.path == '/orders/' + token.tenant")
    for target, expected in ((b"/orders/a", "true"), (b"/orders/b", "false"), (b"/orders/a", "true")):
        assert (await outcome("", claims={"tenant": "a"}, behind=behind, target=target))[0] == expected
    assert behind.recorder.hits == [False, True, True]


async def test_integers_beyond_64_bits_are_doubles() -> None:
    assert await outcome("token.n > 1e18 && token.n == 18446744073709551616.0", claims={"n": 1 << 64}) == ("true", "")


async def test_too_many_pairs_or_members_are_an_error_and_no_500() -> None:
    ended = await outcome("'a' in request.query", target=b"/orders/1?" + b"a&" * 257)
    assert ended == ("error", "the query has more than 256 pairs")
    ended = await outcome(
        "token.a.exists(x, request.path.contains(x))", claims={"a": ["g"] * 1500}, target=b"/orders/" + b"a" * 3000
    )
    assert ended[0] == "error"
    assert ended[1].startswith("there is more than a condition may go through: 1503 members")


async def test_what_came_before_refuses_before() -> None:
    behind = world("false", scopes=("admin",))
    with pytest.raises(Refusal) as refusal:
        await behind.gate.admit(facts(sign(), target=b"/orders/1"), Ending())
    assert refusal.value.reason == "insufficient_scope"


async def test_a_route_that_only_reports_says_that_it_is_not_met() -> None:
    behind = world("false", mode="report")
    client = MemoryExchange(facts(sign(), target=b"/orders/1"))
    ending = await behind.handled(client)
    assert (ending.status, ending.condition) == (200, "false")
    assert isinstance(ending.reported, ConditionFalse)
    assert ending.reported_at is Step.CONDITION


async def test_where_a_token_is_optional_nobody_without_one_is_asked() -> None:
    behind = world("token.sub == 'bob'", access="optional")
    ending = Ending()
    await behind.gate.admit(facts(target=b"/orders/1"), ending)
    assert (ending.condition, Step.CONDITION in ending.steps) == (None, False)
    with pytest.raises(ConditionFalse):
        await behind.gate.admit(facts(sign(), target=b"/orders/1"), ending)


async def test_nothing_of_the_token_is_kept_where_no_condition_names_it() -> None:
    behind = world("request.path == '/orders/1'")
    ending = Ending()
    await behind.gate.admit(facts(sign(), target=b"/orders/1"), ending)
    assert ending.identity is not None
    assert (ending.identity.details, ending.identity.kept_bytes) == (None, 0)


async def test_what_is_kept_of_tokens_counts_in_their_memory() -> None:
    behind = world("token.note != ''")
    for number in range(3):
        await outcome("", claims={"note": "n" * 9000, "jti": str(number)}, behind=behind)
    verified = behind.gate.verifier._verified
    identity = next(iter(verified._entries.values())).identity
    assert identity.kept_bytes > 9000
    assert verified._token_bytes > 3 * 2 * 9000


def configured(*conditions: str | None) -> Config:
    routes = tuple(RouteSection(path=f"/{index}", condition=text) for index, text in enumerate(conditions))
    return Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), routes=routes)


def test_what_cannot_be_compiled_is_a_problem_at_its_key() -> None:
    found = [str(one) for one in condition_problems(configured(None, "true", "1", "", "identity.x == 1"))]
    assert found == [
        "routes[2].condition: must be true or false; its result is of the type int",
        (
            "routes[4].condition: cannot be compiled: there is no identity.x; there are identity.subject, identity.client, "
            "identity.scopes, identity.issuer, identity.audience"
        ),
    ]


def test_where_there_is_no_condition_there_is_nothing_to_judge_one_by() -> None:
    assert conditions_of(configured(None)) is None
    # Two routes may have the same.
    made = conditions_of(configured("true", "true", "1 == 1"))
    assert isinstance(made, CelConditions)
    assert repr(made) == "CelConditions(2)"


async def test_a_part_that_cannot_stand_alone_spoils_only_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # An error within a part that is not sound by itself: none is known, but what is written is always told whole.
    assert await outcome("[true].all(x, x) && false") == ("false", "part 2 of 2 is false: 'false'")
