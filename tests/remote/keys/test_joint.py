"""Keys of one issuer at several addresses: each stands for itself."""

import asyncio
import json

import pytest

from gateway.core.config.issuers import Issuer
from gateway.core.errors import IssuerUnavailable, UnknownKey
from gateway.demo.issuer import JWKS_PATH
from gateway.events import KeysFetched, KeysKnown, KeysSuppressed
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.remote.keys.joint import Together
from tests.issuer import HostileIssuer, RecordingObserver, SimulatedClock
from tests.remote.asking import HASTY, MakeRemote, fetch, find, kid


async def twice(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, *, more: str | None = None
) -> RemoteIssuers:
    issuer.response("/more", more if more is not None else json.dumps(HostileIssuer().jwks()))
    again = Issuer(issuer=issuer.url, audience="x", name="more", jwks_url=f"{issuer.url}/more")
    remote = make_remote(again, jwks_url=f"{issuer.url}{JWKS_PATH}", fetch_timeout=HASTY)
    await remote.start()
    await clock.idle(2)
    return remote


async def test_a_new_key_is_found_at_whichever_address_has_it(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await twice(make_remote, issuer, clock)
    new = HostileIssuer()
    issuer.response("/more", json.dumps(new.jwks()))
    issuer.hold(JWKS_PATH)
    # The other address hangs meanwhile.
    (found,) = await fetch(remote, kid(new))
    assert found.kid == kid(new)
    assert find(remote, kid(new)) == (found,)


async def test_a_key_that_nobody_publishes_is_unknown_and_one_that_may_be_is_not(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await twice(make_remote, issuer, clock)
    with pytest.raises(UnknownKey):
        await fetch(remote, "nobody's")
    issuer.response("/more", "", status=503)
    with pytest.raises(IssuerUnavailable):
        await fetch(remote, "else's")


async def test_one_address_that_is_down_takes_no_keys_of_the_other_away(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await twice(make_remote, issuer, clock, more="no JSON")
    (found,) = find(remote, kid(issuer))
    assert remote.has_key("local", found.thumbprint)
    assert [status.has_keys for status in remote.status()] == [True, False]


async def test_the_same_key_at_both_is_one_and_a_nameless_one_comes_last(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    nameless = [{**jwk, "kid": None} for jwk in HostileIssuer().jwks()["keys"]]
    remote = await twice(make_remote, issuer, clock, more=json.dumps({"keys": [*nameless, *issuer.jwks()["keys"]]}))
    assert [key.kid for key in find(remote, kid(issuer))] == [kid(issuer)]
    other = HostileIssuer()
    issuer.response(JWKS_PATH, json.dumps({"keys": nameless}))
    issuer.response("/more", json.dumps(other.jwks()))
    await clock.advance(1000, sleepers=2)
    assert [key.kid for key in find(remote, kid(other))] == [kid(other), None]


async def test_whoever_goes_away_leaves_no_task_behind(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await twice(make_remote, issuer, clock)
    issuer.hold(JWKS_PATH)
    issuer.hold("/more")
    waiting = asyncio.create_task(fetch(remote, "x"))
    await issuer.asked("/more")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if "joint" in repr(task.get_coro())]


def test_of_tenants_apart_metrics_hear_as_of_one_issuer() -> None:
    observer = RecordingObserver()
    together = Together("many", observer)
    together.happened(KeysKnown("a", 2, stale=False, age_limit=60.0))
    together.happened(KeysKnown("b", 0, stale=True, age_limit=None))
    together.happened(KeysKnown("a", 3, stale=False, age_limit=90.0))
    together.happened(KeysFetched("b", ok=False, at=1.0))
    together.happened(KeysSuppressed("b"))
    assert observer.events == [
        KeysKnown("many", 2, stale=False, age_limit=60.0),
        KeysKnown("many", 2, stale=True, age_limit=60.0),
        KeysKnown("many", 3, stale=True, age_limit=90.0),
        KeysFetched("many", ok=False, at=1.0),
        KeysSuppressed("many"),
    ]
