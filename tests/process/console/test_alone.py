"""The console of one process: it is there from the start, ends with the gateway, and is nowhere when it is not asked for."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.console.sources import Impossible
from gateway.process.app import Gateway
from gateway.process.console.alone import ConsoleAlone
from gateway.process.listening import CannotStart
from gateway.reloading import ReloadResult
from tests.process.console.conftest import Opened
from tests.wire import Start, get


async def test_it_is_there_when_the_gateway_is_and_ends_with_it(opened: Opened, tmp_path: Path) -> None:
    console = await opened()
    assert (await console.ask("/api/status")).body["ready"]
    await console.gateway.stop()
    with pytest.raises(OSError):  # noqa: PT011 -- whichever
        await console.ask("/api/status")
    assert not (tmp_path / "console.sock").exists()


async def test_while_the_gateway_drains_it_says_so(opened: Opened) -> None:
    console = await opened()
    console.gateway.gateway.drain()
    status = (await console.ask("/api/status")).body
    assert (status["ready"], status["draining"]) == (False, True)


async def test_an_address_that_is_taken_keeps_the_gateway_from_starting(opened: Opened) -> None:
    console = await opened()
    address = console.url.removeprefix("http://").strip("/")
    with pytest.raises(CannotStart, match="cannot listen on"):
        await Gateway(replace(console.gateway.gateway.assembly.config, console=address)).start()


async def test_without_the_section_nothing_is_told(start: Start) -> None:
    gateway = await start()
    assert gateway.gateway.teller is None
    await (await gateway.client()).ask(get())


def test_without_the_section_nothing_of_it_is_imported() -> None:
    program = (
        "import sys, gateway.process.app, gateway.process.supervisor, gateway.commands.serve\n"
        "print([name for name in sys.modules if 'gateway.console' in name or 'process.console.' in name or name == 'aiohttp.web'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "gateway.console" not in done.stdout
    assert "process.console." not in done.stdout


async def test_what_takes_too_long_is_given_up(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    console = await opened()
    alone = console.gateway.gateway.console
    assert isinstance(alone, ConsoleAlone)

    async def never(*_: Any) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(alone._teller, "do", never)
    monkeypatch.setattr("gateway.process.console.alone.PATIENCE", 0.01)
    with pytest.raises(Impossible):
        await alone.ask("explain", {})


class Reloads:
    """Who reads the configuration anew."""

    hash, since, last_at = "0123456789ab", 0.0, 0.0
    last_problems: tuple[str, ...] = ()

    async def reload(self) -> ReloadResult:
        return ReloadResult(changed=("realm: changed",), hash=self.hash)


async def test_what_the_configuration_is_read_anew_by_is_asked(opened: Opened) -> None:
    console = await opened()
    assert console.gateway.gateway.console is not None
    console.gateway.gateway.console.reload_by(Reloads())
    told = (await console.ask("/api/reload", {})).body
    expected = {"ok": True, "problems": [], "changed": ["realm: changed"], "warnings": [], "config": "0123456789ab"}
    assert told == expected
    assert "console: reload by whoever has the console's key" in console.gateway.stderr.getvalue()
