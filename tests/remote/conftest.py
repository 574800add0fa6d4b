"""A local issuer on a loopback socket, a clock that tests move, and the gateway's side of both."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.config.issuers import Issuer
from gateway.ports import Cache
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.keys.issuers import RemoteIssuers
from tests.issuer import HostileIssuer, RecordingObserver, SimulatedClock
from tests.remote.asking import PATIENT, MakeRemote
from tests.token_endpoint import TokenEndpoint


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[HostileIssuer]:
    hostile = HostileIssuer()
    await hostile.start()
    yield hostile
    await hostile.stop()


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[TokenEndpoint]:
    made = TokenEndpoint()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver()


@pytest_asyncio.fixture
async def make_remote(
    issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> AsyncIterator[MakeRemote]:
    """Builds RemoteIssuers for the local issuer, named `local`, on the simulated clock; stopped at the end."""
    made: list[RemoteIssuers] = []

    def make(
        *others: Issuer, fetch_timeout: float = PATIENT, place: Cache | None = None, **settings: Any
    ) -> RemoteIssuers:
        configured = Issuer(**{"issuer": issuer.url, "audience": issuer.audience, "name": "local", **settings})
        made.append(
            RemoteIssuers(
                [configured, *others],
                observer=observer,
                clock=Clock(wall=clock.wall, monotonic=clock.monotonic, sleep=clock.sleep, chance=lambda: 0.5),
                fetch_timeout=fetch_timeout,
                place=place,
            )
        )
        return made[-1]

    yield make
    for remote in made:
        await remote.stop()
