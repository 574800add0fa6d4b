"""A gateway in this process, and its console."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.config.console import ConsoleSection
from tests.process.console.asking import Asking
from tests.wire import Start, starting


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:
        yield starts


Opened = Callable[..., Awaitable[Asking]]


@pytest.fixture
def opened(start: Start, tmp_path: Path) -> Opened:
    """Starts a gateway with a console; `section`: further keys of the console."""

    async def open_console(section: dict[str, Any] | None = None, **settings: Any) -> Asking:
        socket = str(tmp_path / "console.sock")
        console = ConsoleSection(**{"address": "127.0.0.1:0", "socket": socket, **(section or {})})
        return await Asking.of(await start(console=console, **settings), socket)

    return open_console
