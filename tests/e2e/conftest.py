"""The real things that end-to-end tests run against."""

import copy
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from oidc.provider import OidcProvider, start

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from tests.wire import demo_issuer


@pytest.fixture(scope="session")
def _kept() -> Iterator[list[OidcProvider]]:
    """Providers that are as they were when they began, for whoever needs one next: node takes a second to start."""
    kept: list[OidcProvider] = []
    yield kept
    for provider in kept:
        provider.stop()


@pytest_asyncio.fixture
async def provider(_kept: list[OidcProvider]) -> AsyncIterator[OidcProvider]:
    """An OpenID provider that nobody here wrote."""
    running = _kept.pop() if _kept else await start()
    yield running
    if running.has_changed:
        running.stop()
    else:
        _kept.append(running)


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[DemoIssuer]:
    """The small issuer of the demo, with keys that others have as well: to make them takes a while."""
    issuer = copy.copy(demo_issuer())
    issuer._url = None
    await issuer.start()
    yield issuer
    await issuer.stop()


@pytest_asyncio.fixture
async def api() -> AsyncIterator[EchoApi]:
    """An API that shows what it received."""
    api = EchoApi()
    await api.start()
    yield api
    await api.stop()
