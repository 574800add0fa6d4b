"""The real things that end-to-end tests run against."""

from collections.abc import AsyncIterator

import pytest_asyncio
from oidc.provider import OidcProvider, oidc_provider

from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    """An OpenID provider that nobody here wrote."""
    async with oidc_provider() as running:
        yield running


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[DemoIssuer]:
    """The small issuer of the demo."""
    issuer = DemoIssuer()
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
