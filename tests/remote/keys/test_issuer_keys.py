"""The life of keys, against a real local issuer, with hours that pass at once."""

import asyncio
import json
import logging
from base64 import urlsafe_b64encode
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, OctKey, RSAKey

from gateway.core.errors import IssuerUnavailable, UnknownKey, UnusableKey
from gateway.demo.issuer import DISCOVERY_PATH, JWKS_PATH
from tests.issuer import HostileIssuer, RecordingObserver, SimulatedClock
from tests.remote.asking import HASTY, PATIENT, MakeRemote, fetch, find, kid, outcomes, reason, started

HOUR = 3600.0


# Documents that are refused


def jwk(key_id: str) -> dict[str, Any]:
    return dict(OctKey.generate_key(256, {"kid": key_id}).as_dict())


async def test_at_most_64_keys_are_accepted(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    (public, *_) = issuer.jwks()["keys"]
    others = [ECKey.generate_key("P-256").as_dict(private=False) for _ in range(5)]
    published = [*others, *(public | {"kid": f"k{n}"} for n in range(59))]
    issuer.response(JWKS_PATH, json.dumps({"keys": published}))
    remote = await started(make_remote(), clock)
    assert find(remote, "k58")
    assert len(find(remote, None, alg="ES256")) == 4  # tried without a kid
    issuer.response(JWKS_PATH, json.dumps({"keys": [*published, public]}))
    await clock.advance(10 * 60)
    assert "65 keys; at most 64" in reason(remote)
    assert find(remote, "k58")


@pytest.mark.parametrize(
    "refused",
    [
        ("not JSON", "<html><body>Sign in</body></html>"),
        ("not JSON", '{"keys": ['),
        ("twice", '{"keys": [], "keys": []}'),
        ("nested too deeply", '{"keys": ' + "[" * 50_000),
        ("no usable key", '{"keys": []}'),
        ("not a JWK set", '{"keys": {}}'),
        ("not a JWK set", "[]"),
        ("not a JWK set", "null"),
        ("no usable key", json.dumps({"keys": [jwk("symmetric"), 1, None]})),
        ("larger than 256 KiB", b" " * 10_000_000),
    ],
)
async def test_a_key_set_that_is_none_is_a_failed_fetch_and_the_old_keys_stay(
    make_remote: MakeRemote,
    issuer: HostileIssuer,
    clock: SimulatedClock,
    observer: RecordingObserver,
    refused: tuple[str, str | bytes],
) -> None:
    sentence, body = refused
    remote = await started(make_remote(), clock)
    issuer.response(JWKS_PATH, body)
    await clock.advance(10 * 60)
    assert reason(remote).startswith(f"{issuer.url}{JWKS_PATH}: ")
    assert sentence in reason(remote)
    assert find(remote, kid(issuer))
    assert observer.known[-1] == ("local", 2, True)
    assert remote.status()[0].stale
    issuer.behave()
    await clock.advance(60)
    assert remote.status()[0].reason is None
    assert observer.known[-1] == ("local", 2, False)


@pytest.mark.parametrize("path", [DISCOVERY_PATH, JWKS_PATH])
@pytest.mark.parametrize("behaviour", ["hangs", "redirects elsewhere", "redirects for ever"])
async def test_an_issuer_that_misbehaves_is_unavailable_and_recovers(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, path: str, behaviour: str
) -> None:
    if behaviour == "hangs":
        issuer.hold(path)
    else:
        location = path if behaviour == "redirects for ever" else "https://login.example/"
        issuer.response(path, "", status=302, headers={"Location": location})
    remote = await started(make_remote(fetch_timeout=HASTY if behaviour == "hangs" else PATIENT), clock)
    sentence = {"hangs": "no complete response", "redirects elsewhere": "another origin"}.get(behaviour, "more than 3")
    assert sentence in reason(remote)
    with pytest.raises(IssuerUnavailable):
        await fetch(remote, kid(issuer))
    issuer.behave()
    await clock.advance(2)
    assert find(remote, kid(issuer))


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_an_unusable_key_spoils_no_other_and_is_warned_of_once(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    modulus = urlsafe_b64encode((2**1023 + 1).to_bytes(128)).rstrip(b"=").decode()
    weak = {"kty": "RSA", "kid": "weak\n\x1b[31m", "n": modulus, "e": "AQAB"}
    published = issuer.jwks()["keys"]
    issuer.response(JWKS_PATH, json.dumps({"keys": [weak, *published, jwk("symmetric")]}))
    with caplog.at_level(logging.WARNING, "gateway.remote"):
        remote = await started(make_remote(), clock)
        assert find(remote, kid(issuer))
        assert sorted(record.getMessage().split(" is skipped: ")[1] for record in caplog.records) == [
            "it has 1024 bits; 2048 to 8192 are accepted",
            "its kty is not RSA, EC or OKP",
        ]
        assert all(record.getMessage().isprintable() for record in caplog.records)
        # The same keys in another order are no news, hour by hour; a third one is.
        issuer.response(JWKS_PATH, json.dumps({"keys": [jwk("symmetric"), weak, *published]}))
        await clock.advance(3 * HOUR)
        assert len(caplog.records) == 2
        issuer.response(JWKS_PATH, json.dumps({"keys": [weak, *published, jwk("symmetric"), jwk("another")]}))
        await clock.advance(HOUR)
        assert len(caplog.records) == 3


async def test_a_key_for_encryption_is_no_warning(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Every realm of Keycloak publishes one."""
    published = issuer.jwks()["keys"]
    encrypting = published[0] | {"kid": "enc", "use": "enc", "alg": "RSA-OAEP"}
    issuer.response(JWKS_PATH, json.dumps({"keys": [*published, encrypting]}))
    with caplog.at_level(logging.WARNING, "gateway.remote"):
        remote = await started(make_remote(), clock)
    assert find(remote, kid(issuer))
    assert not find(remote, "enc")
    assert not caplog.records


async def test_members_that_are_null_or_empty_are_as_absent(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    nothing: dict[str, Any] = {"use": None, "alg": None, "key_ops": [], "x5c": None, "x5t": ""}
    issuer.response(JWKS_PATH, json.dumps({"keys": [jwk | nothing for jwk in issuer.jwks()["keys"]]}))
    remote = await started(make_remote(), clock)
    assert find(remote, kid(issuer))


async def test_a_key_without_kid_serves_a_token_that_names_one(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    issuer.response(JWKS_PATH, json.dumps({"keys": [jwk | {"kid": None} for jwk in issuer.jwks()["keys"]]}))
    remote = await started(make_remote(), clock)
    assert len(find(remote, "any")) == len(find(remote, None)) == 1
    assert not find(remote, "any", alg="EdDSA")


@pytest.mark.parametrize(
    ("alg", "wanted", "sentence"),
    [
        ("EdDSA", "ed448", "local publishes it, but it cannot be used: its curve is not supported: Ed448"),
        ("ES256", "weak", "local publishes it, but it cannot be used: it has 1024 bits; 2048 to 8192 are accepted"),
        ("RS256", "nobody's", "local does not publish it"),
        ("EdDSA", None, "local publishes no key for EdDSA"),
    ],
)
async def test_a_key_that_is_published_and_cannot_be_used_is_said_to_be(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, alg: str, wanted: str | None, sentence: str
) -> None:
    modulus = urlsafe_b64encode((2**1023 + 1).to_bytes(128)).rstrip(b"=").decode()
    unusable = [
        {"kty": "OKP", "crv": "Ed448", "kid": "ed448", "x": "A" * 76},
        {"kty": "RSA", "kid": "weak", "n": modulus, "e": "AQAB"},
    ]
    issuer.response(JWKS_PATH, json.dumps({"keys": [*issuer.jwks()["keys"], *unusable]}))
    remote = await started(make_remote(), clock)
    for also in ("", "", "; it was asked less than 30 s ago"):
        with pytest.raises(UnknownKey) as caught:
            await fetch(remote, wanted, alg=alg)
        assert caught.value.evidence == sentence + also
        assert isinstance(caught.value, UnusableKey) == ("publishes it" in sentence)


# Lifetime


@pytest.mark.parametrize(
    ("cache_control", "lifetime"),
    [
        (None, 600),
        ("no-cache, no-store", 600),
        ("max-age=1200", 1200),
        ("max-age=0", 60),
        ("max-age=59", 60),
        ("max-age=86400", 3600),
        ("max-age=" + "9" * 400, 3600),
    ],
)
async def test_keys_are_refreshed_in_the_background_at_80_percent_of_their_life(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, cache_control: str | None, lifetime: float
) -> None:
    issuer.response(JWKS_PATH, headers={} if cache_control is None else {"Cache-Control": cache_control})
    remote = await started(make_remote(), clock)
    await clock.advance(lifetime * 0.8 - 1)
    assert issuer.hits[JWKS_PATH] == 1
    await clock.advance(2)
    assert issuer.hits[JWKS_PATH] == 2
    await clock.advance(10 * lifetime)
    assert issuer.hits[JWKS_PATH] == 14
    assert find(remote, kid(issuer))


@pytest.mark.parametrize(
    ("cache_control", "refresh", "lifetime"),
    [
        (None, 30, 30),
        ("max-age=86400", 30, 30),
        ("max-age=86400", 600, 600),
        ("max-age=60", 600, 60),
        ("max-age=0", 30, 30),
        (None, HOUR, 600),
        ("max-age=7200", 2 * HOUR, 3600),
    ],
)
async def test_a_key_set_lives_no_longer_than_configured(
    make_remote: MakeRemote,
    issuer: HostileIssuer,
    clock: SimulatedClock,
    cache_control: str | None,
    refresh: float,
    lifetime: float,
) -> None:
    issuer.response(JWKS_PATH, headers={} if cache_control is None else {"Cache-Control": cache_control})
    await started(make_remote(jwks_refresh=refresh), clock)
    await clock.advance(lifetime * 0.8 - 1)
    assert issuer.hits[JWKS_PATH] == 1
    await clock.advance(2)
    assert issuer.hits[JWKS_PATH] == 2


async def test_a_key_that_the_provider_disabled_ends_with_the_configured_life_of_its_set(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    issuer.response(JWKS_PATH, headers={"Cache-Control": "max-age=86400"})
    remote = await started(make_remote(jwks_refresh=30), clock)
    (old,) = find(remote, kid(issuer))
    issuer.rotate(keep=False)
    await clock.advance(30)
    assert not remote.has_key("local", old.thumbprint)
    # An outage is no reason to drop keys: that is `jwks_max_stale`.
    (new,) = find(remote, kid(issuer))
    await issuer.stop()
    await clock.advance(HOUR)
    assert remote.has_key("local", new.thumbprint)


async def test_a_new_key_is_known_after_the_refresh_without_anybody_asking(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    old = kid(issuer)
    issuer.rotate()
    await clock.advance(10 * 60)
    assert find(remote, old)
    assert find(remote, kid(issuer))


async def test_a_key_that_disappears_stops_at_the_next_refresh(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    (old,) = find(remote, kid(issuer))
    issuer.rotate(keep=False)
    await clock.advance(7 * 60)
    assert remote.has_key("local", old.thumbprint)
    await clock.advance(2 * 60)
    assert not remote.has_key("local", old.thumbprint)
    assert not find(remote, old.kid)


async def test_a_fetch_on_demand_puts_the_refresh_off(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    await clock.advance(400)
    with pytest.raises(UnknownKey):
        await fetch(remote)
    await clock.advance(400)
    assert issuer.hits[JWKS_PATH] == 2
    await clock.advance(100)
    assert issuer.hits[JWKS_PATH] == 3


# Unknown keys


async def test_an_unknown_kid_is_found_by_a_fetch(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    issuer.rotate()
    (key,) = await fetch(remote, kid(issuer))
    assert key.kid == kid(issuer)
    assert find(remote, kid(issuer)) == (key,)
    assert len(observer.fetched) == 2


async def test_without_kid_the_keys_that_fit_now_are_fetched(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    issuer.rotate(keep=False)
    assert [key.kid for key in await fetch(remote, None)] == [kid(issuer)]
    with pytest.raises(UnknownKey):
        await fetch(remote, None, alg="EdDSA")


async def test_a_kid_that_is_still_missing_is_remembered_so_that_the_last_fetch_is_left_to_others(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    for _ in range(100):
        with pytest.raises(UnknownKey):
            await fetch(remote)
    assert issuer.hits[JWKS_PATH] == 3
    issuer.rotate()
    assert await fetch(remote, kid(issuer))
    assert not observer.suppressed


async def test_a_kid_that_somebody_guessed_before_it_was_published_is_found_once_it_is(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    before = issuer.keys
    issuer.rotate()
    coming, issuer.keys = issuer.keys, before
    wanted = str(coming["RS256"].kid)
    issuer._withdrawing = []
    with pytest.raises(UnknownKey):
        await fetch(remote, wanted)
    issuer.keys = coming
    assert await fetch(remote, wanted)


async def test_what_is_remembered_as_missing_is_forgotten_when_the_set_changes(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    (public, *_) = issuer.jwks()["keys"]
    with pytest.raises(UnknownKey):
        await fetch(remote, "later")
    # The same key under one more name: only the name is new.
    issuer.response(JWKS_PATH, json.dumps({"keys": [*issuer.jwks()["keys"], public | {"kid": "later"}]}))
    with pytest.raises(UnknownKey):
        await fetch(remote, "never")
    assert await fetch(remote, "later")


async def test_at_most_1000_missing_kids_are_remembered(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    released = issuer.hold(JWKS_PATH)
    asking = [asyncio.create_task(fetch(remote, f"random-{n}")) for n in range(1_001)]
    await issuer.asked(JWKS_PATH)
    released.set()
    assert {type(outcome) for outcome in await outcomes(*asking)} == {UnknownKey}
    hits = issuer.hits[JWKS_PATH]
    with pytest.raises(UnknownKey):
        await fetch(remote, "random-1000")
    assert issuer.hits[JWKS_PATH] == hits
    with pytest.raises(UnknownKey):
        await fetch(remote, "random-0")
    assert issuer.hits[JWKS_PATH] == hits + 1


async def test_all_who_ask_at_once_share_one_fetch(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    issuer.rotate()
    found = await asyncio.gather(*(fetch(remote, kid(issuer)) for _ in range(500)))
    assert {keys[0].kid for keys in found} == {kid(issuer)}
    assert issuer.hits[JWKS_PATH] == 2


async def test_only_a_fetch_begun_after_the_request_may_say_unknown(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    before = json.dumps(issuer.jwks())
    proceed = asyncio.Event()

    async def response_as_it_was_when_asked(_: web.Request) -> web.Response:
        await proceed.wait()
        return web.Response(text=before)

    issuer.hold(JWKS_PATH)
    issuer.response_by(JWKS_PATH, response_as_it_was_when_asked)
    first = asyncio.create_task(fetch(remote, "nobody's"))
    await issuer.asked(JWKS_PATH)
    # Published while a fetch is under way that was answered before.
    issuer.rotate()
    second = asyncio.create_task(fetch(remote, kid(issuer)))
    third = asyncio.create_task(fetch(remote, "another nobody's"))
    await asyncio.sleep(0)
    issuer.behave()
    proceed.set()
    unknown, found, also_unknown = await outcomes(first, second, third)
    assert isinstance(unknown, UnknownKey)
    assert found[0].kid == kid(issuer)
    assert isinstance(also_unknown, UnknownKey)
    assert issuer.hits[JWKS_PATH] == 3  # one in flight, and one for all who came meanwhile


async def test_a_request_that_goes_away_does_not_end_the_fetch_of_the_others(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    issuer.rotate()
    released = issuer.hold(JWKS_PATH)
    leaving = asyncio.create_task(fetch(remote, kid(issuer)))
    staying = asyncio.create_task(fetch(remote, kid(issuer)))
    await issuer.asked(JWKS_PATH)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    released.set()
    assert (await staying)[0].kid == kid(issuer)
    assert issuer.hits[JWKS_PATH] == 2
    # Also when all go away: what was fetched is kept.
    issuer.rotate()
    released = issuer.hold(JWKS_PATH)
    leaving = asyncio.create_task(fetch(remote, kid(issuer)))
    await issuer.asked(JWKS_PATH)
    leaving.cancel()
    released.set()
    await observer.fetches(3)
    assert find(remote, kid(issuer))


async def test_without_kid_only_a_fetch_begun_after_the_request_counts(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    released = issuer.hold(JWKS_PATH)
    first = asyncio.create_task(fetch(remote, "nobody's"))
    await issuer.asked(JWKS_PATH)
    second = asyncio.create_task(fetch(remote, None))
    await asyncio.sleep(0)
    released.set()
    unknown, found = await outcomes(first, second)
    assert isinstance(unknown, UnknownKey)
    assert [key.kid for key in found] == [kid(issuer)]
    assert issuer.hits[JWKS_PATH] == 3


async def test_a_refresh_that_falls_due_during_a_fetch_on_demand_is_that_fetch(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = make_remote()
    released = issuer.hold(JWKS_PATH)
    asking = asyncio.create_task(fetch(remote, kid(issuer)))
    await issuer.asked(JWKS_PATH)
    await remote.start()
    released.set()
    assert await asking
    await clock.idle()
    assert len(observer.fetched) == 1
    assert issuer.hits[JWKS_PATH] == 1


async def test_an_empty_bucket_is_unavailable_until_the_next_token_and_never_unknown(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    for n in range(3):
        with pytest.raises(UnknownKey):
            await fetch(remote, f"random-{n}")
    issuer.rotate()
    with pytest.raises(IssuerUnavailable) as caught:
        await fetch(remote, kid(issuer))
    assert caught.value.retry_after == 10
    assert observer.suppressed == ["local"]
    await clock.advance(6.5)
    with pytest.raises(IssuerUnavailable) as caught:
        await fetch(remote, kid(issuer))
    assert caught.value.retry_after == 4
    await clock.advance(3.5)
    assert await fetch(remote, kid(issuer))
    with pytest.raises(IssuerUnavailable):
        await fetch(remote, "random-3")
    assert issuer.hits[JWKS_PATH] == 5
    assert len(observer.fetched) == 5


async def test_the_bucket_is_full_again_after_30_seconds_and_holds_no_more_than_3(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    kids = iter(range(100))
    for pause in (30.0, 300.0):
        for _ in range(3):
            with pytest.raises(UnknownKey):
                await fetch(remote, f"random-{next(kids)}")
        with pytest.raises(IssuerUnavailable):
            await fetch(remote, f"random-{next(kids)}")
        await clock.advance(pause)
    assert issuer.hits[JWKS_PATH] == 7


async def test_a_storm_of_unknown_kids_causes_no_more_fetches_than_the_bucket_allows_and_a_new_key_is_found(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    refused: set[type[Any]] = set()
    found_after = None
    for tenth in range(150):
        asking = [asyncio.create_task(fetch(remote, f"random-{tenth}-{n}")) for n in range(70)]
        refused |= {type(outcome) for outcome in await outcomes(*asking)}
        await clock.advance(0.1)
        if tenth == 20:
            issuer.rotate()
        if tenth >= 20 and found_after is None:
            # The honest client asks again and again, and is never told that its token is bad.
            with suppress(IssuerUnavailable):
                found_after = tenth if find(remote, kid(issuer)) or await fetch(remote, kid(issuer)) else None
    assert refused == {UnknownKey, IssuerUnavailable}
    assert issuer.hits[JWKS_PATH] == 1 + 3 + 1  # at start, the bucket, one more within 15 s
    assert found_after is not None
    assert found_after <= 101
    assert observer.suppressed


async def test_rotation_under_load_loses_nobody(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    for _ in range(5):
        issuer.rotate()
        wanted = [kid(issuer, alg) for alg in ("RS256", "ES256")]
        found = await asyncio.gather(*(fetch(remote, wanted[n % 2], alg=("RS256", "ES256")[n % 2]) for n in range(100)))
        assert {keys[0].kid for keys in found} == set(wanted)
        await clock.advance(10)
    assert issuer.hits[JWKS_PATH] == 6


# Keys that did not sign


def replaced_under_its_name(issuer: HostileIssuer) -> None:
    """As if a provider made its key anew and called it as before."""
    name = kid(issuer)
    issuer.keys = issuer.keys | {"RS256": RSAKey.generate_key(2048, {"kid": name})}


async def test_a_key_that_was_replaced_under_its_name_is_found_by_one_fetch_for_all(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    old = find(remote, kid(issuer))
    replaced_under_its_name(issuer)
    found = await asyncio.gather(*(fetch(remote, kid(issuer), tried=old) for _ in range(200)))
    assert {key.thumbprint for keys in found for key in keys} == {issuer.keys["RS256"].thumbprint()}
    assert issuer.hits[JWKS_PATH] == 2
    assert find(remote, kid(issuer)) == found[0]


async def test_a_replaced_key_is_found_by_a_fetch_under_way_also_when_it_took_the_last_but_one(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    old = find(remote, kid(issuer))
    with pytest.raises(UnknownKey):
        await fetch(remote)
    replaced_under_its_name(issuer)
    released = issuer.hold(JWKS_PATH)
    asking = [asyncio.create_task(fetch(remote, kid(issuer), tried=old)) for _ in range(3)]
    await issuer.asked(JWKS_PATH)
    released.set()
    assert {len(outcome) for outcome in await outcomes(*asking)} == {1}
    assert issuer.hits[JWKS_PATH] == 3


async def test_forged_tokens_leave_the_last_fetch_to_keys_that_are_new(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    old = find(remote, kid(issuer))
    for _ in range(2):
        with pytest.raises(UnknownKey, match="no other"):
            await fetch(remote, kid(issuer), tried=old)
    for _ in range(100):
        with pytest.raises(IssuerUnavailable):
            await fetch(remote, kid(issuer), tried=old)
    assert issuer.hits[JWKS_PATH] == 3
    issuer.rotate()
    assert await fetch(remote, kid(issuer))
    await clock.advance(15)
    # One more in ten seconds is not theirs while it is the only one.
    with pytest.raises(IssuerUnavailable):
        await fetch(remote, old[0].kid, tried=old)
    assert issuer.hits[JWKS_PATH] == 4
    await clock.advance(15)
    with pytest.raises(UnknownKey):
        await fetch(remote, old[0].kid, tried=old)


async def test_a_name_whose_key_did_not_sign_is_not_remembered_as_missing(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    old = find(remote, kid(issuer))
    with pytest.raises(UnknownKey):
        await fetch(remote, kid(issuer), tried=old)
    replaced_under_its_name(issuer)
    assert await fetch(remote, kid(issuer), tried=old)


@pytest.mark.parametrize("name", [None, "any"])
async def test_tokens_that_no_nameless_key_signed_may_use_every_fetch(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, name: str | None
) -> None:
    def publish() -> None:
        issuer.response(JWKS_PATH, json.dumps({"keys": [jwk | {"kid": None} for jwk in issuer.jwks()["keys"]]}))

    publish()
    remote = await started(make_remote(), clock)
    for _ in range(2):
        with pytest.raises(UnknownKey):
            await fetch(remote, name, tried=find(remote, name))
    issuer.rotate(keep=False)
    publish()
    old = find(remote, name)
    (new,) = await fetch(remote, name, tried=old)
    assert new.thumbprint == issuer.keys["RS256"].thumbprint()
    with pytest.raises(IssuerUnavailable):
        await fetch(remote, name, tried=(new,))


# Failures


async def test_a_failed_fetch_on_demand_is_unavailable_and_is_not_tried_again_before_the_backoff_ends(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    issuer.response(JWKS_PATH, "", status=503)
    asking = [asyncio.create_task(fetch(remote, f"random-{n}")) for n in range(50)]
    for outcome in await outcomes(*asking):
        assert isinstance(outcome, IssuerUnavailable)
        assert "status 503" in outcome.evidence
        assert outcome.retry_after == 1
    assert issuer.hits[JWKS_PATH] == 2
    with pytest.raises(IssuerUnavailable):
        await fetch(remote)
    assert issuer.hits[JWKS_PATH] == 2
    assert observer.suppressed == ["local"]
    # The failure is pursued in the background, without waiting for the refresh that was due.
    issuer.behave()
    await clock.advance(1)
    assert remote.status()[0].reason is None
    assert find(remote, kid(issuer))


async def test_old_keys_serve_on_through_an_outage_of_hours_and_it_ends_by_itself(
    make_remote: MakeRemote,
    issuer: HostileIssuer,
    clock: SimulatedClock,
    observer: RecordingObserver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = issuer.port
    with caplog.at_level(logging.INFO, "gateway.remote"):
        remote = await started(make_remote(), clock)
        (key,) = find(remote, kid(issuer))
        await issuer.stop()
        await clock.advance(3 * HOUR)
        status = remote.status()[0]
        assert find(remote, kid(issuer)) == (key,)
        assert remote.has_key("local", key.thumbprint)
        assert status.has_keys
        assert status.stale
        assert status.age == 3 * HOUR
        assert "ECONNREFUSED" in (status.reason or "")
        assert observer.known[-1] == ("local", 2, True)
        failures = [at for _, ok, at in observer.fetched if not ok]
        gaps = [later - earlier for earlier, later in pairwise(failures)]
        assert gaps[0] >= 1
        assert gaps == sorted(gaps)
        assert max(gaps) <= 60
        issuer.rotate()
        await issuer.start(port)
        await clock.advance(60)
        assert find(remote, kid(issuer))
        assert remote.status()[0].reason is None
        assert (remote.status()[0].age or 0) < 60
    told = [record.levelname for record in caplog.records]
    assert told == ["INFO", "WARNING", "INFO", "INFO"]  # loaded, failing, changed, recovered


async def test_keys_are_dropped_when_they_are_too_old(
    make_remote: MakeRemote,
    issuer: HostileIssuer,
    clock: SimulatedClock,
    observer: RecordingObserver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = issuer.port
    remote = await started(make_remote(jwks_max_stale=HOUR), clock)
    (key,) = find(remote, kid(issuer))
    await issuer.stop()
    await clock.advance(600 + HOUR - 1)
    assert find(remote, kid(issuer))
    await clock.advance(1)
    assert not find(remote, kid(issuer))
    assert not find(remote, None)
    assert not remote.has_key("local", key.thumbprint)
    assert not remote.status()[0].has_keys
    with pytest.raises(IssuerUnavailable) as caught:
        await fetch(remote, kid(issuer))
    assert 1 <= (caught.value.retry_after or 0) <= 60
    await clock.advance(HOUR)
    assert observer.known[-1] == ("local", 0, True)
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    await issuer.start(port)
    await clock.advance(60)
    assert remote.has_key("local", key.thumbprint)
    assert observer.known[-1] == ("local", 2, False)


async def test_keys_too_old_serve_no_more_even_when_the_background_task_is_late(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(jwks_max_stale=0), clock)
    clock.skip(600)
    assert not find(remote, kid(issuer))
    assert await fetch(remote, kid(issuer))


async def test_an_issuer_that_is_down_at_start_is_waited_for(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    port = issuer.port
    await issuer.stop()
    remote = make_remote()
    assert not remote.status()[0].first_fetch_ended
    await started(remote, clock)
    (status,) = remote.status()
    assert (status.name, status.has_keys, status.first_fetch_ended, status.age) == ("local", False, True, None)
    assert "ECONNREFUSED" in (status.reason or "")
    with pytest.raises(IssuerUnavailable) as caught:
        await fetch(remote, kid(issuer))
    assert caught.value.retry_after == 1
    assert observer.known[-1] == ("local", 0, True)
    await clock.advance(10 * 60)
    await issuer.start(port)
    await clock.advance(60)
    assert find(remote, kid(issuer))


async def test_a_request_recovers_an_issuer_when_nothing_runs_in_the_background(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    issuer.response(DISCOVERY_PATH, "", status=500)
    remote = make_remote()
    with pytest.raises(IssuerUnavailable):
        await fetch(remote, kid(issuer))
    issuer.behave()
    clock.skip(1)
    assert await fetch(remote, kid(issuer))


async def test_a_request_that_comes_with_the_start_waits_for_the_first_fetch_and_spends_no_token(
    make_remote: MakeRemote, issuer: HostileIssuer
) -> None:
    remote = make_remote()
    await remote.start()
    assert not find(remote, kid(issuer))
    assert await fetch(remote, kid(issuer))
    assert issuer.hits[JWKS_PATH] == 1


async def test_a_bug_in_reading_keys_is_logged_and_does_not_end_the_refresh(
    make_remote: MakeRemote,
    issuer: HostileIssuer,
    clock: SimulatedClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("gateway.remote.keys.discovery.parse_key_set", broken)
        remote = await started(make_remote(), clock)
    assert reason(remote) == "internal error (ZeroDivisionError)"
    assert any(record.exc_info for record in caplog.records)
    await clock.advance(1)
    assert find(remote, kid(issuer))
