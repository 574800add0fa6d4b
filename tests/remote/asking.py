"""Asking one issuer, named `local` in these tests, for its keys."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.core.token.keys import Key
from gateway.remote.keys.issuers import RemoteIssuers
from tests.issuer import HostileIssuer, SimulatedClock

MakeRemote = Callable[..., RemoteIssuers]

#: Real seconds until a document is given up: more than a busy machine takes for one that comes, and a moment for tests
#: in which one does not.
PATIENT = 5.0
HASTY = 0.8


def kid(issuer: HostileIssuer, alg: str = "RS256") -> str:
    """The kid the issuer signs with now."""
    return str(issuer.keys[alg].kid)


def find(remote: RemoteIssuers, wanted: str | None, alg: str = "RS256") -> tuple[Key, ...]:
    return remote.find_keys("local", alg=alg, kid=wanted)


async def fetch(
    remote: RemoteIssuers, wanted: str | None = "nobody's", alg: str = "RS256", *, tried: tuple[Key, ...] = ()
) -> tuple[Key, ...]:
    return await remote.fetch_keys("local", alg=alg, kid=wanted, tried=tried)


async def outcomes(*fetches: asyncio.Task[tuple[Key, ...]]) -> list[Any]:
    return await asyncio.gather(*fetches, return_exceptions=True)


async def started(remote: RemoteIssuers, clock: SimulatedClock) -> RemoteIssuers:
    """After its first fetch."""
    await remote.start()
    await clock.idle()
    return remote


def reason(remote: RemoteIssuers) -> str:
    return remote.status()[0].reason or ""
