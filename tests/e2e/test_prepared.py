"""A gateway that was forked is what one is that was executed: what it says, and how it ends."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from prepared import Running, can_be_prepared, forked
from process import ROOT


async def outcome(process: asyncio.subprocess.Process | Running) -> tuple[str, int]:
    assert process.stdout is not None
    said = (await process.stdout.read()).decode()
    return said, await process.wait()


@pytest.mark.parametrize("arguments", [["--version"], ["serve", "--config", "/nowhere"], ["serve", "--nonsense"], []])
async def test_it_says_and_returns_what_one_does_that_imports_everything_itself(arguments: list[str]) -> None:
    executed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, code = await outcome(await forked(arguments, os.environ))
    assert (said, code) == await outcome(executed)
    assert said


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
async def test_it_is_a_process_of_its_own_that_signals_end(tmp_path: Path, signum: signal.Signals) -> None:
    os.mkfifo(tmp_path / "fifo")
    # It waits for somebody who writes there.
    process = await forked(["serve", "--config", str(tmp_path / "fifo")], {"ONLY": "this"})
    process.send_signal(signum)
    assert await outcome(process) == ("", -signum)
    with pytest.raises(ProcessLookupError):
        process.send_signal(signum)


def test_whoever_sets_what_is_heeded_early_begins_anew() -> None:
    assert can_be_prepared({**os.environ, "GATEWAY_UPSTREAM": "http://api", "PROMETHEUS_MULTIPROC_DIR": "/tmp/x"})
    for variable in ("LD_PRELOAD", "FAKETIME", "PYTHONWARNINGS", "SSL_CERT_FILE"):
        assert not can_be_prepared({**os.environ, variable: "x"})
