"""What replicas leave each other of an issuer's keys: one that starts while it is down serves, and not for ever."""

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config.issuers import Issuer
from gateway.core.config.section import Seconds
from gateway.core.token.keys import parse_key_set
from gateway.demo.issuer import DISCOVERY_PATH, JWKS_PATH
from gateway.remote.keys.kept import Kept, encode, find_kept, key_of
from tests.issuer import HostileIssuer, RecordingObserver, SimulatedClock
from tests.remote.asking import MakeRemote, find, kid, reason, started

HOUR = 3600.0
NOW = 1_800_000_000.0
DOCUMENT = {"keys": HostileIssuer().jwks()["keys"]}


class InMemory:
    """What two replicas share."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.seconds: list[float] = []
        self.put_once = asyncio.Event()

    async def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    async def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        self.values[key] = value
        self.seconds.append(seconds)
        self.put_once.set()


async def test_a_replica_that_starts_while_the_issuer_is_down_serves_at_once_and_says_so(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    place = InMemory()
    await started(make_remote(place=place), clock)
    await place.put_once.wait()
    clock.skip(300)
    for path in (DISCOVERY_PATH, JWKS_PATH):
        issuer.response(path, "gone", status=500)
    late = make_remote(place=place)
    await late.start()
    assert find(late, kid(issuer)), "before any fetch has ended"
    (status,) = late.status()
    assert (status.has_keys, status.first_fetch_ended, status.kept_for) == (True, True, 300.0)
    assert (
        f"issuer local: serves with {len(DOCUMENT['keys'])} keys that another replica fetched 300 s ago" in caplog.text
    )
    await clock.idle(2)
    assert "status 500" in reason(late)
    assert find(late, kid(issuer))
    issuer.behave()
    await clock.advance(60, sleepers=2)
    (status,) = late.status()
    assert (status.kept_for, status.reason) == (None, None)
    assert "issuer local: its keys were fetched, and serve instead of those of another replica" in caplog.text


async def test_what_is_kept_never_serves_longer_than_the_replica_that_fetched_it(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    place = InMemory()
    await started(make_remote(place=place, jwks_max_stale=Seconds(HOUR)), clock)
    await place.put_once.wait()
    assert place.seconds[0] == 600 + HOUR
    issuer.response(JWKS_PATH, "gone", status=500)
    clock.skip(600 + HOUR - 1)
    late = make_remote(place=place, jwks_max_stale=Seconds(HOUR))
    await late.start()
    assert find(late, kid(issuer))
    clock.skip(1)
    assert not find(late, kid(issuer))
    assert late.status()[0].kept_for is None
    too_late = make_remote(place=place, jwks_max_stale=Seconds(HOUR))
    await too_late.start()
    assert not find(too_late, kid(issuer))


async def test_a_store_that_came_back_later_gives_them_to_one_that_has_none(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    place = InMemory()
    issuer.response(JWKS_PATH, "gone", status=500)
    late = await started(make_remote(place=place), clock)
    assert not find(late, kid(issuer))
    kept = Kept(parse_key_set(issuer.jwks()), issuer.jwks(), None, clock.wall(), 600)
    place.values[key_of(Issuer(issuer=issuer.url, audience=""))] = encode(kept)
    await clock.advance(2)
    assert find(late, kid(issuer))


async def test_where_the_keys_are_is_kept_as_well(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    place = InMemory()
    await started(make_remote(place=place), clock)
    await place.put_once.wait()
    issuer.response(DISCOVERY_PATH, "gone", status=500)
    late = await started(make_remote(place=place), clock)
    assert late.status()[0].reason is None, "the keys themselves can be had"


async def test_keys_in_a_file_are_not_handed_on(make_remote: MakeRemote, tmp_path: Any, clock: SimulatedClock) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(DOCUMENT))
    place = InMemory()
    await started(make_remote(place=place, jwks_file=str(path)), clock)
    assert place.values == {}


async def test_nothing_worse_takes_the_place_of_what_was_fetched(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    place = InMemory()
    remote = await started(make_remote(place=place), clock)
    await place.put_once.wait()
    known = len(observer.known)
    await remote._keys["local"].take_kept()
    assert remote.status()[0].kept_for is None
    assert len(observer.known) == known


def a_kept(**fields: Any) -> bytes:
    whole = {"version": 1, "fetched_at": NOW, "lifetime": 600.0, "address": None, "jwks": DOCUMENT, **fields}
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b"{",
        a_kept(version=2),
        a_kept(jwks=None),
        a_kept(jwks={"keys": []}),
        a_kept(fetched_at="now"),
        a_kept(fetched_at=True),
        a_kept(fetched_at=NOW + 301),
        a_kept(lifetime=None),
        a_kept(lifetime=-1),
        a_kept(address=1),
    ],
)
def test_what_is_of_no_use_is_not_there(value: bytes | None) -> None:
    assert find_kept(value, NOW) is None


def test_what_is_kept_comes_back_as_it_was() -> None:
    kept = Kept(parse_key_set(DOCUMENT), DOCUMENT, "https://i.example/jwks", NOW, 600.0)
    assert find_kept(encode(kept), NOW + 5) == kept
    found = find_kept(a_kept(fetched_at=NOW + 200), NOW)
    assert found is not None
    assert found.fetched_at == NOW, "a clock that is ahead makes nothing younger"
    assert found.usable_for(NOW, max_stale=60) == 660
    assert found.usable_for(NOW, max_stale=1e9) == 24 * HOUR


def test_issuers_that_are_found_elsewhere_do_not_share() -> None:
    issuers = [
        Issuer(issuer="https://i.example", audience="a"),
        Issuer(issuer="https://i.example", audience="a", jwks_url="https://i.example/jwks"),
        Issuer(issuer="https://i.example", audience="a", discovery_url="https://i.example/jwks"),
    ]
    assert len({key_of(issuer) for issuer in issuers}) == 3


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["version", "jwks", "keys", "fetched_at", "lifetime"]), inner)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_stands_there_raises_nothing(value: bytes) -> None:
    find_kept(value, NOW)
