"""`bearer-gateway revoke` against a gateway that runs, and what it says when there is none."""

import asyncio
import io
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.cli import main
from gateway.commands.revoke import parse_time
from gateway.core.config.revocation import Revocation
from gateway.core.config.secret import Secret
from tests.redis_server import SECRET, RedisServer
from tests.wire import Running, Start, demo_issuer, starting, until

CONFIG = """
upstream: http://127.0.0.1:3000
issuers:
  - issuer: https://issuer.test
    audience: https://api.example.com
    jwks_file: {jwks}
"""
SECOND = """
  - issuer: https://other.example
    audience: https://api.example.com
    name: second
"""


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:
        yield starts


class World:
    """A gateway with a journal, and a configuration file that says the same."""

    def __init__(self, gateway: Running, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.gateway = gateway
        self.config = folder / "gateway.yaml"
        self._capsys = capsys
        self.configured(f"revocation:\n  file: {folder / 'revoked'}\n")
        self._jwks = folder

    def configured(self, more: str) -> None:
        jwks = self.config.with_name("keys.json")
        jwks.write_text(json.dumps(demo_issuer().jwks()))
        self.config.write_text(CONFIG.format(jwks=jwks) + more)

    async def run(self, *words: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, ["revoke", *words, "--config", str(self.config)])
        out, err = self._capsys.readouterr()
        return code, out, err

    async def status(self, token: str) -> int:
        client = await self.gateway.client()
        return (await client.ask(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())).status


def minted(**claims: Any) -> str:
    now = int(time.time())
    return demo_issuer().access_token(alg="ES256", **{"iat": now, "exp": now + 600, **claims})


@pytest_asyncio.fixture
async def world(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    gateway = await start(revocation=Revocation(file=str(tmp_path / "revoked")))
    return World(gateway, tmp_path, capsys)


@pytest.mark.parametrize(
    ("option", "claims"),
    [
        (("--subject", "alice"), {"sub": "alice"}),
        (("--sid", "s1"), {"sid": "s1"}),
        (("--jti", "t1"), {"jti": "t1"}),
        (("--client", "shop"), {"client_id": "shop"}),
        (("--all",), {}),
    ],
)
async def test_what_is_revoked_is_refused_listed_and_lifted(
    world: World, option: tuple[str, ...], claims: dict[str, Any]
) -> None:
    token, other = minted(**claims), minted(sub="bob", jti="t2", client_id="other")
    assert await world.status(token) == 200
    assert await world.run(*option, "--reason", "lost") == (0, "revoked\n", "")
    if option[0] != "--jti":
        assert await world.run(*option, "--before", "5") == (0, "was revoked already\n", "")
    assert await world.status(token) == 401
    assert await world.status(other) == (401 if option == ("--all",) else 200)
    code, out, _ = await world.run("list")
    assert code == 0
    assert "issuer.test" in out
    assert out.endswith(": lost\n1 revoked\n")
    assert await world.run("lift", *option) == (0, "lifted: such tokens are good again\n", "")
    assert await world.status(token) == 200
    assert await world.run("lift", *option) == (1, "nothing of that is revoked\n", "")
    assert await world.run("list") == (0, "nothing is revoked\n", "")


async def test_one_token_is_revoked_by_a_file_or_standard_input(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, other = minted(), minted(jti="other")
    file = tmp_path / "token"
    file.write_text(f"Bearer {token}\n")
    assert await world.run("--token", str(file)) == (0, "revoked\n", "")
    assert (await world.status(token), await world.status(other)) == (401, 200)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"opaque")))
    assert await world.run("--token", "-") == (0, "revoked\n", "")
    _, out, _ = await world.run("list", "--json")
    listed = [json.loads(line) for line in out.splitlines()]
    assert [one["kind"] for one in listed] == ["token", "token"]
    # Until it ends and five minutes more; of what cannot be read for as long as tokens live at all.
    assert [round(one["until"] - one["at"], -2) for one in listed] == [900, 87000]
    world.gateway.silent_about(token)
    file.write_text(" \n")
    assert await world.run("--token", str(file)) == (1, "", "there is no token in the file\n")
    assert (await world.run("--token", "/nowhere"))[2].startswith("the file with the token cannot be read: No such")


async def test_what_makes_no_sense_is_said(world: World) -> None:
    one_of = "give one of --subject, --sid, --jti, --client, --token, --all\n"
    assert await world.run() == (1, "", f"it is not said what to revoke: {one_of}")
    told = f"--subject and --all cannot be given together: {one_of}"
    assert await world.run("--subject", "a", "--all") == (1, "", told)
    assert await world.run("--jti", "a", "--before", "5") == (1, "", "--before has no effect on one token\n")
    assert await world.run("--subject", "") == (1, "", "a value belongs to every kind but an issuer\n")
    assert await world.run("--subject", "a", "--reason", "x\ny") == (1, "", "a reason is one line of text\n")
    told = "--before must be seconds since 1970, or a time such as 2027-01-15T08:00:00Z\n"
    assert await world.run("--subject", "a", "--before", "soon") == (1, "", told)
    told = "a time is between the years 1970 and 9999\n"
    assert await world.run("--subject", "a", "--before", "99999999999999") == (1, "", told)
    assert await world.run("--subject", "caf\udce9") == (1, "", "a value is text in UTF-8\n")
    told = "there is no such issuer; known are issuer.test\n"
    assert await world.run("--subject", "a", "--issuer", "x") == (1, "", told)


async def test_of_several_issuers_one_has_to_be_named(world: World, tmp_path: Path) -> None:
    world.configured(f"{SECOND}revocation:\n  file: {tmp_path / 'revoked'}\n")
    told = "there are several issuers: give --issuer, one of issuer.test, second\n"
    assert await world.run("--subject", "alice") == (1, "", told)
    assert await world.run("--subject", "alice", "--issuer", "second") == (0, "revoked\n", "")
    assert await world.status(minted(sub="alice")) == 200
    assert await world.run("--subject", "alice", "--issuer", "https://issuer.test") == (0, "revoked\n", "")
    assert await world.status(minted(sub="alice")) == 401


async def test_of_an_issuer_with_tenants_one_of_them_has_to_be_named(world: World, tmp_path: Path) -> None:
    world.config.write_text(
        "upstream: http://h\nissuers:\n  - {issuer: 'https://issuer.test/{tid}', audience: a, tenants: [a, b]}\n"
        f"revocation: {{file: {tmp_path}/revoked}}\n"
    )
    told = "issuer.test has tenants: give --issuer with that of one, such as https://issuer.test/TENANT\n"
    assert await world.run("--subject", "alice") == (1, "", told)
    assert await world.run("--subject", "alice", "--issuer", "issuer.test") == (1, "", told)
    told = "there is no such issuer; known are issuer.test\n"
    assert await world.run("--subject", "alice", "--issuer", "https://issuer.test/c") == (1, "", told)
    assert await world.run("--subject", "alice", "--issuer", "https://issuer.test/a") == (0, "revoked\n", "")


async def test_nobody_to_tell_is_said(world: World, tmp_path: Path) -> None:
    world.configured("")
    told = "the configuration has no revocation: nothing can be revoked\n"
    assert await world.run("list") == (1, "", told)
    world.configured("revocation: {}\n")
    told = "there is nobody to tell: the configuration has neither store.url nor revocation.file\n"
    assert await world.run("list") == (1, "", told)
    world.configured(f"revocation: {{file: {tmp_path}/other}}\n")
    told = f"no gateway listens on {tmp_path}/other.sock: it runs elsewhere, or not at all\n"
    assert await world.run("list") == (1, "", told)
    world.configured(f"revocation: {{file: {tmp_path}/gateway.yaml/x}}\n")
    assert await world.run("list") == (1, "", f"{tmp_path}/gateway.yaml/x.sock cannot be used: Not a directory\n")
    world.config.write_text("upstream: 5\n")
    assert (await world.run("list"))[0] == 1


async def test_with_a_store_it_is_told_and_every_gateway_hears_of_it(
    start: Start,
    tmp_path: Path,
    redis: RedisServer,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = Secret(env="STORE_SECRET")
    gateways = [await start(revocation=Revocation(), store=redis.section(), secrets={secret: SECRET}) for _ in range(2)]
    lists = [gateway.gateway.assembly.revocations for gateway in gateways]
    world = World(gateways[-1], tmp_path, capsys)
    world.configured(f"revocation: {{}}\n{redis.yaml()}\n")
    token = minted(sub="alice")
    assert await world.status(token) == 200
    assert await world.run("--subject", "alice", "--reason", "lost") == (0, "revoked\n", "")
    assert await world.run("--subject", "alice", "--before", "5") == (0, "was revoked already\n", "")
    await until(lambda: all(held is not None and not held.is_empty for held in lists))
    assert await world.status(token) == 401
    assert (await world.run("list"))[1].endswith(": lost\n1 revoked\n")
    assert await world.run("lift", "--subject", "alice") == (0, "lifted: such tokens are good again\n", "")
    assert await world.run("lift", "--subject", "alice") == (1, "nothing of that is revoked\n", "")
    assert await world.run("list") == (0, "nothing is revoked\n", "")
    await until(lambda: all(held is not None and held.is_empty for held in lists))
    assert await world.status(token) == 200
    redis.kill()
    assert await world.run("list") == (1, "", "the store cannot be had: it cannot be reached\n")
    assert await world.run("--subject", "bob") == (1, "", "the store cannot be had: it cannot be reached\n")


@pytest.mark.parametrize(
    ("text", "moment"), [("5", 5.0), ("5.5", 5.5), ("1970-01-01T00:01:00Z", 60.0), ("1970-01-01T01:01:00+01:00", 60.0)]
)
def test_a_moment_is_a_number_or_a_time_with_its_zone(text: str, moment: float) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize("text", ["", "soon", "1970-01-01T00:01:00", "-5", "1e9", "."])
def test_what_is_no_moment_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="--before must be"):
        parse_time(text)
