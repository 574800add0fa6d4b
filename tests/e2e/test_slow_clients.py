"""slowhttptest (Debian) against the real program, in each of its modes, while a good client is served."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from process import ROOT, GatewayProcess
from test_endurance import KIB, MIB, a_good_client, address_of, connections_left, endured, resident, until_left

from tests.wire import RawClient, get

pytestmark = pytest.mark.skipif(shutil.which("slowhttptest") is None, reason="slowhttptest is not installed")

CONNECTIONS = 600
#: of them a second
RATE = 200
#: short enough for a test; the sweep that holds the gateway to them looks four times in the shortest. None is that of the good
#: client: a busy machine may keep it waiting for longer between two of its requests.
LIMITS = ", header_timeout: 1s, body_timeout: 1s, send_timeout: 1s"
#: a slow client needs no token to be slow: what matters is how it is got rid of
PUBLIC = "routes: [{path: /*, access: public}]"
#: seconds after which slowhttptest would give up by itself: far more than it takes to open all of its connections beside others
LENGTH = 60

#: what the gateway says of connections that it ended
REASONS = {"header": "request_timeout", "body": "request_timeout", "read": "client_disconnected"}

_API = """
import sys
from test_endurance import pattern_api
with pattern_api() as url:
    print(url, flush=True)
    sys.stdin.read()
"""

MODES = {
    # A header line now and then, and never the last.
    "header": ["-H", "-i", "1"],
    # A body that is announced and comes a few bytes at a time, slower than body_timeout allows.
    "body": ["-B", "-t", "POST", "-i", "3", "-s", "8192"],
    # A response that is read a few bytes at a time, less often than send_timeout allows.
    "read": ["-X", "-n", "3", "-w", "512", "-y", "1024", "-z", "32", "-k", "1"],
}


@asynccontextmanager
async def api_apart() -> AsyncIterator[str]:
    """The API of the endurance tests in a process of its own: its threads must not hold the good client up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _API, cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'e2e'}"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def slowhttptest(gateway: GatewayProcess, mode: str, directory: Path) -> str:
    """Runs it, and gives what it says in the end."""
    path = {"header": "/2", "body": "/any", "read": f"/{2 * MIB}"}[mode]
    process = await asyncio.create_subprocess_exec(
        "slowhttptest", *MODES[mode], "-c", str(CONNECTIONS), "-r", str(RATE), "-l", str(LENGTH), "-p", "2",
        "-u", f"{gateway.url}{path}",
        cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TERM": "dumb"},
    )  # fmt: skip
    try:
        async with asyncio.timeout(LENGTH + 20):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output.decode("utf-8", "replace"))
    return plain[plain.rfind("slow HTTP test status") :]


@pytest.mark.parametrize("mode", MODES)
async def test_slow_clients_are_got_rid_of_while_a_good_client_is_served(tmp_path: Path, mode: str) -> None:
    async with api_apart() as api, endured(tmp_path, api, limits=LIMITS, more=PUBLIC) as gateway:
        before, most_open = resident(gateway), [0]
        # Not a figure of speed: slowhttptest itself takes a core.
        async with a_good_client(gateway, within=5.0) as taken:
            attack = asyncio.create_task(slowhttptest(gateway, mode, tmp_path))
            ended = f'"reason":"{REASONS[mode]}"'.encode()
            while not attack.done() and gateway.output.count(ended) < CONNECTIONS / 2:
                most_open.append(await connections_left(gateway))
                await asyncio.sleep(0.2)
            # The good client is left, and nobody else, long before the attack would end by itself.
            await until_left(gateway, 1)
            if mode == "read":
                # Its readers hear of the end only when they have read what is in their kernel: 32 bytes at a time.
                assert not attack.done()
                attack.cancel()
                await asyncio.gather(attack, return_exceptions=True)
            else:
                said = await attack
                assert "No open connections left" in said, said
        assert len(taken) > 10
        assert max(most_open) > RATE / 2
        grown = resident(gateway) - before
        print(f"{mode}: {len(taken)} good responses, {max(taken) * 1000:.0f} ms; {grown / MIB:.1f} MiB more")  # noqa: T201
        assert grown < CONNECTIONS * 512 * KIB
        await until_left(gateway, 0)
        client = await RawClient.connect(address_of(gateway))
        assert (await client.ask(get("/2"))).status == 200
        client.reset()
        await until_left(gateway, 0)
        refused = [json.loads(line) for line in gateway.output.decode().splitlines()]
        reasons = {record["reason"] for record in refused if record.get("outcome") in {"refused", "failed"}}
        assert REASONS[mode] in reasons
        assert reasons <= {REASONS[mode], "client_disconnected"}
        assert "Traceback" not in gateway.output.decode()
