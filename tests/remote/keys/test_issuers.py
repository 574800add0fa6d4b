"""Several issuers, their start and their end."""

import asyncio
import json

import pytest

from gateway.core.config.issuers import Issuer
from gateway.core.errors import IssuerUnavailable, UnknownKey
from gateway.demo.issuer import DISCOVERY_PATH, JWKS_PATH
from tests.issuer import HostileIssuer, RecordingObserver, SimulatedClock
from tests.remote.asking import HASTY, MakeRemote, fetch, find, kid, started


async def test_one_issuer_that_is_down_harms_no_other(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    other = HostileIssuer()
    await other.start()
    other.hold(JWKS_PATH)
    remote = make_remote(Issuer(issuer=other.url, audience="b", name="other"), fetch_timeout=HASTY)
    await remote.start()
    await clock.idle(2)
    assert find(remote, kid(issuer))
    assert [(status.name, status.has_keys) for status in remote.status()] == [("local", True), ("other", False)]
    assert not remote.has_key("other", find(remote, kid(issuer))[0].thumbprint)
    with pytest.raises(UnknownKey):
        await fetch(remote)
    await other.stop()


# Start and stop


async def test_start_does_not_wait_for_the_network(make_remote: MakeRemote, issuer: HostileIssuer) -> None:
    released = issuer.hold(DISCOVERY_PATH)
    remote = make_remote()
    await remote.start()
    assert not remote.status()[0].first_fetch_ended
    released.set()


async def test_stop_ends_every_task_and_frees_who_waits(make_remote: MakeRemote, issuer: HostileIssuer) -> None:
    before = asyncio.all_tasks()
    issuer.hold(JWKS_PATH)
    remote = make_remote()
    await remote.start()
    waiting = asyncio.create_task(fetch(remote, kid(issuer)))
    await issuer.asked(JWKS_PATH)
    await remote.stop()
    with pytest.raises(IssuerUnavailable):
        await waiting
    with pytest.raises(IssuerUnavailable):
        await fetch(remote, kid(issuer))
    left = {task for task in asyncio.all_tasks() - before if "aiohttp" not in repr(task.get_coro())}
    assert not {task for task in left if "gateway" in repr(task.get_coro()) or "Issuer" in repr(task.get_coro())}
    await remote.stop()


async def test_stop_while_asleep_ends_the_sleeper(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    remote = await started(make_remote(), clock)
    await remote.stop()
    assert not [task for task in asyncio.all_tasks() if "SimulatedClock" in repr(task.get_coro())]
    assert issuer.hits[JWKS_PATH] == 1


def test_a_name_that_is_not_configured_is_a_bug_of_the_caller(make_remote: MakeRemote) -> None:
    with pytest.raises(KeyError):
        make_remote().find_keys("nobody", alg="RS256", kid=None)


# Tenants, each with keys of its own


async def test_each_listed_tenant_is_asked_where_its_issuer_says_and_no_other(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    other = HostileIssuer()
    for tenant, keys in (("a", issuer), ("b", other)):
        discovered = {"issuer": f"{issuer.url}/{tenant}", "jwks_uri": f"{issuer.url}/{tenant}/keys"}
        issuer.response(f"/{tenant}{DISCOVERY_PATH}", json.dumps(discovered))
        issuer.response(f"/{tenant}/keys", json.dumps(keys.jwks()))
    remote = make_remote(issuer=f"{issuer.url}/{{realm}}", tenants=("a", "b"))
    await remote.start()
    await clock.idle(2)
    assert [status.name for status in remote.status()] == [f"{issuer.url}/a", f"{issuer.url}/b"]
    (mine,) = remote.find_keys(f"{issuer.url}/a", alg="RS256", kid=kid(issuer))
    (theirs,) = remote.find_keys(f"{issuer.url}/b", alg="RS256", kid=kid(other))
    assert remote.has_key(f"{issuer.url}/a", mine.thumbprint)
    assert not remote.has_key(f"{issuer.url}/a", theirs.thumbprint)
    assert remote.find_keys(f"{issuer.url}/a", alg="RS256", kid=kid(other)) == ()
    assert issuer.hits == {f"/{t}{path}": 1 for t in ("a", "b") for path in (DISCOVERY_PATH, "/keys")}
    with pytest.raises(KeyError):
        remote.find_keys("local", alg="RS256", kid=None)
    # Metrics know one issuer, with the keys of all of them.
    assert {name for name, _, _ in (*observer.fetched, *observer.known)} == {"local"}
    assert observer.known[-1][1] == len(issuer.jwks()["keys"]) + len(other.jwks()["keys"])


async def test_a_tenant_whose_discovery_speaks_for_another_has_no_keys(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    issuer.response(f"/a{DISCOVERY_PATH}", json.dumps({"issuer": f"{issuer.url}/b", "jwks_uri": f"{issuer.url}/keys"}))
    remote = await started(make_remote(issuer=f"{issuer.url}/{{realm}}", tenants=("a",)), clock)
    (status,) = remote.status()
    assert "names another issuer than the configured one" in (status.reason or "")
    assert "/keys" not in issuer.hits


async def test_tenants_with_one_address_for_all_keys_are_one_issuer(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    url = f"{issuer.url}{JWKS_PATH}"
    remote = await started(make_remote(issuer=f"{issuer.url}/{{tid}}", tenants="any", jwks_url=url), clock)
    assert find(remote, kid(issuer))
    assert issuer.hits == {JWKS_PATH: 1}


# The same issuer twice


async def test_keys_at_two_addresses_count_together_under_the_first_name(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    other = HostileIssuer()
    issuer.response("/more", json.dumps(other.jwks()))
    again = Issuer(issuer=issuer.url, audience="x", name="more", jwks_url=f"{issuer.url}/more")
    remote = make_remote(again, jwks_url=f"{issuer.url}{JWKS_PATH}")
    await remote.start()
    await clock.idle(2)
    (mine,), (theirs,) = find(remote, kid(issuer)), find(remote, kid(other))
    assert remote.has_key("local", mine.thumbprint)
    assert remote.has_key("local", theirs.thumbprint)
    assert not remote.has_key("more", mine.thumbprint)
    assert [status.name for status in remote.status()] == ["local", "more"]
