"""Six broken set-ups, and what one who knows `init`, `check --online` and the console finds out about each: what is wrong, and what to do.

No log is read. Each is built of real processes; whoever looks at the console has two minutes.
"""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from oidc.provider import API, OTHER_API, OidcProvider, Tokens, oidc_provider
from process import ROOT, GatewayProcess, serving
from test_setting_up import shell

from gateway.core.config.console import ConsoleSection
from gateway.demo.echo import EchoApi
from gateway.demo.issuer import DemoIssuer
from gateway.process.console.key import ask_key
from tests.redis_server import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: seconds that a newcomer has
PATIENCE = 120.0
#: seconds after which a client gives up
IMPATIENCE = 3.0
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def clock_wrong_by(shift: str) -> dict[str, str]:
    """Variables with which a program takes it to be as much later (+10m) or earlier (-10m) than it is."""
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@dataclass
class Consoled:
    """A gateway, and its console as somebody has it open."""

    gateway: GatewayProcess
    url: str
    session: aiohttp.ClientSession

    async def status(self) -> dict[str, Any]:
        async with self.session.get(f"{self.url}api/status") as response:
            found: dict[str, Any] = await response.json()
            return found

    async def refresh(self, issuer: str) -> None:
        """Presses Refresh."""
        async with self.session.post(f"{self.url}api/issuers/{issuer}/refresh", json={}) as response:
            assert response.status == 200

    async def says(self, words: str) -> dict[str, str]:
        """What is wrong, once that is said by the console."""
        async with asyncio.timeout(PATIENCE):
            while True:
                findings = (await self.status())["findings"]
                for one in findings:
                    if re.search(words, one["says"]):
                        return one  # type: ignore[no-any-return]
                await asyncio.sleep(0.5)


@dataclass
class World:
    """Everybody that there is."""

    provider: OidcProvider
    tokens: Tokens
    gateways: dict[str, Consoled]
    names: dict[str, str]
    #: what `check --online` says of it all
    online: str
    stopped: DemoIssuer
    waiting: list["asyncio.Task[None]"] = field(default_factory=list)


def written(directory: Path, values: Mapping[str, Any]) -> str:
    path = directory / "gateway.yaml"
    path.write_text(json.dumps(values))
    return str(path)


@asynccontextmanager
async def consoled(directory: Path, config: Mapping[str, Any], env: Mapping[str, str]) -> AsyncIterator[Consoled]:
    section = ConsoleSection(address="127.0.0.1:0", socket=str(directory / "console.sock"))
    values = {
        "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "console": {"address": section.address, "socket": section.socket}, "limits": {"drain_delay": 0, "drain": 1},
        **config,
    }  # fmt: skip
    config_file = written(directory, values)
    async with serving(config=config_file, env=env) as gateway:
        url, key = await asyncio.to_thread(ask_key, section, os.environ)
        gateway.secrets.append(key)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
            yield Consoled(gateway, url, session)


@asynccontextmanager
async def demo_issuer_elsewhen(shift: str) -> AsyncIterator[str]:
    """Address of an issuer whose clock is wrong."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "demo", "issuer", "--listen", "127.0.0.1:0",
        cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **clock_wrong_by(shift)},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    try:
        yield re.search(r"http://\S+", line)[0]  # type: ignore[index]
    finally:
        process.terminate()
        await process.wait()


async def token_of(issuer: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{issuer}/token?audience={API}") as response:
        return await response.text()


async def gives_up(gateway: GatewayProcess, token: str, path: str, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(gateway.ask(token, path=path), seconds)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    assert FAKETIME is not None, "libfaketime is not installed: make test installs it"
    directory = tmp_path_factory.mktemp("newcomer")
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(oidc_provider())
        ahead = await stack.enter_async_context(demo_issuer_elsewhen("+10m"))
        behind = await stack.enter_async_context(demo_issuer_elsewhen("-10m"))
        renamed, stopped, api = DemoIssuer(audience=API), DemoIssuer(audience=API), EchoApi()
        for one in (renamed, stopped, api):
            await one.start()
            stack.push_async_callback(one.stop)
        hangs = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        names = {
            "provider": provider.issuer, "ahead": ahead, "behind": behind, "stopped": stopped.url,
            "renamed": renamed.url.replace("127.0.0.1", "localhost"),
            "down": f"http://127.0.0.1:{free_port()}", "nowhere": "https://login.invalid",
        }  # fmt: skip
        apis = {
            "refuses": f"http://127.0.0.1:{free_port()}", "nameless": "http://api.invalid:3000",
            "hangs": f"http://127.0.0.1:{hangs.getsockname()[1]}",
        }  # fmt: skip
        broken = {
            "issuers": [{"issuer": url, "audience": API, "name": name} for name, url in names.items()],
            "upstream": api.url,
            "upstreams": {name: {"url": url} for name, url in apis.items()},
            "routes": [{"path": f"/{name}/*", "upstream": name} for name in apis],
        }
        (directory / "broken.yaml").write_text(json.dumps(broken))
        usual = {"issuers": [{"issuer": provider.issuer, "audience": API, "name": "provider"}], "upstream": api.url}
        wanted: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
            "usual": (broken, {}), "early": (usual, clock_wrong_by("-10m")), "late": (usual, clock_wrong_by("+10m")),
        }  # fmt: skip
        gateways = {
            name: await stack.enter_async_context(consoled(tmp_path_factory.mktemp(name), config, env))
            for name, (config, env) in wanted.items()
        }
        for gateway in gateways.values():
            await gateway.gateway.ready()
        tokens = await provider.login(nonce="n", resource=API)
        found = World(provider, tokens, gateways, names, "", stopped)
        usual_gateway, token = gateways["usual"].gateway, tokens.access_token
        found.waiting = [
            asyncio.create_task(gives_up(usual_gateway, token, "/hangs/given-up", IMPATIENCE)),
            asyncio.create_task(gives_up(usual_gateway, token, "/hangs/waits", PATIENCE)),
        ]
        found.online = "\n".join((await shell(["check", "--online", "--config", "broken.yaml"], directory))[1])
        found.names |= {"renamed_self": renamed.url}
        yield found
        for task in found.waiting:
            task.cancel()
        await asyncio.gather(*found.waiting, return_exceptions=True)


async def wrong_audience(world: World) -> None:
    tokens = await world.provider.login(nonce="n", resource=OTHER_API)
    assert (await world.gateways["usual"].gateway.ask(tokens.access_token, path="/orders"))[0] == 401
    # The page asked for no API at all: its token is for the provider.
    tokens = await world.provider.login(nonce="n", resource=None)
    assert (await world.gateways["usual"].gateway.ask(tokens.access_token, path="/opaque"))[0] == 401


async def id_token(world: World) -> None:
    assert (await world.gateways["usual"].gateway.ask(world.tokens.id_token, path="/orders"))[0] == 401


async def another_name(world: World) -> None:
    token = await token_of(world.names["renamed_self"])
    assert (await world.gateways["usual"].gateway.ask(token, path="/orders"))[0] == 401


async def provider_down(world: World) -> None:
    """One was never there; another has stopped meanwhile."""
    await world.stopped.stop()
    await world.gateways["usual"].refresh("stopped")


async def clock(world: World) -> None:
    for name, status in (("ahead", 401), ("behind", 401)):
        assert (await world.gateways["usual"].gateway.ask(await token_of(world.names[name])))[0] == status
    for name in ("early", "late"):
        await world.gateways[name].gateway.ask(world.tokens.access_token)


async def api_down(world: World) -> None:
    for path in ("/refuses/1", "/nameless/1"):
        assert (await world.gateways["usual"].gateway.ask(world.tokens.access_token, path=path))[0] == 502


class Told(NamedTuple):
    """What the console of a gateway says of it, and what that says to do."""

    says: str
    does: str
    where: str
    gateway: str = "usual"


SET_UPS: dict[str, tuple[Any, tuple[Told, ...], tuple[str, ...]]] = {
    "wrong audience": (
        wrong_audience,
        (
            Told(
                rf"Client browser sends tokens that are for another API, once of late for GET /orders: "
                rf"aud is '{OTHER_API}'; expected \['{API}'\]",
                "ask the provider for a token for this API",
                "client",
            ),
            Told(
                r"A client at 127.0.0.1 sends a token that is no JWT, once of late for GET /opaque",
                "when they are not asked for a token for this API",
                "client",
            ),
        ),
        (),
    ),
    "ID token": (
        id_token,
        (
            Told(
                r"Client browser sends an ID token instead of an access token, once of late for GET /orders",
                "Have it send the access token",
                "client",
            ),
        ),
        (),
    ),
    "issuer with another host name": (
        another_name,
        (
            Told(
                r"issuer renamed \(configured as {renamed}\) cannot be had.*names another issuer.*'{renamed_self}'",
                "write issuer: '{renamed_self}' in the configuration",
                "provider",
            ),
            Told(
                r"tokens of an issuer that is not configured.*iss is '{renamed_self}'; configured: .*'{renamed}'",
                "correct issuer in the configuration to what the token says",
                "client",
            ),
        ),
        (r"issuer renamed +.*names another issuer than the configured one", r"write issuer: '{renamed_self}'"),
    ),
    "provider down": (
        provider_down,
        (
            Told(
                r"issuer down .*no token of it can be verified: .*it cannot be reached \(ECONNREFUSED\)",
                "is the provider running",
                "provider",
            ),
            Told(r"issuer nowhere .*its host name cannot be resolved", "look at DNS here", "provider"),
            Told(r"issuer stopped .*the keys known serve on: .*ECONNREFUSED", "is the provider running", "provider"),
        ),
        (r"issuer down +.*ECONNREFUSED", "is the provider running", r"issuer nowhere +.*cannot be resolved"),
    ),
    "clock": (
        clock,
        (
            Told(r"clock of issuer ahead is 10 minutes ahead of the clock of this", "`date -u` on both says", "clock"),
            Told(r"clock of issuer behind is 10 minutes behind the clock of this", "`date -u` on both says", "clock"),
            Told(r"clock of issuer provider is 10 minutes ahead of", "Set it by NTP", "clock", "early"),
            Told(r"clock of issuer provider is 10 minutes behind", "Set it by NTP", "clock", "late"),
        ),
        (
            r"issuer ahead +.*its clock is (599|60\d) s ahead of this machine's",
            r"issuer behind +.*its clock is (599|60\d) s behind this machine's",
            "`date -u` on both says which",
        ),
    ),
    "API down": (
        api_down,
        (
            Told(r"The API \(upstream refuses\) fails .*Connection refused", "start the API", "api"),
            Told(r"The API \(upstream nameless\) fails .*the name cannot be resolved", "look at DNS", "api"),
            Told(r"The API \(upstream hangs, .*takes requests and does not respond: 1 waits", "It hangs", "api"),
            Told(r"The API \(upstream hangs\) kept a client waiting that went away .* after 3 s", "It hangs", "api"),
        ),
        (
            r"upstream refuses +.*Connection refused",
            "start the API",
            r"upstream nameless +.*the name cannot be resolved",
            r"upstream hangs +accepts connections, and says nothing to HEAD /",
        ),
    ),
}


@pytest.mark.parametrize("set_up", SET_UPS)
async def test_a_newcomer_finds_out_what_is_wrong_and_what_to_do(set_up: str, world: World) -> None:
    breaks, told, online = SET_UPS[set_up]

    def meant(words: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: world.names[found[1]], words)

    await breaks(world)
    for one in told:
        finding = await world.gateways[one.gateway].says(meant(one.says))
        assert meant(one.does) in finding["advice"]
        assert finding["where"] == one.where
    for words in online:
        assert re.search(meant(words), world.online), world.online


async def test_init_says_so_before_there_is_a_gateway(world: World, tmp_path: Path) -> None:
    async def said(issuer: str) -> str:
        words = ["init", issuer, "--audience", API, "--upstream", "http://127.0.0.1:1"]
        return "\n".join((await shell(words, tmp_path))[1])

    names = world.names
    renamed, ahead = await asyncio.gather(said(names["renamed"]), said(names["ahead"]))
    assert f"'{names['renamed']}' calls itself '{names['renamed_self']}'" in renamed
    assert f"try      bearer-gateway init {names['renamed_self']} --audience {API}" in renamed
    assert re.search(r"found +its clock is (599|60\d) s ahead of this machine's", ahead)
