"""The Autobahn cases (PyPI kosoku), each with a direct connection and through the gateway: the verdicts are the same.

Both ways round: kosoku as the client of an echo server, on a public route, since it can send no Authorization; and
kosoku as the server of an echo client, which shows a token with every handshake. Groups 12 and 13 are left out: they
are about compression, which both ends negotiate with each other; and so are 9.4, 9.6 and 9.8, which are 9.3, 9.5 and 9.7
with binary messages instead of text: a hundred megabytes each way, for a bit in a frame that 9.2 has as well.
"""

import asyncio
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from process import GatewayProcess, serving
from websockets.asyncio import messages
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from tests.wire import demo_issuer, good_token

KOSOKU = str(Path(sys.executable).with_name("kosoku"))
SELECTED = tuple(word for left_out in ("9.4.*", "9.6.*", "9.8.*", "12.*", "13.*") for word in ("-x", left_out))
GROUPS = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 33, "10": 1}
CASES = sum(GROUPS.values())
AT_ONCE = 16
#: real seconds for all cases
PATIENCE = 60.0
#: RFC 6455 on connections that are kept simple: no size limit, no compression, no pings of the library's own
PLAIN: dict[str, Any] = {"max_size": None, "compression": None, "ping_interval": None}

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: case -> verdict on what came, verdict on the close, close code of whoever is under test
Verdicts = dict[str, tuple[str, str, int | None]]


@dataclass
class Reach:
    """How a client gets to a server."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    #: what stands in between, if anything does
    gateway: GatewayProcess | None = None


async def echo(connection: Connection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def kosoku(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        KOSOKU, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
            # Its exit code is 1 when a case failed; the reports say which.
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def verdicts(reports: Path) -> Verdicts:
    (cases,) = json.loads((reports / "index.json").read_text()).values()
    return {case: (it["behavior"], it["behaviorClose"], it["remoteCloseCode"]) for case, it in cases.items()}


@asynccontextmanager
async def directly(address: str, directory: Path) -> AsyncIterator[Reach]:
    yield Reach(f"ws://{address}")


@asynccontextmanager
async def through(address: str, directory: Path, **settings: Any) -> AsyncIterator[Reach]:
    (directory / "jwks.json").write_text(json.dumps(demo_issuer().jwks()))
    issuer = {
        "issuer": "https://issuer.test",
        "audience": demo_issuer().audience,
        "jwks_file": str(directory / "jwks.json"),
    }
    config = {
        "upstream": f"http://{address}",
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "limits": {"drain_delay": 0},
        "issuers": [issuer],
        **settings,
    }
    # JSON is YAML.
    (directory / "gateway.yaml").write_text(json.dumps(config))
    async with serving(config=str(directory / "gateway.yaml")) as gateway:
        gateway.secrets.append(good_token())
        await gateway.ready()
        headers = {"Authorization": f"Bearer {good_token()}"}
        yield Reach(gateway.url.replace("http", "ws", 1), headers, gateway)
    assert gateway.output.count(b'"method":"GET"') >= CASES
    assert b"Traceback" not in gateway.output


def openly(address: str, directory: Path) -> Any:
    """Through the gateway, on a public route."""
    return through(address, directory, routes=[{"path": "/*", "access": "public"}])


async def of_a_server(by: Callable[[str, Path], Any], directory: Path) -> Verdicts:
    """What kosoku says of the echo server of PyPI's websockets."""
    async with serve(echo, "127.0.0.1", 0, **PLAIN) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with by(f"127.0.0.1:{port}", directory) as reach:
            arguments = ("-m", "fuzzingclient", *SELECTED, "-p", str(AT_ONCE), "-o", str(directory), reach.url)
            async with kosoku(*arguments):
                pass
    return verdicts(directory)


async def of_a_client(by: Callable[[str, Path], Any], directory: Path) -> Verdicts:
    """What kosoku says of the same library's client."""
    async with kosoku("-m", "fuzzingserver", *SELECTED, "-o", str(directory), "127.0.0.1:0") as process:
        assert process.stderr is not None
        found = re.search(rb"ws://(\S+)", await process.stderr.readline())
        assert found is not None
        async with by(found[1].decode(), directory) as reach:
            turns = asyncio.Semaphore(AT_ONCE)

            async def run(case: int) -> None:
                async with turns, connected(reach, f"/runCase?case={case}&agent=echo") as client:
                    await echo(client)

            async with connected(reach, "/getCaseCount") as client:
                count = int(await client.recv())
            await asyncio.gather(*(run(case) for case in range(1, count + 1)))
            async with connected(reach, "/updateReports?agent=echo") as client:
                await client.wait_closed()
    return verdicts(directory)


@asynccontextmanager
async def connected(reach: Reach, target: str) -> AsyncIterator[Connection]:
    """An open connection; how a case ends it is the case's business."""
    async with connect(reach.url + target, additional_headers=reach.headers, proxy=None, **PLAIN) as client:
        with suppress(ConnectionClosed):
            yield client


Judge = Callable[[Callable[[str, Path], Any], Path], Awaitable[Verdicts]]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["a server", "a client"])
async def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Verdicts, Verdicts]]:
    """The verdicts of the direct connection, and those through the gateway."""
    judge, between = {"a server": (of_a_server, openly), "a client": (of_a_client, through)}[request.param]
    with pytest.MonkeyPatch.context() as patch:
        # Cases 9.3.1 and 9.4.1 send 65,536 fragments; the library gives up after 4,096.
        patch.setattr(messages, "MAX_FRAGMENTS", 1 << 20)
        # It logs with a traceback what the cases provoke.
        patch.setattr(logging.getLogger("websockets"), "disabled", True)
        direct = await judge(directly, tmp_path_factory.mktemp("direct"))
        yield direct, await judge(between, tmp_path_factory.mktemp("through"))


async def test_every_case_runs(judged: tuple[Verdicts, Verdicts]) -> None:
    for cases in judged:
        groups = [case.partition(".")[0] for case in cases]
        assert {group: groups.count(group) for group in groups} == GROUPS
        assert sum(it[0] in {"OK", "NON-STRICT", "INFORMATIONAL"} for it in cases.values()) >= CASES - 1


def alike(verdict: tuple[str, str, int | None]) -> tuple[str, str, int | None]:
    """NON-STRICT: what came before a mistake was still echoed, or not any more, as time had it."""
    behavior, closing, code = verdict
    return "OK" if behavior == "NON-STRICT" else behavior, closing, code


@pytest.mark.parametrize("group", GROUPS)
async def test_each_case_of_a_group_has_the_verdict_of_a_direct_connection(
    judged: tuple[Verdicts, Verdicts], group: str
) -> None:
    direct, tunnelled = (
        {case: alike(it) for case, it in cases.items() if case.startswith(f"{group}.")} for cases in judged
    )
    assert tunnelled == direct
