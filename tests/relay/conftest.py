"""A whole gateway between a raw client and a raw upstream."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.wire import RawClient, Running, Start, starting


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts gateways with settings that differ from the usual ones."""
    async with starting(tmp_path) as starts:
        yield starts


@pytest_asyncio.fixture
async def gateway(start: Start) -> Running:
    return await start()


@pytest_asyncio.fixture
async def client(gateway: Running) -> RawClient:
    return await gateway.client()
