"""The conformance tests of the Model Context Protocol, with the gateway between their client and their server.

Each of their scenarios for clients is an authorization server and an MCP server that watch what a client does. Here the
client knows the gateway's URL alone (mcp_client.py): what it does right there, the gateway has told it right.
"""

import asyncio
import json
import re
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import mcp_client
import npm
import pytest
import pytest_asyncio
from process import serving
from test_mcp import mcp_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE: Final = Path(__file__).parent / "conformance"
PROGRAM: Final = HERE / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
SECONDS: Final = 100.0
#: clients at a time; the scenarios all begin at once
AT_ONCE: Final = 2
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
#: of these: what the suite of all that is about logins leaves out
_BESIDE_THE_SUITE: Final = ("offline-access-scope", "offline-access-not-supported")
#: and where a client has to give up, since its server never has enough
_GIVES_UP: Final = "auth/scope-retry-limit"
#: those that this server, which has tools and nothing else, can pass
OF_SERVERS: Final = ("server-initialize", "ping", "tools-list", "dns-rebinding-protection")


async def conformance(*arguments: str, results: Path) -> tuple[int, str]:
    """Exit code and output."""
    await asyncio.to_thread(npm.install, HERE)
    process = await asyncio.create_subprocess_exec(
        npm.NODE, str(PROGRAM), *arguments, "--output-dir", str(results),
        env={"PATH": str(Path(npm.NODE).parent) + ":/usr/bin:/bin"}, cwd=results, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
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


@dataclass
class Outcomes:
    """What became of the scenarios for clients."""

    #: what the conformance tests print, by suite or scenario
    said: dict[str, str] = field(default_factory=dict)
    #: of each client: why it failed
    failures: dict[str, str] = field(default_factory=dict)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """All of them, in one run; each client has a gateway of its own."""
    folder, room, found = tmp_path_factory.mktemp("clients"), asyncio.Semaphore(AT_ONCE), Outcomes()

    async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted = json.loads(await reader.readline())
        async with room:
            try:
                await mcp_client.use(wanted["server"], wanted["context"])
            except Exception:  # noqa: BLE001 -- told to the conformance tests, and to ours
                found.failures[wanted["scenario"]] = why = traceback.format_exc()
                writer.write(why.encode())
        writer.close()

    where = str(folder / "client.sock")
    async with await asyncio.start_unix_server(asked, where):
        command = f"{sys.executable} -ISE {HERE / 'client.py'} {where}"
        timeout = str(int(SECONDS * 1000))
        for asked_for in (("--suite", "auth"), *(("--scenario", f"auth/{name}") for name in _BESIDE_THE_SUITE)):
            code, said = await conformance(
                "client", "--command", command, *asked_for, "--timeout", timeout, results=folder
            )
            assert code == 0, said
            found.said[asked_for[1]] = said
    return found


@pytest.mark.parametrize("scenario", OF_CLIENTS)
async def test_what_the_gateway_tells_a_client_is_all_that_it_needs(scenario: str, outcomes: Outcomes) -> None:
    name = f"auth/{scenario}"
    alone = scenario in _BESIDE_THE_SUITE
    said = outcomes.said[name if alone else "auth"]
    summary = r"^Passed: (\d+)/\1, 0 failed, 0 warnings" if alone else rf"^✓ {name}: (\d+) passed, 0 failed$"
    found = re.search(summary, said, re.MULTILINE)
    assert found, said
    assert int(found[1]) >= 13
    assert (name in outcomes.failures) == (name == _GIVES_UP), outcomes.failures.get(name)


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
    """In what it passes, and in what it does not."""
    async with mcp_server() as server, public_gateway(server, tmp_path) as through:
        counted = []
        for url in (f"http://{server}", through):
            _, said = await conformance("server", "--url", f"{url}/mcp", results=tmp_path)
            counted.append(re.findall(r"^[✓✗] (\S+): (\d+) passed, (\d+) failed$", said, re.MULTILINE))
        assert counted[0] == counted[1]
        passed = {name for name, count, failed in counted[1] if int(count) and failed == "0"}
        assert set(OF_SERVERS) <= passed
