"""Several issuers, their start and their end."""

import asyncio

import pytest

from gateway.core.config.issuers import Issuer
from gateway.core.errors import IssuerUnavailable, UnknownKey
from gateway.demo.issuer import DISCOVERY_PATH, JWKS_PATH
from tests.issuer import HostileIssuer, SimulatedClock
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
