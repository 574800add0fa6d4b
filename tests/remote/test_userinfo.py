"""What is asked of an issuer about a subject, on real sockets: once, with the token, and believed for a while."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.errors import Refusal, TokenInactive, UserInfoUnavailable
from gateway.core.token.userinfo import Obtained
from gateway.demo.issuer import sign
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.remote.userinfo import RemoteUserInfo
from tests.issuer import HostileIssuer, SimulatedClock
from tests.memory import Recorder, identity
from tests.remote.asking import PATIENT

RESPONSES = Path(__file__).parents[1] / "data" / "responses"
DISCOVERY = "/.well-known/openid-configuration"
ME = "/me"
ALICE = {"sub": "alice", "email": "alice@example.com", "name": "Alice"}
TOKEN = b"token-of-alice"


class MemoryCache:
    """What was put there; `is_down` loses all of it."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.is_down = False

    async def get(self, key: bytes) -> bytes | None:
        await asyncio.sleep(0)
        return None if self.is_down else self.kept.get(key)

    async def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        assert seconds == 300
        self.kept[key] = value

    async def drop(self, key: bytes) -> None:
        self.kept.pop(key, None)


class Counting(Recorder):
    """An Observer that counts what came of asking."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[str] = []

    def happened(self, event: Any) -> None:
        if hasattr(event, "result"):
            self.results.append(event.result)


class World:
    """An issuer with a UserInfo endpoint, and the gateway's side of it."""

    def __init__(self, issuer: HostileIssuer, clock: SimulatedClock) -> None:
        self.issuer = issuer
        self.clock = clock
        self.cache = MemoryCache()
        self.observer = Counting()
        self.made: list[Any] = []
        self.say(ALICE)
        self.discover()

    def discover(self, **members: Any) -> None:
        document = {**self.issuer.discovery(), "userinfo_endpoint": self.issuer.url + ME, **members}
        self.issuer.response(DISCOVERY, json.dumps(document), headers={"Content-Type": "application/json"})

    def say(self, body: Any, *, status: int = 200, media_type: str | None = "application/json", **headers: str) -> None:
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if media_type is not None:
            given["Content-Type"] = media_type
        self.issuer.response(ME, raw, status=status, headers=given)

    def userinfo(self, *, configured: dict[str, Any] | None = None, **settings: Any) -> RemoteUserInfo:
        section = UserInfoSection(**{"claims": ("email", "groups"), "timeout": Seconds(PATIENT), **settings})
        made_of = {"issuer": self.issuer.url, "audience": "a", "name": "local", "userinfo": section}
        local = Issuer(**{**made_of, **(configured or {})})
        keys = RemoteIssuers([local], observer=self.observer)
        made = RemoteUserInfo(
            [local, Issuer(issuer="https://other.example", audience="a")],
            keys=keys,
            cache=self.cache,
            observer=self.observer,
            clock=self.clock.wall,
            monotonic=self.clock.monotonic,
        )
        self.made += [made, keys]
        return made

    async def close(self) -> None:
        for one in self.made:
            await one.stop()


@pytest_asyncio.fixture
async def world(issuer: HostileIssuer, clock: SimulatedClock) -> AsyncIterator[World]:
    made = World(issuer, clock)
    yield made
    await made.close()


async def refusal(userinfo: RemoteUserInfo, token: bytes = TOKEN) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await userinfo.fetch_claims(identity(), token)
    return caught.value


async def test_it_is_asked_with_the_token_where_discovery_says_and_believed_for_five_minutes(world: World) -> None:
    userinfo = world.userinfo()
    said = await userinfo.fetch_claims(identity(), TOKEN)
    assert said == Obtained({"email": "alice@example.com"}, world.clock.wall() + 300)
    assert world.issuer.authorization == "Bearer token-of-alice"
    assert await userinfo.fetch_claims(identity(), TOKEN) == said
    # Another replica finds it in the store.
    assert await world.userinfo().fetch_claims(identity(), TOKEN) == said
    assert world.issuer.hits[ME] == 1
    assert not any(piece in key for key in world.cache.kept for piece in (TOKEN, b"alice"))
    world.clock.skip(300)
    await userinfo.fetch_claims(identity(), TOKEN)
    assert (world.issuer.hits[ME], world.observer.results) == (2, ["ok", "ok"])


async def test_each_token_is_asked_about_or_each_subject(world: World) -> None:
    for by, calls in (("token", 2), ("subject", 1)):
        world.issuer.hits.clear()
        userinfo = world.userinfo(by=by)
        for token in (b"one", b"two"):
            await userinfo.fetch_claims(identity(), token)
        assert world.issuer.hits[ME] == calls
    # Another subject is another one.
    await userinfo.fetch_claims(identity(subject="bob"), b"three")
    assert world.issuer.hits[ME] == 2


async def test_whose_own_token_is_good_is_not_refused_for_another_of_the_same_subject(world: World) -> None:
    userinfo = world.userinfo(by="subject", on_failure="refuse", on_401="refuse")
    released = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.json_response(ALICE, status=200 if request.headers["Authorization"] == "Bearer good" else 401)

    world.issuer.response_by(ME, late)
    ended = asyncio.create_task(refusal(userinfo, b"ended"))
    await world.issuer.asked(ME)
    good = [asyncio.create_task(userinfo.fetch_claims(identity(), b"good")) for _ in range(5)]
    await asyncio.sleep(0)
    released.set()
    assert isinstance(await ended, TokenInactive)
    assert {said.claims["email"] for said in await asyncio.gather(*good)} == {"alice@example.com"}
    assert world.issuer.hits[ME] == 2


async def test_another_configuration_does_not_believe_what_was_kept_for_this_one(world: World) -> None:
    await world.userinfo().fetch_claims(identity(), TOKEN)
    said = await world.userinfo(claims=("name",)).fetch_claims(identity(), TOKEN)
    assert said.claims == {"name": "Alice"}


async def test_a_store_that_lost_everything_costs_a_call(world: World) -> None:
    world.cache.is_down = True
    userinfo = world.userinfo()
    for _ in range(2):
        assert (await userinfo.fetch_claims(identity(), TOKEN)).claims == {"email": "alice@example.com"}
    assert world.issuer.hits[ME] == 2


async def test_a_thousand_requests_with_one_token_make_one_call(world: World) -> None:
    userinfo = world.userinfo()
    released = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.json_response(ALICE)

    world.issuer.response_by(ME, late)
    asking = [asyncio.create_task(userinfo.fetch_claims(identity(), TOKEN)) for _ in range(1_000)]
    await world.issuer.asked(ME)
    released.set()
    assert {said.claims["email"] for said in await asyncio.gather(*asking)} == {"alice@example.com"}
    assert world.issuer.hits[ME] == 1


async def test_more_that_wait_than_may_are_told_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    userinfo = world.userinfo(on_failure="refuse")
    await userinfo._askers["local"]._flights.stop()
    refused = await refusal(userinfo)
    assert isinstance(refused, UserInfoUnavailable)
    assert (refused.retry_after, world.observer.results) == (1, ["crowded"])
    # It was nobody's fault: the next may ask.
    assert len(userinfo._askers["local"]._failures) == 0


async def test_a_failure_that_is_remembered_holds_nothing_of_the_response(world: World) -> None:
    world.say({**ALICE, "sub": "bob", "rest": "x" * 100_000})
    userinfo = world.userinfo()
    await userinfo.fetch_claims(identity(), TOKEN)
    (failure,) = userinfo._askers["local"]._failures._remembered.values()
    assert (failure.__traceback__, failure.__context__, failure.__cause__) == (None, None, None)


async def test_a_retry_after_that_is_no_date_is_a_failure_like_others(world: World) -> None:
    world.say(b"", status=429, Retry_After="Fri, 15 Jan 99999999999 08:01:00 GMT")
    assert isinstance(await refusal(world.userinfo(on_failure="refuse")), UserInfoUnavailable)


async def test_nobody_waits_longer_for_a_turn_than_two_responses_may_take(world: World) -> None:
    async def take_long(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)  # this is what makes the others wait; 400 of them for more than 1 s
        return web.Response(status=404)

    world.issuer.response_by(ME, take_long)
    userinfo = world.userinfo(on_failure="refuse", timeout=Seconds(0.5), endpoint=world.issuer.url + ME)
    asking = [refusal(userinfo, b"token-%d" % number) for number in range(400)]
    evidence = [one.evidence for one in await asyncio.gather(*asking)]
    assert evidence.count("local: others are asked about first") > 100
    assert evidence.count("local: others are asked about first") < 400


async def test_what_is_known_counts_in_a_silence(world: World) -> None:
    userinfo = world.userinfo(on_failure="refuse")
    known = await userinfo.fetch_claims(identity(), TOKEN)
    world.say(b"", status=429, Retry_After="60")
    assert (await refusal(userinfo, b"another")).retry_after == 60
    assert await userinfo.fetch_claims(identity(), TOKEN) == known
    assert (await refusal(userinfo, b"another")).retry_after == 60
    assert world.issuer.hits[ME] == 2


async def test_whoever_waits_for_a_turn_leaves_an_issuer_alone_that_asked_for_silence_meanwhile(world: World) -> None:
    userinfo = world.userinfo(on_failure="refuse")
    released = asyncio.Event()

    async def busy(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response(status=429, headers={"Retry-After": "60"})

    world.issuer.response_by(ME, busy)
    asking = [asyncio.create_task(refusal(userinfo, b"token-%d" % number)) for number in range(200)]
    await world.issuer.asked(ME)
    released.set()
    refusals = await asyncio.gather(*asking)
    assert {one.retry_after for one in refusals} == {60}
    assert world.issuer.hits[ME] <= 64
    assert world.observer.results.count("suppressed") == 200 - world.issuer.hits[ME]


async def test_a_configured_endpoint_needs_no_discovery(world: World) -> None:
    world.issuer.response(DISCOVERY, b"", status=500)
    userinfo = world.userinfo(endpoint=world.issuer.url + ME)
    assert (await userinfo.fetch_claims(identity(), TOKEN)).claims == {"email": "alice@example.com"}
    assert world.issuer.hits[DISCOVERY] == 0


def signed(world: World, claims: dict[str, Any] | None = None, *, alg: str = "RS256", **header: Any) -> str:
    key = world.issuer.keys[alg]
    whole = {**ALICE, "iss": world.issuer.url, "aud": "app", **(claims or {})}
    return sign(whole, {"alg": alg, "kid": key.kid, **header}, alg=alg, key=key)


async def test_a_signed_response_is_verified_with_the_keys_of_the_issuer(world: World) -> None:
    userinfo = world.userinfo(on_failure="refuse")
    world.say(signed(world), media_type="application/jwt; charset=utf-8")
    assert (await userinfo.fetch_claims(identity(), b"1")).claims == {"email": "alice@example.com"}
    # The keys are known now, and a new one is fetched.
    world.say(signed(world, alg="ES256"), media_type="application/jwt")
    await userinfo.fetch_claims(identity(), b"2")
    world.issuer.rotate()
    world.say(signed(world), media_type="application/jwt")
    await userinfo.fetch_claims(identity(), b"3")
    world.say(signed(world, {"aud": "web"}), media_type="application/jwt")
    assert "another client" in (await refusal(userinfo, b"4")).evidence


async def test_what_nobody_or_somebody_else_signed_is_not_believed(world: World) -> None:
    head, _, tail = signed(world).rpartition(".")
    world.say(f"{head}.{'A' * len(tail)}", media_type="application/jwt")
    assert "no key of the issuer signed the response" in (await refusal(world.userinfo(on_failure="refuse"))).evidence
    other = HostileIssuer().keys["ES256"]
    theirs = sign(ALICE, {"alg": "ES256", "kid": "x"}, alg="ES256", key=other)
    world.say(theirs, media_type="application/jwt")
    assert "no key for the signed response" in (await refusal(world.userinfo(on_failure="refuse"))).evidence


async def broken_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"sub"')
    assert request.transport is not None
    request.transport.abort()
    return response


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    raise AssertionError


def never(world: World) -> None:
    world.issuer.response_by(ME, silent)


#: what an issuer does, and the beginning of what is said of it
ODD: list[tuple[Callable[[World], None], str]] = [
    (lambda world: world.say({"sub": "bob", "email": "b"}), "the response is about another sub"),
    (lambda world: world.say({"email": "b"}), "the response has no sub"),
    (lambda world: world.say("[]"), "the response is not a JSON object"),
    (lambda world: world.say("<p>", media_type="text/html"), "the response is 'text/html'"),
    (lambda world: world.say('{"sub": "alice", "sub": "alice"}'), "the response cannot be read: the JSON has a member"),
    (lambda world: world.say('{"sub": "alice", "email": ' + '["' + "a" * 300_000 + '"]}'), "http"),
    (lambda world: world.say({**ALICE, "email": "a" * 40_000}), "the named claims are larger than 16 KiB"),
    (lambda world: world.say({}, status=500), "the response has status 500"),
    (lambda world: world.say({}, status=404), "the response has status 404; is that the endpoint?"),
    (lambda world: world.say(ALICE, status=302, Location="/elsewhere"), "the response has status 302"),
    (lambda world: world.say(ALICE, status=206), "the response has status 206"),
    (lambda world: world.say("a.b.c", media_type="application/jwt"), "the response is no JWT that can be verified"),
    (lambda world: world.issuer.response_by(ME, broken_off), "http"),
    (never, "http"),
    (lambda world: world.discover(userinfo_endpoint=None), "the discovery document of"),
    (lambda world: world.discover(userinfo_endpoint="http://192.0.2.1/me"), "userinfo_endpoint of the discovery"),
    (lambda world: world.discover(issuer="https://other.example"), "http"),
    (lambda world: world.discover(userinfo_endpoint="http://127.0.0.1:1/me"), "http"),
]


@pytest.mark.parametrize("odd", range(len(ODD)))
async def test_what_cannot_be_believed_is_absent_or_refuses_for_ten_seconds(world: World, odd: int) -> None:
    make, sentence = ODD[odd]
    make(world)
    # Only who never hears anything waits for that long.
    timeout = Seconds(0.4 if ODD[odd][0] is never else PATIENT)
    userinfo = world.userinfo(timeout=timeout)
    said = await userinfo.fetch_claims(identity(), TOKEN)
    assert (said.claims, said.until) == ({}, world.clock.wall() + 10)
    assert said.failure.startswith(sentence)
    assert "bob" not in said.failure
    hits = world.issuer.hits[ME]
    assert (await userinfo.fetch_claims(identity(), TOKEN)).failure == said.failure
    assert (world.issuer.hits[ME], world.observer.results) == (hits, ["error", "suppressed"])
    assert world.cache.kept == {}
    refused = await refusal(world.userinfo(on_failure="refuse", timeout=timeout))
    assert isinstance(refused, UserInfoUnavailable)
    assert (refused.retry_after, refused.evidence) == (10, f"local: {said.failure}")


@pytest.mark.parametrize(
    ("settings", "absent", "refused"),
    [
        ({}, (401, 403, 500), ()),
        ({"on_failure": "refuse"}, (), (401, 403, 500)),
        ({"on_failure": "refuse", "on_401": "absent"}, (401,), (403, 500)),
        ({"on_401": "refuse"}, (403, 500), (401,)),
    ],
)
async def test_a_token_that_the_issuer_refuses_is_a_failure_like_others_unless_it_is_said(
    world: World, settings: dict[str, Any], absent: tuple[int, ...], refused: tuple[int, ...]
) -> None:
    userinfo = world.userinfo(**settings)
    for status in absent:
        world.say("", status=status)
        assert (await userinfo.fetch_claims(identity(), b"%d" % status)).claims == {}
    for status in refused:
        world.say("", status=status)
        expected = TokenInactive if settings.get("on_401") == "refuse" else UserInfoUnavailable
        assert type(await refusal(userinfo, b"%d" % status)) is expected
    assert sorted(world.observer.results) == ["error", "refused", "refused"]


async def test_an_issuer_that_is_asked_too_much_has_silence_for_as_long_as_it_asked(world: World) -> None:
    userinfo = world.userinfo(on_failure="refuse")
    world.say("", status=429, Retry_After="42")
    assert (await refusal(userinfo, b"1")).retry_after == 42
    world.say(ALICE)
    assert (await refusal(userinfo, b"2")).retry_after == 42
    world.clock.skip(41.5)
    assert (await refusal(userinfo, b"2")).retry_after == 1
    world.clock.skip(0.5)
    assert (await userinfo.fetch_claims(identity(), b"2")).claims == {"email": "alice@example.com"}
    assert world.issuer.hits[ME] == 2


RECORDED = {path.name: json.loads(path.read_text()) for path in sorted(RESPONSES.glob("*userinfo*.json"))}


@pytest.mark.parametrize("name", RECORDED)
async def test_responses_of_real_providers(world: World, name: str, caplog: pytest.LogCaptureFixture) -> None:
    whole = RECORDED[name]
    headers = {name: value for name, value in whole["headers"] if name.lower() in {"content-type", "www-authenticate"}}
    body = json.dumps(whole["json"]) if "json" in whole else whole.get("jwt") or whole["text"]
    world.issuer.response(ME, body, status=whole["status"], headers=headers)
    caplog.set_level(logging.INFO)
    said = await world.userinfo().fetch_claims(identity(subject=whole.get("json", {}).get("sub", "alice")), TOKEN)
    if whole["status"] == 200 and "json" in whole:
        assert said.claims == {name: whole["json"][name] for name in ("email", "groups") if name in whole["json"]}
    else:
        # A signed one is of a Keycloak that this issuer is not.
        assert said.claims == {}
        assert said.failure
    assert not any("example.com" in record.getMessage() for record in caplog.records)


async def test_stopping_ends_what_is_under_way(world: World) -> None:
    userinfo = world.userinfo(on_failure="refuse", timeout=Seconds(30))
    world.issuer.response_by(ME, silent)
    asking = asyncio.create_task(refusal(userinfo))
    await world.issuer.asked(ME)
    await userinfo.stop()
    assert isinstance(await asking, UserInfoUnavailable)
    await userinfo.stop()


async def test_what_is_said_of_a_tenant_s_subject_is_not_said_of_another_s(world: World) -> None:
    url = f"{world.issuer.url}/{{tid}}"
    local = {"issuer": url, "tenants": ("a", "b"), "jwks_url": f"{world.issuer.url}/jwks"}
    userinfo = world.userinfo(configured=local, by="subject", endpoint=world.issuer.url + ME)
    for tenant, email in (("a", "alice@a.example"), ("b", "alice@b.example")):
        world.say({"sub": "alice", "email": email, "iss": url.replace("{tid}", tenant)})
        caller = identity(iss=url.replace("{tid}", tenant), tenant=tenant)
        for _ in range(2):
            obtained = await userinfo.fetch_claims(caller, TOKEN + tenant.encode())
            assert obtained.claims == {"email": email}
    assert world.issuer.hits[ME] == 2
    # A response that is another tenant's is none.
    caller = identity(iss=url.replace("{tid}", "c"), tenant="c")
    assert (await userinfo.fetch_claims(caller, TOKEN)).failure == "the response is of another issuer"


@pytest.mark.parametrize(("named", "passes"), [("{tenantid}", True), ("a", True), ("b", False)])
async def test_a_signed_response_is_verified_with_a_key_of_that_tenant(
    world: World, named: str, passes: object
) -> None:
    url = f"{world.issuer.url}/{{tid}}"
    keys = [{**jwk, "issuer": url.replace("{tid}", named)} for jwk in world.issuer.jwks()["keys"]]
    world.issuer.response("/jwks", json.dumps({"keys": keys}))
    local = {"issuer": url, "tenants": ("a",), "jwks_url": f"{world.issuer.url}/jwks"}
    userinfo = world.userinfo(configured=local, endpoint=world.issuer.url + ME)
    world.say(world.issuer.mint({"sub": "alice", "email": "e"}), media_type="application/jwt")
    caller = identity(iss=url.replace("{tid}", "a"), tenant="a")
    assert bool((await userinfo.fetch_claims(caller, TOKEN)).claims) is passes
