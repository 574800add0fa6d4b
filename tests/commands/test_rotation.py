"""What a key set means for a rotation is what the gateway does: judged by its own rules, key by key."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.rotation import Entry, Line, entries_of, rehearsed, spoken
from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.keys.issuers import RemoteIssuers
from tests.issuer import HostileIssuer, RecordingObserver, SimulatedClock
from tests.signer import public_jwk

WEAK = {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"}
ENCRYPTING = {"kty": "RSA", "kid": "enc", "use": "enc"}
ONE, OTHER = public_jwk("rsa-2048-a", alg="RS256"), public_jwk("rsa-2048-b", alg="RS256", kid="other")
CURVE = public_jwk("p-256")


def issuer(**settings: Any) -> Issuer:
    return Issuer(issuer="https://i.example", audience="a", **settings)


def told(*keys: Any, max_age: int | None = None, lifetime: float = 600.0, **settings: Any) -> list[Line]:
    return list(rehearsed({"keys": list(keys)}, issuer(**settings), max_age=max_age, lifetime=lifetime))


def of(lines: list[Line], kind: str) -> list[str]:
    return [line.sentence for line in lines if line.kind == kind]


def test_a_sound_set_is_told_key_by_key() -> None:
    lines = told(ONE, CURVE, OTHER)
    assert [line.kind for line in lines] == ["key"] * 3 + ["keeps", "new", "overlap"] + ["gone"] * 3
    assert of(lines, "key")[0] == f"0 {ONE['kid']}: verifies RS256"
    (keeps,) = of(lines, "keeps")
    assert keeps.startswith(
        "the set for 10 min (Cache-Control says no max-age: 10 min then), asks again after 7.5 min to 8.5 min"
    )
    assert keeps.endswith("goes on with it for 24.2 h in all while the provider cannot be asked (jwks_max_stale)")
    later = "its tokens are refused (unknown_key), remembered ones too, 8.5 min later at the latest"
    assert of(lines, "gone") == [
        f"0 {ONE['kid']}: {later}; those by other keys go on",
        f"1 {CURVE['kid']}: {later}; those by other keys go on, and none of these is for ES256",
        f"2 other: {later}; those by other keys go on",
    ]


def test_the_last_key_is_served_as_if_the_provider_were_down() -> None:
    lines = told(ONE, ENCRYPTING)
    assert of(lines, "gone")[0].startswith(f"0 {ONE['kid']}: no key would be left, which is taken for a fault")
    assert "for 24.2 h after the last good fetch" in of(lines, "gone")[0]
    assert of(lines, "warning") == [
        "there is one key: publish the next one beside it before it signs, and take this one out last"
    ]
    assert of(lines, "key")[1] == "1 enc: is for another purpose; its use is not sig: enc"
    assert of(lines, "problem") == []


def test_a_key_that_verifies_nothing_is_a_problem() -> None:
    lines = told(ONE, OTHER, WEAK, 7, {"kty": "oct", "k": "x"})
    (weak, odd, secret) = of(lines, "problem")
    assert weak.startswith("key 2 weak: verifies nothing: tokens that it signs are refused; it has 17 bits")
    assert odd.startswith("key 3 without kid: verifies nothing")
    assert secret.startswith("key 4 without kid: verifies nothing")
    assert len(of(lines, "gone")) == 2


def test_algorithms_that_are_left_out_are_told() -> None:
    lines = told(CURVE, ONE, algorithms=("RS256",))
    assert (
        of(lines, "warning")[0]
        == f"key 0 {CURVE['kid']}: is for ES256, which `algorithms` leaves out: its tokens are refused"
    )
    assert of(lines, "gone")[1].endswith("no other key is for the configured algorithms: nobody gets in")
    assert of(told(CURVE, algorithms=("RS256",)), "problem") == [
        "no key is for the configured algorithms: every token is refused"
    ]


def test_a_key_that_is_published_twice_does_not_go() -> None:
    lines = told(ONE, {**ONE, "kid": "again"})
    assert of(lines, "gone")[0].endswith("nothing changes, since it is published again as 1 again")


def test_names_that_say_nothing_are_told() -> None:
    nameless = {name: value for name, value in OTHER.items() if name != "kid"}
    assert of(told(ONE, {**OTHER, "kid": ONE["kid"]}), "warning") == [
        f"2 keys are called {ONE['kid']}: the gateway tries each, many others the first"
    ]
    assert of(told(ONE, nameless), "warning") == [
        "a key without kid among several: it is tried for every token that names a key nobody has"
    ]
    assert of(told(ONE, nameless), "key")[1].startswith("1 without kid: verifies")


@pytest.mark.parametrize(
    ("settings", "max_age", "lifetime", "why"),
    [
        ({}, 300, 300.0, "the set for 5 min (Cache-Control says max-age=300; 60 s to 60 min count)"),
        ({}, 0, 60.0, "the set for 60 s (Cache-Control says max-age=0; 60 s to 60 min count)"),
        ({"jwks_refresh": Seconds(30)}, 300, 30.0, "the set for 30 s (jwks_refresh)"),
        ({"jwks_refresh": Seconds(3000)}, 300, 300.0, "the set for 5 min (Cache-Control says max-age=300;"),
        ({"jwks_file": "/keys"}, None, 60.0, "the set for 60 s (it is a file)"),
    ],
)  # fmt: skip
def test_it_is_said_how_long_and_why(settings: dict[str, Any], max_age: int | None, lifetime: float, why: str) -> None:
    assert of(told(ONE, OTHER, max_age=max_age, lifetime=lifetime, **settings), "keeps")[0].startswith(why)


def test_caches_of_others_are_thought_of() -> None:
    lines = told(ONE, OTHER, max_age=86_400, lifetime=3600.0)
    assert "Publish a key 24 h before it signs" in of(lines, "new")[0]
    assert "know it after 24 h" in of(lines, "new")[0]
    assert of(lines, "warning")[0].startswith("Cache-Control says 24 h: whoever goes by it")
    assert "10 min (max_lifetime), and 30 s of leeway" in of(told(ONE, max_lifetime=Seconds(600)), "overlap")[0]


def test_from_when_a_key_is_stands_on_it_or_on_its_certificate() -> None:
    known = json.loads((Path(__file__).parents[1] / "data" / "discovery" / "keycloak-jwks.json").read_text())
    assert [entry.since for entry in entries_of(known)] == ["2026-11-27 (its certificate)"] * len(known["keys"])
    for members, since in (
        ({"nbf": 1_800_000_000}, "2027-01-15 (its nbf)"),
        ({"iat": 1_800_000_000.5}, "2027-01-15 (its iat)"),
        ({"iat": 1 << 39}, "a day that no calendar has (its iat)"),
        ({"iat": -1}, None),
        ({"iat": True}, None),
        ({"x5c": []}, None),
        ({"x5c": "MII"}, None),
        ({"x5c": ["not base64"]}, None),
        ({"x5c": ["AAAA"]}, None),
        ({"x5c": ["A" * 20_000]}, None),
        ({"x5c": [7]}, None),
    ):
        (entry,) = entries_of({"keys": [{**ONE, **members}]})
        assert entry.since == since, members


def test_what_strangers_write_is_shown_and_does_nothing() -> None:
    (entry,) = entries_of({"keys": [{**ONE, "kid": "\x1b[2J" * 100}]})
    assert entry.kid.isprintable()
    assert len(entry.kid) <= 64
    assert "public" not in repr(entry)
    assert entry.verifies(["ES256"]) == []
    assert Entry(0, "k", None, "x", is_meant=False, since=None).verifies(["RS256"]) == []


def test_times_are_said_as_people_say_them() -> None:
    assert [spoken(s) for s in (0.2, 45.0, 119.0, 120.0, 510.0, 7199.0, 7200.0, 87_000.0)] == [
        "1 s", "45 s", "119 s", "2 min", "8.5 min", "120 min", "2 h", "24.2 h",
    ]  # fmt: skip


async def test_what_is_said_of_a_key_that_goes_is_what_the_gateway_does() -> None:
    hostile, clock = HostileIssuer(), SimulatedClock()
    await hostile.start()
    latest = Clock(wall=clock.wall, monotonic=clock.monotonic, sleep=clock.sleep, chance=lambda: 0.999_999)
    configured = Issuer(issuer=hostile.url, audience="a", name="local", jwks_max_stale=Seconds(300))
    remote = RemoteIssuers([configured], observer=RecordingObserver(), clock=latest)
    try:
        await remote.start()
        await clock.idle()
        document = hostile.jwks()
        first, second = document["keys"]
        lines = list(rehearsed(document, configured, max_age=None, lifetime=600.0))
        assert "8.5 min later at the latest" in of(lines, "gone")[0]
        # It goes at once, and is known until the next refresh.
        hostile.response("/jwks", json.dumps({"keys": [second]}))
        await clock.advance(8.5 * 60 - 1)
        assert remote.find_keys("local", alg=first["alg"], kid=first["kid"])
        await clock.advance(1)
        assert not remote.find_keys("local", alg=first["alg"], kid=first["kid"])
        assert remote.find_keys("local", alg=second["alg"], kid=second["kid"])
        # The last one goes, and is served as if the provider were down.
        lines = list(rehearsed({"keys": [second]}, configured, max_age=None, lifetime=600.0))
        assert "for 15 min after the last good fetch" in of(lines, "gone")[0]
        hostile.response("/jwks", '{"keys": []}')
        await clock.advance(15 * 60 - 10)
        assert remote.find_keys("local", alg=second["alg"], kid=second["kid"])
        await clock.advance(20)
        assert not remote.find_keys("local", alg=second["alg"], kid=second["kid"])
    finally:
        await remote.stop()
        await hostile.stop()
