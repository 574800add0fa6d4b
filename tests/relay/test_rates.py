"""Rates on the wire: what passes, what clients, the log and the metrics are told; and bad tokens."""

from typing import Any

import pytest

from gateway.core.config.cors import Cors
from gateway.core.config.rates import BadTokensSection, Rate
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from tests.redis_server import SECRET, RedisServer
from tests.wire import Message, Running, Start, bearer, demo_issuer, get

#: an hour, so that nothing is refilled while a test runs
HOUR: Any = 3600.0


def rate(name: str = "all", per: Any = "subject", limit: int = 2, **more: Any) -> Rate:
    return Rate(name=name, per=per, limit=limit, window=HOUR, **more)


def told(response: Message) -> tuple[list[bytes], list[bytes]]:
    return response.values(b"RateLimit-Policy"), response.values(b"RateLimit")


def token_of(subject: str, **claims: Any) -> str:
    return demo_issuer().access_token(alg="ES256", exp=4_000_000_000, sub=subject, **claims)


def with_token(token: str, target: str = "/", *lines: str) -> bytes:
    return get(target, *lines).replace(bearer(), f"Authorization: Bearer {token}\r\n".encode())


async def ask(gateway: Running, *requests: bytes) -> list[Message]:
    client = await gateway.client()
    return [await client.ask(request) for request in requests]


async def test_who_is_over_is_told_when_to_come_back_and_the_api_hears_nothing(start: Start) -> None:
    gateway = await start(rates=(rate(),))
    *admitted, refused = await ask(gateway, *[get()] * 3)
    policy = [b'"all";q=2;w=3600']
    assert [(response.status, told(response)) for response in admitted] == [
        (200, (policy, [b'"all";r=1;t=1800'])),
        (200, (policy, [b'"all";r=0;t=1800'])),
    ]
    assert (refused.status, refused.problem["reason"], told(refused)) == (
        *(429, "rate_limited"),
        (policy, [b'"all";r=0;t=1800']),
    )
    assert refused.values(b"Retry-After") == [b"1800"]
    assert refused.values(b"WWW-Authenticate") == []
    assert len(gateway.upstream.requests) == 2
    assert (await ask(gateway, with_token(token_of("bob"))))[0].status == 200
    record = (await gateway.stdout.records(4))[2]
    assert (record["outcome"], record["reason"], record["rate"], record["evidence"]) == (
        *("refused", "rate_limited", "all"),
        "rate all: 2 in 3600s per subject",
    )
    page = (await gateway.admin("/metrics")).body
    assert b'gateway_rate_limited_total{name="all"} 1.0' in page
    assert b"gateway_bad_tokens_limited_total 0.0" in page


async def test_without_rates_nothing_is_said_and_what_the_api_says_passes(start: Start) -> None:
    gateway = await start(
        rates=(rate(limit=9),), routes=(RouteSection(path="/free", rates=None), RouteSection(path="/*"))
    )
    gateway.upstream.response = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRateLimit: "api";r=1\r\nratelimit-policy: "api";q=5\r\nX-RateLimit-Limit: 7\r\n\r\nok'
    free, counted = await ask(gateway, get("/free"), get("/counted"))
    assert told(free) == ([b'"api";q=5'], [b'"api";r=1'])
    # Ours in their place; what is called otherwise is the API's.
    assert told(counted) == ([b'"all";q=9;w=3600'], [b'"all";r=8;t=3200'])
    assert counted.values(b"X-RateLimit-Limit") == [b"7"]


async def test_a_403_counts_and_says_how_it_stands_and_a_401_does_not(start: Start) -> None:
    gateway = await start(rates=(rate(limit=3),), routes=(RouteSection(path="/admin", scopes=("admin",)),))
    anonymous = get("/admin").replace(bearer(), b"")
    responses = await ask(gateway, get("/admin"), anonymous, get("/admin"), get("/admin"), get("/admin"))
    assert [response.status for response in responses] == [403, 401, 403, 403, 429]
    assert [told(response)[1] for response in responses] == [
        *([b'"all";r=2;t=2400'], [], [b'"all";r=1;t=1200'], [b'"all";r=0;t=1200'], [b'"all";r=0;t=1200'])
    ]


async def test_a_route_has_its_own_beside_those_at_the_top_and_one_that_refuses_is_enough(start: Start) -> None:
    routes = (RouteSection(path="/reports", rates=(rate("reports", "client", 1),)), RouteSection(path="/*"))
    gateway = await start(rates=(rate(limit=3),), routes=routes)
    responses = await ask(gateway, get("/reports"), get("/reports"), get("/"), get("/"), get("/"))
    assert [response.status for response in responses] == [200, 429, 200, 200, 429]
    assert told(responses[1]) == (
        [b'"all";q=3;w=3600, "reports";q=1;w=3600'],
        [b'"all";r=2;t=2400, "reports";r=0;t=3600'],
    )
    assert [record["rate"] for record in await gateway.stdout.records(5) if "rate" in record] == ["reports", "all"]


async def test_where_a_token_is_optional_who_shows_none_counts_for_address_and_route_alone(start: Start) -> None:
    prices = RouteSection(path="/", access="optional", rates=(rate("whole", "route", 3),))
    gateway = await start(rates=(rate(limit=1),), routes=(prices,))
    anonymous = get("/").replace(bearer(), b"")
    responses = await ask(gateway, anonymous, anonymous, get("/"), get("/"), anonymous)
    assert [response.status for response in responses] == [200, 200, 200, 429, 429]
    assert [record.get("rate") for record in await gateway.stdout.records(5)] == [None, None, None, "all", "whole"]
    assert told(responses[0])[0] == [b'"whole";q=3;w=3600']
    sent = [request.values(b"X-User-Id") for request in gateway.upstream.requests]
    assert sent == [[], [], [b"alice"]]
    assert b"counts everybody" not in gateway.stderr.getvalue().encode()


async def test_on_a_public_route_addresses_and_the_route_itself_are_counted(start: Start) -> None:
    public = RouteSection(path="/", access="public", rates=(rate("site", "address", 1), rate("whole", "route", 3)))
    gateway = await start(rates=(rate(limit=1),), routes=(public,), trusted_proxies=("127.0.0.1/32",))
    anonymous = [
        get("/", f"X-Forwarded-For: 203.0.113.9, {address}").replace(bearer(), b"")
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:1::2", "192.0.2.4")
    ]
    responses = await ask(gateway, *anonymous)
    assert [response.status for response in responses] == [200, 429, 200, 200, 429, 429]
    assert [record.get("rate") for record in await gateway.stdout.records(6)] == [
        *(None, "site", None, None, "site", "whole")
    ]


async def test_a_route_that_only_reports_lets_pass_and_counts_what_it_would_have_refused(start: Start) -> None:
    routes = (RouteSection(path="/", mode="report", rates=(rate(limit=1),)),)
    gateway = await start(routes=routes)
    responses = await ask(gateway, get(), get())
    assert [response.status for response in responses] == [200, 200]
    assert told(responses[1])[1] == [b'"all";r=0;t=3600']
    assert responses[1].values(b"Retry-After") == []
    record = await gateway.ended(2)
    assert (record["outcome"], record["reason"], record["rate"]) == ("reported", "rate_limited", "all")
    assert b'gateway_rate_limited_total{name="all"} 1.0' in (await gateway.admin("/metrics")).body


async def test_a_page_may_read_how_it_stands_and_its_preflights_are_not_counted(start: Start) -> None:
    gateway = await start(rates=(rate(),), cors=Cors(origins=("https://app.test",)))
    origin = "Origin: https://app.test"
    preflight = get("/", origin, "Access-Control-Request-Method: GET", method="OPTIONS").replace(bearer(), b"")
    *preflights, response, _, refused = await ask(gateway, *[preflight] * 5, *[get("/", origin)] * 3)
    assert {response.status for response in preflights} == {204}
    assert (response.status, refused.status) == (200, 429)
    for one in (response, refused):
        assert one.values(b"Access-Control-Expose-Headers") == [
            b"WWW-Authenticate, Retry-After, RateLimit-Policy, RateLimit"
        ]


async def test_a_decision_counts_and_tells(start: Start) -> None:
    gateway = await start(rates=(rate(limit=1),), decisions="127.0.0.1:0", trusted_proxies=("127.0.0.1/32",))
    client = await gateway.client(gateway.gateway.decisions_address)
    question = get("/envoy/orders")
    yes, no = await client.ask(question), await client.ask(question)
    assert (yes.status, told(yes)) == (200, ([b'"all";q=1;w=3600'], [b'"all";r=0;t=3600']))
    assert (no.status, no.values(b"X-Gateway-Reason"), no.values(b"Retry-After")) == (
        *(429, [b"rate_limited"]),
        [b"3600"],
    )
    assert told(no) == told(yes)
    # Whom it asks about has taken it already.
    assert (await ask(gateway, get()))[0].status == 429


async def test_two_gateways_and_one_redis_share_a_bucket(start: Start, redis: RedisServer) -> None:
    settings: dict[str, Any] = {
        "rates": (rate(limit=3),),
        "store": redis.section(),
        "secrets": {Secret(env="STORE_SECRET"): SECRET},
    }
    one, other = await start(**settings), await start(**settings)
    statuses = [(await ask(gateway, get()))[0].status for gateway in (one, other, one, other, one)]
    assert statuses == [200, 200, 200, 429, 429]
    assert not any(b"alice" in key for key in redis.dump())
    # The other one ends first, and nothing may be left then.
    await one.stop()
    one.upstream.reset()


@pytest.mark.parametrize("direct", [False, True])
async def test_who_tries_tokens_is_held_up_and_nobody_else(start: Start, *, direct: bool) -> None:
    settings: dict[str, Any] = {"bad_tokens": BadTokensSection(limit=2, window=HOUR, direct=direct)}
    if not direct:
        settings["trusted_proxies"] = ("127.0.0.1/32",)
    gateway = await start(**settings)
    sent_by = "X-Forwarded-For: 192.0.2.1"
    bad = with_token("opaque", "/", sent_by)
    known = get("/", sent_by)
    responses = await ask(gateway, known, bad, bad, bad, known, with_token(token_of("bob"), "/", sent_by))
    assert [response.status for response in responses] == [200, 401, 401, 401, 200, 429]
    assert responses[5].problem["reason"] == "rate_limited"
    assert responses[5].values(b"Retry-After") == [b"1800"]
    assert told(responses[5]) == ([], [])
    expired = demo_issuer().access_token(alg="ES256", exp=1_000_000_000)
    (honest,) = await ask(gateway, with_token(expired, "/", sent_by))
    assert honest.problem["reason"] == "token_expired"
    (elsewhere,) = await ask(gateway, with_token(token_of("carol"), "/", "X-Forwarded-For: 192.0.2.1, 192.0.2.2"))
    assert elsewhere.status == (429 if direct else 200)
    page = (await gateway.admin("/metrics")).body
    assert b"gateway_bad_tokens_limited_total %d.0" % (2 if direct else 1) in page
    record = (await gateway.stdout.records(8))[5]
    assert (record["reason"], record["evidence"]) == (
        *("rate_limited", "2 bad tokens in 3600s came from this address"),
    )
    assert "rate" not in record
