"""`bearer-gateway console` prints where the console is and its key, to whoever is the gateway's user."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.cli import main
from tests.process.console.conftest import Opened, opened, start

__all__ = ["opened", "start"]


async def test_it_prints_where_the_console_is_and_its_key(
    opened: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console = await opened()
    config = tmp_path / "gateway.yaml"
    config.write_text(f"""
upstream: http://127.0.0.1:1
issuers: [{{issuer: https://i.example, audience: a}}]
console: {{address: "127.0.0.1:0", socket: "{tmp_path}/console.sock"}}
""")
    command = ["console", "--config", str(config)]
    assert await asyncio.to_thread(main, command) == 0
    assert capsys.readouterr().out == f"The console is at {console.url}\nIts key: {console.key}\n"
    assert await asyncio.to_thread(main, [*command, "--key"]) == 0
    assert capsys.readouterr().out == f"{console.key}\n"
    assert await asyncio.to_thread(main, [*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"url": console.url, "key": console.key}


def test_where_there_is_none_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "gateway.yaml"
    text = "upstream: http://127.0.0.1:1\nissuers: [{issuer: https://i.example, audience: a}]\n"
    config.write_text(text)
    assert main(["console", "--config", str(config)]) == 1
    assert capsys.readouterr().err == "this configuration has no console\n"
    config.write_text(f'{text}console: {{address: "127.0.0.1:9091", socket: "{tmp_path}/none.sock"}}\n')
    assert main(["console", "--config", str(config)]) == 1
    assert "no gateway with a console runs here as this user" in capsys.readouterr().err
