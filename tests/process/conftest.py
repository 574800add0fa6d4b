"""What the tests of processes share: a gateway in this one."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.wire import Start, starting


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:
        yield starts
