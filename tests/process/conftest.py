"""What the tests of processes share: a gateway in this one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.wire import Start, starting


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """With keys in a file of its own, which a test may spoil."""
    async with starting(tmp_path) as starts:
        yield starts
