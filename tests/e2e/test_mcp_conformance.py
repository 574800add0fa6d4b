"""The conformance tests of the Model Context Protocol, with the gateway between their client and their server.

Each of their scenarios for clients is an authorization server and an MCP server that watch what a client does. Here the
client knows the gateway's URL alone (conformance/client.py): what it does right there, the gateway has told it right.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import npm
import pytest
from process import ROOT, serving
from test_mcp import mcp_server

HERE: Final = Path(__file__).parent / "conformance"
PROGRAM: Final = HERE / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
SECONDS: Final = 60.0
#: Left out: `resource-mismatch`, whose server publishes what the gateway says right; the two of 2025-03-26, whose servers
#: publish nothing; and the extensions, which are about grants without a user.
OF_CLIENTS: Final = (
    "metadata-default",
    "metadata-var1",
    "metadata-var2",
    "metadata-var3",
    "basic-cimd",
    "scope-from-www-authenticate",
    "scope-from-scopes-supported",
    "scope-omitted-when-undefined",
    "scope-step-up",
    "scope-retry-limit",
    "token-endpoint-auth-basic",
    "token-endpoint-auth-post",
    "token-endpoint-auth-none",
    "pre-registration",
    "offline-access-scope",
    "offline-access-not-supported",
)
#: those that this server, which has tools and nothing else, can pass
OF_SERVERS: Final = ("server-initialize", "ping", "tools-list", "dns-rebinding-protection")


async def conformance(*arguments: str, results: Path) -> tuple[int, str]:
    """Exit code and output."""
    await asyncio.to_thread(npm.install, HERE)
    process = await asyncio.create_subprocess_exec(
        npm.NODE, str(PROGRAM), *arguments, "--output-dir", str(results),
        env={"PATH": str(Path(npm.NODE).parent) + ":/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{ROOT}/tests/e2e"},
        cwd=results, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode()


def passed(said: str) -> int:
    """How many checks there were; none may have failed, and none have a warning."""
    found = re.search(r"Passed: (\d+)/(\d+), (\d+) failed, (\d+) warnings", said)
    assert found, said
    succeeded, all_of_them, failed, warned = map(int, found.groups())
    assert (failed, warned, succeeded) == (0, 0, all_of_them), said
    return all_of_them


@pytest.mark.parametrize("scenario", OF_CLIENTS)
async def test_what_the_gateway_tells_a_client_is_all_that_it_needs(scenario: str, tmp_path: Path) -> None:
    client = f"{sys.executable} {HERE / 'client.py'}"
    code, said = await conformance("client", "--command", client, "--scenario", f"auth/{scenario}", results=tmp_path)
    assert code == 0, said
    assert passed(said) >= 13
    assert "CLIENT EXITED WITH ERROR" not in said


@asynccontextmanager
async def public_gateway(server: str, directory: Path) -> AsyncIterator[str]:
    """These tests of servers know no tokens."""
    config = {
        "upstream": f"http://{server}",
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "limits": {"drain_delay": 0},
        "issuers": [{"issuer": "https://login.example", "audience": "a"}],
        "routes": [{"path": "/mcp/*", "access": "public"}],
    }
    (directory / "gateway.yaml").write_text(json.dumps(config))
    async with serving(config=str(directory / "gateway.yaml")) as gateway:
        yield gateway.url


async def test_a_server_behind_the_gateway_conforms_as_it_does_by_itself(tmp_path: Path) -> None:
    async with mcp_server() as server, public_gateway(server, tmp_path) as through:
        for scenario in OF_SERVERS:
            counted = []
            for url in (f"http://{server}", through):
                code, said = await conformance(
                    "server", "--url", f"{url}/mcp", "--scenario", scenario, results=tmp_path
                )
                assert code == 0, said
                counted.append(re.findall(r"Passed: .*", said))
            assert counted[0] == counted[1]
